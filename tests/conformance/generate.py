"""Requests made from the catalogue (`irongate routes --format json`): valid ones, and ones that are wrong in one place.

Nothing here knows what Ironic answers: that is what the real one is asked for. What is known here are values that mean
something to it (an interface that is enabled, a node that exists), so that valid requests are taken.
"""

import json
from dataclasses import dataclass, replace
from urllib.parse import quote
from zlib import crc32

from samples import (
    ARGUMENT_TARGETS, ATTACKED, GONE, IDENTIFIERS, JSON, MINIMAL, MORE_SAMPLES, NEWEST, PATHS, QUERIES, SAMPLES, STATES, TENANT, TEXTS, VALUES, VERBS, VERSIONS,
)

# What a guard looks at has to be what an honest caller sends.
GOOD_ARGUMENTS = {"values": ["v"], "url": "https://hooks.example/x", "proxies": {"https": "http://proxy.example:3128"}}


@dataclass(frozen=True)
class Case:
    """One request."""

    operation: str
    shape: str
    method: str
    target: str
    content: bytes = b""
    headers: tuple = ()
    version: str = "1.115"
    state: str = "manageable"
    full: bool = False  # sent in the full run only

    @property
    def name(self):
        """For reports."""
        return f"{self.operation} [{self.shape}] {self.method} {self.target[:200]} {self.content[:200]!r} at {self.version}"


def minor(text):
    """The N of 1.N."""
    return int(text.removeprefix("1."))


class Operation:
    """One row of the catalogue, and the requests that it gives."""

    def __init__(self, row):
        self.row, self.id, self.method, self.body = row, row["id"], row["method"], row["body"]
        self.since, self.until = minor(row["since"]), minor(row["until"]) if row.get("until") else NEWEST
        self.query_fields = {field["name"]: field for field in row["query"]}
        self.fields = self.body.get("fields", [])
        self.path = self.fill(row["path"])

    def fill(self, template, other=()):
        """A path with its parameters in place."""
        own = {name.removeprefix(f"{self.id}."): value for name, value in IDENTIFIERS.items() if name.startswith(f"{self.id}.")}
        for name, value in {**IDENTIFIERS, **own, **dict(other)}.items():
            template = template.replace("{" + name + "}", value)
        return template

    def value(self, field):
        """A value that is taken, as far as the catalogue and VALUES know."""
        name = field.get("name", "")
        for key in (f"{self.id}.{name}", name):
            if key in VALUES and not (field["kind"] == "any" and not name):
                return VALUES[key]
        kind = field["kind"]
        if kind == "enum":
            return field["values"][0]["value"]
        if kind in ("array", "steps"):
            return [self.value(field["items"])] if field.get("items") else []
        if kind == "object":
            return {inner["name"]: self.value(inner) for inner in field.get("fields", []) if inner.get("required")}
        if kind in ("integer", "strict_integer"):
            return max(field.get("min") or 0, 1)
        return {
            "string": "text", "strict_boolean": True, "boolean": True, "uuid": TENANT, "name": "new-name", "uuid_or_name": "generated-host",
            "mac": "52:54:00:0b:00:99", "trait": "CUSTOM_ONE", "string_or_object": {}, "string_or_boolean": True, "map": {}, "any": {"a": 1},
            "string_list": "first", "host_port": "conductor-1",
        }[kind]

    def query(self, **pairs):
        """The target with query parameters: the required ones and these."""
        required = {name: self.value(field) for name, field in self.query_fields.items() if field.get("required")}
        parts = [f"{name}={quote(text(value), safe=',')}" for name, value in {**required, **pairs}.items() if value is not None]
        return self.path + ("?" + "&".join(parts) if parts else "")

    def minimal(self):
        """The least body, or None."""
        match self.body["kind"]:
            case "object":
                body = {field["name"]: self.value(field) for field in self.fields if field.get("required")} | MINIMAL.get(self.id, {})
                return body if body or not self.body["optional"] else None
            case "patch":
                return [{"op": "add", "path": "/extra/a", "value": 1}] if any(field["name"] == "extra" for field in self.fields) else [
                    {"op": "replace", "path": "/description", "value": "d"}]
            case "any":
                return {"bar": "meow"}
        return None

    def case(self, shape, body=..., version=None, target=None, **more):
        """A case with a JSON body (the minimal one unless given; bytes as they are)."""
        body = self.minimal() if body is ... else body
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = more.pop("headers", (JSON,) if content else ())
        at = version if isinstance(version, str) else f"1.{NEWEST if version is None else version}"
        more.setdefault("state", STATES.get(self.id, "manageable"))
        return Case(self.id, shape, more.pop("method", self.method), target or self.query(), content, tuple(headers), at, **more)

    def cases(self):
        """Everything."""
        yield self.case("valid")
        for newest in sorted({self.since, *changes(self.fields), *changes(self.row["query"])}):
            if self.since <= newest < NEWEST:
                yield self.case("valid:version", version=newest, full=True)
        yield from self.heads()
        yield from self.queries()
        if self.body["kind"] == "object":
            yield from self.objects()
        elif self.body["kind"] == "patch":
            yield from self.patches()
        elif self.body["kind"] == "any":
            for name, sample in {**SAMPLES, **MORE_SAMPLES}.items():
                yield self.case(f"body:any:{name}", body=json.dumps(sample).encode(), full=name in MORE_SAMPLES)
        if self.body["kind"] != "none":
            yield from self.encodings()

    def heads(self):
        """Paths, methods, versions, bodies where none belong."""
        if self.since > 1:
            yield self.case("version:too-early", version=self.since - 1)
            yield self.case("version:oldest", version=1, full=True)
        if self.until < NEWEST:
            yield self.case("version:too-late", version=self.until + 1)
        yield self.case("version:none", version="")
        for name, version in {"latest": "latest", "beyond": "1.999", "garbage": "one", "zero": "1.0", "major": "2.1", "loose": "1.0115", "plus": "1.+115"}.items():
            yield self.case(f"version:{name}", version=version, full=name not in ("latest", "beyond"))
        shared = lambda value: (*((JSON,) if self.minimal() is not None else ()), ("OpenStack-API-Version", value))  # noqa: E731
        yield self.case("version:shared", version="", headers=shared("baremetal 1.115"), full=True)
        yield self.case("version:shared-wins", version="1.1", headers=shared("compute 2.1, baremetal 1.115"), full=True)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
            if method != self.method:
                yield self.case(f"method:{method.lower()}", method=method, body=None, full=method in ("PATCH", "HEAD"))
        yield self.case("path:slash", target=self.path + "/" + self.query()[len(self.path):], full=self.method != "GET")
        yield self.case("path:suffix", target=self.path + ".json" + self.query()[len(self.path):], full=True)
        yield self.case("path:deeper", target=self.path + "/more" + self.query()[len(self.path):], full=True)
        yield self.case("path:bare", target=self.query().removeprefix("/v1") or "/", full=True)
        if self.body["kind"] == "none":
            yield self.case("body:unwanted", body={"a": 1})
            yield self.case("body:unwanted-empty", body={}, full=True)
        for name in [part[1:-1] for part in self.row["path"].split("/") if part.startswith("{")]:
            values = {
                "gone": GONE, "name": "no-such-thing", "upper": IDENTIFIERS[name].upper(), "short": "66666666", "dashless": GONE.replace("-", ""),
                "space": "a%20b", "unicode": "na%C3%AFve", "percent": "%6eode", "long": "x" * 255, "longer": "x" * 256, "dot": "a.b", "tilde": "a~b", "star": "a*b", "json": "name.json",
            }
            for kind, value in values.items():
                target = self.fill(self.row["path"], {name: value}) + self.query()[len(self.path):]
                yield self.case(f"path:{kind}", target=target, full=kind not in ("gone", "name", "short", "space"))
        yield from (case for case in self.attacks() if self.id in ATTACKED or crc32(case.name.encode()) % 4 == 0)
        for index, alias in enumerate(self.row["aliases"]):
            yield self.case(f"alias:{index}", target=self.fill(alias))

    def attacks(self):
        """Heads and bodies that two readers could read in two ways. All of them for some operations, a quarter for others."""
        full = self.id not in ATTACKED
        typed = (JSON,) if self.minimal() is not None else ()
        path, query = self.path, self.query()[len(self.path):]
        for name, (own, shared) in VERSIONS.items():
            headers = (*typed, ("OpenStack-API-Version", shared)) if shared else typed
            yield self.case(f"versions:{name}", version=own, headers=headers, full=full)
        for name, template in PATHS.items():
            yield self.case(f"paths:{name}", target=template.format(path) + query, full=full)
        for name, template in QUERIES.items():
            yield self.case(f"queries:{name}", target=path + "?" + template.format(query[1:]), full=full)
        # Of a map, anything may be the value.
        open_map = next((field for field in self.fields if field["name"] in ("extra", "driver_info")), None)
        if open_map and self.body["kind"] == "object":
            rest = json.dumps(self.minimal() or {})[1:-1]
            frame = f'{{{rest}{", " if rest else ""}"{open_map["name"]}": {{"a": %}}}}'
        elif open_map and self.body["kind"] == "patch":
            frame = f'[{{"op": "add", "path": "/{open_map["name"]}/a", "value": %}}]'
        elif self.body["kind"] == "any":
            frame = '{"bar": %}'
        else:
            return
        for name, value in TEXTS.items():
            yield self.case(f"text:{name}", body=frame.encode().replace(b"%", value), full=full)
        yield self.case("text:trailing-comma-last", body=frame.encode().replace(b"%", b"1")[:-1] + b"," + frame.encode()[-1:], full=full)
        for name, encoding in {"utf16le": "utf-16-le", "utf16be": "utf-16-be", "utf32": "utf-32", "utf7": "utf-7"}.items():
            yield self.case(f"text:{name}", body=frame.replace("%", '"a+b"').encode(encoding), full=full)

    def queries(self):
        """Each parameter: good, at its edges, of another type, too early; and the ones that are none."""
        yield self.case("query:unknown", target=self.query(nothing="1"))
        yield self.case("query:self", target=self.query() + ("&" if "?" in self.query() else "?") + "self=1", full=True)
        for name, field in self.query_fields.items():
            good = text(self.value(field))
            if field.get("required"):
                yield self.case("query:missing", target=self.path)
                continue
            yield self.case("query:valid", target=self.query(**{name: good}))
            since = max(field.get("since", 1), self.since)
            if since > self.since:
                yield self.case("query:too-early", target=self.query(**{name: good}), version=since - 1)
                yield self.case("query:first", target=self.query(**{name: good}), version=since, full=True)
            elif self.since < NEWEST:
                yield self.case("query:first", target=self.query(**{name: good}), version=self.since, full=True)
            for kind, value in {
                "text": "?text?", "number": "5", "zero": "0", "negative": "-1", "empty": "", "true": "true", "upper-true": "TRUE", "one": "1", "yes": "yes", "no": "no", "uuid": GONE, "name": "some-name",
                "upper": good.upper(), "blank": " ", "blanks-around": f" {good} ", "list": "a,b", "twice": "a,a", "long": "x" * 300, "unicode": "na\u00efve", "fraction": "1.5", "null": "null", "wide": "\uff11",
            }.items():
                yield self.case(f"query:{kind}", target=self.query(**{name: value}), full=kind not in ("text", "number", "empty", "true", "negative", "upper"))
            for value in field.get("values", []):
                yield self.case("query:enum", target=self.query(**{name: value["value"]}), full=True)
            joint = "&" if "?" in self.query(**{name: good}) else "?"
            yield self.case("query:repeated", target=self.query(**{name: good}) + f"{joint}{name}={quote(good)}")
            encoded = f"%{ord(name[0]):02x}{name[1:]}"
            yield self.case("query:encoded-name", target=self.query() + ("&" if "?" in self.query() else "?") + f"{encoded}={quote(good)}", full=True)
            yield self.case("query:bare", target=self.query() + ("&" if "?" in self.query() else "?") + name, full=True)
            if self.body["kind"] == "object" and self.minimal() is not None:
                yield self.case("place:query-in-body", body={**self.minimal(), name: good})

    def objects(self):
        """A body with fields."""
        base = self.minimal() or {}
        for field in self.fields:
            name = field["name"]
            yield from self.field(field, lambda value, name=name, base=self.around(base, name): {**base, name: value}, name)
            if name in base:
                yield self.case("field:missing", body={key: value for key, value in base.items() if key != name}, full=not field.get("required"), state=self.state(base))
            if self.method != "GET":
                yield self.case("place:field-in-query", body={key: value for key, value in base.items() if key != name} or None,
                                target=self.query() + ("&" if "?" in self.query() else "?") + f"{name}={quote(text(self.value(field)))}")
        yield self.case("field:unknown", body={**base, "nothing": 1})
        yield self.case("field:unknown-null", body={**base, "nothing": None}, full=True)
        for name in [part[1:-1] for part in self.row["path"].split("/") if part.startswith("{")]:
            yield self.case("place:path-in-body", body={**base, f"{name}_ident": IDENTIFIERS[name]}, full=True)

    def state(self, body):
        """The provision state in which a target means something."""
        verb = body.get("target") if self.id == "node:set_provision_state" and isinstance(body, dict) else None
        return VERBS[verb][0] if isinstance(verb, str) and verb in VERBS else STATES.get(self.id, "manageable")

    def around(self, base, name):
        """The body around a field; arguments of `states/provision` need the target that takes them."""
        if name == "node_ident":
            return {key: value for key, value in base.items() if key != "node_uuid"}
        if self.id != "node:set_provision_state" or name not in ARGUMENT_TARGETS:
            return base
        target = ARGUMENT_TARGETS[name]
        needed = {} if name == "runbook" else VERBS[target][1]
        return {"target": target, **needed}

    def field(self, field, put, where):
        """One field of a body: `put` makes the body with a value there."""
        def case(shape, value, version=None, full=False):
            body = put(value)
            return self.case(shape, body=body, version=version, full=full, state=self.state(body))
        good, kind = self.value(field), field["kind"]
        yield case("field:valid", good)
        since = max(field.get("since", 1), self.since)
        if since > self.since:
            yield case("field:too-new", good, version=since - 1)
            yield case("field:first", good, version=since)
            yield case("field:too-new-null", None, version=since - 1, full=True)
        if field.get("until"):
            yield case("field:last", good, version=field["until"])
            yield case("field:withdrawn", good, version=field["until"] + 1)
        for name, sample in {**SAMPLES, **MORE_SAMPLES}.items():
            yield case(f"type:{name}", sample, full=name in MORE_SAMPLES)
        yield from self.edges(field, case)
        for value in field.get("values", []):
            if self.id == "node:set_provision_state" and field["name"] == "target":
                yield self.case("enum:each", body={"target": value["value"], **VERBS[value["value"]][1]}, state=VERBS[value["value"]][0])
            else:
                yield case("enum:each", value["value"], full=True)
            if value["since"] > self.since:
                yield case("enum:too-new", value["value"], version=value["since"] - 1)
                yield case("enum:first", value["value"], version=value["since"], full=True)
        if kind == "enum":
            yield case("enum:other", "no-such-value")
            yield case("enum:case", str(good).swapcase(), full=True)
            yield case("enum:blank", f"{good} ", full=True)
        if kind in ("object", "string_or_object") and field.get("fields"):
            inside = good if isinstance(good, dict) else {}
            yield case("field:unknown-inside", {**inside, "nothing": 1})
            for inner in field["fields"]:
                yield from self.field(inner, lambda value, name=inner["name"]: put({**inside, name: value}), f"{where}.{inner['name']}")
        if kind in ("array", "steps") and field.get("items"):
            item = field["items"]
            first = good[0] if good else self.value(item)
            if item["kind"] == "object":
                yield case("field:unknown-inside", [{**first, "nothing": 1}])
                yield from self.arguments(item, case)
                for inner in item["fields"]:
                    if inner["name"] in first:
                        yield case("field:missing-inside", [{key: value for key, value in first.items() if key != inner["name"]}])
                    yield from self.field(inner, lambda value, name=inner["name"]: put([{**first, name: value}]), f"{where}.{inner['name']}")
            else:
                yield from self.field({**item, "name": ""}, lambda value: put([value]), f"{where}.0")

    def arguments(self, item, case):
        """Each action or condition: all of its arguments, by name and as a list, one too few, and one that it does not know."""
        for op, known in item.get("arguments", {}).items():
            names = [*known["required"], *known["optional"]]
            good = {name: GOOD_ARGUMENTS.get(name, "v") for name in names}
            few = {name: good[name] for name in known["required"][:-1]}
            # Headers of a call are masked whatever they are, under their name.
            named = {name: value for name, value in good.items() if name != "headers"}
            for shape, args in {"all": named, "few": few, "unknown": {**good, "nothing": 1}, "list": list(good.values())[:len(known["required"])], "short-list": list(few.values()), "long-list": [*good.values(), *["v"] * 9][:9]}.items():
                yield case(f"args:{shape}", [{"op": op, "args": args}], full=shape not in ("few", "unknown"))

    def edges(self, field, case):
        """Bounds and spellings."""
        kind = field["kind"]
        least, most = field.get("min"), field.get("max")
        if kind in ("integer", "strict_integer"):
            values = {"least": least, "most": most, "below": None if least is None else least - 1, "above": None if most is None else most + 1}
        elif kind in ("string", "name", "uuid_or_name", "trait"):
            letter = "X" if kind == "trait" else "x"
            values = {"least": letter * (least or 0) if least else None, "most": letter * most if most else None, "above": letter * (most + 1) if most else None,
                      "255": letter * 255, "256": letter * 256}
        else:
            values = {}
        for name, value in values.items():
            if value is not None:
                yield case(f"edge:{name}", value, full=name in ("255", "256"))
        spellings = {
            "uuid": {"upper": GONE.upper(), "dashless": GONE.replace("-", ""), "braces": "{" + GONE + "}", "urn": f"urn:uuid:{GONE}", "name": "some-name", "newline": GONE + "\n"},
            "name": {"blank": "a b", "dot": "a.b", "slash": "a/b", "tilde": "a~b", "newline": "ab\n", "uuid": GONE, "json": "a.json", "dash": "-a"},
            "uuid_or_name": {"blank": "a b", "upper": GONE.upper(), "uuid": GONE, "dashless": GONE.replace("-", "")},
            "mac": {"dashes": "52-54-00-0b-00-99", "upper": "52:54:00:0B:00:99", "short": "52:54:00:0b:00", "plain": "5254000b0099", "dots": "5254.000b.0099",
                    "infiniband": "80:00:00:48:fe:80:00:00:00:00:00:00:00:02:c9:03:00:23:45:67"},
            "trait": {"lower": "custom_one", "lower-tail": "CUSTOM_one", "standard": "HW_CPU_X86_VMX", "unknown": "HW_NOTHING", "dash": "CUSTOM-ONE"},
            "boolean": {"1": "1", "0": "0", "upper": "TRUE", "t": "t", "off": "off", "2": "2", "blanks": " true ", "y": "Y"},
            "strict_integer": {"blanks": " 7 ", "plus": "+7", "digits": "7", "max": "MAX", "lower-max": "max", "float": 7.0},
            "integer": {"blanks": " 7 ", "plus": "+7", "float-text": "7.0", "underscore": "1_0", "huge": "9" * 30},
            "string": {"control": "a\u0000b", "newline": "a\nb", "astral": "\U0001f600"},
            "map": {"deep": {"a": {"b": {"c": [{"d": 1}]}}}, "empty-key": {"": 1}, "odd-key": {"a/b~c": 1}, "dot-key": {"a.b": 1}, "number": {"a": 1e30, "b": 2**70}},
        }.get(kind, {})
        for name, value in spellings.items():
            yield case(f"spelling:{name}", value, full=name not in ("upper", "blank", "dashes", "lower", "1", "2", "deep"))

    def patches(self):
        """A JSON Patch."""
        yield self.case("patch:empty", body=[])
        for field in self.fields:
            path, good = f"/{field['name']}", self.value(field)
            for op in ("add", "replace"):
                yield self.case(f"patch:{op}", body=[{"op": op, "path": path, "value": good}], full=op == "add")
            yield self.case("patch:remove", body=[{"op": "remove", "path": path}])
            yield self.case("patch:remove-with-value", body=[{"op": "remove", "path": path, "value": 1}], full=True)
            yield self.case("patch:no-value", body=[{"op": "replace", "path": path}], full=True)
            yield from self.field(field, lambda value, path=path: [{"op": "replace", "path": path, "value": value}], field["name"])
            yield self.case("patch:below", body=[{"op": "add", "path": f"{path}/a", "value": 1}])
            yield self.case("patch:below-text", body=[{"op": "add", "path": f"{path}/a", "value": "b"}], full=True)
            yield self.case("patch:below-remove", body=[{"op": "remove", "path": f"{path}/a"}], full=True)
            since = max(field.get("since", 1), self.since)
            if since > self.since:
                for op in ("add", "remove"):
                    yield self.case(f"patch:too-new-{op}", body=[{"op": op, "path": path, "value": good}], version=since - 1, full=True)
            if field["kind"] == "steps":
                for at in ("0", "-", "5", "x"):
                    item = good[0] if good else {}
                    yield self.case("patch:item", body=[{"op": "add", "path": f"{path}/{at}", "value": item}], full=at in "5x")
                    yield self.case("patch:item-remove", body=[{"op": "remove", "path": f"{path}/{at}"}], full=True)
                yield self.case("patch:in-item", body=[{"op": "replace", "path": f"{path}/0/step", "value": "other"}])
        add = {"op": "add", "path": "/extra/a", "value": 1}
        for name, body in {
            "unknown-field": [{"op": "add", "path": "/nothing", "value": 1}], "uuid": [{"op": "replace", "path": "/uuid", "value": GONE}], "created_at": [{"op": "remove", "path": "/created_at"}],
            "no-op": [{"path": "/extra/a", "value": 1}], "no-path": [{"op": "add", "value": 1}], "test": [{"op": "test", "path": "/extra/a", "value": 1}],
            "move": [{"op": "move", "from": "/extra/a", "path": "/extra/b"}], "copy": [{"op": "copy", "from": "/extra/a", "path": "/extra/b"}], "op-upper": [{**add, "op": "ADD"}],
            "extra-key": [{**add, "nothing": 1}], "no-slash": [{**add, "path": "extra/a"}], "root": [{**add, "path": "/"}], "whole": [{**add, "path": ""}], "trailing": [{**add, "path": "/extra/"}],
            "tilde": [{**add, "path": "/extra/a~1b"}], "double": [{**add, "path": "/extra//a"}], "blank": [{**add, "path": "/extra/a b"}], "dot": [{**add, "path": "/extra/a.b"}],
            "twice": [add, {**add, "value": 2}], "two": [add, {**add, "path": "/extra/b"}], "object": {"op": "add"}, "item-text": ["a"], "item-null": [None], "op-number": [{**add, "op": 1}],
            "path-number": [{**add, "path": 1}], "tilde-zero": [{**add, "path": "/extra/a~0b"}], "tilde-zero-one": [{**add, "path": "/extra/~01"}], "tilde-two": [{**add, "path": "/extra/a~2"}], "tilde-last": [{**add, "path": "/extra/a~"}],
            "minus": [{**add, "path": "/extra/-"}], "index": [{**add, "path": "/extra/0"}], "index-padded": [{**add, "path": "/extra/01"}], "from": [{**add, "from": "/extra/b"}], "path-encoded": [{**add, "path": "/extra/a%2fb"}],
            "path-escaped": b'[{"op": "add", "path": "\\u002fextra\\u002fa", "value": 1}]', "op-twice": b'[{"op": "add", "op": "remove", "path": "/extra/a", "value": 1}]', "path-twice": b'[{"op": "add", "path": "/extra/a", "path": "/extra/b", "value": 1}]',
            "upper-path": [{**add, "path": "/Extra/a"}], "path-list": [{**add, "path": ["extra", "a"]}], "op-null": [{**add, "op": None}], "nested": [[add]], "above": [{**add, "path": "/extra/../uuid"}], "unicode": [{**add, "path": "/extra/n\u00e4"}],
            "newline": [{**add, "path": "/extra/a\n"}], "whole-and-part": [{"op": "replace", "path": "/extra", "value": {"c": 1}}, add], "part-and-whole": [add, {"op": "remove", "path": "/extra"}], "same-escaped": [{**add, "path": "/extra/a~1"}, {**add, "path": "/extra/a~1"}],
            "long-path": [{**add, "path": "/extra/" + "k" * 255}], "longer-path": [{**add, "path": "/extra/" + "k" * 256}], "very-deep": [{**add, "path": "/extra" + "/a" * 40}], "many": [{**add, "path": f"/extra/k{number}"} for number in range(900)], "null-value": [{**add, "value": None}], "deep": [{**add, "path": "/extra/a/b/c"}],
        }.items():
            yield self.case(f"patch:{name}", body=body)
        yield self.case("body:json-patch-type", headers=(("Content-Type", "application/json-patch+json"),))

    def encodings(self):
        """Bodies that two readers could read in two ways."""
        body = self.minimal()
        plain = json.dumps({} if body is None else body)
        yield self.case("body:absent", body=None)
        for name, content in {
            "list": b"[]", "object": b"{}", "text": b'"text"', "number": b"5", "null": b"null", "blank": b" ", "cut": plain[:-1].encode(), "tail": plain.encode() + b"x", "nan": b'{"nothing": NaN}',
            "bom": b"\xef\xbb\xbf" + plain.encode(), "utf16": plain.encode("utf-16"), "single-quotes": plain.replace('"', "'").encode() + b" ", "comment": plain.encode() + b"//", "latin1": b'{"nothing": "\xfc"}',
            "deep": b'{"extra": ' + b"[" * 200 + b"]" * 200 + b"}",
        }.items():
            yield self.case(f"body:{name}", body=content, full=name in ("comment", "single-quotes", "blank", "number", "text", "deep"))
        if isinstance(body, dict) and body:
            name, value = next(iter(body.items()))
            double = f'{{{json.dumps(name)}: {json.dumps(value)}, {plain[1:]}'
            yield self.case("body:duplicate-key", body=double.encode())
            escaped = plain.replace(f'"{name}"', f'"\\u{ord(name[0]):04x}{name[1:]}"', 1)
            yield self.case("body:escaped-key", body=escaped.encode(), full=True)
        for name, kind in {
            "charset": "application/json; charset=utf-8", "upper": "Application/JSON", "text": "text/plain", "form": "application/x-www-form-urlencoded", "latin1": "application/json; charset=latin-1",
            "vendor": "application/vnd.api+json", "none": None,
        }.items():
            yield self.case(f"media:{name}", headers=(("Content-Type", kind),) if kind else (), full=name in ("upper", "vendor", "latin1"))


def changes(fields):
    """The microversions at which something changes in fields, and those before."""
    for field in fields:
        for version in (field.get("since", 1), field.get("until")):
            if version and version > 1:
                yield from (version - 1, version)
        yield from changes(field.get("fields", []))
        yield from (value["since"] for value in field.get("values", []) if value["since"] > 1)


def text(value):
    """A value as a query has it."""
    return value if isinstance(value, str) else json.dumps(value)


def reduced(case):
    """A third of the requests, the same ones in every run; all that are valid."""
    return case.shape.startswith(("valid", "alias", "field:valid", "enum:each")) or crc32(case.name.encode()) % 3 == 0


def cases(routes, full=False):
    """All cases, each once."""
    seen = set()
    for row in routes:
        for case in Operation(row).cases():
            key = replace(case, shape="", full=False)
            if (full or (not case.full and reduced(case))) and key not in seen:
                seen.add(key)
                yield case
