"""What several tests need: a configuration's files, a running irongate."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

import tools

sys.path.insert(0, str(tools.ROOT / "tests"))


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Certificates and users, made for this run."""
    folder = tmp_path_factory.mktemp("files")
    tools.run(tools.binary(), "certs", "dev", "--directory", folder, "--name", "localhost")
    hashed = subprocess.run([tools.binary(), "htpasswd", "admin", "--cost", "4"], input="pass phrase\n",
                            capture_output=True, text=True, check=True).stdout
    (folder / "htpasswd").write_text(hashed)
    return folder


@pytest.fixture(scope="session")
def placed(files, tmp_path_factory):
    """Makes a shipped configuration loadable here: paths of the container or the unit lead to files of this run."""

    def place(configuration):
        folder = tmp_path_factory.mktemp("placed")
        text = configuration.read_text()
        for there, here in (
            ("/run/credentials/irongate.service/tls.crt", files / "server.crt"),
            ("/run/credentials/irongate.service/tls.key", files / "server.key"),
            ("/run/credentials/irongate.service/htpasswd", files / "htpasswd"),
            ("/certs/tls/tls.crt", files / "server.crt"),
            ("/certs/tls/tls.key", files / "server.key"),
            ("/certs/ironic/tls.crt", files / "server.crt"),
            ("/certs/ironic/tls.key", files / "server.key"),
            ("/auth/htpasswd", files / "htpasswd"),
            ("/auth/ironic/htpasswd", files / "htpasswd"),
            ("/certs/keystone/ca.crt", files / "ca.crt"),
            ("/certs/ironic/ca.crt", files / "ca.crt"),
            ("/usr/share/irongate/policies", tools.ROOT / "policies"),
            ("/var/log/irongate", folder),
        ):
            text = text.replace(there, str(here))
        for unknown in ("/etc/irongate", "/certs/", "/auth/", "/run/credentials", "/usr/share"):
            assert f'"{unknown}' not in text, f"{configuration} names a file that this test does not know:\n{text}"
        (folder / "irongate.toml").write_text(text)
        return folder / "irongate.toml"

    return place


@pytest.fixture(scope="session")
def numbers(placed):
    """What /metrics of a running irongate says, with everything configured that has numbers."""
    configuration = placed(tools.DEPLOY / "systemd" / "irongate.toml")
    admin = free_port()
    text = configuration.read_text().replace("fd:public", f"127.0.0.1:{free_port()}")
    text += f'\n[admin]\naddress = "127.0.0.1:{admin}"\n\n[tracing]\nendpoint = "http://127.0.0.1:9"\nratio = 0.0\n'
    configuration.write_text(text)
    child = subprocess.Popen([tools.binary(), "serve", "--config", configuration], stderr=subprocess.DEVNULL)
    try:
        yield fetch(f"http://127.0.0.1:{admin}/metrics", child)
    finally:
        child.terminate()
        assert child.wait(30) == 0
        shutil.rmtree(configuration.parent)


def fetch(url, child, wait_seconds=30):
    """The page, as soon as it is there."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            with opener.open(url, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            assert child.poll() is None, "irongate ended at once"
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.05)


def free_port():
    """A port that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
