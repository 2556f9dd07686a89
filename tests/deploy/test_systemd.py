"""The units, by systemd's own checkers; the configuration, by irongate's."""

import re
import shutil
import subprocess

import pytest

import tools

UNITS = tools.DEPLOY / "systemd"
NOTIFY_RELOAD_SINCE = 253
# systemd's measure of exposure, 0 to 100: 20 is "OK"; the network is what is left.
EXPOSURE_MAX = 20


@pytest.fixture
def units(tmp_path):
    """The units with the program where it is here, as far as the systemd of this machine knows them."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here: the units are not checked")
    version = int(tools.run("systemd-analyze", "--version").split()[1])
    program = tmp_path / "irongate"
    program.symlink_to(tools.binary())
    text = (UNITS / "irongate.service").read_text().replace("/usr/bin/irongate", str(program))
    if version < NOTIFY_RELOAD_SINCE:
        text = text.replace("Type=notify-reload", "Type=notify")
    (tmp_path / "irongate.service").write_text(text)
    shutil.copy(UNITS / "irongate.socket", tmp_path)
    return tmp_path


def test_the_units_are_good(units):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", units / "irongate.service", units / "irongate.socket"],
                          capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if "irongate" in line or str(units) in line]
    assert done.returncode == 0 and not ours, done.stderr


def test_the_checker_finds_mistakes(units):
    unit = units / "irongate.service"
    unit.write_text(unit.read_text() + "\n[Service]\nProtectHomes=yes\n")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert "ProtectHomes" in done.stderr


def test_the_sandbox_is_tight(units):
    told = tools.run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", "--no-pager", units / "irongate.service")
    assert re.search(r"Overall exposure level for irongate.service: [0-2]\.\d", told), told


def test_the_configuration_is_good_and_its_credentials_are_loaded(placed):
    tools.run(tools.binary(), "check", "--config", placed(UNITS / "irongate.toml"))
    unit = (UNITS / "irongate.service").read_text()
    for name in re.findall(r"/run/credentials/irongate\.service/([\w.]+)", (UNITS / "irongate.toml").read_text()):
        assert f"LoadCredential={name}:" in unit, name


def test_the_socket_is_the_listeners():
    socket = (UNITS / "irongate.socket").read_text()
    configuration = (UNITS / "irongate.toml").read_text()
    assert f'address = "fd:{re.search(r"FileDescriptorName=(.+)", socket)[1]}"' in configuration
    # Also= enables the socket, but only this starts it with the service, which cannot serve without it.
    assert "Requires=irongate.socket" in (UNITS / "irongate.service").read_text()


def test_users_and_folders_are_good(tmp_path):
    if not shutil.which("systemd-sysusers") or not shutil.which("systemd-tmpfiles"):
        pytest.skip("systemd-sysusers and systemd-tmpfiles are not here")
    (tmp_path / "etc").mkdir()
    done = subprocess.run(["systemd-sysusers", f"--root={tmp_path}", UNITS / "irongate.sysusers"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "irongate" in (tmp_path / "etc" / "passwd").read_text()
    done = subprocess.run(["systemd-tmpfiles", "--create", f"--root={tmp_path}", UNITS / "irongate.tmpfiles"], capture_output=True, text=True)
    assert (tmp_path / "etc" / "irongate" / "tls").is_dir(), done.stderr


def test_logs_are_rotated(tmp_path):
    text = (UNITS / "irongate.logrotate").read_text()
    audit = re.search(r'file = "(/var/log/[^"]+)"', (UNITS / "irongate.toml").read_text())[1]
    assert text.startswith(audit) and "--signal=USR1 irongate.service" in text
    # Cutting a file under its writer loses what is written in between.
    assert "copytruncate" not in text
    if not shutil.which("logrotate"):
        pytest.skip("logrotate is not here: its file is only read")
    tools.run("logrotate", "--debug", "--state", tmp_path / "state", UNITS / "irongate.logrotate")
