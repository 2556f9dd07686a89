"""A Keystone, an Ironic that asks it, irongate between them and the clients, and a relay that counts what irongate asks of Keystone.

The catalogue names irongate as the bare metal service, so clients find it as they find everything.
"""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import time

from raw import Raw
from stack import environment, gate, ironic, keystone, service
from tap import Recorder, Tap
from world import ROOT, binary

PASSWORD = "pass-of-this-test"
SYSTEM = {"system": {"all": True}}
METAL = {"project": {"name": "metal", "domain": {"id": "default"}}}
SERVICE = {"project": {"name": "service", "domain": {"id": "default"}}}
NODE = "22222222-0000-4000-8000-000000000001"
WINDOW_SECONDS = 3
TIMEOUT_SECONDS = 3
JWS_SECONDS = 12

CONFIGURATION = """\
workers = 2

[[listener]]
name = "public"
address = "127.0.0.1:{port}"
schemes = ["keystone", "anonymous"]
[listener.tls]
certificate_file = "server.crt"
key_file = "server.key"

[admin]
address = "127.0.0.1:{admin_port}"

[authentication.keystone]
url = "{relay}"
www_authenticate_uri = "{keystone}"
revocation_seconds = {window}
rejected_seconds = 1
timeout_seconds = {timeout}
{more}

# Ironic's own roles decide here: what irongate's policies do with roles is tested elsewhere.
[[binding]]
role = "admin"
authenticated = true

[[binding]]
name = "metal-readers"
role = "auditor"
keystone_projects = ["metal@Default"]
keystone_roles = ["reader"]

[upstream]
endpoint = "unix:{tap}"
identity = "token"

[policy]
directories = ["{policies}"]

[audit]
file = "audit.jsonl"
"""

IRONIC = """
[keystone_authtoken]
auth_type = password
auth_url = {url}
www_authenticate_uri = {url}
username = ironic
password = {password}
user_domain_name = Default
project_name = service
project_domain_name = Default
service_type = baremetal
interface = public
service_token_roles = service
service_token_roles_required = true
"""


class Relay(Tap):
    """A tap on the way from irongate to Keystone; with a certificate, it speaks TLS."""

    def __init__(self, upstream_port, port, certificate=None):
        self.upstream_port = upstream_port
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        super().__init__("", "", port)

    def serve(self, ready):
        asyncio.set_event_loop(self.loop)
        self.servers = [self.loop.run_until_complete(asyncio.start_server(self.relay, "127.0.0.1", self.port, ssl=self.context))]
        ready.set()
        self.loop.run_forever()

    async def relay(self, reader, writer):
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            self.copy(reader, upstream_writer, Recorder(self)), self.copy(upstream_reader, writer, None),
            return_exceptions=True)


class Cloud:
    """Keystone, Ironic behind irongate, the relay and the tap between them, and users of every kind."""

    def __init__(self, folder):
        self.folder = folder
        self.services = []
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        """Everything, in the order in which one needs the other."""
        folder = self.folder
        venv = environment.ensure(print)
        keystone_port, relay_port, self.port, admin_port = gate.free_ports(4)
        self.keystone = keystone.Keystone(venv, folder / "keystone", keystone_port)
        self.services.insert(0, self.keystone)
        self.keystone.start(PASSWORD)
        self.base = f"http://127.0.0.1:{keystone_port}"
        self.relay = Relay(keystone_port, relay_port)
        self.url = f"https://localhost:{self.port}"
        self.admin = self.token("admin", SYSTEM)
        self.populate()
        self.ironic = ironic.Ironic(venv, folder / "ironic")
        self.services.insert(0, self.ironic)
        self.ironic.start(auth_strategy="keystone", more=IRONIC.format(url=self.base, password=PASSWORD))
        tap = self.ironic.socket.parent / "tap.sock"
        self.tap = Tap(self.ironic.socket, tap)
        self.gate = gate.Gate(binary(), venv, folder / "gate", self.port, admin_port)
        self.gate.prepare({role: PASSWORD for role in gate.ROLES}, "unix:/nonexistent", [], cost=4)
        self.settings = {
            "port": self.port, "admin_port": admin_port, "relay": f"http://127.0.0.1:{relay_port}/v3", "keystone": self.base, "tap": tap,
            "timeout": TIMEOUT_SECONDS, "policies": ROOT / "policies" / "roles"}
        self.configure()
        self.services.insert(0, self.gate)
        self.gate.start()
        self.raw = Raw(port=self.port, authority=self.gate.authority)
        made = self.call("POST", "/v1/nodes", self.admin, {
            "uuid": NODE, "name": "rack", "driver": "fake-hardware", "owner": self.metal,
            "driver_info": {"redfish_password": "hunter2-of-the-bmc"}})
        assert made.status == 201, made

    def configure(self, window=WINDOW_SECONDS, more="", **changes):
        """Write irongate's configuration."""
        self.gate.configuration.write_text(CONFIGURATION.format(window=window, more=more, **self.settings | changes))

    def reconfigure(self, **changes):
        """Write it anew and have it loaded."""
        self.configure(**changes)
        before = self.gate.log.read_text().count("reloaded")
        self.gate.reload()
        deadline = time.monotonic() + 10
        while self.gate.log.read_text().count("reloaded") == before:
            assert time.monotonic() < deadline, service.tail(self.gate.log)
            time.sleep(0.05)

    def ask_keystone(self, method, target, body=None, token=None, expected=(200, 201, 204), headers=None):
        """Keystone itself, as administrator unless another token is given."""
        status, _, answer = self.keystone.request(
            method, target, body, {"X-Auth-Token": token or self.admin, **(headers or {})})
        assert status in expected, (method, target, status, answer)
        return answer

    def populate(self):
        """Projects, users with one role each, and the catalogue: irongate is the bare metal service."""
        ask = self.ask_keystone
        roles = {role["name"]: role["id"] for role in ask("GET", "/v3/roles")["roles"]}
        if "service" not in roles:
            roles["service"] = ask("POST", "/v3/roles", {"role": {"name": "service"}})["role"]["id"]
        project = lambda name: ask("POST", "/v3/projects", {"project": {"name": name, "domain_id": "default"}})["project"]["id"]
        self.metal, of_services = project("metal"), project("service")
        self.users = {}
        for name, role, where in [
            ("boss", "admin", self.metal), ("smith", "member", self.metal), ("eve", "reader", self.metal),
            ("nova", "service", of_services), ("ironic", "service", of_services),
        ]:
            user = {"name": name, "password": PASSWORD, "domain_id": "default"}
            self.users[name] = ask("POST", "/v3/users", {"user": user})["user"]["id"]
            ask("PUT", f"/v3/projects/{where}/users/{self.users[name]}/roles/{roles[role]}")
        entry = ask("POST", "/v3/services", {"service": {"type": "baremetal", "name": "ironic"}})["service"]["id"]
        for interface in ("public", "internal", "admin"):
            ask("POST", "/v3/endpoints", {"endpoint": {
                "service_id": entry, "interface": interface, "url": self.url, "region_id": "here"}})

    def token(self, user, scope):
        """A new token."""
        return self.keystone.token(user, PASSWORD, scope)

    def call(self, method, target, token=None, body=None, headers=()):
        """One request to irongate."""
        credential = [("X-Auth-Token", token)] if token else []
        return self.raw.call(method, target, body, [*credential, *headers], user=None)

    def clouds(self, name, auth, auth_type="password"):
        """A clouds.yaml, which JSON is a part of, and the environment in which clients use it."""
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps({"clouds": {name: {
            "auth_type": auth_type, "auth": {"auth_url": f"{self.base}/v3", **auth}, "region_name": "here",
            "cacert": str(self.gate.authority), "identity_api_version": 3}}}))
        clean = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
        return {**clean, "OS_CLIENT_CONFIG_FILE": str(path), "OS_CLOUD": name, "NO_PROXY": "*"}

    def password_cloud(self, user, **scope):
        """The same for a user with a password."""
        return self.clouds(user, {"username": user, "password": PASSWORD, "user_domain_id": "default", **scope})

    def command(self, variables, *words):
        """`openstack baremetal …`."""
        return subprocess.run([self.ironic.environment / "bin" / "openstack", "baremetal", *words], env=variables,
                              capture_output=True, text=True, timeout=120)

    def pause(self):
        """Keystone hangs: its sockets take connections and nobody reads."""
        for pid in service.members(self.keystone.running()):
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        """And goes on."""
        for pid in service.members(self.keystone.running()):
            os.kill(pid, signal.SIGCONT)

    def close(self):
        """End everything that was started."""
        for running in self.services:
            running.stop()
