"""What Ironic says of its own inside when it fails: callers read a plain sentence, no SQL and none of its parameters."""

import re
import sqlite3
from contextlib import closing

import pytest

INSIDE = re.compile(rb"SELECT|FROM|WHERE|\[SQL|parameters|sqlite3|sqlalche|Traceback|OperationalError|chassis\.|nodes\.|canary")
NODE = "55555555-0000-4000-8000-000000000001"


@pytest.fixture
def away(world):
    """A table that Ironic does not find."""
    with closing(sqlite3.connect(world.ironic.state / "ironic.db", timeout=20, isolation_level=None)) as store:
        store.execute("PRAGMA legacy_alter_table = ON")
        store.execute("ALTER TABLE chassis RENAME TO away")
        try:
            yield
        finally:
            store.execute("ALTER TABLE away RENAME TO chassis")


def plain(answer):
    """Whether a text of Ironic's shape tells nothing of its inside."""
    text = answer.fault()["faultstring"]
    assert text and not INSIDE.search(answer.body), answer.body


def test_a_broken_database_is_not_quoted(world, gated, away):
    for method, target, body in (
        ("GET", "/v1/chassis", None), ("GET", "/v1/chassis/detail", None), ("GET", f"/v1/chassis/{NODE}", None),
        ("POST", "/v1/chassis", {"uuid": NODE, "description": "canary", "extra": {"canary": "canary"}}),
        ("DELETE", f"/v1/chassis/{NODE}", None),
    ):
        answer = world.raw.call(method, target, body)
        assert answer.status == 500, (method, target, answer.status, answer.body)
        plain(answer)


def test_no_query_makes_ironic_quote_its_own(world, gated):
    """Filters and orders that join tables, whatever Ironic makes of them."""
    assert world.raw.call("POST", "/v1/nodes", {"uuid": NODE, "driver": "fake-hardware"}).status == 201
    seen = set()
    for target in (
        f"/v1/ports?node={NODE}&sort_key=node_uuid", "/v1/ports?sort_key=node_uuid", f"/v1/portgroups?node={NODE}&sort_key=node_uuid",
        f"/v1/allocations?owner=canary&node={NODE}", "/v1/allocations?sort_key=node_uuid", "/v1/nodes?sort_key=chassis_uuid",
        f"/v1/volume/targets?node={NODE}&sort_key=node_uuid", f"/v1/volume/connectors?node={NODE}&sort_key=node_uuid",
    ):
        answer = world.raw.call("GET", target)
        seen.add(answer.status)
        if answer.status >= 400:
            assert not INSIDE.search(answer.body), (target, answer.body)
    assert world.raw.call("DELETE", f"/v1/nodes/{NODE}").status == 204
    assert seen <= {200, 400, 500}, seen
