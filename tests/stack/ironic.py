"""A real Ironic, standalone, on a unix socket: API and conductor in one, fake hardware, no message broker, sqlite."""

import http.client
import json
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path

from . import service
from .environment import run

SOCKET_PATH_BYTES_MAX = 107  # sun_path less its closing zero
SOCKET_FOLDER_PREFIX = "irongate-"

CONFIGURATION = """\
[DEFAULT]
auth_strategy = {auth_strategy}
host = conductor-1
my_ip = 127.0.0.1
rpc_transport = none
transport_url = fake://
log_file = {state}/ironic.log
use_stderr = false
debug = {debug}
tempdir = {state}/tmp
state_path = {state}
enabled_hardware_types = fake-hardware
enabled_bios_interfaces = fake,no-bios
enabled_boot_interfaces = fake
enabled_console_interfaces = fake,no-console
enabled_deploy_interfaces = fake
enabled_firmware_interfaces = fake,no-firmware
enabled_inspect_interfaces = fake,agent,no-inspect
enabled_management_interfaces = fake
enabled_network_interfaces = noop
enabled_power_interfaces = fake
enabled_raid_interfaces = fake,no-raid
enabled_rescue_interfaces = fake,no-rescue
enabled_storage_interfaces = fake,noop
enabled_vendor_interfaces = fake,no-vendor
default_inspect_interface = fake
default_network_interface = noop

[api]
unix_socket = {socket}
unix_socket_mode = 0660
api_workers = 1

[conductor]
# sqlite has no heartbeats by design: the conductor must not look dead after a minute
heartbeat_timeout = 315576000

[database]
connection = sqlite:///{state}/ironic.db

[inspector]
require_managed_boot = false

[oslo_concurrency]
lock_path = {state}/tmp
{more}"""


class Ironic:
    """One Ironic with its state in a folder of its own."""

    def __init__(self, environment, state):
        self.environment = Path(environment)
        self.state = Path(state).absolute()
        self.pid_file = self.state / "ironic.pid"
        self.configuration = self.state / "ironic.conf"
        self.log = self.state / "ironic.log"
        self.output = self.state / "ironic.out"

    @property
    def socket(self):
        """The path of the API's unix socket."""
        return Path((self.state / "socket-path").read_text())

    def running(self):
        """The master's pid, if it runs."""
        return service.running(self.pid_file)

    def start(self, wait_seconds=90, auth_strategy="noauth", debug=False, more=""):
        """Make what is missing, start it and wait until it answers; whether it had to be started."""
        if self.running():
            self.wait(wait_seconds)
            return False
        (self.state / "tmp").mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)
        service.stop(self.pid_file)
        self.choose_socket()
        self.configuration.write_text(CONFIGURATION.format(
            state=self.state, socket=self.socket, auth_strategy=auth_strategy, debug=str(debug).lower(), more=more))
        database = self.state / "ironic.db"
        if not (self.state / "database-made").exists():
            database.unlink(missing_ok=True)
            run([self.environment / "bin" / "ironic-dbsync", "--config-file", self.configuration, "create_schema"],
                f"making Ironic's database failed (see {self.log})")
            (self.state / "database-made").touch()
        service.start(
            [self.environment / "bin" / "ironic", "--config-file", self.configuration], self.pid_file, self.output,
            folder=self.state)
        self.wait(wait_seconds)
        return True

    def choose_socket(self):
        """A short folder that only this user may enter: noauth means that whoever reaches the socket is administrator."""
        record = self.state / "socket-path"
        if record.exists():
            folder = Path(record.read_text()).parent
            if folder.is_dir() and folder.stat().st_uid == os.getuid() and folder.stat().st_mode & 0o077 == 0:
                return
        record.write_text(str(socket_folder() / "ironic.sock"))

    def wait(self, seconds):
        """Wait until the API answers."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if request(self.socket, "GET", "/v1")[0] == 200:
                    return
            except OSError:
                pass
            if not self.running():
                raise service.ServiceProblem(f"Ironic ended at once; its last words:\n{self.last_words()}")
            if time.monotonic() > deadline:
                service.stop(self.pid_file)
                raise service.ServiceProblem(
                    f"Ironic did not answer on {self.socket} within {seconds} s; its last words:\n{self.last_words()}")
            time.sleep(0.1)

    def last_words(self):
        """The ends of its logs."""
        return f"{service.tail(self.output)}\n{service.tail(self.log)}"

    def stop(self):
        """End master and worker; whether there was anything to end."""
        found = service.stop(self.pid_file)
        record = self.state / "socket-path"
        if record.exists():
            folder = Path(record.read_text()).parent
            if folder.name.startswith(SOCKET_FOLDER_PREFIX):
                shutil.rmtree(folder, ignore_errors=True)
            record.unlink()
        return found


def socket_folder():
    """A new folder, short enough for a socket's path and closed to others."""
    for parent in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):
        if parent and os.access(parent, os.W_OK | os.X_OK) and len(os.fsencode(parent)) < SOCKET_PATH_BYTES_MAX - 40:
            return Path(tempfile.mkdtemp(prefix=SOCKET_FOLDER_PREFIX, dir=parent))
    raise service.ServiceProblem("no folder is short enough for a unix socket: set TMPDIR to a short one")


class UnixConnection(http.client.HTTPConnection):
    """http.client over a unix socket."""

    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def request(path, method, target, body=None, headers=None, timeout=60):
    """One request to a unix socket: status, headers, JSON or text."""
    connection = UnixConnection(path, timeout)
    try:
        content = None if body is None else json.dumps(body)
        sent = {"X-OpenStack-Ironic-API-Version": "1.115", **(headers or {})}
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        connection.request(method, target, content, sent)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        try:
            value = json.loads(text) if text else None
        except ValueError:
            value = text
        return answer.status, answer.headers, value
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()
