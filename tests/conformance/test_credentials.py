"""Signed tokens and client certificates with real clients, in front of a real Ironic: keys that rotate, certificates of the wrong CA."""

import datetime
import http.server
import json
import os
import subprocess
import threading
import time
from contextlib import closing

import jwt
import openstack
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from keystoneauth1.exceptions import ClientException
from openstack import exceptions
from stack import gate
from world import ROOT, binary

ISSUER = "https://issuer.test"
NAME = "spiffe://irongate.dev/nova-compute"  # in the development certificates

CONFIGURATION = """\
[[listener]]
name = "tokens"
address = "127.0.0.1:{tokens}"
schemes = ["jwt"]
[listener.tls]
certificate_file = "server.crt"
key_file = "server.key"

[[listener]]
name = "certificates"
address = "127.0.0.1:{certificates}"
schemes = ["certificate"]
[listener.tls]
certificate_file = "server.crt"
key_file = "server.key"
client_certificates = "required"
client_ca_file = "ca.crt"

[admin]
address = "127.0.0.1:{admin}"

[[authentication.jwt]]
issuer = "{issuer}"
audiences = ["irongate"]
algorithms = ["RS256"]
jwks_url = "http://127.0.0.1:{keys}/keys"
leeway_seconds = 0
refetch_seconds = 1

[[binding]]
role = "auditor"
issuer = "{issuer}"
claims = {{ groups = "metal" }}

[[binding]]
role = "operator"
certificates = ["{name}"]

[upstream]
endpoint = "unix:{ironic}"

[policy]
directories = [{policies}]

[audit]
file = "audit.jsonl"
"""


class Key:
    """An issuer's key."""

    def __init__(self, name):
        self.name = name
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def public(self):
        """As a member of a JWK set."""
        return json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key())) | {"kid": self.name, "use": "sig"}

    def token(self, kid=None, **changes):
        """A token for an hour."""
        now = datetime.datetime.now(datetime.UTC)
        claims = {"iss": ISSUER, "aud": "irongate", "sub": "alice", "groups": ["metal"], "iat": now,
                  "exp": now + datetime.timedelta(hours=1)} | changes
        return jwt.encode(claims, self.private, "RS256", headers={"kid": kid or self.name})


class Issuer(http.server.ThreadingHTTPServer):
    """Publishes keys, and counts who asks for them."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Published)
        self.keys, self.asked = [], 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Published(http.server.BaseHTTPRequestHandler):
    """The set as it is now."""

    def do_GET(self):
        self.server.asked += 1
        body = json.dumps({"keys": [key.public() for key in self.server.keys]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Door:
    """An irongate of its own in front of the run's Ironic."""

    def __init__(self, world, folder):
        self.issuer = Issuer()
        self.tokens, self.certificates, admin = gate.free_ports(3)
        self.gate = gate.Gate(binary(), world.ironic.environment, folder / "gate", self.tokens, admin)
        self.gate.prepare({role: "unused-here" for role in gate.ROLES}, "unix:/nonexistent", [], cost=4)
        policies = json.dumps(str(ROOT / "policies" / "roles"))
        self.gate.configuration.write_text(CONFIGURATION.format(
            tokens=self.tokens, certificates=self.certificates, admin=admin, keys=self.issuer.server_address[1], issuer=ISSUER,
            name=NAME, ironic=world.ironic.socket, policies=policies))
        self.other = folder / "another-ca"
        subprocess.run([binary(), "certs", "dev", "--directory", self.other], check=True, capture_output=True)
        self.gate.start()

    def ask(self, token):
        """A list of nodes with a bearer token: the status, and irongate's word."""
        answer = requests.get(
            f"https://localhost:{self.tokens}/v1/nodes", headers={"Authorization": f"Bearer {token}"}, verify=str(self.gate.authority),
            timeout=20, proxies={"https": ""})
        return answer.status_code, answer.json().get("irongate", {}).get("code"), answer.headers.get("WWW-Authenticate")

    def command(self, folder, *words):
        """`openstack baremetal …` with the client certificate of a folder."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("OS_")} | {
            "OS_AUTH_TYPE": "none", "OS_ENDPOINT": f"https://localhost:{self.certificates}", "OS_CLIENT_CONFIG_FILE": "/nonexistent",
            "OS_CACERT": str(self.gate.authority), "NO_PROXY": "*"}
        if folder:
            variables |= {"OS_CERT": str(folder / "client.crt"), "OS_KEY": str(folder / "client.key")}
        return subprocess.run([self.gate.environment / "bin" / "openstack", "baremetal", *words], env=variables,
                              capture_output=True, text=True, timeout=120)

    def connection(self, folder):
        """openstacksdk with the client certificate of a folder."""
        return openstack.connection.Connection(
            auth_type="none", endpoint=f"https://localhost:{self.certificates}", cacert=str(self.gate.authority),
            baremetal_endpoint_override=f"https://localhost:{self.certificates}",
            cert=str(folder / "client.crt"), key=str(folder / "client.key"))

    def close(self):
        """End it."""
        self.gate.stop()
        self.issuer.shutdown()
        self.issuer.server_close()


@pytest.fixture(scope="module")
def door(world, gated, tmp_path_factory):
    """Started once for this file."""
    made = Door(world, tmp_path_factory.mktemp("door"))
    yield made
    made.close()


def test_keys_rotate(door):
    """The issuer's next key is found without a restart; the key that is gone is gone for tokens that were good with it."""
    first, second, stranger = Key("one"), Key("two"), Key("one")
    door.issuer.keys = [first]
    old = first.token()
    assert door.ask(old)[0] == 200
    status, code, challenge = door.ask(stranger.token())
    assert (status, code) == (401, "token_signature") and 'error="invalid_token"' in challenge
    assert door.ask(second.token())[:2] == (401, "token_key_unknown")
    asked = door.issuer.asked
    for number in range(50):
        assert door.ask(stranger.token(kid=f"flood-{number}"))[:2] == (401, "token_key_unknown")
    assert door.issuer.asked - asked < 15, "one question a second at most"

    door.issuer.keys = [first, second]
    time.sleep(1.1)
    assert door.ask(second.token())[0] == 200
    assert door.ask(old)[0] == 200, "both are good while both are published"
    door.issuer.keys = [second]
    time.sleep(1.1)
    assert door.ask(stranger.token(kid="three"))[:2] == (401, "token_key_unknown"), "makes irongate look again"
    assert door.ask(old)[:2] == (401, "token_key_unknown")
    assert door.ask(second.token())[0] == 200


def test_tokens_of_an_attacker(door):
    """What PyJWT's and others' users have met: the algorithm of the caller's choice, the public key as secret, other claims."""
    key = Key("own")
    door.issuer.keys = [key]
    time.sleep(1.1)
    good = key.token()
    assert door.ask(good)[0] == 200
    claims = jwt.decode(good, options={"verify_signature": False})
    header, payload, signature = good.split(".")
    past, future = int(time.time()) - 5, int(time.time()) + 60
    unsigned = jwt.encode(claims, None, "none", headers={"kid": "own"})
    shared = jwt.encode(claims, key.public()["n"], "HS256", headers={"kid": "own"})
    critical = jwt.encode(claims, key.private, "RS256", headers={"kid": "own", "crit": ["x"], "x": 1})
    embedded = jwt.encode(claims, Key("x").private, "RS256", headers={"kid": "own", "jwk": key.public(), "jku": "https://evil.test"})
    for token, code in [
        (unsigned, "token_malformed"), (unsigned + "AA", "token_algorithm"), (shared, "token_algorithm"), (critical, "token_critical"),
        (embedded, "token_signature"), (f"{header}.{payload}.{signature[:-8]}AAAAAAAA", "token_signature"),
        (f"{header}.{payload}", "token_malformed"), ("a" * 9000, "token_malformed"),
        (key.token(exp=past), "token_expired"), (key.token(nbf=future), "token_not_yet_valid"), (key.token(aud="other"), "token_audience"),
        (key.token(iss="https://other.test"), "token_issuer"), (key.token(sub=""), "token_name"),
    ]:
        status, found, _ = door.ask(token)
        assert (status, found) == (401, code), (token[:80], found)
    assert door.ask(key.token(groups=["guests"]))[0] == 403, "somebody without a role"


def test_client_certificates(door):
    """The configured CA's certificates and no other's: the command and the SDK."""
    done = door.command(door.gate.state, "driver", "list")
    assert done.returncode == 0 and "fake-hardware" in done.stdout, done.stderr
    records = [json.loads(line) for line in door.gate.audit.read_text().splitlines()]
    assert records[-1]["principal"]["name"] == NAME
    arrived = len(records)
    for folder in (door.other, None):
        done = door.command(folder, "driver", "list")
        assert done.returncode != 0 and "fake-hardware" not in done.stdout, (folder, done.stdout)
    with closing(door.connection(door.gate.state)) as cloud:
        assert list(cloud.baremetal.drivers())
    with closing(door.connection(door.other)) as cloud, pytest.raises((exceptions.SDKException, ClientException)):
        list(cloud.baremetal.drivers())
    records = [json.loads(line) for line in door.gate.audit.read_text().splitlines()]
    names = {record.get("principal", {}).get("name") for record in records[arrived:] if record.get("operation", "").startswith("driver")}
    assert names == {NAME}, "nobody else came as far as a request"
