"""The virtual environments that hold the real stack and nova: each made once, in a cache folder, and kept until its pins change."""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
STACK = "stack"  # Ironic, Keystone and their clients
NOVA = "nova"
OLDEST_PYTHON = (3, 11)  # what ironic 39 and keystone 30 ask for


class EnvironmentProblem(Exception):
    """The environment cannot be made; the text says what to do."""


def cache_folder():
    """The cache folder: IRONGATE_CACHE, else irongate/ in XDG_CACHE_HOME or ~/.cache."""
    chosen = os.environ.get("IRONGATE_CACHE")
    if chosen:
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "irongate"


def digest(kind):
    """What the environment depends on: the pins and the Python that runs them."""
    hasher = hashlib.sha256(f"{sys.implementation.cache_tag} {sys.base_prefix}\n".encode())
    for file in pins(kind):
        hasher.update(file.read_bytes())
    return hasher.hexdigest()


def pins(kind):
    """What is asked for, and the versions of all that it brings."""
    suffix = "" if kind == STACK else f"-{kind}"
    return HERE / f"requirements{suffix}.txt", HERE / f"constraints{suffix}.txt"


def ensure(say=lambda text: None, kind=STACK):
    """An environment's folder, made if it is not there. Safe when several runs start at once."""
    wanted = digest(kind)
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{kind}-{wanted[:12]}"
    if whole(folder, wanted):
        return folder
    with open(cache / f"{kind}-{wanted[:12]}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another run is installing the {kind}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole(folder, wanted):
            make(folder, wanted, say, kind)
    return folder


def whole(folder, wanted):
    """Whether the environment was finished and its Python still runs (an upgrade of the system can take it away)."""
    try:
        if (folder / "complete").read_text() != wanted:
            return False
        return subprocess.run([folder / "bin" / "python", "-c", ""], capture_output=True).returncode == 0
    except OSError:
        return False


def make(folder, wanted, say, kind):
    """Make the environment; its stamp is written last, so that half of one is never taken for the whole."""
    if sys.version_info < OLDEST_PYTHON:
        have = ".".join(map(str, sys.version_info[:2]))
        need = ".".join(map(str, OLDEST_PYTHON))
        raise EnvironmentProblem(f"python3 is {have}, and Ironic needs {need} or newer: put a newer python3 first in PATH")
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise EnvironmentProblem("python3 lacks venv or pip: install them (Debian, Ubuntu: apt install python3-venv)")
    if folder.exists():
        say(f"removing an unfinished environment in {folder}")
        shutil.rmtree(folder)
    say(f"installing {'the real Ironic' if kind == STACK else kind} into {folder} (once; about a minute)")
    run([sys.executable, "-m", "venv", folder], "making the virtual environment failed")
    requirements, constraints = pins(kind)
    run(
        [folder / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet",
         "--requirement", requirements, "--constraint", constraints],
        "installing from PyPI failed; if the network or the package index cannot be reached, mend that and run again "
        "(pip's own settings are honoured: PIP_INDEX_URL, PIP_CERT, HTTPS_PROXY)",
    )
    (folder / "complete").write_text(wanted)


def run(command, problem, environment=None, folder=None):
    """Run a command; when it fails, its last lines and the remedy."""
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode:
        last = "\n".join("    " + line for line in done.stdout.strip().splitlines()[-12:])
        raise EnvironmentProblem(f"{problem}\n{last}")
