"""Ironic's own store: to put two Ironics into one state, and to see what a request wrote there."""

import json
import re
import sqlite3
import time

OWN = re.compile(r"\b(?!66666666)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?")
ELSEWHERE = {"alembic_version", "conductors", "conductor_hardware_interfaces", "sqlite_sequence"}
RANDOM = {"agent_secret_token", "hashed_rescue_password"}


class Store:
    """One Ironic's database file."""

    def __init__(self, file):
        self.connection = sqlite3.connect(file, timeout=20, isolation_level=None)
        self.connection.execute("PRAGMA synchronous = OFF")
        self.kept = sqlite3.connect(":memory:")

    def keep(self):
        """Remember everything as it is now."""
        self.connection.backup(self.kept)

    def restore(self, later=True):
        """Back to what was kept, once nothing runs any more (`later`: something may)."""
        if later:
            self.settle()
        self.kept.backup(self.connection)

    def settle(self, seconds=20):
        """Wait until no node is locked; whether that came to be."""
        deadline, calm = time.monotonic() + seconds, 0
        while calm < 2 and time.monotonic() < deadline:
            (locked,) = self.connection.execute(
                "SELECT (SELECT count(*) FROM nodes WHERE reservation IS NOT NULL) + (SELECT count(*) FROM allocations WHERE state = 'allocating')").fetchone()
            calm = 0 if locked else calm + 1
            time.sleep(0.01)
        return calm > 1

    def put(self, node, state):
        """Put a node into a provision state."""
        self.connection.execute("UPDATE nodes SET provision_state = ?, target_provision_state = NULL WHERE uuid = ?", (state, node))

    def rows(self):
        """Every row of every table, without what must differ: times, identifiers and tokens that Ironic chose."""
        tables = [name for (name,) in self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name") if name not in ELSEWHERE]
        found = {}
        for table in tables:
            cursor = self.connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            columns = [column[0] for column in cursor.description]
            for number, row in enumerate(cursor.fetchall()):
                for column, value in zip(columns, row, strict=True):
                    if value is not None and not column.endswith(("_at", "_updated")):
                        found[f"{table}/{number}/{column}"] = plain(value)
        return found


def plain(value):
    """A column's value; JSON in it is read, so that the order of its keys does not matter."""
    if not isinstance(value, str):
        return value
    text = OWN.sub("UUID", TIME.sub("TIME", value))
    if text[:1] in ("{", "["):
        try:
            value = json.loads(text)
        except ValueError:
            return text
        if isinstance(value, dict):
            return {key: inner for key, inner in value.items() if key not in RANDOM}
        return value
    return text


def differences(theirs, ours):
    """Where two stores differ, as text."""
    return [f"{place}: Ironic {theirs.get(place)!r}, irongate {ours.get(place)!r}" for place in sorted({*theirs, *ours}) if theirs.get(place) != ours.get(place)]
