"""Every operation of the catalogue, with valid requests and requests that are wrong in one place, to Ironic and through irongate.

Two Ironics are kept in one state. Each request goes to one of them directly and to the other through irongate, as `admin`.
A difference is one of: irongate refuses what Ironic takes; the statuses differ; the answers differ (a mask is a difference:
nothing that these requests store is a secret, so nothing of it may be masked); the stores differ afterwards; what arrived is
not the operation and the writes of the audit record. `exceptions.toml` lists what is meant to differ, with reasons and
counts: an entry that covers more of the reduced form than it says, or fewer, fails.
"""

import fnmatch
import json
import re
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

import generate
from samples import BARE, BOOK, CHASSIS, CLAIM, CONNECTOR, GROUP, HOST, NODE, PAST, PORT, RULE, SPARE, STEP, TARGET, TEMPLATE, VALUES
from store import Store, differences
from test_direct import compare, plain
from world import binary

EXCEPTIONS = Path(__file__).resolve().parent / "exceptions.toml"

FIXTURES = [
    ("POST", "/v1/chassis", {"uuid": CHASSIS, "description": "rack", "extra": {"a": 1}}),
    ("POST", "/v1/chassis", {"uuid": BARE}),
    ("POST", "/v1/nodes", {"uuid": NODE, "name": "generated-node", "driver": "fake-hardware", "resource_class": "metal", "extra": {"a": {"b": 1}}, "properties": {"a": 1},
                           "driver_info": {"a": 1}, "instance_info": {"a": 1}, "description": "d"}),
    ("POST", "/v1/nodes", {"uuid": HOST, "name": "generated-host", "driver": "fake-hardware", "chassis_uuid": CHASSIS}),
    ("POST", "/v1/nodes", {"uuid": SPARE, "name": "generated-spare", "driver": "fake-hardware", "resource_class": "metal"}),
    ("PUT", f"/v1/nodes/{NODE}/traits", {"traits": ["CUSTOM_FIRST"]}),
    ("POST", "/v1/portgroups", {"uuid": GROUP, "node_uuid": HOST, "name": "generated-group", "extra": {"a": 1}, "properties": {"a": 1}}),
    ("POST", "/v1/ports", {"uuid": PORT, "node_uuid": HOST, "address": "52:54:00:0b:00:01", "name": "generated-port", "extra": {"a": 1}, "pxe_enabled": False}),
    ("POST", "/v1/volume/connectors", {"uuid": CONNECTOR, "node_uuid": HOST, "type": "iqn", "connector_id": "iqn.2026-01.example:host", "extra": {"a": 1}}),
    ("POST", "/v1/volume/targets", {"uuid": TARGET, "node_uuid": HOST, "volume_type": "iscsi", "boot_index": 0, "volume_id": "v", "extra": {"a": 1}, "properties": {"a": 1}}),
    ("POST", "/v1/deploy_templates", {"uuid": TEMPLATE, "name": "CUSTOM_TEMPLATE", "steps": [STEP | {"priority": 20}], "extra": {"a": 1}}),
    ("POST", "/v1/runbooks", {"uuid": BOOK, "name": "CUSTOM_BOOK", "steps": [STEP | {"order": 1}], "extra": {"a": 1}}),
    ("PUT", f"/v1/runbooks/{BOOK}/traits", {"traits": ["CUSTOM_FIRST"]}),
    ("POST", "/v1/inspection_rules", {"uuid": RULE, "description": "r", "actions": VALUES["actions"], "conditions": VALUES["conditions"]}),
    ("POST", "/v1/allocations", {"uuid": CLAIM, "name": "generated-claim", "resource_class": "none-such", "extra": {"a": 1}}),
]


@pytest.fixture(scope="module")
def stores(twins):
    """Both Ironics with the same things in them, and their stores."""
    made = []
    for world in twins:
        for method, target, body in FIXTURES:
            answer = world.direct.call(method, target, body)
            assert answer.status < 300, (method, target, answer)
        store = Store(world.ironic.state / "ironic.db")
        store.settle()
        for node in (NODE, HOST, SPARE):
            store.put(node, "manageable")
        store.connection.execute("UPDATE nodes SET power_state = 'power off'")
        store.put(SPARE, "available")
        store.connection.execute("UPDATE nodes SET driver_internal_info = json_set(driver_internal_info, '$.agent_secret_token', 't0ken') WHERE uuid = ?", (NODE,))
        (number,) = store.connection.execute("SELECT id FROM nodes WHERE uuid = ?", (NODE,)).fetchone()
        store.connection.execute("INSERT INTO bios_settings (node_id, name, value, version) VALUES (?, 'hyperthreading', 'on', '1.1')", (number,))
        store.connection.execute("INSERT INTO node_history (uuid, node_id, conductor, event_type, severity, event, version) VALUES (?, ?, 'conductor-1', 'power', 'ERROR', 'e', '1.0')", (PAST, number))
        store.connection.execute("INSERT INTO node_inventory (node_id, inventory_data, plugin_data, version) VALUES (?, '{\"cpu\": 1}', '{}', '1.0')", (number,))
        made.append(store)
    first, second = made
    assert not differences(first.rows(), second.rows())
    for store in made:
        store.keep()
    return made


def routes():
    """The catalogue as the program prints it."""
    return json.loads(subprocess.run([binary(), "routes", "--format", "json"], capture_output=True, check=True).stdout)


def matcher(template):
    """A pattern for the paths of an operation."""
    return re.compile("/".join("[^/]+" if part.startswith("{") else re.escape(part) for part in template.split("/")) or "/")


class Judge:
    """Sends one case after another and keeps what differs."""

    def __init__(self, twins, stores, table):
        self.direct, self.through = twins
        self.stores = stores
        self.table = {row["id"]: (row["method"], [(matcher(path), path) for path in (row["path"], *row["aliases"])]) for row in table}
        self.read_only = {row["id"] for row in table if row["method"] == "GET"}
        self.state = "manageable"
        self.sent = []
        self.found = []
        self.taken = set()

    def send(self, world, case):
        """One request to one of the two."""
        raw = world.raw
        # An answer to HEAD has a length and no body: its end is that of the connection.
        headers = (*case.headers, ("Connection", "close")) if case.method == "HEAD" else case.headers
        return raw.send(raw.bytes(case.method, case.target, headers, case.content, version=case.version or None), timeout=90)

    def run(self, case):
        """Both answers, and what they wrote."""
        if case.state != self.state:
            for store in self.stores:
                store.put(NODE, case.state)
            self.state = case.state
        theirs = self.send(self.direct, case)
        mark = self.through.tap.mark()
        ours = self.send(self.through, case)
        self.sent.append((case, ours.header("x-openstack-request-id"), self.through.tap.since(mark), ours))
        if theirs.status < 400 and ours.status < 400 and not case.shape.startswith(("path", "method", "version")):
            self.taken.add(case.operation)
        wrong = self.answers(case, theirs, ours)
        if case.method not in ("GET", "HEAD") and (theirs.status < 400 or ours.status < 400 or theirs.status >= 500):
            if theirs.status < 400 and ours.status < 400 and not wrong:
                wrong = self.written(later=theirs.status == 202)
            for store in self.stores:
                store.restore(later=202 in (theirs.status, ours.status) or "allocation" in case.operation)
            self.state = "manageable"
        if wrong:
            self.found.append((case, theirs, ours, wrong))

    def answers(self, case, theirs, ours):
        """How two answers differ, as text; nothing if they do not."""
        if theirs.status >= 500 and 400 <= ours.status < 500:
            return None  # a caller's mistake that Ironic takes for its own
        if theirs.status != ours.status:
            return "refused" if theirs.status < 400 <= ours.status else "status"
        if theirs.status < 400 and case.method != "HEAD":
            different = list(compare(plain(theirs, self.direct.url), plain(ours, self.through.url)))
            if different:
                return "answer: " + "; ".join(different[:5])
        return None

    def written(self, later, seconds=3):
        """How the stores differ once both are at rest."""
        deadline = time.monotonic() + seconds
        while True:
            if later:
                for store in self.stores:
                    store.settle()
            later = True
            different = differences(self.stores[0].rows(), self.stores[1].rows())
            if not different or time.monotonic() > deadline:
                return "store: " + "; ".join(different[:5]) if different else None
            time.sleep(0.02)

    def understood(self):
        """What arrived against what the records say irongate understood."""
        wanted = {request_id for _, request_id, _, _ in self.sent if request_id}
        deadline = time.monotonic() + 10
        records = {}
        while len(records) < len(wanted) and time.monotonic() < deadline:
            lines = self.through.gate.audit.read_text().splitlines()
            records = {record["request_id"]: record for record in map(json.loads, lines) if record["request_id"] in wanted}
        for case, request_id, arrivals, ours in self.sent:
            record = records.get(request_id)
            if record is None:
                yield f"{case.name}: no record"
            elif record.get("stage"):
                if arrivals:
                    yield f"{case.name}: refused at {record['stage']}, and arrived"
            elif len(arrivals) != 1:
                yield f"{case.name}: arrived {len(arrivals)} times"
            else:
                yield from (f"{case.name}: {problem}" for problem in self.one(record, arrivals[0]))

    def one(self, record, arrival):
        """One arrival against its record, each read on its own."""
        method, target, _ = arrival.line.split(" ")
        path, _, query = target.partition("?")
        due, patterns = self.table[record["operation"]]
        template = next((template for pattern, template in patterns if due == method and pattern.fullmatch(path)), None)
        if template is None:
            yield f"{arrival.line} arrived, and the record says {record['operation']}"
            return
        resource = record.get("resource", {}).get("id")
        if resource and resource not in path.split("/"):
            yield f"{path} is not about {resource}"
        names = [pair.partition("=")[0] for pair in query.split("&") if pair]
        if sorted(names) != sorted(name for name in record.get("query", []) if name in names or f"{{{name}}}" not in template):
            yield f"the query has {names}, the record {record.get('query')}"
        if dict(arrival.headers).get("x-openstack-ironic-api-version") != record["microversion"]:
            yield f"the microversion is not {record['microversion']}"
        body = json.loads(bytes(arrival.body)) if arrival.body else None
        writes = [(write["op"], write["path"]) for write in record.get("writes", []) if not write.get("cut")]
        # Of a long path the record holds the beginning.
        beginnings = [write["path"] for write in record.get("writes", []) if write.get("cut")]
        if record.get("writes_more"):
            return
        for place in leaves(body, record["operation"]):
            if not (any(place == path or place.startswith(path + "/") for _, path in writes) or place.startswith(tuple(beginnings))):
                yield f"{place} arrived and is not among the writes {writes}"
        for op, path in writes:
            if not exists(body, op, path):
                yield f"the record says {op} {path}, which did not arrive"


def leaves(body, operation):
    """The places that a body writes: of a patch, its paths and what is below; else keys and items down to leaves."""
    if operation.endswith(":update") and isinstance(body, list):
        for item in body:
            yield from (item["path"] + below for below in ([""] if item["op"] == "remove" else places(item.get("value"))))
    elif body not in (None, {}, []):
        yield from places(body)


def places(value):
    """Pointers to the leaves and empty containers of a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    pairs = list(pairs)
    if not pairs:
        yield ""
    for key, inner in pairs:
        escaped = str(key).replace("~", "~0").replace("/", "~1")
        yield from (f"/{escaped}{below}" for below in places(inner))


def exists(body, op, path):
    """Whether a body has this write."""
    if isinstance(body, list) and all(isinstance(item, dict) and "op" in item and "path" in item for item in body):
        return any(path == item["path"] and op == item["op"] or path.startswith(item["path"] + "/") and inside(item.get("value"), path[len(item["path"]):])
                   for item in body)
    return inside(body, path)


def inside(value, pointer):
    """Whether a value has this place."""
    for key in pointer.split("/")[1:]:
        key = key.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return False
    return True


def covers(exception, case, ours, wrong):
    """Whether a listed exception is about this difference: no pattern but "*" for all operations."""
    return (exception["difference"] == wrong.split(":")[0] and (ours.code() or "") in exception.get("codes", [""])
            and (exception["operations"] == ["*"] or case.operation in exception["operations"]) and case.shape in (*exception["shapes"], *exception.get("reduced", [])))


def parts(case, ours):
    """What of an exception covers a difference."""
    return {("code", ours.code() or ""), ("operation", case.operation), ("operation", "*"), ("shape", case.shape)}


def all_parts(exception):
    """Everything that an exception names."""
    yield from (("code", code) for code in exception.get("codes", [""]))
    yield from (("operation", operation) for operation in exception["operations"])
    yield from (("shape", shape) for shape in exception["shapes"])


def test_the_list_is_narrow():
    """Each exception is whole, says why, and names operations and requests that there are."""
    table = routes()
    cases = list(generate.cases(table, full=True))
    operations, shapes = {case.operation for case in cases}, {case.shape for case in cases}
    listed = tomllib.loads(EXCEPTIONS.read_text())
    assert set(listed) == {"exception", "never_taken"}
    ids = [exception["id"] for exception in listed["exception"]]
    assert len(ids) == len(set(ids))
    for exception in listed["exception"]:
        assert set(exception) | {"codes", "reduced"} == {"id", "difference", "codes", "operations", "shapes", "reduced", "reason", "cases", "full"}, exception["id"]
        assert exception["difference"] in ("refused", "status", "store") and len(exception["reason"]) > 15, exception["id"]
        assert exception["operations"] == ["*"] or set(exception["operations"]) <= operations, exception["id"]
        assert exception["shapes"] and set(exception["shapes"]) <= shapes, (exception["id"], set(exception["shapes"]) - shapes)
        assert 0 <= exception["cases"] <= exception["full"] > 0, exception["id"]
    for never in listed["never_taken"]:
        assert never["operation"] in operations and len(never["reason"]) > 15, never


def test_generated(twins, stores, gated, request):
    """All differences at once."""
    full = request.config.getoption("--full")
    only = request.config.getoption("--operation")
    table = routes()
    judge = Judge(twins, stores, table)
    count, started = 0, time.monotonic()
    for case in generate.cases(table, full):
        if only and not fnmatch.fnmatchcase(case.operation, only):
            continue
        judge.run(case)
        count += 1
    table_of_exceptions = tomllib.loads(EXCEPTIONS.read_text())
    listed = table_of_exceptions["exception"]
    used = {exception["id"]: [] for exception in listed}
    unused = {exception["id"]: set(all_parts(exception)) for exception in listed}
    differences_left = []
    for case, theirs, ours, wrong in judge.found:
        exception = next((exception for exception in listed if covers(exception, case, ours, wrong)), None)
        if exception:
            used[exception["id"]].append(case.name)
            unused[exception["id"]] -= parts(case, ours)
        else:
            differences_left.append(f"{wrong.split(':')[0]} {ours.code()} | {case.name}\n    Ironic {theirs.status} {theirs.body[:260]!r}\n    irongate {ours.status} {ours.body[:260]!r}\n    {wrong}")
    problems = sorted(differences_left) + list(judge.understood())
    if not only:
        for exception in listed:
            due, covered = exception["full" if full else "cases"], len(used[exception["id"]])
            if covered != due:
                problems.append(f"exception {exception['id']} covers {covered} requests and says {due}: the list may only shrink")
            if full and unused[exception["id"]]:
                problems.append(f"exception {exception['id']} names what covers nothing: {sorted(unused[exception['id']])}")
        # The full run names what no request of the catalogue could make Ironic do.
        silent = sorted({row["id"] for row in table} - judge.taken)
        if full and silent != sorted(never["operation"] for never in table_of_exceptions["never_taken"]):
            problems.append(f"operations of which Ironic took no request: {silent}")
    print(f"\n{count} requests in {time.monotonic() - started:.0f} s, {sum(map(len, used.values()))} listed differences, {len(problems)} problems")
    found = [(wrong.split(":")[0], ours.code() or "", case.operation, case.shape, case.name) for case, _, ours, wrong in judge.found]
    (Path(twins[1].folder).parent / "found.json").write_text(json.dumps({"found": found, "taken": sorted(judge.taken), "problems": problems}))
    assert not problems, f"{len(problems)} problems of {count} requests\n" + "\n".join(problems[:200])
