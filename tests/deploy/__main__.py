"""Checks everything in deploy/ with the tools that read it: `python3 tests/deploy [pytest's arguments]`.

Environment:
  IRONGATE_BINARY   an irongate that is built already (needed)
  IRONGATE_CACHE    the cache folder (default: irongate/ in XDG_CACHE_HOME or ~/.cache)
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def cache_folder():
    """The cache folder, as tests/stack has it."""
    chosen = os.environ.get("IRONGATE_CACHE")
    return Path(chosen).absolute() if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "irongate"


def environment():
    """A Python with the checkers, made once."""
    pins = b"".join((HERE / name).read_bytes() for name in ("requirements.txt", "constraints.txt"))
    folder = cache_folder() / f"deploy-{hashlib.sha256(pins + sys.version.encode()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        "-c", HERE / "constraints.txt", "-r", HERE / "requirements.txt"], check=True)
        (folder / "complete").touch()
    return python


def main():
    """Run the checks."""
    if not os.environ.get("IRONGATE_BINARY"):
        sys.exit("IRONGATE_BINARY names no irongate: build one, for example with cargo build")
    arguments = sys.argv[1:] or ["--quiet", "-rs"]
    os.chdir(HERE)
    sys.exit(subprocess.run([environment(), "-B", "-m", "pytest", "-p", "no:cacheprovider", *arguments]).returncode)


if __name__ == "__main__":
    main()
