"""Fixtures: worlds are started once for the whole run."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from world import BARE, World  # noqa: E402


def pytest_addoption(parser):
    """`--full`: every generated request. `--operation`: only those of some operations, by pattern."""
    parser.addoption("--full", action="store_true", help="all generated requests, not only the reduced form; and the long measurements")
    parser.addoption("--operation", help="generated requests of these operations only, such as 'node:*'")


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Ironic behind irongate, with the tap between them."""
    made = World(tmp_path_factory.mktemp("conformance"), "main")
    yield made
    made.close()


@pytest.fixture(scope="session")
def twins(tmp_path_factory):
    """Two Ironics in the same state: one to be asked directly, one through irongate."""
    folder = tmp_path_factory.mktemp("twins")
    through = World(folder, "through")
    direct = World(folder, "direct", tapped=False, gated=False)
    yield direct, through
    through.close()
    direct.close()


@pytest.fixture(scope="session")
def gated():
    """For what only makes sense with irongate in front."""
    if BARE:
        pytest.skip("there is no irongate in front of this Ironic")
