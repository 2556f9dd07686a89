"""Background services with a pid file: started in a session of their own, ended whole, and never confused with a stranger's.

A pid alone proves nothing: it may have been given to another program since. The pid file therefore holds the moment at
which the kernel started it (and the boot), and stopping checks both first.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path


class ServiceProblem(Exception):
    """A service did not start or stop; the text says what to do."""


def start(command, pid_file, log, environment=None, folder=None):
    """Start a command in the background, its output appended to a log; returns its pid."""
    with open(log, "ab") as output:
        child = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder,
            env={**os.environ, **(environment or {})}, start_new_session=True,
        )
    record = {"pid": child.pid, "started": started(child.pid), "boot": boot()}
    Path(pid_file).write_text(json.dumps(record))
    return child.pid


def running(pid_file):
    """The pid of the service if it is the very one that was started, and alive."""
    record = read(pid_file)
    if record and record["boot"] == boot() and record["started"] is not None and started(record["pid"]) == record["started"]:
        return record["pid"]
    return None


def stop(pid_file, grace_seconds=20):
    """End the service with all its forked workers, first politely; whether there was anything to end."""
    record = read(pid_file)
    found = False
    if record and record["boot"] == boot() and record["started"] is not None:
        leader = started(record["pid"])
        # Another start under this pid: a stranger. No leader at all: workers may have outlived it in its session, and the
        # kernel gives a pid to nobody else as long as a session bears it.
        if leader in (None, record["started"]):
            for signal_number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5)):
                if not members(record["pid"]):
                    break
                found = True
                signal_all(record["pid"], signal_number)
                deadline = time.monotonic() + seconds
                while members(record["pid"]) and time.monotonic() < deadline:
                    time.sleep(0.05)
            if members(record["pid"]):
                raise ServiceProblem(f"processes {members(record['pid'])} could not be ended")
    Path(pid_file).unlink(missing_ok=True)
    return found


def signal_all(session, signal_number):
    """The leader first: it ends its own workers in order."""
    for pid in sorted(members(session), key=lambda pid: pid != session):
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            pass


def members(session):
    """The living processes of a session."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = status(int(entry))
            if fields and fields["session"] == session:
                if fields["state"] not in "ZX":
                    found.append(int(entry))
                else:
                    reap(int(entry))
    return found


def started(pid):
    """When the kernel started a living process (clock ticks after boot); None for none."""
    fields = status(pid)
    return fields["started"] if fields and fields["state"] not in "ZX" else None


def status(pid):
    """The fields of proc(5)'s stat that matter here."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2:].split()  # the name before it may hold anything
    return {"state": fields[0], "session": int(fields[3]), "started": int(fields[19])}


def reap(pid):
    """Collect the process if it was our own child and has ended."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except (ChildProcessError, PermissionError, OverflowError):
        pass


def boot():
    """This boot's id."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def read(pid_file):
    """A pid file's record; None when it is absent or torn."""
    try:
        record = json.loads(Path(pid_file).read_text())
        return record if {"pid", "started", "boot"} <= record.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def tail(log, lines=15):
    """The last lines of a log, for a message."""
    try:
        text = Path(log).read_text(errors="replace").splitlines()
    except OSError:
        return "    (no log)"
    return "\n".join("    " + line[:300] for line in text[-lines:]) or "    (empty log)"
