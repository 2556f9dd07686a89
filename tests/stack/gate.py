"""irongate itself, in front of an Ironic: its configuration, users and certificates, started and stopped as a service."""

import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from . import service
from .environment import run

ROLES = ("admin", "operator", "auditor")  # one user each, named as the role
PORTS = range(20_000, 32_000)
BCRYPT = "import bcrypt,sys; [print(bcrypt.hashpw(line.rstrip('\\n').encode(), bcrypt.gensalt({cost})).decode()) for line in sys.stdin]"

CONFIGURATION = """\
mode = "{mode}"

[[listener]]
name = "public"
address = "{address}"
schemes = ["basic", "anonymous"]
[listener.tls]
certificate_file = "server.crt"
key_file = "server.key"

[admin]
address = "{admin_address}"

[authentication.basic]
htpasswd_file = "htpasswd"

[upstream]
endpoint = "{upstream}"
{bindings}
[policy]
directories = [{policies}]

[audit]
file = "audit.jsonl"
"""

BINDING = """
[[binding]]
role = "{role}"
users = ["{role}"]
"""


class Gate:
    """One irongate with its state in a folder of its own."""

    def __init__(self, binary, environment, state, port, admin_port):
        self.binary = Path(binary)
        self.environment = Path(environment)
        self.state = Path(state).absolute()
        self.port = port
        self.admin_port = admin_port
        self.pid_file = self.state / "irongate.pid"
        self.configuration = self.state / "irongate.toml"
        self.log = self.state / "irongate.log"
        self.audit = self.state / "audit.jsonl"
        self.authority = self.state / "ca.crt"
        self.url = f"https://localhost:{port}"
        self.shared = False

    def prepare(self, passwords, upstream, policies, mode="enforce", cost=10, more=""):
        """Write certificates, users and configuration; what is there and still fits stays."""
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)
        # it keeps what is there and good for some time yet
        run([self.binary, "certs", "dev", "--directory", self.state], "making development certificates failed")
        htpasswd = self.state / "htpasswd"
        if not htpasswd.exists():
            hashes = subprocess.run(
                [self.environment / "bin" / "python", "-c", BCRYPT.format(cost=cost)],
                input="".join(passwords[role] + "\n" for role in ROLES), capture_output=True, text=True, check=True,
            ).stdout.split()
            private(htpasswd, "".join(f"{role}:{hashed}\n" for role, hashed in zip(ROLES, hashes, strict=True)))
        self.configuration.write_text(CONFIGURATION.format(
            mode=mode, address=f"127.0.0.1:{self.port}", admin_address=f"127.0.0.1:{self.admin_port}", upstream=upstream,
            bindings="".join(BINDING.format(role=role) for role in ROLES),
            policies=", ".join(json.dumps(str(policy)) for policy in policies)) + more)

    def running(self):
        """Its pid, if it runs."""
        return service.running(self.pid_file)

    def beside(self, name, admin_port):
        """Another instance on the same port (`SO_REUSEPORT`), with the same files, but for its own configuration, log and admin listener."""
        other = Gate(self.binary, self.environment, self.state, self.port, admin_port)
        other.pid_file, other.configuration, other.log = (self.state / f"{name}.{kind}" for kind in ("pid", "toml", "log"))
        other.shared = True
        text = self.configuration.read_text()
        other.configuration.write_text(text.replace(f"127.0.0.1:{self.admin_port}", f"127.0.0.1:{admin_port}"))
        return other

    def start(self, wait_seconds=30):
        """Start it and wait until it is ready."""
        service.stop(self.pid_file)
        for port in (self.admin_port,) if self.shared else (self.port, self.admin_port):
            if not port_free(port):
                raise service.ServiceProblem(f"port {port} on 127.0.0.1 is in use by another program")
        service.start([self.binary, "serve", "--config", self.configuration], self.pid_file, self.log, folder=self.state)
        deadline = time.monotonic() + wait_seconds
        while not self.ready():
            if not self.running():
                raise service.ServiceProblem(f"irongate ended at once; its last words:\n{service.tail(self.log)}")
            if time.monotonic() > deadline:
                service.stop(self.pid_file)
                raise service.ServiceProblem(
                    f"irongate was not ready within {wait_seconds} s; its last words:\n{service.tail(self.log)}")
            time.sleep(0.05)

    def ready(self):
        """Whether its admin listener says so."""
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://127.0.0.1:{self.admin_port}/readyz", timeout=2) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def reload(self):
        """Ask it to load its configuration again."""
        os.kill(self.running(), signal.SIGHUP)

    def stop(self):
        """End it; whether there was anything to end."""
        return service.stop(self.pid_file)


def private(path, text):
    """Write a file that only this user may read, never readable in between."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def port_free(port):
    """Whether a loopback port can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count):
    """Ports that are free now, below those that the kernel gives to outgoing connections: nobody gets them by chance."""
    candidates = random.sample(PORTS, 200)
    found = [port for port in candidates if port_free(port)][:count]
    if len(found) < count:
        raise service.ServiceProblem(f"no {count} free ports on 127.0.0.1 from {PORTS.start} to {PORTS.stop - 1}")
    return found
