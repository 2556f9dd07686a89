"""Programs that check: those of this machine, else Debian's, unpacked into the cache folder without root."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
# program → the Debian package that has it
PACKAGES = {"promtool": "prometheus", "bwrap": "bubblewrap"}


def cache_folder():
    """The cache folder, as tests/stack has it."""
    chosen = os.environ.get("IRONGATE_CACHE")
    return Path(chosen).absolute() if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "irongate"


def program(name):
    """The program's path; without it the test is skipped, and says so."""
    found = shutil.which(name) or unpacked(name)
    if not found:
        pytest.skip(f"{name} is not here and cannot be had: install it to have this checked")
    return found


def unpacked(name):
    """The program out of Debian's package."""
    package = PACKAGES.get(name)
    if not package or not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return None
    folder = cache_folder() / "debian"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / package / "usr" / "bin" / name
    with open(folder / f"{package}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            downloads = folder / f"{package}.download"
            downloads.mkdir(exist_ok=True)
            got = subprocess.run(["apt-get", "download", package], cwd=downloads, capture_output=True)
            archives = sorted(downloads.glob("*.deb"))
            if got.returncode or not archives:
                return None
            subprocess.run(["dpkg-deb", "-x", archives[-1], folder / package], check=True)
            shutil.rmtree(downloads)
    # a library that is not here
    return str(path) if subprocess.run([path, "--version"], capture_output=True).returncode == 0 else None


def binary():
    """The irongate under test."""
    return Path(os.environ["IRONGATE_BINARY"]) if os.path.isabs(os.environ["IRONGATE_BINARY"]) \
        else ROOT / os.environ["IRONGATE_BINARY"]


def run(*command, **more):
    """Run a program; it must succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
