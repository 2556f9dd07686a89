"""`python3 tests/stack …`: the environment and its services from a shell.

environment            make the virtual environment if need be and print its folder
ironic up|down STATE   a standalone Ironic with its state in a folder; `up` prints the socket's path
keystone up|down STATE PORT PASSWORD_FILE
                       a Keystone on 127.0.0.1 with an administrator of the system, `admin`; `up` prints its URL
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stack import environment, ironic, keystone, service  # noqa: E402


def main(arguments):
    """Exit codes: 0 good, 2 usage or trouble."""
    try:
        match arguments:
            case ["environment"]:
                print(environment.ensure(say))
            case ["ironic", "up", state]:
                it = ironic.Ironic(environment.ensure(say), state)
                it.start()
                print(it.socket)
            case ["ironic", "down", state]:
                print("ended" if ironic.Ironic("", state).stop() else "was not running")
            case ["keystone", "up", state, port, password_file]:
                it = keystone.Keystone(environment.ensure(say), state, int(port))
                it.start(Path(password_file).read_text().strip())
                print(it.url)
            case ["keystone", "down", state, *_]:
                print("ended" if keystone.Keystone("", state, 0).stop() else "was not running")
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except (environment.EnvironmentProblem, service.ServiceProblem) as problem:
        say(problem)
        return 2
    return 0


def say(text):
    """Progress and problems go to standard error: standard output is for scripts."""
    print(f"stack: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
