"""What lenient readers accept and irongate does not: each is refused with a reason and a record, and nothing reaches Ironic."""

import pytest
from lenient import BODIES, FRAMING, HEADERS, METHODS, N, PATHS, QUERIES, VERSION, row, wire

# The HTTP library refuses these by itself, before there is a request: its answer has no body and the connection ends.
UNPARSED = {
    "path-very-long", "header-many", "header-huge",
    "framing-two-lengths", "framing-length-list", "framing-length-plus", "framing-length-negative", "framing-length-hex",
    "framing-length-huge", "framing-coding-odd", "framing-coding-list", "framing-space-before-colon",
    "framing-length-space-before-colon", "framing-folded-header", "framing-first-header-folded", "framing-return-in-header",
    "framing-nul-in-header", "framing-header-without-name", "framing-header-without-colon", "framing-no-slash", "framing-two-spaces",
    "framing-space-in-target", "framing-tab-in-line", "framing-http-0-9", "framing-http-1-2", "framing-http-lower-case",
}

ROWS = [*PATHS, *QUERIES, *BODIES, *HEADERS, *FRAMING, *METHODS]


def test_there_are_many():
    """A list that shrinks is a list that was commented out."""
    assert len(ROWS) > 230


@pytest.fixture(scope="module", autouse=True)
def node(world):
    """The node that all of them are about."""
    made = world.direct.call("POST", "/v1/nodes", {"uuid": N, "name": "lenient", "driver": "fake-hardware"})
    assert made.status == 201, made


@pytest.mark.parametrize("build, status", ROWS)
def test_refused(world, gated, request, build, status):
    """A 4xx in Ironic's shape with a stable code, a record, and not one request at Ironic."""
    mark, records = world.tap.mark(), len(world.records())
    answer = world.raw.send(build(world.raw))
    record = world.records(answer.header("x-openstack-request-id"), count=1 if answer.header("x-openstack-request-id") else records + 1)
    arrived = [arrival.line for arrival in world.tap.since(mark)]
    assert not arrived, f"reached Ironic: {arrived}"
    assert len(world.records()) > records and record, "no record"
    assert 400 <= answer.status < 500, f"answered {answer.status} {answer.body[:300]}"
    if status is None:
        assert answer.status not in (406, 409), answer.body
    else:
        assert answer.status == status, answer.body
    if request.node.callspec.id in UNPARSED:
        assert answer.status in (400, 414, 431) and (answer.header("connection") == "close" or answer.closed)
        return
    assert answer.fault() and answer.fault().get("faultstring"), f"{answer.status} {answer.body[:300]!r}"
    assert answer.code(), f"no stable code in {answer.body!r}"


NODES = "GET /v1/nodes HTTP/1.1"

# Read without doubt, and written anew: what is sent, and the request line that arrives.
REWRITTEN = [
    row("trailing-slash", "GET", "/v1/nodes/", status=NODES),
    row("fragment", "GET", "/v1/nodes#x", status=NODES),
    row("repeated-fields", "GET", "/v1/nodes?fields=uuid&fields=driver_info", status="GET /v1/nodes?fields=uuid%2Cdriver_info HTTP/1.1"),
    row("spaced-field", "GET", "/v1/nodes?fields=%20DRIVER_INFO", status="GET /v1/nodes?fields=driver_info HTTP/1.1"),
    row("empty-fields", "GET", "/v1/nodes?fields=", status="GET /v1/nodes?fields= HTTP/1.1"),
    row("plain-letter-encoded-in-query", "GET", "/v1/nodes?driver=f%61ke-hardware", status="GET /v1/nodes?driver=fake-hardware HTTP/1.1"),
    row("two-versions", "GET", "/v1/nodes", ("OpenStack-API-Version", "baremetal 1.80"), (VERSION, "1.50"), version=None, status=NODES),
    row("other-services-version", "GET", "/v1/nodes", ("OpenStack-API-Version", "compute 2.1"), status=NODES),
    wire("http-1-0", b"GET /v1/nodes HTTP/1.0\r\nHost: localhost\r\n{auth}\r\n\r\n", status=NODES),
]


@pytest.mark.parametrize("build, line", REWRITTEN)
def test_rewritten(world, gated, build, line):
    """One request arrives, in irongate's spelling."""
    mark = world.tap.mark()
    answer = world.raw.send(build(world.raw))
    assert answer.status in (200, 202), answer
    arrived = world.tap.since(mark)
    assert [arrival.line for arrival in arrived] == [line]
    names = [name for name, _ in arrived[0].headers]
    assert len(names) == len(set(names)) and "transfer-encoding" not in names and "openstack-api-version" not in names


IDENTITY = [
    "X-Roles", "X-Role", "X-User-Id", "X-User-Name", "X-User", "X-Project-Id", "X-Project-Name", "X-Tenant-Id", "X-Tenant",
    "X-Domain-Id", "X-Project-Domain-Id", "X-User-Domain-Id", "X-System-Scope", "X-Is-Admin-Project", "X-Identity-Status",
    "X-Service-Roles", "X-Service-Token", "X-Service-Identity-Status", "X-Service-Catalog", "X-Auth-Token", "X-Storage-Token",
    "X-Remote-User", "REMOTE-USER", "X-Forwarded-User", "X-Real-IP", "Forwarded", "X-Forwarded-Prefix", "X-Forwarded-Port",
    "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Client-Cert", "SSL-Client-S-DN", "Cookie", "Proxy", "Via",
    "X_Roles", "X_Project_Id", "x_roles", "X-Openstack-Request-Id_", "Openstack-System-Scope",
]


# Refused, with this code: a second credential beside the one that was sent, and names that WSGI servers take for others.
REFUSED = {
    "X-Auth-Token": "credentials_contradict", "X-Service-Token": "credentials_contradict", "X_Roles": "header_name",
    "X_Project_Id": "header_name", "x_roles": "header_name", "X-Openstack-Request-Id_": "header_name",
}


@pytest.mark.parametrize("name", IDENTITY)
@pytest.mark.parametrize("target", ["/v1/nodes?limit=1", "/v1", "/"])
def test_identity_headers_never_arrive(world, gated, name, target):
    """Refused, or dropped: then one request arrives, with neither the name (however spelt) nor the value."""
    mark = world.tap.mark()
    answer = world.raw.send(world.raw.bytes("GET", target, [(name, "forged-identity")]))
    arrived = world.tap.since(mark)
    if name in REFUSED:
        assert (answer.status, answer.code(), arrived) == (400, REFUSED[name], []), answer
        return
    assert answer.status == 200 and len(arrived) == 1, (answer, arrived)
    assert b"forged-identity" not in arrived[0].head
    assert name.lower().replace("_", "-") not in [known.replace("_", "-") for known, _ in arrived[0].headers]
