"""The demo: a real standalone Ironic that listens on a unix socket only, and irongate in front of it with TLS and three users.

Environment:
  IRONGATE_DEMO_DIR         where its state is kept (default: demo/ in the cache folder)
  IRONGATE_DEMO_PORT        irongate's port on 127.0.0.1 (default 6385)
  IRONGATE_DEMO_ADMIN_PORT  its admin listener's port on 127.0.0.1 (default 9385)
  IRONGATE_BINARY           an irongate that is built already (default: cargo build --release)
  IRONGATE_CACHE            the cache folder (default: irongate/ in XDG_CACHE_HOME or ~/.cache)
"""

import base64
import fcntl
import json
import os
import secrets
import shlex
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
sys.dont_write_bytecode = True

from stack import environment, gate, ironic, service  # noqa: E402

VERSION = "1.95"
POWER_OFF = '{"target": "power off"}'
NODES = {
    "demo-1": {"fake_address": "192.0.2.11", "fake_username": "root"},
    "demo-2": {"fake_address": "192.0.2.12", "fake_username": "root"},
}


class DemoProblem(Exception):
    """Something is missing; the text says what to do."""


class Demo:
    """What is on disk and what runs."""

    def __init__(self):
        self.state = Path(os.environ.get("IRONGATE_DEMO_DIR") or environment.cache_folder() / "demo").absolute()
        self.port = port("IRONGATE_DEMO_PORT", 6385)
        self.admin_port = port("IRONGATE_DEMO_ADMIN_PORT", 9385)
        self.started = time.monotonic()

    def say(self, text):
        """One step of progress."""
        print(f"demo: [{time.monotonic() - self.started:5.1f} s] {text}", flush=True)

    def up(self):
        """Everything, in order; what is there already is left alone."""
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)
        with self.lock():
            binary = self.binary()
            stack = environment.ensure(self.say)
            metal = ironic.Ironic(stack, self.state / "ironic")
            if metal.start():
                self.say(f"Ironic answers on {metal.socket}")
            else:
                self.say("Ironic is running already")
            front = gate.Gate(binary, stack, self.state / "irongate", self.port, self.admin_port)
            passwords = self.passwords()
            front.prepare(passwords, f"unix:{metal.socket}", [ROOT / "policies" / "roles", ROOT / "policies" / "guard"])
            if self.serve(front):
                self.say(f"irongate answers on {front.url}")
            else:
                self.say("irongate is running already")
            self.enrol(front, passwords["admin"])
            self.netrc(front, passwords)
            self.farewell(front)

    def down(self):
        """End irongate, then Ironic. Nothing else is touched."""
        if not self.state.is_dir():
            self.say("nothing to end: the demo was never started")
            return
        with self.lock():
            ended = gate.Gate("", "", self.state / "irongate", self.port, self.admin_port).stop()
            self.say("irongate is ended" if ended else "irongate was not running")
            ended = ironic.Ironic("", self.state / "ironic").stop()
            self.say("Ironic is ended" if ended else "Ironic was not running")
            self.say(f"nodes, users and certificates stay in {self.state}; delete that folder to begin anew")

    def lock(self):
        """One `up` or `down` at a time."""
        file = open(self.state / "lock", "w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.say("another demo/up or demo/down is at work; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        return file

    def binary(self):
        """irongate, built if need be; cargo shows its own progress."""
        chosen = os.environ.get("IRONGATE_BINARY")
        if chosen:
            return Path(chosen).absolute()
        if not shutil.which("cargo"):
            raise DemoProblem("cargo is missing: install Rust (rustup.rs), or set IRONGATE_BINARY to an irongate that is built")
        self.say("building irongate (the first time takes some minutes)")
        if subprocess.run(["cargo", "build", "--release", "--locked", "--bin", "irongate"], cwd=ROOT).returncode:
            raise DemoProblem("irongate did not build: cargo's message above says why (a C compiler is needed, too)")
        found = subprocess.run(
            ["cargo", "metadata", "--no-deps", "--format-version", "1", "--offline"], cwd=ROOT, capture_output=True, text=True)
        target = json.loads(found.stdout)["target_directory"] if found.returncode == 0 else ROOT / "target"
        return Path(target) / "release" / "irongate"

    def passwords(self):
        """Three random passwords, made at the first start."""
        path = self.state / "passwords.json"
        if not path.exists():
            gate.private(path, json.dumps({role: secrets.token_urlsafe(18) for role in gate.ROLES}))
            (self.state / "irongate" / "htpasswd").unlink(missing_ok=True)
        return json.loads(path.read_text())

    def serve(self, front):
        """Start irongate unless this very build runs with this very configuration; whether it had to be started."""
        built = front.binary.stat()
        seal = json.dumps([str(front.binary), built.st_mtime_ns, built.st_size, front.configuration.read_text()])
        sealed = self.state / "irongate" / "started-as"
        if front.running() and front.ready() and sealed.exists() and sealed.read_text() == seal:
            return False
        front.stop()
        for number, variable in ((self.port, "IRONGATE_DEMO_PORT"), (self.admin_port, "IRONGATE_DEMO_ADMIN_PORT")):
            if not gate.port_free(number):
                raise DemoProblem(f"port {number} on 127.0.0.1 is in use by another program: end that, or set {variable} to another port")
        front.start()
        sealed.write_text(seal)
        return True

    def enrol(self, front, password):
        """Two nodes, each with a secret that must never be seen again."""
        for name, driver_info in NODES.items():
            status, _ = call(front, password, "GET", f"/v1/nodes/{name}?fields=uuid")
            if status == 200:
                continue
            expect(call(front, password, "POST", "/v1/nodes", {
                "name": name, "driver": "fake-hardware", "resource_class": "demo",
                "driver_info": driver_info | {
                    "redfish_password": secrets.token_urlsafe(12), "snmp_community": secrets.token_urlsafe(12),
                    "deploy_kernel": f"http://images:{secrets.token_urlsafe(12)}@192.0.2.1/kernel",
                },
            }), 201)
            for target, state in (("manage", "manageable"), ("provide", "available")):
                expect(call(front, password, "PUT", f"/v1/nodes/{name}/states/provision", {"target": target}), 202)
                deadline = time.monotonic() + 60
                while True:
                    now = expect(call(front, password, "GET", f"/v1/nodes/{name}?fields=provision_state"), 200)
                    if now["provision_state"] == state:
                        break
                    if time.monotonic() > deadline:
                        raise DemoProblem(f"node {name} did not become {state} within 60 s; it is {now['provision_state']}")
                    time.sleep(0.1)
            self.say(f"enrolled {name} through irongate")

    def netrc(self, front, passwords):
        """curl reads the password from a file, so that none is on the screen or in a list of processes."""
        for role, password in passwords.items():
            gate.private(front.state / f"{role}.netrc", f"machine localhost login {role} password {password}\n")

    def farewell(self, front):
        """What to try."""
        def curl(role, rest):
            direct = "--noproxy '*' " if any(name.lower().endswith("_proxy") for name in os.environ) else ""
            return (f"  curl -sS {direct}--cacert {shlex.quote(str(front.authority))} "
                    f"--netrc-file {shlex.quote(str(front.state / (role + '.netrc')))} "
                    f"-H 'X-OpenStack-Ironic-API-Version: {VERSION}' {rest}")
        nodes = f"{front.url}/v1/nodes"
        power_off = f"-X PUT -H 'Content-Type: application/json' -d '{POWER_OFF}' '{nodes}/demo-1/states/power'"
        print(f"""
Permitted: the auditor lists the nodes.
{curl("auditor", f"'{nodes}?fields=name,power_state,provision_state'")}

Denied: the auditor may not power one off (403, and why).
{curl("auditor", power_off)}

Masked: not even the administrator is shown a password, a community or a URL's credentials.
{curl("admin", f"'{nodes}/demo-1?fields=driver_info'")}

What happened is in {front.audit}
End it with demo/down.""", flush=True)


def call(front, password, method, path, body=None):
    """One request through irongate, as the administrator: status and JSON."""
    request = urllib.request.Request(front.url + path, method=method, headers={
        "Authorization": "Basic " + base64.b64encode(f"admin:{password}".encode()).decode(),
        "X-OpenStack-Ironic-API-Version": VERSION,
    })
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    context = ssl.create_default_context(cafile=str(front.authority))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=90) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        raise DemoProblem(f"irongate does not answer on {front.url}: {error}\n{service.tail(front.log)}") from error


def expect(answer, status):
    """The answer's body, if it has the status that it should."""
    if answer[0] != status:
        raise DemoProblem(f"irongate answered {answer[0]} where {status} was due: {answer[1]}")
    return answer[1]


def port(variable, default):
    """A port from the environment."""
    text = os.environ.get(variable, str(default))
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise DemoProblem(f"{variable} must be a port, 1 to 65535")
    return int(text)


def main(arguments):
    """Exit codes: 0 good, 2 usage or trouble."""
    if arguments not in (["up"], ["down"]):
        print(f"usage: demo/up or demo/down\n\n{__doc__}", file=sys.stderr)
        return 0 if arguments[1:] in (["-h"], ["--help"]) else 2
    try:
        demo = Demo()
        demo.up() if arguments == ["up"] else demo.down()
    except (DemoProblem, environment.EnvironmentProblem, service.ServiceProblem) as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ndemo: stopped; demo/up goes on where it was, demo/down ends what runs", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
