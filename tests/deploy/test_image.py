"""The image: whole, reproducible, and it runs: read-only, without capabilities, in front of an Ironic."""

import base64
import hashlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import tools
from stack import environment, ironic
from conftest import fetch, free_port

BYTES_MAX = 30_000_000
SECRET = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"


@pytest.fixture(scope="session")
def stripped(tmp_path_factory):
    """The program without what debuggers read, as a release has it."""
    path = tmp_path_factory.mktemp("binary") / "irongate"
    if shutil.which("strip"):
        tools.run("strip", "-o", path, tools.binary())
    else:
        shutil.copy(tools.binary(), path)
    return path


@pytest.fixture(scope="session")
def image(stripped, tmp_path_factory):
    """The archive, and its files as a folder."""
    folder = tmp_path_factory.mktemp("image")
    tools.run(tools.DEPLOY / "image" / "build", stripped, folder / "irongate.tar", "--root", folder / "root")
    return folder


def test_the_archive_is_an_oci_image(image):
    with tarfile.open(image / "irongate.tar") as archive:
        content = {member.name: archive.extractfile(member).read() for member in archive.getmembers()}
    assert json.loads(content["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}

    def blob(descriptor):
        found = content[f"blobs/{descriptor['digest'].replace(':', '/')}"]
        assert (len(found), f"sha256:{hashlib.sha256(found).hexdigest()}") == (descriptor["size"], descriptor["digest"])
        return found

    [entry] = json.loads(content["index.json"])["manifests"]
    manifest = json.loads(blob(entry))
    configuration = json.loads(blob(manifest["config"]))
    [layer] = manifest["layers"]
    blob(layer)
    assert configuration["config"]["User"] == "65532:65532"
    assert configuration["config"]["Entrypoint"] == ["/usr/bin/irongate"]
    names = sorted(str(path.relative_to(image / "root")) for path in (image / "root").rglob("*") if path.is_file())
    assert "usr/bin/irongate" in names and "usr/share/irongate/policies/roles/admin.cedar" in names
    for name in names:
        assert not name.startswith(("bin/", "usr/sbin/")) and name.split("/")[-1] not in ("sh", "bash", "busybox"), name
        assert not name.endswith((".key", ".pem", ".crt")), name


def test_the_same_program_is_the_same_image(image, stripped, tmp_path):
    tools.run(tools.DEPLOY / "image" / "build", stripped, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == (image / "irongate.tar").read_bytes()


def release():
    """The program as releases have it: the one under test if it is one, else what lies in target/release."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or "target")
    for path in (tools.binary(), tools.ROOT / target / "release" / "irongate"):
        if path.exists() and " (development)" not in tools.run(path, "--version"):
            return path
    pytest.skip("no release program is here: deploy/build makes one")


def test_the_image_is_small(tmp_path):
    """Of a release, as it was built: a development build is several times as large."""
    tools.run(tools.DEPLOY / "image" / "build", release(), tmp_path / "irongate.tar", "--root", tmp_path / "root")
    size = sum(path.stat().st_size for path in (tmp_path / "root").rglob("*") if path.is_file())
    assert size < BYTES_MAX, f"{size} bytes"


@pytest.fixture
def upstream(tmp_path):
    """A real Ironic on its unix socket, with a node that holds a secret which Ironic shows."""
    made = ironic.Ironic(environment.ensure(print), tmp_path / "ironic")
    made.start()
    node = {"driver": "fake-hardware", "driver_info": {"ipmi_hex_kg_key": SECRET}}
    status, _, answer = ironic.request(made.socket, "POST", "/v1/nodes", node)
    assert status == 201 and SECRET in json.dumps(answer)
    yield made
    made.stop()


def test_the_image_runs_locked_down(image, files, upstream, tmp_path):
    bwrap = tools.program("bwrap")
    locked = [bwrap, "--ro-bind", image / "root", "/", "--tmpfs", "/run", "--proc", "/proc", "--dev", "/dev", "--unshare-user", "--unshare-ipc",
              "--unshare-pid", "--unshare-uts", "--uid", "65532", "--gid", "65532", "--cap-drop", "ALL", "--clearenv",
              "--die-with-parent", "--as-pid-1"]
    if subprocess.run([*locked, "/usr/bin/irongate", "--version"], capture_output=True).returncode:
        pytest.skip("this machine does not let bubblewrap make namespaces: the image is not run")
    port, admin = free_port(), free_port()
    text = (tools.DEPLOY / "kubernetes" / "sidecar" / "irongate.toml").read_text()
    text = text.replace("0.0.0.0:6385", f"127.0.0.1:{port}")
    # The image's own files, mounted as in a pod.
    mounted = tmp_path / "mounted"
    for there, here in (("certs/tls/tls.crt", "server.crt"), ("certs/tls/tls.key", "server.key"), ("auth/htpasswd", "htpasswd")):
        (mounted / there).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(files / here, mounted / there)
    (mounted / "etc").mkdir()
    (mounted / "etc" / "irongate.toml").write_text(text + f'\n[admin]\naddress = "127.0.0.1:{admin}"\n')
    told, tell = os.pipe()
    with open(tmp_path / "audit", "w") as audit:
        child = subprocess.Popen(
            [*locked, "--ro-bind", mounted / "etc", "/etc/irongate", "--ro-bind", mounted / "certs", "/certs",
             "--ro-bind", mounted / "auth", "/auth", "--bind", upstream.socket.parent, "/run/ironic", "--info-fd", str(tell), "/usr/bin/irongate", "serve",
             "--config", "/etc/irongate/irongate.toml"], stdout=audit, stderr=subprocess.DEVNULL, pass_fds=[tell])
    os.close(tell)
    try:
        fetch(f"http://127.0.0.1:{admin}/readyz", child)
        assert subprocess.run([*locked, "/usr/bin/irongate", "healthcheck", "--address", f"127.0.0.1:{admin}"],
                              capture_output=True).returncode == 0
        assert ask(port, files, "admin", "pass phrase") == (200, "******")
        assert ask(port, files, "admin", "wrong")[0] == 401
        with open(told) as said:
            inside = json.load(said)["child-pid"]
        status = dict(line.split(":\t", 1) for line in open(f"/proc/{inside}/status").read().splitlines() if ":\t" in line)
        assert int(status["CapEff"], 16) == 0 and int(status["CapBnd"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        root = next(line for line in open(f"/proc/{inside}/mountinfo") if line.split()[4] == "/")
        assert "ro" in root.split()[5].split(","), root
        os.kill(inside, signal.SIGTERM)
        assert child.wait(30) == 0
    finally:
        child.kill()
    records = (tmp_path / "audit").read_text()
    assert '"operation":"node:list"' in records and SECRET not in records


def ask(port, files, user, password):
    """The status of a list of nodes, and the secret that is in it."""
    request = urllib.request.Request(f"https://localhost:{port}/v1/nodes?fields=driver_info", headers={
        "Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode(),
        "X-OpenStack-Ironic-API-Version": "1.80"})
    context = ssl.create_default_context(cafile=files / "ca.crt")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, json.load(answer)["nodes"][0]["driver_info"]["ipmi_hex_kg_key"]
    except urllib.error.HTTPError as error:
        return error.code, None
