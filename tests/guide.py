"""Runs a guide: every command of its `console` blocks, in order, in one shell, and compares what it prints.

    python3 tests/guide.py docs/rollout.md            exit 1 where the guide and reality differ
    python3 tests/guide.py --write docs/rollout.md    put what was printed into the guide

Times, request ids, digests and places differ from run to run and are not compared, nor how often `demo/up` asked for its nodes'
states and so how many records there are. Every other number is compared: statuses, exit codes, counts. The shell begins in the repository;
`irongate` is IRONGATE_BINARY, else target/debug/irongate.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "=== end of a command ==="


def commands(block):
    """The commands of a block, each with what the guide says that it prints; a line that ends in a backslash goes on."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append([line[2:], []])
        elif found and not found[-1][1] and found[-1][0].endswith("\\"):
            found[-1][0] += "\n" + line
        elif found:
            found[-1][1].append(line)
    return [(command, "\n".join(lines).strip()) for command, lines in found]


def run(blocks, variables=None):
    """Run all blocks in one shell; what each command printed, block by block."""
    binary = Path(os.environ.get("IRONGATE_BINARY") or ROOT / "target" / "debug" / "irongate").absolute()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "irongate").symlink_to(binary)
        environment = os.environ | (variables or {}) | {"PATH": f"{folder}:{os.environ['PATH']}"}
        script = "".join(f"{{ {command}\n}} 2>&1\nprintf '\\n%s\\n' '{END}'\n" for block in blocks for command, _ in block)
        done = subprocess.run(["bash"], input=script, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)
    printed = [part.strip() for part in done.stdout.split(END + "\n")]
    if len(printed) <= sum(len(block) for block in blocks):
        raise SystemExit(f"the shell ended early:\n{done.stdout}\n{done.stderr}")
    iterator = iter(printed)
    return [[next(iterator) for _ in block] for block in blocks]


def likeness(text):
    """The text without what differs from run to run."""
    text = re.sub(r"req-[0-9a-f-]{36}", "REQ", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z( to \d{4}-\d\d-\d\dT[0-9:.]+Z)?", "TIME", text)
    text = re.sub(r"\b[0-9a-f]{32}([0-9a-f]{32})?\b", "DIGEST", text)
    text = re.sub(r"(/[\w.-]+)+/(?=irongate|rollout)", "", text)
    text = re.sub(r"(?<=^basic:admin: )\d+(?= calls of )|^\d+(?= records: )|(?<= records: )\d+(?= decided as before)|(?<=^report.html: )\d+(?= records$)", "SOME",
                  text, flags=re.MULTILINE)
    return [re.sub(r"\s+", " ", line).strip() for line in text.splitlines()]


def main(arguments):
    """Exit codes: 0 good, 1 the guide differs, 2 usage."""
    write = "--write" in arguments
    names = [name for name in arguments if name != "--write"]
    if len(names) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    guide = Path(names[0])
    text = guide.read_text()
    blocks = [commands(match.group(1)) for match in BLOCK.finditer(text)]
    printed = run(blocks)
    if write:
        fresh = iter([
            "```console\n" + "".join(f"$ {command}\n{output}\n" if output else f"$ {command}\n" for (command, _), output in zip(block, outputs)) + "```"
            for block, outputs in zip(blocks, printed)])
        guide.write_text(BLOCK.sub(lambda _: next(fresh), text))
        return 0
    code = 0
    for block, outputs in zip(blocks, printed):
        for (command, expected), output in zip(block, outputs):
            if likeness(expected) != likeness(output):
                code = 1
                print(f"$ {command}\n--- the guide says\n{expected}\n--- it prints\n{output}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
