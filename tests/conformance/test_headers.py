"""What arrives at Ironic is written by irongate: only headers from its list, and nothing of the caller's spelling."""

import json
import uuid
from urllib.parse import urlsplit

import pytest

N = "33333333-0000-4000-8000-000000000001"

# All that irongate may ever send to an Ironic on a unix socket.
SENT = {
    "host", "accept", "content-type", "content-length", "user-agent", "x-openstack-ironic-api-version", "openstack-api-version",
    "x-openstack-request-id", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "connection",
}

# What irongate may answer: its own and what clients read.
ANSWERED = {
    "content-type", "content-length", "date", "location", "www-authenticate", "allow", "retry-after", "connection", "cache-control",
    "x-openstack-request-id", "openstack-request-id", "x-openstack-ironic-api-version", "vary", "server",
    "x-openstack-ironic-api-minimum-version", "x-openstack-ironic-api-maximum-version", "openstack-api-version",
    "openstack-api-minimum-version", "openstack-api-maximum-version", "x-content-type-options", "strict-transport-security",
}


@pytest.fixture(scope="module", autouse=True)
def node(world, gated):
    """The node that all of them are about."""
    world.direct.call("POST", "/v1/nodes", {"uuid": N, "name": "headers", "driver": "fake-hardware"})


def arrivals(world, *arguments, **options):
    """What one well-formed call makes arrive, and its answer."""
    mark = world.tap.mark()
    answer = world.raw.call(*arguments, **options)
    return world.tap.since(mark), answer


CALLS = [
    ("GET", "/", None), ("GET", "/v1", None), ("GET", "/v1/", None), ("GET", "/v1/nodes?limit=1", None), ("GET", f"/v1/nodes/{N}", None),
    ("GET", "/v1/nodes/headers", None), ("PATCH", f"/v1/nodes/{N}", [{"op": "add", "path": "/description", "value": "x"}]),
    ("PUT", f"/v1/nodes/{N}/maintenance", {"reason": "x"}), ("DELETE", f"/v1/nodes/{N}/maintenance", None),
    ("PUT", f"/v1/nodes/{N}/states/power", {"target": "power on"}), ("GET", f"/v1/nodes/{N}/states", None),
    ("POST", f"/v1/nodes/{N}/vifs", {"id": "v"}), ("PUT", f"/v1/nodes/{N}/traits", {"traits": ["CUSTOM_A"]}),
    ("GET", "/v1/drivers", None), ("GET", "/v1/nodes/no-such-node", None),
]


@pytest.mark.parametrize("method, target, body", CALLS, ids=lambda value: str(value)[:40])
def test_only_known_headers_arrive(world, method, target, body):
    """Each known header once; a request that says the same as the caller's."""
    odd = [("X-Odd", "1"), ("Cookie", "a=b"), ("Accept-Language", "de"), ("Accept-Encoding", "gzip, br"), ("X-Forwarded-For", "192.0.2.66"),
           ("X-Forwarded-Proto", "gopher"), ("Origin", "https://evil.example"), ("Referer", "https://evil.example"), ("TE", "trailers")]
    found, answer = arrivals(world, method, target, body, headers=odd)
    assert answer.status < 500 and len(found) == 1, (answer, found)
    names = [name for name, _ in found[0].headers]
    assert set(names) <= SENT, set(names) - SENT
    assert len(names) == len(set(names))
    headers = dict(found[0].headers)
    assert headers["x-openstack-ironic-api-version"] == "1.115"
    forged = [name for name, value in headers.items() if any(part in value for part in ("gopher", "192.0.2.66", "evil.example"))]
    assert not forged, headers
    line = found[0].line.split(" ")
    assert line[0] == method and line[2] == "HTTP/1.1" and line[1].split("?")[0] == (target.split("?")[0].rstrip("/") or "/")
    if body is None:
        assert not found[0].body and headers.get("content-length", "0") == "0" and "content-type" not in names
    else:
        assert json.loads(found[0].body) == body and headers["content-type"] == "application/json"
        assert int(headers["content-length"]) == len(found[0].body)


@pytest.mark.parametrize("method, target, body", CALLS, ids=lambda value: str(value)[:40])
def test_only_known_headers_are_answered(world, method, target, body):
    """Both spellings of the request id, the same value; nothing that tells what stands behind."""
    _, answer = arrivals(world, method, target, body)
    names = [name for name, _ in answer.headers]
    assert set(names) <= ANSWERED, set(names) - ANSWERED
    assert len(names) == len(set(names))
    request_id = answer.header("x-openstack-request-id")
    assert request_id == answer.header("openstack-request-id") and request_id.startswith("req-")
    uuid.UUID(request_id.removeprefix("req-"))
    assert "ironic_api" not in (answer.header("server") or "")
    record = world.records(request_id)
    assert len(record) == 1, record


def test_request_ids(world):
    """A caller's request id becomes the global one in the record; what is no request id is not taken over."""
    mine = "req-" + str(uuid.uuid4())
    _, answer = arrivals(world, "GET", "/v1/nodes?limit=1", headers=[("X-OpenStack-Request-ID", mine)])
    minted = answer.header("x-openstack-request-id")
    (record,) = world.records(minted)
    assert minted != mine and record["global_request_id"] == mine
    _, answer = arrivals(world, "GET", "/v1/nodes?limit=1", headers=[("X-OpenStack-Request-ID", "req-forged\"text")])
    (record,) = world.records(answer.header("x-openstack-request-id"))
    assert answer.status == 200 and "global_request_id" not in record and "forged" not in json.dumps(record)


@pytest.mark.parametrize("header, value, version", [
    ("X-OpenStack-Ironic-API-Version", "1.50", "1.50"),
    ("OpenStack-API-Version", "baremetal 1.80", "1.80"),
    ("X-OpenStack-Ironic-API-Version", "latest", "1.115"),
    ("OpenStack-API-Version", "baremetal latest", "1.115"),
    (None, None, "1.1"),
])
def test_one_version_header(world, header, value, version):
    """Whatever plain spelling comes, one header arrives, with a number."""
    found, answer = arrivals(world, "GET", "/v1/nodes?limit=1", version=None, headers=[(header, value)] if header else [])
    assert answer.status == 200 and answer.header("x-openstack-ironic-api-version") == version
    headers = dict(found[0].headers)
    assert headers["x-openstack-ironic-api-version"] == version and "openstack-api-version" not in headers


def test_location_points_to_irongate(world):
    """Location of a create and of a state change."""
    host = urlsplit(world.url).netloc
    _, answer = arrivals(world, "POST", "/v1/nodes", {"driver": "fake-hardware", "name": "located"}, host=host)
    assert answer.status == 201 and answer.header("location").startswith(world.url + "/v1/nodes/")
    _, answer = arrivals(world, "PUT", "/v1/nodes/located/states/power", {"target": "power on"}, host=host)
    assert answer.status == 202 and answer.header("location") == world.url + "/v1/nodes/located/states"


def test_version_document_points_to_irongate(world):
    """Discovery, which clients follow."""
    for target in ("/", "/v1", "/v1/"):
        _, answer = arrivals(world, "GET", target, user=None, host=urlsplit(world.url).netloc)
        assert answer.status == 200
        text = answer.body.decode()
        assert world.url in text and "http://" not in text.replace("http://docs", ""), text
        assert "unix" not in text and "localhost/" not in text


def test_connection_is_kept(world):
    """Several requests on one connection, as clients with a pool send them."""
    connection = world.raw.open()
    try:
        from raw import read
        for _ in range(5):
            connection.sendall(world.raw.bytes("GET", f"/v1/nodes/{N}"))
            assert read(connection).status == 200
    finally:
        connection.close()


@pytest.mark.parametrize("method, target, status, arrives", [
    ("HEAD", "/v1", 200, 1), ("HEAD", "/", 200, 1), ("HEAD", "/v1/nodes", 405, 0), ("OPTIONS", "/v1/nodes", 200, 0), ("OPTIONS", "/", 200, 0),
])
def test_head_and_options(world, method, target, status, arrives):
    """HEAD is Ironic's own answer, where Ironic has one; OPTIONS is answered from the catalogue; neither carries a body."""
    mark = world.tap.mark()
    connection = world.raw.open()
    try:
        connection.sendall(world.raw.bytes(method, target, [("Connection", "close")]))
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    finally:
        connection.close()
    head, _, rest = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status) and not rest, received
    assert len(world.tap.since(mark)) == arrives
    assert (b"\r\nallow: " in head.lower()) == (method == "OPTIONS" or status == 405), head
