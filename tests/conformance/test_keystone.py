"""Keystone: its own tokens, clients and outages, with irongate between the clients and an Ironic that asks Keystone too.

Between irongate and Keystone there is a relay that counts: what must cost Keystone nothing is seen to cost it nothing. The catalogue
names irongate as the bare metal service, so clients find it as they find everything.
"""

import base64
import json
import subprocess
import threading
import time
from contextlib import closing

import openstack
import pytest
from cloud import JWS_SECONDS, METAL, NODE, PASSWORD, SERVICE, SYSTEM, TIMEOUT_SECONDS, WINDOW_SECONDS, Cloud, Relay
from openstack import exceptions
from stack import gate
from world import BARE, binary

pytestmark = pytest.mark.skipif(BARE, reason="there is no irongate in front of this Ironic")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """Started once for this file; the tests below run in their order."""
    made = Cloud(tmp_path_factory.mktemp("keystone"))
    yield made
    made.close()


def test_five_kinds_of_users(cloud):
    """Who may what is Ironic's to say about the caller's own token, which it gets."""
    node = f"/v1/nodes/{NODE}"
    writes = [{"op": "replace", "path": "/description", "value": "x"}]
    for user, scope, reads, patches, creates in [
        ("admin", SYSTEM, 200, 200, 201), ("boss", METAL, 200, 200, 201), ("smith", METAL, 200, 200, 403),
        ("eve", METAL, 200, 403, 403), ("nova", SERVICE, 404, 404, 201),
    ]:
        token = cloud.token(user, scope)
        mark = cloud.tap.mark()
        assert cloud.call("GET", node, token).status == reads, user
        assert cloud.call("PATCH", node, token, writes).status == patches, user
        assert cloud.call("POST", "/v1/nodes", token, {"driver": "fake-hardware"}).status == creates, user
        for arrival in cloud.tap.since(mark):
            assert [value for name, value in arrival.headers if name == "x-auth-token"] == [token]
    answer = cloud.call("GET", node, cloud.token("smith", METAL))
    assert b"hunter2" not in answer.body


def test_no_token_no_entry(cloud):
    """Without a token there is the challenge that Keystone's own middleware gives; discovery is for everybody."""
    assert cloud.call("GET", "/v1").status == 200
    mark = cloud.tap.mark()
    answer = cloud.call("GET", "/v1/nodes")
    assert answer.status == 401 and answer.header("www-authenticate") == f'Keystone uri="{cloud.base}"'
    assert not cloud.tap.since(mark)


def test_unscoped_token(cloud):
    """A token without scope is nobody's in particular."""
    identity = {"methods": ["password"], "password": {"user": {
        "name": "smith", "domain": {"id": "default"}, "password": PASSWORD}}}
    status, headers, _ = cloud.keystone.request("POST", "/v3/auth/tokens", {"auth": {"identity": identity, "scope": "unscoped"}})
    assert status == 201
    answer = cloud.call("GET", "/v1/nodes", headers["X-Subject-Token"])
    assert (answer.status, answer.code()) == (403, "token_unscoped")


def test_command_line(cloud):
    """The `openstack baremetal` command with clouds.yaml, found by the catalogue, over TLS."""
    done = cloud.command(cloud.password_cloud("smith", project_name="metal", project_domain_id="default"), "node", "show", "rack")
    assert done.returncode == 0 and NODE in done.stdout and "hunter2" not in done.stdout, done.stderr
    done = cloud.command(cloud.password_cloud("eve", project_name="metal", project_domain_id="default"), "node", "power", "on", "rack")
    assert done.returncode != 0 and "403" in done.stderr, done.stderr
    done = cloud.command(cloud.password_cloud("admin", system_scope="all"), "driver", "list")
    assert done.returncode == 0 and "fake-hardware" in done.stdout, done.stderr


def test_sdk(cloud, monkeypatch):
    """openstacksdk with clouds.yaml."""
    variables = cloud.password_cloud("admin", system_scope="all")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", variables["OS_CLIENT_CONFIG_FILE"])
    config = openstack.config.OpenStackConfig(config_files=[variables["OS_CLIENT_CONFIG_FILE"]])
    with closing(openstack.connection.Connection(config=config.get_one("admin"))) as connection:
        node = connection.baremetal.create_node(driver="fake-hardware", name="by-sdk", provision_state="manageable")
        assert node.provision_state == "manageable"
        assert "by-sdk" in [known.name for known in connection.baremetal.nodes()]
        connection.baremetal.delete_node(node)
        with pytest.raises(exceptions.NotFoundException):
            connection.baremetal.get_node("by-sdk")


def test_application_credential(cloud):
    """An access rule limits an application credential to the requests that it names."""
    owner = cloud.token("smith", METAL)
    made = cloud.ask_keystone("POST", f"/v3/users/{cloud.users['smith']}/application_credentials", {"application_credential": {
        "name": "looker", "secret": PASSWORD, "access_rules": [
            {"service": "baremetal", "method": "GET", "path": "/v1/nodes"},
            {"service": "baremetal", "method": "GET", "path": "/v1/nodes/{node}"},
            {"service": "compute", "method": "GET", "path": "/v1/ports"}]}}, owner)["application_credential"]["id"]
    secret = {"application_credential_id": made, "application_credential_secret": PASSWORD}
    done = cloud.command(cloud.clouds("looker", secret, "v3applicationcredential"), "node", "list")
    assert done.returncode == 0 and NODE in done.stdout, done.stderr
    identity = {"methods": ["application_credential"], "application_credential": {"id": made, "secret": PASSWORD}}
    status, headers, _ = cloud.keystone.request("POST", "/v3/auth/tokens", {"auth": {"identity": identity}})
    assert status == 201
    token = headers["X-Subject-Token"]
    assert cloud.call("GET", f"/v1/nodes/{NODE}", token).status == 200
    mark = cloud.tap.mark()
    for method, target in [("GET", "/v1/ports"), ("GET", f"/v1/nodes/{NODE}/states"), ("DELETE", f"/v1/nodes/{NODE}"),
                           ("PUT", f"/v1/nodes/{NODE}/maintenance"), ("POST", "/v1/nodes")]:
        answer = cloud.call(method, target, token)
        assert (answer.status, answer.code()) == (401, "access_rule_missing"), (method, target)
        assert answer.header("www-authenticate") == f'Keystone uri="{cloud.base}"'
    assert not cloud.tap.since(mark)


def test_service_token(cloud):
    """A service's token comes along only if it is a service's; both are passed on."""
    user, ours, member = cloud.token("smith", METAL), cloud.token("nova", SERVICE), cloud.token("eve", METAL)
    mark = cloud.tap.mark()
    assert cloud.call("GET", f"/v1/nodes/{NODE}", user, headers=[("X-Service-Token", ours)]).status == 200
    [arrival] = cloud.tap.since(mark)
    assert ("x-auth-token", user) in arrival.headers and ("x-service-token", ours) in arrival.headers
    for wrong, code in [(member, "service_token_role"), ("gAAAA" + "x" * 180, "service_token_rejected")]:
        answer = cloud.call("GET", f"/v1/nodes/{NODE}", user, headers=[("X-Service-Token", wrong)])
        assert (answer.status, answer.code()) == (401, code)
    answer = cloud.call("GET", f"/v1/nodes/{NODE}", headers=[("X-Service-Token", ours)])
    assert (answer.status, answer.code()) == (401, "service_token_alone")
    assert len(cloud.tap.since(mark)) == 1


def test_garbage(cloud):
    """What cannot be a token costs Keystone nothing; what could be one, once."""
    mark = cloud.relay.mark()
    for text in ["secret", "admin", "d34db33f" * 4, "gAAAA", "gAAAA" + "x" * 9000, "a.b", "gAAAA/" + "x" * 180]:
        answer = cloud.call("GET", "/v1/nodes", text)
        assert (answer.status, answer.code()) == (401, "token_malformed"), text[:20]
    assert cloud.relay.mark() == mark
    for _ in range(3):
        answer = cloud.call("GET", "/v1/nodes", "gAAAA" + "y" * 180)
        assert (answer.status, answer.code()) == (401, "token_rejected")
    assert cloud.relay.mark() <= mark + 2


def test_revoked_token(cloud):
    """A revoked token is refused once the window has passed."""
    token = cloud.token("smith", METAL)
    assert cloud.call("GET", f"/v1/nodes/{NODE}", token).status == 200
    mark = cloud.relay.mark()
    assert cloud.call("GET", f"/v1/nodes/{NODE}", token).status == 200
    assert cloud.relay.mark() == mark, "within the window it is remembered"
    cloud.ask_keystone("DELETE", "/v3/auth/tokens", token=token, headers={"X-Subject-Token": token})
    time.sleep(WINDOW_SECONDS + 0.2)
    answer = cloud.call("GET", f"/v1/nodes/{NODE}", token)
    assert (answer.status, answer.code()) == (401, "token_rejected")


def test_expired_token(cloud):
    """A token that ends before the window does is refused at once; nothing but its end was needed."""
    ends = time.time() + 4
    made = cloud.ask_keystone("POST", f"/v3/users/{cloud.users['smith']}/application_credentials", {"application_credential": {
        "name": "brief", "secret": PASSWORD, "expires_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends))}},
        cloud.token("smith", METAL))["application_credential"]["id"]
    identity = {"methods": ["application_credential"], "application_credential": {"id": made, "secret": PASSWORD}}
    status, headers, body = cloud.keystone.request("POST", "/v3/auth/tokens", {"auth": {"identity": identity}})
    assert status == 201, body
    token = headers["X-Subject-Token"]
    cloud.reconfigure(window=300)
    assert cloud.call("GET", f"/v1/nodes/{NODE}", token).status == 200
    time.sleep(max(0, ends + 1 - time.time()))
    answer = cloud.call("GET", f"/v1/nodes/{NODE}", token)
    assert (answer.status, answer.code()) == (401, "token_rejected")


def test_reload_keeps_tokens(cloud):
    """A reload asks Keystone again only where what decides about tokens changed."""
    cloud.reconfigure()
    token = cloud.token("smith", METAL)
    assert cloud.call("GET", f"/v1/nodes/{NODE}", token).status == 200
    mark = cloud.relay.mark()
    cloud.reconfigure(timeout=TIMEOUT_SECONDS + 1)
    assert cloud.call("GET", f"/v1/nodes/{NODE}", token).status == 200
    assert cloud.relay.mark() == mark
    cloud.reconfigure(more="tokens_max = 100")
    assert cloud.call("GET", f"/v1/nodes/{NODE}", token).status == 200
    assert cloud.relay.mark() == mark + 1


def test_keystone_over_tls(cloud):
    """https to Keystone: only the configured CA's, and only under the name that irongate asked for."""
    state = cloud.gate.state
    [port, plain] = gate.free_ports(2)
    secure = Relay(cloud.keystone.port, port, (state / "server.crt", state / "server.key"))
    other = cloud.folder / "another-ca"
    subprocess.run([binary(), "certs", "dev", "--directory", other], check=True, capture_output=True)
    named = cloud.folder / "another-name"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
               "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:keystone.example", "-keyout", f"{named}.key", "-out",
               f"{named}.crt"]
    subprocess.run(command, check=True, capture_output=True)
    misnamed = Relay(cloud.keystone.port, plain, (f"{named}.crt", f"{named}.key"))

    def ask(relay, ca, token):
        cloud.reconfigure(relay=f"https://localhost:{relay.port}/v3", more=f'ca_file = "{ca}"')
        return cloud.call("GET", f"/v1/nodes/{NODE}", token)

    token = cloud.token("smith", METAL)
    assert ask(secure, state / "ca.crt", token).status == 200
    assert ("x-auth-token", token) in secure.arrivals[-1].headers
    mark = secure.mark()
    for relay, ca in [(secure, other / "ca.crt"), (misnamed, f"{named}.crt")]:
        answer = ask(relay, ca, token)
        assert (answer.status, answer.code()) == (503, "keystone_untrusted"), ca
        assert answer.header("retry-after")
    # No TLS at its address.
    cloud.reconfigure(relay=f"https://localhost:{cloud.keystone.port}/v3", more=f'ca_file = "{state / "ca.crt"}"')
    answer = cloud.call("GET", f"/v1/nodes/{NODE}", token)
    assert (answer.status, answer.code()) == (503, "keystone_untrusted")
    assert secure.mark() == mark and not misnamed.arrivals, "no token left irongate"
    assert 'no TLS connection' in cloud.gate.log.read_text()
    cloud.reconfigure()


def test_audit_names_the_caller(cloud):
    """The record tells who it was, and never by what token."""
    token = cloud.token("smith", METAL)
    assert cloud.call("GET", f"/v1/nodes/{NODE}", token).status == 200
    deadline = time.monotonic() + 5
    while not (found := [line for line in cloud.gate.audit.read_text().splitlines() if '"user":"smith"' in line]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    principal = json.loads(found[-1])["principal"]
    assert principal["name"] == cloud.users["smith"] and principal["scheme"] == "keystone"
    assert principal["keystone"]["project_id"] == cloud.metal and "member" in principal["keystone"]["roles"]
    assert principal["bindings"] == ["admin-1", "metal-readers"] and principal["roles"] == ["admin", "auditor"]
    cloud.call("GET", "/v1/nodes", cloud.token("nova", SERVICE))
    assert '"bindings":["admin-1"]' in cloud.gate.audit.read_text()
    for file in (cloud.gate.audit, cloud.gate.log):
        assert token[5:40] not in file.read_text()


def test_own_user(cloud):
    """irongate may ask Keystone as a user of its own; what is good and what is not stays the same."""
    good, other = cloud.token("smith", METAL), cloud.token("nova", SERVICE)
    gate.private(cloud.gate.state / "own.toml", f"""\
username = "ironic"
user_domain_name = "Default"
password = "{PASSWORD}"
project_name = "service"
project_domain_name = "Default"
""")
    cloud.reconfigure(more='service_credential_file = "own.toml"')
    mark = cloud.relay.mark()
    assert cloud.call("GET", f"/v1/nodes/{NODE}", good).status == 200
    assert cloud.call("GET", f"/v1/nodes/{NODE}", other).status == 404
    assert cloud.call("GET", f"/v1/nodes/{NODE}", "gAAAA" + "z" * 180).status == 401
    asked = [arrival.line.split()[0] for arrival in cloud.relay.arrivals[mark:]]
    assert asked == ["POST", "GET", "GET", "GET"]
    assert all(("x-auth-token", good) not in arrival.headers for arrival in cloud.relay.arrivals[mark:])
    assert PASSWORD not in cloud.gate.log.read_text() + cloud.gate.audit.read_text()


class Load(threading.Thread):
    """Requests with one token, one after another, until it is told to stop."""

    def __init__(self, cloud, token):
        super().__init__(daemon=True)
        self.cloud, self.token, self.found, self.over = cloud, token, [], threading.Event()
        self.start()

    def run(self):
        while not self.over.is_set():
            since = time.monotonic()
            status = self.cloud.call("GET", f"/v1/nodes/{NODE}", self.token).status
            self.found.append((status, time.monotonic() - since))

    def end(self):
        """What was found."""
        self.over.set()
        self.join(30)
        return self.found


def outage(cloud, begin, code):
    """Keystone goes away under load: who is remembered goes on, others are told so, soon at once."""
    known, fresh = cloud.token("smith", METAL), [cloud.token("eve", METAL) for _ in range(8)]
    assert cloud.call("GET", f"/v1/nodes/{NODE}", known).status == 200
    loads = [Load(cloud, known) for _ in range(3)]
    begin()
    refused = [cloud.call("GET", f"/v1/nodes/{NODE}", token) for token in fresh[:4]]
    since = time.monotonic()
    refused += [cloud.call("GET", f"/v1/nodes/{NODE}", token) for token in fresh[4:]]
    at_once = time.monotonic() - since
    found = [entry for load in loads for entry in load.end()]
    assert {status for status, _ in found} == {200} and len(found) > 5, found
    for answer in refused:
        assert answer.status == 503 and answer.header("retry-after"), answer
    assert code in {answer.code() for answer in refused}
    return at_once, fresh


def test_killed_keystone(cloud):
    """Nobody answers at Keystone's address."""
    cloud.reconfigure(window=300)
    try:
        at_once, fresh = outage(cloud, cloud.keystone.stop, "keystone_unreachable")
    finally:
        cloud.keystone.start(PASSWORD)
    assert at_once < TIMEOUT_SECONDS
    time.sleep(1.2)
    assert cloud.call("GET", f"/v1/nodes/{NODE}", fresh[0]).status == 200, "and then all is well again"


def test_hanging_keystone(cloud):
    """Keystone takes connections and says nothing."""
    try:
        at_once, _ = outage(cloud, cloud.pause, "keystone_timeout")
    finally:
        cloud.resume()
    assert at_once < 2 * TIMEOUT_SECONDS


def forged(token, **changes):
    """The token with other claims and its old signature."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) | changes
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{header}.{payload}.{signature}"


def test_signed_tokens(cloud):
    """JWS tokens: a forged or expired one costs Keystone nothing."""
    cloud.keystone.stop()
    cloud.keystone.start(PASSWORD, provider="jws", more=f"\n[token]\nexpiration = {JWS_SECONDS}\n")
    public = cloud.keystone.state / "jws-public" / "public.pem"
    cloud.reconfigure(window=300, more=f"jws_public_key_files = [{json.dumps(str(public))}]")
    token = cloud.token("smith", METAL)
    issued = time.monotonic()
    assert token.count(".") == 2
    assert cloud.call("GET", f"/v1/nodes/{NODE}", token).status == 200
    mark = cloud.relay.mark()
    header, payload, signature = token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    for wrong in [
        forged(token, sub=cloud.users["boss"]), forged(token, exp=9999999999), f"{none}.{payload}.{signature}",
        f"{header}.{payload}.{'A' * len(signature)}",
    ]:
        answer = cloud.call("GET", f"/v1/nodes/{NODE}", wrong)
        assert (answer.status, answer.code()) == (401, "token_signature")
    assert cloud.call("GET", f"/v1/nodes/{NODE}", "gAAAA" + "x" * 180).code() == "token_malformed"
    time.sleep(max(0, JWS_SECONDS + 0.5 - (time.monotonic() - issued)))
    answer = cloud.call("GET", f"/v1/nodes/{NODE}", token)
    assert (answer.status, answer.code()) == (401, "token_signature"), "never past its expiry, whatever is remembered"
    assert cloud.relay.mark() == mark


def test_expired_token_in_a_chain(cloud):
    """A service brings a user's token that has expired: its own token lets it, and Ironic gets both."""
    user = cloud.token("smith", METAL)
    issued = time.monotonic()
    public = cloud.keystone.state / "jws-public" / "public.pem"
    keys = f"jws_public_key_files = [{json.dumps(str(public))}]"
    time.sleep(max(0, JWS_SECONDS + 0.5 - (time.monotonic() - issued)))
    ours, member = cloud.token("nova", SERVICE), cloud.token("eve", METAL)
    both = lambda service_token: cloud.call("GET", f"/v1/nodes/{NODE}", user, headers=[("X-Service-Token", service_token)])
    mark = cloud.tap.mark()
    assert cloud.call("GET", f"/v1/nodes/{NODE}", user).code() == "token_signature"
    assert both(member).code() == "service_token_role"
    answer = both(ours)
    assert answer.status == 200, answer
    [arrival] = cloud.tap.since(mark)
    assert ("x-auth-token", user) in arrival.headers and ("x-service-token", ours) in arrival.headers
    cloud.reconfigure(window=300, more=f"{keys}\nallow_expired_seconds = 0")
    assert both(cloud.token("nova", SERVICE)).code() == "token_signature"
    cloud.reconfigure(window=300, more=f"{keys}\nallow_expired_seconds = 1")
    time.sleep(1)
    assert both(cloud.token("nova", SERVICE)).code() == "token_signature"
    assert len(cloud.tap.since(mark)) == 1
