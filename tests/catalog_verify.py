#!/usr/bin/env python3
"""Compares irongate's catalogue with an installed Ironic package, and names what one has and the other has not.

    python3 tests/catalog_verify.py --ironic PYTHON [--binary target/debug/irongate]

PYTHON is an interpreter that has Ironic installed; nothing is started. This is what a maintainer runs when the next Ironic comes
out: what it names as new belongs into `src/catalog/*.toml`, `MICROVERSION_MAX` and docs/ironic-versions.md. Exit code 1: there are
differences.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Runs in Ironic's interpreter.
PROBE = r'''
import importlib, inspect, json, pkgutil, re, sys, warnings
warnings.simplefilter("ignore")
from importlib import metadata
from ironic.common import policy, states
import ironic.api.controllers.v1 as v1
from ironic.api.controllers.v1 import utils, versions
from pecan import rest

METHODS = {"get_all": "GET", "get_one": "GET", "get": "GET", "post": "POST", "put": "PUT", "patch": "PATCH", "delete": "DELETE"}
routes, arguments, seen = set(), {}, set()

def exposed(cls, name):
    function = getattr(cls, name, None)
    return function if callable(function) and getattr(function, "exposed", False) else None

def names(function):
    signature = inspect.signature(inspect.unwrap(function))
    return [name for name, kind in signature.parameters.items() if name != "self" and kind.kind not in (kind.VAR_KEYWORD, kind.VAR_POSITIONAL)]

def made(cls):
    for values in ({}, {"node_ident": "x"}, {"node_id": "x"}, {"node_ident": "x", "portgroup_ident": "x"}):
        try:
            return cls(**values)
        except Exception:
            continue
    return cls

def walk(path, controller):
    cls = controller if inspect.isclass(controller) else type(controller)
    if (path, cls) in seen or len(path) > 4:
        return
    seen.add((path, cls))
    for name, verb in METHODS.items():
        function = exposed(cls, name)
        if function:
            routes.add((verb, "/".join(path)))
            if verb == "GET" and name != "get_one":
                arguments["GET /" + "/".join(path)] = names(function)
    if exposed(cls, "_default"):
        routes.update((verb, "/".join(path)) for verb in ("GET", "POST", "PUT", "PATCH", "DELETE"))
    for action, verbs in getattr(cls, "_custom_actions", {}).items():
        for verb in verbs:
            routes.add((verb, "/".join((*path, action))))
    for name, value in {**vars(cls), **getattr(controller, "__dict__", {})}.items():
        if isinstance(value, rest.RestController) and not name.startswith("_"):
            walk((*path, name), value)
    for name, inner in getattr(cls, "_subcontroller_map", {}).items():
        walk((*path, name), made(inner) if inspect.isclass(inner) else inner)

walk((), v1.Controller())
schemas = {}
for module in pkgutil.iter_modules(v1.__path__):
    try:
        loaded = importlib.import_module(f"ironic.api.controllers.v1.{module.name}")
    except Exception:
        continue
    for name, value in vars(loaded).items():
        if isinstance(value, dict) and name.endswith("SCHEMA") and isinstance(value.get("properties"), dict):
            schemas[f"{module.name}.{name}"] = sorted(value["properties"])
from ironic.api.controllers.v1 import node
for maker in ("node_schema", "get_node_schema"):
    if hasattr(node, maker):
        schemas["node.SCHEMA"] = sorted(getattr(node, maker)()["properties"])
rule_arguments = {}
try:
    from ironic.common.inspection_rules import actions, operators
    for module, table in ((actions, actions.ACTIONS), (operators, operators.OPERATORS)):
        for op, name in table.items():
            function = getattr(module, name)
            required, optional = function().get_validation_signature() if callable(getattr(function, "get_validation_signature", None)) else ([], [])
            rule_arguments[op] = [sorted(set(required) - {"plugin_data"}), sorted(set(optional) - {"plugin_data"})]
except Exception as error:
    rule_arguments = {"unknown": str(error)}
import os, ironic.drivers
with open(os.path.join(os.path.dirname(ironic.drivers.__file__), "raid_config_schema.json")) as schema:
    raid = {name: sorted(value.get("enum", [])) for name, value in json.load(schema)["properties"]["logical_disks"]["items"]["properties"].items()}
history = dict(re.findall(r"^# v(1\.\d+): *(.+)$", inspect.getsource(versions), re.M))
print(json.dumps({
    "version": metadata.version("ironic"), "max": versions._MAX_VERSION_STRING, "history": history,
    "routes": sorted(" /".join(route) for route in routes), "arguments": arguments, "schemas": schemas,
    "rules": sorted(rule.name for rule in policy.list_policies() if rule.name.startswith("baremetal:")),
    "rule_arguments": rule_arguments, "raid": raid,
    "fields": dict(getattr(utils, "VERSIONED_FIELDS", {})), "targets": sorted(states.VERBS),
}))
'''

# Which schema of Ironic's is which body.
BODIES = {
    "node.SCHEMA": "node:create", "node.NODE_SCHEMA": "node:create", "port.PORT_SCHEMA": "port:create", "portgroup.PORTGROUP_SCHEMA": "portgroup:create", "chassis.CHASSIS_SCHEMA": "chassis:create",
    "allocation.ALLOCATION_SCHEMA": "allocation:create", "volume_connector.CONNECTOR_SCHEMA": "volume:connector:create", "volume_target.TARGET_SCHEMA": "volume:target:create",
    "deploy_template.TEMPLATE_SCHEMA": "deploy_template:create", "runbook.RUNBOOK_SCHEMA": "runbook:create", "inspection_rule.INSPECTION_RULE_SCHEMA": "inspection_rule:create", "node.VIF_SCHEMA": "node:vif:attach",
    "node.VMEDIA_SCHEMA": "node:vmedia:attach",
}
# Ironic's routing reaches controllers at places where they refuse, or that have no documented use.
NO_ROUTES = ("nodes/ports", "nodes/portgroups", "portgroups/ports", "nodes/volume", "chassis/nodes", "nodes/allocation/inner")
# Reached by a look-up of their own, which a walk does not see.
LOOKED_UP = ("runbooks/traits",)
# Rules about parts of a request or an answer; the catalogue names those of whole operations. And one that is never asked.
PART_RULES = ("baremetal:node:update", "baremetal:node:get:", "baremetal:node:disable_cleaning", "baremetal:volume:view_target_properties", "baremetal:inspection_rule:list_all")
# Fields of Ironic's schemas that are its own and not a client's.
OWN_FIELDS = {"traits", "provision_state"}
# Fields that Ironic adds to its schema by microversion.
LATER_FIELDS = {("runbook:create", "description")}
# Identifiers and arguments of its framework in list calls.
OWN_ARGUMENTS = {"node_ident", "node_uuid", "chassis_uuid", "portgroup_ident", "port_ident", "portgroup_uuid", "runbook_ident", "event", "trait", "driver_name", "setting_name"}


def words(path):
    """A path without /v1 and its parameters."""
    return "/".join(part for part in path.split("/")[1:] if part != "v1" and not part.startswith("{"))


def compare(ironic, table):
    """What one has and the other has not, as lines."""
    newest = max(int(row["since"][2:]) for row in table)
    latest = max(newest, max(field.get("since", 1) for row in table for field in [*row["query"], *row["body"].get("fields", [])]))
    known = MAXIMUM or latest
    theirs = int(ironic["max"][2:])
    for minor in range(known + 1, theirs + 1):
        yield f"microversion 1.{minor} is new: {ironic['history'].get(f'1.{minor}', 'not described')}"
    if theirs < known:
        yield f"its newest microversion is 1.{theirs}, the catalogue's 1.{known}"
    routes = {tuple(route.split(" /", 1)) for route in ironic["routes"]}
    catalogue = {(row["method"], words(row["path"])) for row in table if row["success"] and row["path"] not in ("/", "/v1", "/healthcheck")}
    for method, path in sorted(routes - catalogue):
        if path and not path.startswith(NO_ROUTES):
            yield f"route {method} /v1/{path} is in Ironic only"
    for method, path in sorted(catalogue - routes):
        if not path.endswith("detail") and not path.startswith(LOOKED_UP):
            yield f"route {method} /v1/{path} is in the catalogue only"
    rules = {rule for row in table for rule in row["rules"]}
    for rule in sorted(set(ironic["rules"]) - rules):
        if not rule.startswith(PART_RULES):
            yield f"policy rule {rule} is in Ironic only"
    for rule in sorted(rules - set(ironic["rules"])):
        yield f"policy rule {rule} is in the catalogue only"
    by_id = {row["id"]: row for row in table}
    for name, properties in sorted(ironic["schemas"].items()):
        if name in BODIES:
            fields = {field["name"] for field in by_id[BODIES[name]]["body"]["fields"]}
            for field in sorted(set(properties) - fields - OWN_FIELDS):
                yield f"field {field} of {BODIES[name]} is in Ironic only"
            for field in sorted(fields - set(properties)):
                if (BODIES[name], field) not in LATER_FIELDS:
                    yield f"field {field} of {BODIES[name]} is in the catalogue only"
    since = {field["name"]: field.get("since", 1) for field in by_id["node:create"]["body"]["fields"]}
    for field, minor in sorted(ironic["fields"].items()):
        if field in since and since[field] != minor:
            yield f"field {field} of a node is from 1.{minor} in Ironic, 1.{since[field]} in the catalogue"
    targets = next(field for field in by_id["node:set_provision_state"]["body"]["fields"] if field["name"] == "target")
    values = {value["value"] for value in targets["values"]}
    for target in sorted((set(ironic["targets"]) ^ values) - {"rebuild"}):  # a verb of its own in the API only
        yield f"provision target {target} is in {'Ironic' if target in ironic['targets'] else 'the catalogue'} only"
    ours = {}
    for field in by_id["inspection_rule:create"]["body"]["fields"]:
        for op, known in (field.get("items") or {}).get("arguments", {}).items():
            ours[op] = [sorted(known["required"]), sorted(set(known["optional"]) - {"plugin_data"})]
    for op in sorted({*ours, *ironic["rule_arguments"]}):
        if ours.get(op) != ironic["rule_arguments"].get(op):
            yield f"arguments of the inspection rules' {op}: Ironic {ironic['rule_arguments'].get(op)}, the catalogue {ours.get(op)}"
    disk = by_id["node:set_raid_state"]["body"]["fields"][0]["items"]["fields"]
    disk = {field["name"]: sorted(value["value"] for value in field.get("values", [])) if field["kind"] == "enum" else [] for field in disk}
    for name in sorted({*disk, *ironic["raid"]}):
        if disk.get(name) != ironic["raid"].get(name):
            yield f"{name} of a logical disk: Ironic {ironic['raid'].get(name)}, the catalogue {disk.get(name)}"
    lists = {f"GET /{words(row['path'])}": row for row in table if row["method"] == "GET" and row.get("resource_parameter") is None}
    for route, arguments in sorted(ironic["arguments"].items()):
        if route in lists:
            parameters = {field["name"] for field in lists[route]["query"]}
            for name in sorted(set(arguments) - parameters - OWN_ARGUMENTS):
                yield f"query parameter {name} of {lists[route]['id']} is in Ironic only"
            for name in sorted(parameters - set(arguments)):
                yield f"query parameter {name} of {lists[route]['id']} is in the catalogue only"


MAXIMUM = None


def main():
    """Exit codes: 0 the same, 1 differences, 2 usage."""
    global MAXIMUM
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ironic", required=True, metavar="PYTHON", help="an interpreter that has Ironic installed")
    parser.add_argument("--binary", default=ROOT / "target" / "debug" / "irongate", help="the irongate whose catalogue is compared")
    options = parser.parse_args()
    try:
        probed = subprocess.run([options.ironic, "-c", PROBE], capture_output=True, text=True)
        if probed.returncode:
            print(f"Ironic could not be looked at:\n{probed.stderr.strip()[-2000:]}", file=sys.stderr)
            return 2
        table = json.loads(subprocess.run([options.binary, "routes", "--format", "json"], capture_output=True, check=True).stdout)
        document = json.loads(subprocess.run([options.binary, "schema", "openapi"], capture_output=True, check=True).stdout)
    except (OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 2
    MAXIMUM = int(document["info"]["version"][2:])
    ironic = json.loads(probed.stdout)
    found = list(compare(ironic, table))
    print(f"Ironic {ironic['version']}, microversions to {ironic['max']}: {len(ironic['routes'])} routes, {len(ironic['rules'])} rules, {len(ironic['schemas'])} schemas")
    print("\n".join(found) or "the catalogue has everything")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
