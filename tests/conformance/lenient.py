"""Requests that lenient readers accept and irongate does not.

A row is a name, a request (the arguments of `Raw.bytes`, or a function that makes all its bytes) and, where it matters,
the status that is due.
"""

import json

import pytest

N = "22222222-0000-4000-8000-000000000001"
BOUNDARY = "xyz"
JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
MULTIPART = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
OFF = b'{"target": "power off"}'
POWER = f"/v1/nodes/{N}/states/power"
PROVISION = f"/v1/nodes/{N}/states/provision"


def row(name, method, target, *headers, body=b"", status=None, **options):
    """A row whose request is well-formed HTTP."""
    def build(raw):
        return raw.bytes(method, target, headers, body if isinstance(body, bytes) else body.encode(), **options)
    return pytest.param(build, status, id=name)


def power(name, *headers, body=OFF, target=POWER, status=None, **options):
    """A row that would power the node off."""
    return row(name, "PUT", target, *(headers or (JSON,)), body=body, status=status, **options)


def patch(name, body, status=400, **options):
    """A row that would change the node."""
    return row(name, "PATCH", f"/v1/nodes/{N}", JSON, body=body, status=status, **options)


def create(name, body, *headers, status=400, **options):
    """A row that would create a node."""
    return row(name, "POST", "/v1/nodes", *(headers or (JSON,)), body=body, status=status, **options)


def wire(name, template, status=None):
    """A row of exact bytes; {auth} is the administrator's credential, {n} a node."""
    def build(raw):
        text = template if isinstance(template, bytes) else template.encode()
        return text.replace(b"{auth}", b"Authorization: " + raw.authorization("admin").encode()).replace(b"{n}", N.encode())
    return pytest.param(build, status, id=name)


def form_part(name, value):
    """One field of a multipart body."""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


VERSION = "X-OpenStack-Ironic-API-Version"

PATHS = [
    row("path-unversioned-nodes", "GET", "/nodes"),
    row("path-unversioned-node", "GET", f"/nodes/{N}"),
    row("path-unversioned-power", "PUT", f"/nodes/{N}/states/power", JSON, body=OFF),
    row("path-unversioned-delete", "DELETE", f"/nodes/{N}"),
    row("path-unversioned-lookup", "GET", f"/lookup?node_uuid={N}"),
    row("path-unversioned-heartbeat", "POST", f"/heartbeat/{N}", JSON, body='{"callback_url": "http://192.0.2.1"}'),
    row("path-unversioned-ports", "GET", "/ports"),
    row("path-unversioned-drivers", "GET", "/drivers"),
    row("path-double-slash-first", "GET", "//v1/nodes"),
    row("path-double-slash-middle", "GET", "/v1//nodes"),
    row("path-double-slash-before-node", "GET", f"/v1/nodes//{N}"),
    row("path-double-slash-last", "GET", "/v1/nodes//"),
    row("path-triple-slash", "GET", f"/v1/nodes///{N}"),
    row("path-slash-after-node-double", "DELETE", f"/v1/nodes/{N}//"),
    row("path-dot", "GET", "/v1/./nodes"),
    row("path-dot-last", "GET", "/v1/nodes/."),
    row("path-dot-dot", "GET", "/v1/ports/../nodes"),
    row("path-dot-dot-last", "GET", f"/v1/nodes/{N}/.."),
    row("path-dot-dot-above-root", "GET", "/../v1/nodes"),
    row("path-dot-encoded", "GET", "/v1/%2e/nodes"),
    row("path-dot-dot-encoded", "GET", "/v1/ports/%2e%2e/nodes"),
    row("path-dot-dot-encoded-upper", "GET", "/v1/ports/%2E%2E/nodes"),
    row("path-dot-dot-half-encoded", "GET", "/v1/ports/.%2e/nodes"),
    row("path-slash-encoded", "GET", "/v1%2Fnodes"),
    row("path-slash-encoded-lower", "GET", "/v1%2fnodes"),
    row("path-slash-encoded-in-node", "GET", f"/v1/nodes/x%2F..%2F{N}"),
    row("path-slash-encoded-twice", "GET", f"/v1/nodes%252F{N}"),
    row("path-backslash", "GET", "/v1\\nodes"),
    row("path-backslash-encoded", "GET", "/v1/nodes%5C.."),
    row("path-letter-encoded", "GET", "/v1/n%6Fdes"),
    row("path-version-encoded", "GET", "/%761/nodes"),
    row("path-power-encoded", "PUT", f"/v1/nodes/{N}/states/p%6Fwer", JSON, body=OFF),
    row("path-states-encoded", "PUT", f"/v1/nodes/{N}/%73tates/power", JSON, body=OFF),
    row("path-percent-alone", "GET", "/v1/nodes/%"),
    row("path-percent-short", "GET", "/v1/nodes/%2"),
    row("path-percent-not-hex", "GET", "/v1/nodes/%zz"),
    row("path-not-utf8", "GET", "/v1/nodes/%ff%fe"),
    row("path-overlong-utf8", "GET", "/v1/nodes/%c0%af"),
    row("path-nul-encoded", "GET", f"/v1/nodes/{N}%00"),
    row("path-newline-encoded", "GET", f"/v1/nodes/{N}%0A"),
    row("path-newline-in-name", "GET", "/v1/nodes/lenient%0a"),
    row("path-return-encoded", "GET", f"/v1/nodes/{N}%0D%0AX-Roles:admin"),
    row("path-space-encoded", "GET", f"/v1/nodes/{N}%20"),
    row("path-tab-encoded", "GET", f"/v1/nodes/%09{N}"),
    row("path-question-mark-encoded", "GET", f"/v1/nodes/{N}%3Ffields=uuid"),
    row("path-matrix", "GET", "/v1/nodes;x=1"),
    row("path-matrix-node", "GET", f"/v1/nodes/{N};a=b"),
    row("path-matrix-encoded", "GET", f"/v1/nodes/{N}%3Ba=b"),
    row("path-matrix-power", "PUT", f"/v1/nodes/{N}/states/power;x", JSON, body=OFF),
    row("path-json", "GET", f"/v1/nodes/{N}.json", version="1.90"),
    row("path-json-without-version", "GET", f"/v1/nodes/{N}.json", version=None),
    row("path-json-power", "PUT", f"/v1/nodes/{N}/states/power.json", JSON, body=OFF, version="1.90"),
    row("path-json-list", "GET", "/v1/nodes.json", version="1.50"),
    row("path-json-delete", "DELETE", f"/v1/nodes/{N}.json", version="1.80"),
    row("path-xml", "GET", "/v1/nodes.xml"),
    row("path-xml-public", "GET", f"/v1/lookup.xml?node_uuid={N}"),
    row("path-json-public", "GET", f"/v1/lookup.json?node_uuid={N}"),
    row("path-json-heartbeat", "POST", f"/v1/heartbeat/{N}.json", JSON, body='{"callback_url": "http://192.0.2.1"}', version="1.90"),
    row("path-upper-case", "GET", "/V1/nodes"),
    row("path-upper-case-nodes", "GET", "/v1/Nodes"),
    row("path-other-version", "GET", "/v2/nodes"),
    row("path-version-dot-zero", "GET", "/v1.0/nodes"),
    row("path-trailing-garbage", "GET", f"/v1/nodes/{N}/states/power/extra"),
    row("path-field-as-segment", "GET", f"/v1/nodes/{N}/driver_info"),
    row("path-argument-as-segment", "PUT", f"/v1/nodes/{N}/states/power/power%20off"),
    row("path-argument-before-states", "PUT", f"/v1/nodes/{N}/power%20on/states/power"),
    row("path-argument-in-provision", "PUT", f"/v1/nodes/{N}/states/provision/manage"),
    row("path-node-behind", "GET", f"/v1/nodes/states/{N}"),
    row("path-node-missing", "PUT", "/v1/nodes/states/power", JSON, body=json.dumps({"node_ident": N, "target": "power off"})),
    row("path-chassis-power", "PUT", f"/v1/chassis/{N}/nodes/power%20on/states/power"),
    row("path-chassis-traits", "PUT", f"/v1/chassis/CUSTOM_X/nodes/{N}/traits"),
    row("path-nested-item", "GET", f"/v1/nodes/{N}/ports/{N}"),
    row("path-nested-create", "POST", f"/v1/nodes/{N}/ports", JSON, body='{"address": "52:54:00:00:09:09"}'),
    row("path-anything-volume", "GET", "/v1/nodes/a/b/volume"),
    row("path-non-ascii", "GET", "/v1/nodes/é"),
    row("path-very-long", "GET", "/v1/nodes/" + "a" * 70_000),
]

QUERIES = [
    row("query-method-post", "GET", f"/v1/nodes/{N}/vifs?_method=post", JSON, body='{"id": "v", "_method": "post"}'),
    row("query-method-delete", "GET", f"/v1/nodes/{N}?_method=delete"),
    row("query-method-put", "GET", f"/v1/nodes/{N}/states/power?_method=put&target=power+off"),
    row("query-method-on-post", "POST", "/v1/nodes?_method=delete", JSON, body='{"driver": "fake-hardware"}'),
    row("query-target", "PUT", f"{POWER}?target=power%20off"),
    row("query-target-and-body", "PUT", f"{POWER}?target=power%20on", JSON, body=OFF),
    row("query-target-provision", "PUT", f"{PROVISION}?target=manage"),
    row("query-node-ident-delete", "DELETE", f"/v1/nodes?node_ident={N}"),
    row("query-node-ident-get", "GET", f"/v1/nodes/lenient?node_ident={N}"),
    row("query-reason", "PUT", f"/v1/nodes/{N}/maintenance?reason=x"),
    row("query-semicolon", "GET", "/v1/nodes?fields=uuid;limit=1"),
    row("query-repeated-scalar", "GET", "/v1/nodes?limit=1&limit=2", status=400),
    row("query-unknown", "GET", "/v1/nodes?nope=1", status=400),
    row("query-unknown-on-root", "GET", "/v1?nope=1"),
    row("query-unknown-on-shards", "GET", "/v1/shards?nope=1"),
    row("query-self", "GET", "/v1/nodes?self=1"),
    row("query-unknown-field", "GET", "/v1/nodes?fields=nope"),
    row("query-limit-negative", "GET", "/v1/nodes?limit=-1", status=400),
    row("query-limit-word", "GET", "/v1/nodes?limit=ten", status=400),
    row("query-limit-underscore", "GET", "/v1/nodes?limit=1_0"),
    row("query-sort-hidden", "GET", "/v1/nodes?sort_key=conductor_affinity", status=400),
    row("query-sort-dir", "GET", "/v1/nodes?sort_dir=sideways", status=400),
    row("query-no-equals", "GET", "/v1/nodes?detail"),
    row("query-percent", "GET", "/v1/nodes?limit=%"),
    row("query-not-utf8", "GET", "/v1/nodes?owner=%ff"),
    row("query-nul", "GET", "/v1/nodes?owner=a%00b"),
    row("query-newline", "GET", "/v1/nodes?owner=a%0Ab"),
    row("query-bad-boolean", "GET", "/v1/nodes?maintenance=perhaps", status=400),
    row("query-validate-other-node", "GET", f"/v1/nodes/lenient/validate?node={N}"),
    row("query-validate-node-uuid", "GET", f"/v1/nodes/lenient/validate?node_uuid={N}"),
    row("query-on-item", "GET", f"/v1/nodes/{N}?limit=1", status=400),
    row("query-on-post", "POST", "/v1/nodes?driver=fake-hardware", JSON, body='{"name": "q"}'),
    row("query-array-brackets", "GET", "/v1/nodes?fields[]=uuid"),
    row("query-second-question-mark", "GET", "/v1/nodes??limit=1"),
]

BODIES = [
    power("body-form", FORM, body=b"target=power+off"),
    power("body-multipart", MULTIPART, body=(form_part("target", "power off") + f"--{BOUNDARY}--\r\n").encode()),
    power("body-text", ("Content-Type", "text/plain"), status=415),
    power("body-xml", ("Content-Type", "application/xml"), body=b"<target>power off</target>", status=415),
    power("body-javascript", ("Content-Type", "application/javascript")),
    power("body-no-content-type", ("X-Nothing", "1")),
    create("body-create-text", '{"driver": "fake-hardware"}', ("Content-Type", "text/plain"), status=415),
    create("body-create-xml", '{"driver": "fake-hardware"}', ("Content-Type", "application/xml"), status=415),
    create("body-create-form", "driver=fake-hardware", FORM, status=None),
    create("body-create-csv", '{"driver": "fake-hardware"}', ("Content-Type", "text/csv"), status=415),
    create("body-charset-latin", '{"driver": "fake-hardware"}', ("Content-Type", "application/json; charset=iso-8859-1"), status=None),
    create("body-charset-utf16", '{"driver": "fake-hardware"}', ("Content-Type", "application/json; charset=utf-16"), status=None),
    create("body-charset-utf7", '{"driver": "fake-hardware"}', ("Content-Type", "application/json; charset=utf-7"), status=None),
    create("body-utf16", '{"driver": "fake-hardware"}'.encode("utf-16")),
    create("body-utf32", '{"driver": "fake-hardware"}'.encode("utf-32-le")),
    create("body-byte-order-mark", b'\xef\xbb\xbf{"driver": "fake-hardware"}'),
    create("body-not-utf8", b'{"driver": "fake-hardware", "name": "\xff"}'),
    create("body-overlong-utf8", b'{"driver": "fake-hardware", "description": "\xc0\xaf"}'),
    create("body-gzip", b"\x1f\x8b\x08\x00", JSON, ("Content-Encoding", "gzip"), status=None),
    create("body-encoding-identity-list", '{"driver": "fake-hardware"}', JSON, ("Content-Encoding", "identity, gzip"), status=None),
    row("body-on-get", "GET", "/v1/nodes", JSON, body='{"limit": 1}'),
    row("body-on-get-node", "GET", f"/v1/nodes/{N}", JSON, body='{"fields": ["uuid"]}'),
    row("body-on-delete", "DELETE", f"/v1/nodes/{N}", JSON, body='{"node_ident": "x"}'),
    row("body-on-delete-list", "DELETE", "/v1/nodes", JSON, body=json.dumps({"node_ident": N})),
    row("body-on-maintenance-delete", "DELETE", f"/v1/nodes/{N}/maintenance", JSON, body='{"reason": "x"}'),
    create("json-duplicate-key", '{"driver": "nope", "driver": "fake-hardware"}'),
    create("json-duplicate-key-escaped", '{"driver": "nope", "dr\\u0069ver": "fake-hardware"}'),
    create("json-duplicate-key-nested", '{"driver": "fake-hardware", "driver_info": {"a": 1, "a": 2}}'),
    power("json-duplicate-target", body=b'{"target": "power on", "target": "power off"}', status=400),
    power("json-duplicate-target-escaped", body=b'{"target": "power on", "\\u0074arget": "power off"}', status=400),
    patch("json-duplicate-in-patch", '[{"op": "add", "path": "/description", "path": "/owner", "value": "x"}]'),
    # A step is decided about by its name: a part of one, without its name, is not taken.
    row("patch-part-of-a-step", "PATCH", "/v1/deploy_templates/CUSTOM_T", JSON, body='[{"op": "replace", "path": "/steps/0/priority", "value": 30}]'),
    create("json-nan", '{"driver": "fake-hardware", "extra": {"x": NaN}}'),
    create("json-infinity", '{"driver": "fake-hardware", "extra": {"x": Infinity}}'),
    create("json-minus-infinity", '{"driver": "fake-hardware", "extra": {"x": -Infinity}}'),
    create("json-huge-exponent", '{"driver": "fake-hardware", "extra": {"x": 1e400}}'),
    create("json-huge-integer", '{"driver": "fake-hardware", "extra": {"x": 123456789012345678901234567890}}'),
    create("json-integer-of-thousands", '{"driver": "fake-hardware", "extra": {"x": ' + "9" * 5000 + "}}"),
    create("json-lone-high-surrogate", '{"driver": "fake-hardware", "extra": {"x": "\\ud800"}}'),
    create("json-lone-low-surrogate", '{"driver": "fake-hardware", "extra": {"x": "\\udc00"}}'),
    create("json-lone-surrogate-key", '{"driver": "fake-hardware", "extra": {"\\ud800": 1}}'),
    create("json-deep", '{"driver": "fake-hardware", "extra": ' + '{"a":' * 40 + "1" + "}" * 40 + "}"),
    create("json-deep-array", '{"driver": "fake-hardware", "extra": {"a": ' + "[" * 60 + "]" * 60 + "}}"),
    create("json-very-deep", "[" * 100_000 + "]" * 100_000),
    create("json-comment", '{"driver": "fake-hardware" /* x */}'),
    create("json-trailing-comma", '{"driver": "fake-hardware",}'),
    create("json-single-quotes", "{'driver': 'fake-hardware'}"),
    create("json-trailing-text", '{"driver": "fake-hardware"} x'),
    create("json-two-values", '{"driver": "fake-hardware"}{"driver": "fake-hardware"}'),
    create("json-control-character", '{"driver": "fake-hardware", "description": "a\nb"}'),
    create("json-leading-zero", '{"driver": "fake-hardware", "extra": {"x": 01}}'),
    create("json-plus-sign", '{"driver": "fake-hardware", "extra": {"x": +1}}'),
    create("json-hex", '{"driver": "fake-hardware", "extra": {"x": 0x10}}'),
    create("json-bare-point", '{"driver": "fake-hardware", "extra": {"x": 1.}}'),
    create("json-bad-escape", '{"driver": "fake-hardware", "description": "\\x41"}'),
    create("json-half", '{"driver": "fake-hardw'),
    create("json-array", '[{"driver": "fake-hardware"}]'),
    create("json-string", '"fake-hardware"'),
    create("json-null", "null"),
    create("json-empty", b""),
    create("json-space-only", "   "),
    create("json-nul-after", b'{"driver": "fake-hardware"}\x00'),
    create("json-non-breaking-space", '\u00a0{"driver": "fake-hardware"}'),
    create("field-unknown", '{"driver": "fake-hardware", "nope": 1}'),
    create("field-wrong-type", '{"driver": 7}'),
    create("field-internal", '{"driver": "fake-hardware", "driver_internal_info": {"agent_secret_token": "x"}}'),
    create("field-reservation", '{"driver": "fake-hardware", "reservation": "x"}'),
    create("field-mask", '{"driver": "fake-hardware", "driver_info": {"redfish_password": "******"}}'),
    create("field-mask-nested", '{"driver": "fake-hardware", "driver_info": {"a": {"b_password": "******"}}}', status=None),
    patch("patch-mask", '[{"op": "replace", "path": "/driver_info/redfish_password", "value": "******"}]'),
    patch("patch-mask-inside", '[{"op": "add", "path": "/driver_info/kernel_append_params", "value": "nofb rootpwd=******"}]'),
    patch("patch-mask-whole", '[{"op": "replace", "path": "/driver_info", "value": {"redfish_password": "******"}}]'),
    patch("patch-object", '{"op": "add", "path": "/description", "value": "x"}'),
    patch("patch-move", '[{"op": "move", "from": "/extra/a", "path": "/extra/b"}]'),
    patch("patch-copy", '[{"op": "copy", "from": "/driver_info/redfish_password", "path": "/extra/seen"}]'),
    patch("patch-test", '[{"op": "test", "path": "/driver_info/redfish_password", "value": "x"}]'),
    patch("patch-upper-case-op", '[{"op": "ADD", "path": "/description", "value": "x"}]'),
    patch("patch-extra-key", '[{"op": "add", "path": "/description", "value": "x", "from": "/name"}]'),
    patch("patch-no-value", '[{"op": "replace", "path": "/name"}]'),
    patch("patch-no-path", '[{"op": "add", "value": "x"}]'),
    patch("patch-path-without-slash", '[{"op": "add", "path": "description", "value": "x"}]'),
    patch("patch-path-empty", '[{"op": "add", "path": "", "value": {}}]'),
    patch("patch-path-root", '[{"op": "add", "path": "/", "value": {}}]'),
    patch("patch-path-double-slash", '[{"op": "add", "path": "/extra//a", "value": 1}]'),
    patch("patch-path-newline", '[{"op": "add", "path": "/description\\n", "value": "x"}]'),
    patch("patch-path-tilde", '[{"op": "add", "path": "/extra/a~1b", "value": 1}]'),
    patch("patch-path-dot", '[{"op": "add", "path": "/extra/a.b", "value": 1}]'),
    patch("patch-path-number", '[{"op": "add", "path": 7, "value": 1}]'),
    patch("patch-internal", '[{"op": "add", "path": "/driver_internal_info/agent_secret_token", "value": "x"}]'),
    patch("patch-uuid", '[{"op": "replace", "path": "/uuid", "value": "22222222-0000-4000-8000-000000000009"}]'),
    patch("patch-same-path-twice", '[{"op": "add", "path": "/parent_node", "value": null},'
          ' {"op": "add", "path": "/parent_node", "value": "22222222-0000-4000-8000-000000000009"}]', status=None),
    patch("patch-thousands", json.dumps([{"op": "add", "path": f"/extra/k{i}", "value": i} for i in range(20_000)]), status=None),
    power("power-unknown-key", body=b'{"target": "power off", "node_ident": "x"}', status=400),
    power("power-unknown-target", body=b'{"target": "explode"}', status=400),
    power("power-upper-case", body=b'{"target": "POWER OFF"}', status=400),
    power("power-padded", body=b'{"target": "power off "}', status=400),
    power("power-array", body=b'{"target": ["power off"]}', status=400),
    power("power-method-in-body", body=b'{"target": "power off", "_method": "delete"}', status=400),
    row("provision-upper-case", "PUT", PROVISION, JSON, body='{"target": "MANAGE"}', status=400),
    row("provision-unknown", "PUT", PROVISION, JSON, body='{"target": "manage", "x": 1}', status=400),
    row("body-too-large", "POST", "/v1/nodes", JSON, body=b'{"driver": "' + b"a" * (1 << 20) + b'"}', status=413),
    row("body-too-large-by-length", "POST", "/v1/nodes", JSON, ("Content-Length", "99999999999"), status=413),
]

HEADERS = [
    row("version-repeated", "GET", "/v1/nodes", (VERSION, "1.50"), (VERSION, "1.80"), version=None),
    row("version-list", "GET", "/v1/nodes", version="1.50, 1.80"),
    row("version-zeros", "GET", "/v1/nodes", version="01.050"),
    row("version-underscore", "GET", "/v1/nodes", version="1.5_0"),
    row("version-plus", "GET", "/v1/nodes", version="1.+50"),
    row("version-words", "GET", "/v1/nodes", version="one.fifty", status=406),
    row("version-too-high", "GET", "/v1/nodes", version="1.999", status=406),
    row("version-major", "GET", "/v1/nodes", version="2.0", status=406),
    row("version-negative", "GET", "/v1/nodes", version="1.-1", status=406),
    row("version-service-list", "GET", "/v1/nodes", ("OpenStack-API-Version", "compute 2.1, baremetal 1.80, baremetal 1.50"), version=None),
    row("version-underscored-header", "GET", "/v1/nodes", ("X_OpenStack_Ironic_API_Version", "1.50")),
    row("header-underscored-token", "GET", "/v1/nodes", ("X_Auth_Token", "x")),
    row("header-underscored-authorization", "GET", "/v1/nodes", ("Authorization_", "x"), ("X_Roles", "admin")),
    row("header-two-authorizations", "GET", "/v1/nodes", ("Authorization", "Basic YTpi")),
    row("header-two-content-types", "PUT", POWER, JSON, FORM, body=OFF),
    row("header-two-hosts", "GET", "/v1/nodes", ("Host", "other.example")),
    row("header-no-host", "GET", "/v1/nodes", host=None),
    row("header-host-with-path", "GET", "/v1/nodes", host="localhost/v1/x"),
    row("header-host-with-user", "GET", "/v1/nodes", host="admin@localhost"),
    row("header-expect-odd", "PUT", POWER, JSON, ("Expect", "200-maybe"), body=OFF),
    row("header-upgrade-websocket", "GET", "/v1/nodes", ("Connection", "Upgrade"), ("Upgrade", "websocket")),
    row("header-upgrade-h2c", "GET", "/v1/nodes", ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")),
    row("header-many", "GET", "/v1/nodes", *((f"X-Many-{i}", "1") for i in range(400))),
    row("header-huge", "GET", "/v1/nodes", ("X-Huge", "a" * 200_000)),
]

FRAMING = [
    wire("framing-both-lengths", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n17\r\n" + OFF + b"\r\n0\r\n\r\n"),
    wire("framing-two-lengths", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Content-Length: 23\r\nContent-Length: 5\r\n\r\n" + OFF),
    wire("framing-length-list", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Content-Length: 23, 23\r\n\r\n" + OFF),
    wire("framing-length-plus", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Content-Length: +23\r\n\r\n" + OFF),
    wire("framing-length-negative", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Content-Length: -1\r\n\r\n" + OFF),
    wire("framing-length-hex", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Content-Length: 0x17\r\n\r\n" + OFF),
    wire("framing-length-huge", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Content-Length: 99999999999999999999999\r\n\r\n" + OFF),
    wire("framing-coding-odd", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Transfer-Encoding: xchunked\r\n\r\n17\r\n" + OFF + b"\r\n0\r\n\r\n"),
    wire("framing-coding-list", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Transfer-Encoding: chunked, identity\r\n\r\n17\r\n" + OFF + b"\r\n0\r\n\r\n"),
    wire("framing-coding-gzip", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Transfer-Encoding: gzip, chunked\r\n\r\n17\r\n" + OFF + b"\r\n0\r\n\r\n"),
    wire("framing-coding-twice", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n17\r\n" + OFF + b"\r\n0\r\n\r\n"),
    wire("framing-space-before-colon", b"GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nX-Thing : 1\r\n\r\n"),
    wire("framing-length-space-before-colon", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\n"
         b"Content-Type: application/json\r\nContent-Length : 23\r\n\r\n" + OFF),
    wire("framing-folded-header", b"GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nX-Thing: 1\r\n X-Roles: admin\r\n\r\n"),
    wire("framing-first-header-folded", b"GET /v1/nodes HTTP/1.1\r\n Host: localhost\r\n{auth}\r\n\r\n"),
    wire("framing-return-in-header", b"GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nX-Thing: a\rX-Roles: admin\r\n\r\n"),
    wire("framing-nul-in-header", b"GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nX-Thing: a\x00b\r\n\r\n"),
    wire("framing-header-without-name", b"GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\n{auth}\r\n: x\r\n\r\n"),
    wire("framing-header-without-colon", b"GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nX-Thing\r\n\r\n"),
    wire("framing-absolute-form", b"GET http://localhost/v1/nodes HTTP/1.1\r\nHost: localhost\r\n{auth}\r\n\r\n"),
    wire("framing-absolute-form-other", b"GET http://other.example/v1/nodes HTTP/1.1\r\nHost: localhost\r\n{auth}\r\n\r\n"),
    wire("framing-connect", b"CONNECT localhost:6385 HTTP/1.1\r\nHost: localhost:6385\r\n{auth}\r\n\r\n"),
    wire("framing-asterisk-get", b"GET * HTTP/1.1\r\nHost: localhost\r\n{auth}\r\n\r\n"),
    wire("framing-no-slash", b"GET v1/nodes HTTP/1.1\r\nHost: localhost\r\n{auth}\r\n\r\n"),
    wire("framing-two-spaces", b"GET  /v1/nodes HTTP/1.1\r\nHost: localhost\r\n{auth}\r\n\r\n"),
    wire("framing-space-in-target", b"GET /v1/nodes /x HTTP/1.1\r\nHost: localhost\r\n{auth}\r\n\r\n"),
    wire("framing-tab-in-line", b"GET\t/v1/nodes\tHTTP/1.1\r\nHost: localhost\r\n{auth}\r\n\r\n"),
    wire("framing-http-0-9", b"GET /v1/nodes\r\n\r\n"),
    wire("framing-http-1-2", b"GET /v1/nodes HTTP/1.2\r\nHost: localhost\r\n{auth}\r\n\r\n"),
    wire("framing-http-lower-case", b"GET /v1/nodes http/1.1\r\nHost: localhost\r\n{auth}\r\n\r\n"),
    wire("framing-chunked", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Transfer-Encoding: chunked\r\n\r\n17\r\n" + OFF + b"\r\n0\r\n\r\n", status=411),
    wire("framing-chunk-extension", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Transfer-Encoding: chunked\r\n\r\n17;ext=1\r\n" + OFF + b"\r\n0\r\n\r\n"),
    wire("framing-chunk-size-plus", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Transfer-Encoding: chunked\r\n\r\n+17\r\n" + OFF + b"\r\n0\r\n\r\n"),
    wire("framing-chunk-size-0x", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Transfer-Encoding: chunked\r\n\r\n0x17\r\n" + OFF + b"\r\n0\r\n\r\n"),
    wire("framing-chunk-bare-newline", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Transfer-Encoding: chunked\r\n\r\n17\n" + OFF + b"\n0\n\n"),
    wire("framing-chunk-trailer", b"PUT /v1/nodes/{n}/states/power HTTP/1.1\r\nHost: localhost\r\n{auth}\r\nContent-Type: application/json\r\n"
         b"Transfer-Encoding: chunked\r\n\r\n17\r\n" + OFF + b"\r\n0\r\nX-Roles: admin\r\n\r\n"),
]

METHODS = [
    row("method-provision", "PROVISION", f"/v1/nodes/{N}/states?target=manage", status=405),
    row("method-power", "POWER", f"/v1/nodes/{N}/states?target=power%20off", status=405),
    row("method-validate", "VALIDATE", f"/v1/nodes/{N}"),
    row("method-get-all", "GET_ALL", "/v1/nodes"),
    row("method-get-one", "GET_ONE", f"/v1/nodes/{N}"),
    row("method-lower-case", "get", "/v1/nodes"),
    row("method-lower-case-delete", "delete", f"/v1/nodes/{N}"),
    row("method-trace", "TRACE", "/v1/nodes"),
    row("method-track", "TRACK", "/v1/nodes"),
    row("method-propfind", "PROPFIND", "/v1/nodes"),
    row("method-unknown", "FROBNICATE", "/v1/nodes"),
    row("method-pri", "PRI", "*"),
    row("method-post-on-node", "POST", f"/v1/nodes/{N}", JSON, body="{}", status=405),
    row("method-put-on-node", "PUT", f"/v1/nodes/{N}", JSON, body="{}", status=405),
    row("method-post-on-root", "POST", "/", JSON, body="{}"),
    row("method-delete-on-root", "DELETE", "/"),
    row("method-delete-on-rules", "DELETE", "/v1/inspection_rules"),
    row("method-passthru-patch", "PATCH", f"/v1/nodes/{N}/states/power", JSON, body=OFF, status=405),
    row("method-override-header", "POST", f"/v1/nodes/{N}", ("X-HTTP-Method-Override", "DELETE"), JSON, body="{}"),
]
