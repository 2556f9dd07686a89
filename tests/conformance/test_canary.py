"""Secrets in every field of every object of a real Ironic; then all operations for all roles, and none of them comes out.

Each planted secret is a word of its own that names its place. What Ironic's API takes is planted by asking Ironic itself;
what only Ironic writes (texts of errors, history, inventory, its agent's token) is planted in its database.
"""

import json
import re
import sqlite3
import subprocess
import threading
import time
import tomllib
import urllib.error
import urllib.request
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from world import ROOT, World

NODE, SPARE, AGENT = (f"77777777-0000-4000-8000-00000000000{digit}" for digit in (1, 2, 3))
PORT, GROUP, CHASSIS, CONNECTOR, TARGET = (f"77777777-0000-4000-8000-0000000000{digit}" for digit in range(11, 16))
TEMPLATE, BOOK, RULE, HIDDEN_RULE, CLAIM, EVENT = (f"77777777-0000-4000-8000-0000000000{digit}" for digit in range(21, 27))
AGENT_ADDRESS = "52:54:00:00:0c:02"
ROLES = ("auditor", None, "operator", "admin")  # nobody in particular is the ramdisk; who may delete comes last
OTHER_ROLES = sorted({path.stem for path in (ROOT / "policies" / "roles").glob("*.cedar")} - {"admin", "operator", "auditor", "ramdisk", "discover"})
PLANTED = re.compile(r"canary-[a-z0-9-]+-7e57")
PLACES = {
    "node": NODE, "port": PORT, "portgroup": GROUP, "chassis": CHASSIS, "connector": CONNECTOR, "target": TARGET, "template": TEMPLATE,
    "runbook": BOOK, "rule": RULE, "allocation": CLAIM, "driver": "fake-hardware", "conductor": "conductor-1", "event": EVENT,
    "setting": "AdminPassword", "shard": "shard", "indicator": "power@chassis", "trait": "CUSTOM_A", "vif": "vif",
}

# Where a planted secret comes out on purpose: (operation, beginning of the secret's place), with the reason. Not planted at all:
# bare words in texts without a shape or name (a `description`, a `name`), which nothing can tell from other words, and
# secrets as the names of fields or query parameters, which irongate's refusals tell to the one who sent them.
ON_PURPOSE = [
    # The agent reads the whole node and gets its token; who may ask for it is the policy's business.
    ("ramdisk:lookup", "canary-agent-"),
]

KNOWN = tomllib.loads((ROOT / "src" / "catalog" / "secrets.toml").read_text())


def word(place):
    """A secret that names its place."""
    return "canary-" + re.sub("[^a-z0-9]+", "-", place.lower()).strip("-") + "-7e57"


def shaped(place):
    """Texts with a secret in them that is known by its look, under names that say nothing."""
    def secret(kind):
        return word(f"{place} {kind}")
    line = "-----{} PRIVATE KEY-----"
    return {
        "url": f"https://user:{secret('url')}@192.0.2.9/image", "proxy": f"http://{secret('proxy')}@192.0.2.9:3128",
        "signed": f"https://192.0.2.9/v1/o?temp_url_sig={secret('signed')}&temp_url_expires=1",
        "kernel_append_params": f"nofb rootpwd={secret('kernel')} console=ttyS0 password={secret('kernel2')}",
        "pem": "\n".join([line.format("BEGIN"), secret("pem"), line.format("END")]),
        "jwt": f"eyJhbGciOiJI.eyJzdWIi{secret('jwt')}.{secret('jwt')}", "fernet": "gAAAAAB" + 3 * secret("fernet"),
        "hash": f"$6$rounds=5000${secret('hash')}{secret('hash')}", "header": f"Authorization: Basic {secret('header')}",
        "deep": [{"x": [f"see https://u:{secret('deep')}@h/"]}],
    }


def named(place):
    """Values under every name that the catalogue knows as a secret's, and under names that hold one of its words."""
    names = {name: word(f"{place} {name}") for name in KNOWN["names"]}
    words = {f"x_{part}_1": word(f"{place} word {part}") for part in KNOWN["words"]}
    joined = {f"y{part.replace('_', '')}": word(f"{place} joined {part}") for part in KNOWN["words"]}
    parts = {name: word(f"{place} part {name}") for name in ("SysPass1", "bmc_pass", "TrapCommunity", "read_community", "community", "client_key")}
    return names | words | joined | parts | {"password_object": {"a": [word(f"{place} object")]}, "Admin-Password": word(f"{place} case")}


def rich(place):
    """Everything at once."""
    return named(place) | shaped(place)


def text(place):
    """What an error might say."""
    return f"fetching https://user:{word(place + ' text')}@192.0.2.9/x failed: password={word(place + ' said')} is wrong"


def told(place):
    """What a longer error quotes: steps and settings as Python and JSON write them, and values on either side of their names."""
    def secret(kind):
        return word(f"{place} told {kind}")
    vendor = {"interface": "vendor", "step": "send_raw", "args": {"raw_bytes": secret("raw"), "x": {"y": [secret("argument")]}}}
    settings = [{"name": "AdminPassword", "value": secret("setting")}, {"value": secret("before"), "x": 1, "name": "SetupPassword"}]
    names = ("http_headers", "irmc_snmp_security", "user_data", "key_data", "client_key", "SysPass1", "ssl_key", "TrapCommunity", "image_url")
    plain = {name: secret(f"plain {name}") for name in names}
    return "\n".join([
        text(place), f"failed step {vendor}", f"failed step {json.dumps(vendor)}", json.dumps({"x": json.dumps(vendor)}), f"cannot apply {settings}",
        f"cannot apply {json.dumps(settings)}", str(plain), " ".join(f"{name}={value}" for name, value in plain.items()),
        f"Failed to set attribute /driver_info/redfish_password with value {secret('set')}: no",
        f"The value '{secret('refused')}' for the property AdminPassword is not in the list",
        f"Failed to check condition: 'eq' on values: ['{{node.driver_info.redfish_password}}', '{secret('compared')}']",
        f"netroot=iscsi:user:{secret('chap')}@192.0.2.9::3260::iqn.2009-06.example:x"])


def step(place, **more):
    """A step with secret arguments, a BIOS setting named as a password among them."""
    settings = [{"name": "AdminPassword", "value": word(f"{place} setting")}, {"name": "AdminPassword", "val": word(f"{place} val")}]
    files = [{"path": "/etc/site/credential", "content": word(f"{place} content")}]
    arguments = {"settings": settings, "files": files, **rich(place + " args")}
    return {"interface": "bios", "step": "apply_configuration", "args": arguments, **more}


def rule(place):
    """What an inspection rule holds."""
    call = {"op": "api-call", "args": {"url": f"https://u:{word(place + ' url')}@192.0.2.9/", "headers": {"X-Any": word(place + " header")}}}
    path = "/driver_info/redfish_password"
    attribute = {"op": "set-attribute", "args": {"path": path, "value": word(place + " value")}}
    looped = [
        {"op": "set-attribute", "args": {"path": path, "value": "{item}"}, "loop": [word(place + " looped")]},
        {"op": "set-attribute", "args": {"path": path, "value": "{item[x]}"}, "loop": {"x": word(place + " looped object")}},
        {"op": "set-attribute", "args": {"path": "/driver_info/{item[0]}", "value": "{item[1]}"}, "loop": [["redfish_password", word(place + " looped path")]]},
        {"op": "set-attribute", "args": {"path": "/driver_info/{item}", "value": word(place + " looped name")}, "loop": ["redfish_password"]},
    ]
    return {"description": text(place), "actions": [call, attribute, *looped],
            "conditions": [{"op": "eq", "args": {"values": ["{inventory.x}", f"password={word(place + ' eq')}"]}}]}


def driver_info(place):
    """All that any hardware type's driver_info takes for a secret, and addresses that hold one."""
    addresses = ("deploy_kernel", "deploy_ramdisk", "rescue_kernel", "deploy_iso", "bootloader", "image_http_proxy", "external_http_url")
    return rich(place) | {name: f"http://user:{word(f'{place} {name}')}@192.0.2.9/x" for name in addresses}


# Half of a surrogate pair, with stars and a secret beside it.
HALF = {"half": f"\udce9x password={word('extra half')}", "stars": f"**eyJhbGciOiJI.eyJzdWIi{word('extra stars')}.x**"}

PLANT = [
    ("POST", "/v1/chassis", {"uuid": CHASSIS, "description": text("chassis"), "extra": rich("chassis extra")}),
    ("POST", "/v1/nodes", {
        "uuid": NODE, "name": "rich", "driver": "fake-hardware", "chassis_uuid": CHASSIS, "resource_class": "canary", "shard": "shard",
        "driver_info": driver_info("driver-info"), "instance_info": driver_info("instance-info"), "extra": rich("extra") | HALF,
        "properties": rich("properties"), "description": told("description")}),
    ("POST", "/v1/nodes", {"uuid": SPARE, "name": "spare", "driver": "fake-hardware", "driver_info": rich("spare"), "resource_class": "other"}),
    ("POST", "/v1/nodes", {"uuid": AGENT, "name": "agent", "driver": "fake-hardware", "instance_info": shaped("agent")}),
    ("POST", "/v1/ports", {"uuid": PORT, "node_uuid": NODE, "address": "52:54:00:00:0c:01", "extra": rich("port extra"),
                           "local_link_connection": {"switch_id": "0a:1b:2c:3d:4e:5f", "port_id": "e1", "switch_info": text("switch")}}),
    ("POST", "/v1/ports", {"node_uuid": AGENT, "address": AGENT_ADDRESS}),
    ("POST", "/v1/portgroups", {"uuid": GROUP, "node_uuid": NODE, "name": "bond", "extra": rich("group extra"), "properties": rich("group")}),
    ("POST", "/v1/volume/connectors", {"uuid": CONNECTOR, "node_uuid": NODE, "type": "iqn", "connector_id": "iqn.2026-01.example:x",
                                       "extra": rich("connector extra")}),
    ("POST", "/v1/volume/targets", {"uuid": TARGET, "node_uuid": NODE, "volume_type": "iscsi", "boot_index": 0, "volume_id": "v",
                                    "properties": rich("target"), "extra": rich("target extra")}),
    ("POST", "/v1/deploy_templates", {"uuid": TEMPLATE, "name": "CUSTOM_GOLD", "steps": [step("template", priority=10)], "extra": rich("template extra")}),
    ("POST", "/v1/runbooks", {"uuid": BOOK, "name": "CUSTOM_BOOK", "steps": [step("runbook", order=1)], "extra": rich("runbook extra")}),
    ("POST", "/v1/inspection_rules", {"uuid": RULE, **rule("rule")}),
    ("POST", "/v1/inspection_rules", {"uuid": HIDDEN_RULE, "sensitive": True, **rule("hidden rule")}),
    ("PUT", f"/v1/nodes/{NODE}/maintenance", {"reason": told("maintenance")}),
    ("PUT", f"/v1/nodes/{NODE}/traits", {"traits": ["CUSTOM_A"]}),
]


def plant_in_database(path):
    """What only Ironic itself writes."""
    running = json.dumps(step("running"))
    internal = rich("internal") | {"agent_url": f"https://u:{word('internal agent url')}@192.0.2.9:9999", "agent_secret_token": word("internal token")}
    with closing(sqlite3.connect(path, timeout=30)) as database, database:
        number, = database.execute("select id from nodes where uuid = ?", (NODE,)).fetchone()
        database.execute(
            "update nodes set last_error = ?, driver_internal_info = ?, clean_step = ?, deploy_step = ?, service_step = ?, raid_config = ?,"
            " target_raid_config = ?, protected_reason = ?, retired_reason = ?, health = 'OK' where id = ?",
            (told("last error"), json.dumps(internal), running, running, running, json.dumps(rich("raid")), json.dumps(rich("target raid")),
             told("protected"), told("retired"), number))
        database.execute("update ports set internal_info = ? where uuid = ?", (json.dumps(rich("port internal")), PORT))
        database.execute("update nodes set provision_state = 'wait call-back', driver_internal_info = '{}' where uuid = ?", (AGENT,))
        database.execute("insert into node_history (uuid, node_id, event, conductor, severity, version) values (?, ?, ?, 'conductor-1', 'ERROR', '1.0')",
                         (EVENT, number, told("history")))
        database.execute("insert into node_inventory (node_id, inventory_data, plugin_data, version) values (?, ?, ?, '1.0')",
                         (number, json.dumps(rich("inventory")), json.dumps(rich("plugin"))))
        for name in ("AdminPassword", "SetupPassword", "ProcTurboMode"):
            value = word(f"bios {name}") if name.endswith("Password") else text("bios")
            database.execute("insert into bios_settings (node_id, name, value, version) values (?, ?, ?, '1.1')", (number, name, value))
        database.execute("insert into allocations (uuid, name, state, last_error, resource_class, extra, traits, candidate_nodes, version)"
                         " values (?, 'claim', 'error', ?, 'canary', ?, '[]', '[]', '1.1')", (CLAIM, told("allocation"), json.dumps(rich("allocation"))))


def secret_patch(place):
    """Writes of secrets that are not taken as they are: the second of them makes the request fail."""
    return [{"op": "add", "path": "/extra/api_key", "value": word(f"sent {place} key")},
            {"op": "test", "path": "/extra/no_such", "value": word(f"sent {place} test")}]


def sent(operation):
    """A request's body with secrets in it."""
    place = f"sent {operation['id']}"
    if operation["body"]["kind"] == "patch":
        return secret_patch(operation["id"])
    known = {
        "event:create": {"events": [{"event": "network.bind_port", "port_id": word(place)}]},
        "node:create": {"driver": "fake-hardware", "driver_info": {"redfish_password": {"x": word(place)}, "snmp_community": word(place + " b")}},
        "node:set_maintenance": {"reason": text(place)},
        "node:set_power_state": {"target": word(place)},
        "node:set_provision_state": {"target": "active", "configdrive": {"meta_data": {"x": word(place)}}, "rescue_password": word(place + " b")},
        "node:set_raid_state": {"logical_disks": [{"size_gb": "MAX", "raid_level": "1", "password": word(place)}]},
        "node:vmedia:attach": {"device_type": "cdrom", "image_url": f"https://u:{word(place)}@192.0.2.9/x.iso"},
        "ramdisk:heartbeat": {"callback_url": f"https://u:{word(place)}@192.0.2.9:9999", "agent_token": word(place + " token"), "agent_version": "9.0"},
        "ramdisk:continue_inspection": {"inventory": {"bmc_address": text(place), "interfaces": [], "password": word(place + " b")}},
        "volume:target:create": {"node_uuid": NODE, "volume_type": "iscsi", "boot_index": 1, "volume_id": "w", "properties": named(place)},
        "port:create": {"node_uuid": NODE, "address": word(place), "extra": named(place + " extra")},
        "runbook:create": {"name": "CUSTOM_X", "steps": [step(place)]},
        "deploy_template:create": {"name": "CUSTOM_Y", "steps": [step(place)]},
        "inspection_rule:create": rule(place),
    }
    passthru = {"http_headers": {"X-Any": word(place)}, "password": word(place + " b"), "bar": text(place)}
    return known.get(operation["id"], passthru if operation["body"]["kind"] == "any" else {"nope": word(place)})


def target_of(operation, node):
    """An operation's path and query, for one node."""
    path = re.sub(r"\{(\w+)\}", lambda name: (PLACES | {"node": node})[name[1]], operation["path"])
    query = {"ramdisk:lookup": f"addresses={AGENT_ADDRESS}", "ramdisk:continue_inspection": f"node_uuid={SPARE}"}.get(operation["id"])
    if "vendor_passthru" in path and not path.endswith("/methods"):
        query = "method=first_method"
    return path + (f"?{query}" if query else "")


class Collector(BaseHTTPRequestHandler):
    """Takes traces, and keeps them as they come."""

    told = []

    def do_POST(self):
        """A batch."""
        self.told.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture(scope="module")
def planted(tmp_path_factory, gated):
    """An Ironic full of secrets, and an irongate in front of it that logs all it can."""
    patch = pytest.MonkeyPatch()
    patch.setenv("IRONGATE_LOG", "debug")
    made = World(tmp_path_factory.mktemp("canary"), "canary", tapped=False)
    ramdisk = '\n[[binding]]\nrole = "ramdisk"\nanonymous = true\n'
    collector = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    tracing = f'\n[tracing]\nendpoint = "http://127.0.0.1:{collector.server_port}"\nratio = 1.0\n'
    made.gate.configuration.write_text(made.gate.configuration.read_text() + ramdisk + tracing)
    made.gate.stop()
    made.gate.start()
    try:
        for method, target, body in PLANT:
            answer = made.direct.call(method, target, body)
            assert answer.status < 300, (target, answer.body[:500])
        plant_in_database(made.ironic.state / "ironic.db")
        yield made
    finally:
        made.close()
        collector.shutdown()
        patch.undo()


@pytest.fixture(scope="module")
def operations(planted):
    """All that the catalogue knows."""
    listed = subprocess.run([planted.gate.binary, "routes", "--format", "json"], capture_output=True, check=True)
    return json.loads(listed.stdout)


def fields_of(planted, operation, target):
    """The fields of an answer's objects, as Ironic itself tells them: each is asked for alone, so that none is known by another."""
    query = "?detail=True" if any(parameter["name"] == "detail" for parameter in operation["query"]) else ""
    answer = planted.direct.call("GET", target + query)
    content = {key: value for key, value in answer.json().items() if key != "next"} if answer.status == 200 else {}
    whole = list(content.values())[0] if len(content) == 1 else None
    return sorted({field for item in (whole if isinstance(whole, list) else [content]) for field in item})


def leaks(operation, content):
    """Secrets in bytes or texts, less those that pass there on purpose."""
    content = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    found = set(PLANTED.findall(content))
    return {secret for secret in found if not any(known == operation and secret.startswith(place) for known, place in ON_PURPOSE)}


def head(answer):
    """An answer's headers as a text."""
    return "\n".join(": ".join(pair) for pair in answer.headers)


def kept(planted):
    """All that irongate wrote: log, records, metrics, traces."""
    told = planted.gate.log.read_text() + planted.gate.audit.read_text()
    for path in ("healthz", "livez", "readyz", "metrics", "status"):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{planted.gate.admin_port}/{path}", timeout=5) as answer:
                told += f"{path} 200\n" + answer.read().decode()
        except urllib.error.HTTPError as error:
            told += error.read().decode()
    deadline = time.monotonic() + 10
    while len(Collector.told) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)  # batches come each second
    return told + b"".join(Collector.told).decode("utf-8", "replace")


@pytest.fixture(scope="module")
def token(planted):
    """What Ironic tells an agent once."""
    answer = planted.raw.call("GET", f"/v1/lookup?addresses={AGENT_ADDRESS}", user=None)
    assert answer.status == 200, answer
    return answer.json()["config"]["agent_token"]


def test_agent_token(planted, token):
    """An agent gets its token, and may call with it; nobody else does. It is looked for in log and records below."""
    assert len(token) > 20
    shown = planted.raw.call("GET", f"/v1/nodes/{AGENT}")
    assert shown.status == 200 and token not in shown.body.decode(), shown


def test_planted(planted, operations):
    """Ironic itself shows what was planted: else nothing below would prove anything."""
    shown = set()
    for operation in (operation for operation in operations if operation["method"] == "GET"):
        shown |= set(PLANTED.findall(planted.direct.call("GET", target_of(operation, NODE)).body.decode("utf-8", "replace")))
    assert len(shown) > 500, len(shown)
    expected = ("driver-info", "instance-info", "extra", "properties", "description", "chassis", "port-extra", "switch", "group", "connector",
                "target-extra", "template-extra", "runbook-extra", "rule", "maintenance", "last-error", "internal", "history", "inventory",
                "plugin", "bios", "allocation", "raid", "protected", "retired")
    missing = [place for place in expected if not any(secret.startswith(f"canary-{place}") for secret in shown)]
    assert not missing, missing


def bind_anonymous(planted, role):
    """Nobody in particular gets a role, at once."""
    bound = f'role = "{role}"\nanonymous = true'
    text = re.sub(r'role = "[a-z-]+"\nanonymous = true', bound, planted.gate.configuration.read_text())
    before = planted.gate.log.read_text().count('"reloaded"')
    planted.gate.configuration.write_text(text)
    planted.gate.reload()
    deadline = time.monotonic() + 10
    while planted.gate.log.read_text().count('"reloaded"') == before:
        assert time.monotonic() < deadline, "it did not read its configuration again"
        time.sleep(0.05)


@pytest.mark.parametrize("role", OTHER_ROLES)
def test_other_roles(planted, operations, role):
    """Nor does any other shipped role see one, in reads or in answers to writes."""
    bind_anonymous(planted, role)
    found, good = {}, 0
    try:
        for operation in operations:
            if operation["method"] == "DELETE":
                continue
            body = None if operation["method"] == "GET" or operation["body"]["kind"] == "none" else sent(operation)
            answer = planted.raw.call(operation["method"], target_of(operation, NODE), body, user=None)
            good += answer.status < 300
            secrets = leaks(operation["id"], answer.body) | leaks(None, head(answer))
            if secrets:
                found[operation["id"]] = sorted(secrets)
    finally:
        bind_anonymous(planted, "ramdisk")
    assert not found, json.dumps(found, indent=1)
    assert good > 1, good


@pytest.mark.parametrize("role", ROLES)
def test_reads(planted, operations, role):
    """No read shows a secret to anybody, in any form of it that is asked for."""
    found, good, asked_for, taken = {}, 0, 0, 0
    for operation in (operation for operation in operations if operation["method"] == "GET"):
        names = {parameter["name"] for parameter in operation["query"]}
        target = target_of(operation, NODE)
        more = ["detail=True"] if "detail" in names else []
        if "fields" in names:
            fields = fields_of(planted, operation, target)
            more += [f"fields={field}" for field in fields]
            more += ["fields=uuid,driver_info,instance_info,extra,last_error"] if "driver_info" in fields else []
            asked_for += len(fields)
        versions = ("1.115", "1.61") if operation["id"] in ("node:get", "node:list_detail") else ("1.115",)
        for asked in [target, *(f"{target}{'&' if '?' in target else '?'}{query}" for query in more)]:
            for version in versions:
                answer = planted.raw.call("GET", asked, user=role, version=version)
                good += answer.status == 200
                taken += answer.status == 200 and "fields=" in asked and version == "1.115"
                secrets = leaks(operation["id"], answer.body) | leaks(None, head(answer))
                if secrets:
                    found[asked] = sorted(secrets)
    assert not found, json.dumps(found, indent=1)
    assert role is None or taken > asked_for * 0.75 > 100, (taken, asked_for)
    assert good > {"admin": 70, "operator": 60, "auditor": 55, None: 2}[role], good


@pytest.mark.parametrize("role", ROLES)
def test_writes(planted, operations, role):
    """No answer to a write, permitted, refused or failed, shows a secret that was stored or sent."""
    found = {}
    writes = [operation for operation in operations if operation["method"] != "GET"]
    for operation in sorted(writes, key=lambda operation: operation["method"] == "DELETE"):
        for node in (NODE, SPARE):
            body = None if operation["body"]["kind"] == "none" else sent(operation)
            answer = planted.raw.call(operation["method"], target_of(operation, node), body, user=role)
            secrets = leaks(operation["id"], answer.body) | leaks(None, head(answer))
            assert answer.status, operation["id"]
            if secrets:
                found[f"{operation['id']} {answer.status}"] = sorted(secrets)
            if "{node}" not in operation["path"]:
                break
    assert not found, json.dumps(found, indent=1)


def test_elsewhere_in_a_request(planted):
    """Secrets in queries, headers and credentials."""
    secret = word("elsewhere")
    headers = [("X-Auth-Token", secret), ("Cookie", f"session={secret}"), ("X-OpenStack-Request-ID", secret), ("User-Agent", secret)]
    for target in ("/v1/nodes", f"/v1/nodes?owner={secret}", f"/v1/nodes?fields={secret}", f"/{secret}"):
        for header in [*headers, ("Authorization", f"Bearer {secret}"), ("Authorization", f"Basic {secret}")]:
            user = None if header[0] == "Authorization" else "admin"
            answer = planted.raw.call("GET", target, user=user, headers=[header], host=f"{secret}.example")
            links = re.sub(rf"https://{secret}\.example", "", answer.body.decode())
            assert not leaks(None, links) and not leaks(None, head(answer)), (target, header, answer)


@pytest.fixture(scope="module")
def asked(planted, operations):
    """Every operation once, whatever was asked before: this file's last test has something to look at when it runs alone."""
    for operation in sorted(operations, key=lambda operation: operation["method"] == "DELETE"):
        body = None if operation["method"] == "GET" or operation["body"]["kind"] == "none" else sent(operation)
        assert planted.raw.call(operation["method"], target_of(operation, NODE), body).status, operation["id"]
    return {operation["id"] for operation in operations}


def test_nothing_was_kept(planted, token, asked):
    """Neither log (at its most talkative) nor record, metric or probe holds any of all that, and the net caught nothing."""
    told = kept(planted)
    # A record names the fields that were written, whose names these requests chose, and nothing else.
    records = [json.loads(line) for line in planted.gate.audit.read_text().splitlines()]
    assert asked <= {record.get("operation") for record in records}
    assert '"level":"INFO"' in told and "metrics 200" in told and "irongate_" in told
    assert Collector.told and "node:get" in told
    assert not leaks(None, told), sorted(leaks(None, told))[:20]
    assert "******" not in planted.gate.audit.read_text() + planted.gate.log.read_text(), "the last net had to mask a line"
    assert token not in told
