"""A thousand nodes: whole, in pages, with either client; every link leads back to irongate."""

import json
import sqlite3
import uuid
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from test_clients import command, connection

COUNT = 1000


@pytest.fixture(scope="module", autouse=True)
def crowd(world):
    """Copies of one node, written straight into Ironic's database: creating them one by one would take a minute."""
    world.direct.call("POST", "/v1/nodes", {
        "name": "many-0", "driver": "fake-hardware", "resource_class": "crowd",
        "driver_info": {"fake_address": "192.0.2.1", "redfish_password": "hunter2-of-the-bmc"},
        "properties": {"cpus": 8, "memory_mb": 65536}, "extra": {"rack": "r1", "slot": 7},
    })
    with closing(sqlite3.connect(world.ironic.state / "ironic.db", timeout=30)) as database, database:
        database.row_factory = sqlite3.Row
        pattern = dict(database.execute("SELECT * FROM nodes WHERE name = 'many-0'").fetchone())
        del pattern["id"]
        columns = ", ".join(pattern)
        for number in range(1, COUNT):
            pattern |= {"uuid": str(uuid.uuid4()), "name": f"many-{number}"}
            database.execute(f"INSERT INTO nodes ({columns}) VALUES ({', '.join('?' * len(pattern))})", list(pattern.values()))
    yield
    with closing(sqlite3.connect(world.ironic.state / "ironic.db", timeout=30)) as database, database:
        database.execute("DELETE FROM nodes WHERE name LIKE 'many-%'")


def walk(world, target, version="1.115"):
    """Follow `next` from a list as a client would; the names met, page by page."""
    pages = []
    while target:
        answer = world.raw.call("GET", target, version=version, host=urlsplit(world.url).netloc)
        assert answer.status == 200, answer.body
        page = answer.json()
        pages.append([node["name"] for node in page["nodes"]])
        following = page.get("next")
        assert not following or following.startswith(world.url + "/v1/nodes"), following
        target = following and following.removeprefix(world.url)
    return pages


@pytest.mark.parametrize("target, pages", [
    ("/v1/nodes?resource_class=crowd&limit=300&fields=name", 4),
    ("/v1/nodes?resource_class=crowd&fields=uuid,name", 1),
    ("/v1/nodes/detail?resource_class=crowd&limit=400", 3),
    ("/v1/nodes?resource_class=crowd&limit=700&sort_key=name&sort_dir=desc&detail=True", 2),
])
def test_pages(world, target, pages):
    """Every page is reached, nothing twice, nothing missing."""
    found = walk(world, target)
    assert len([page for page in found if page]) == pages
    # Ironic's own `next` keeps sorting and fields but not every filter: other nodes may follow
    names = [name for page in found for name in page if name.startswith("many-")]
    assert len(names) == len(set(names)) == COUNT


def test_shards_keep_their_case(world):
    """A list in one parameter is read in lower case, repeated parameters are not: the same nodes by either way."""
    shards = ("RackA", "rackb", "RackC")
    try:
        for shard in shards:
            made = world.direct.call("POST", "/v1/nodes", {"name": f"in-{shard}", "driver": "fake-hardware", "shard": shard})
            assert made.status == 201, made.body
        for query, expected in [("shard=RackA&shard=RackC", {"in-RackA", "in-RackC"}), ("shard=RackA,rackb", {"in-rackb"}), ("shard=RackA", set()),
                                ("shard=RackA&shard=RackA", {"in-RackA"}), ("shard=rackb&shard=RackC&limit=10", {"in-rackb", "in-RackC"})]:
            for way in (world.direct, world.raw):
                answer = way.call("GET", f"/v1/nodes?fields=name&{query}", version="1.115")
                assert {node["name"] for node in answer.json()["nodes"]} == expected, (query, answer.body)
    finally:
        for shard in shards:
            world.direct.call("DELETE", f"/v1/nodes/in-{shard}")


def test_every_link_leads_to_irongate(world):
    """`links` of the items, too."""
    answer = world.raw.call("GET", "/v1/nodes?detail=True&resource_class=crowd", host=urlsplit(world.url).netloc)
    nodes = answer.json()["nodes"]
    assert len(nodes) == COUNT and b"hunter2-of-the-bmc" not in answer.body
    for node in nodes:
        links = [link["href"] for kind in ("links", "ports", "states") for link in node[kind]]
        assert len(links) == 6 and all(link.startswith(world.url + "/") for link in links), links


def test_links_ignore_forwarded_headers(world, gated):
    """What a caller says about a proxy before irongate is not believed."""
    for header in (("X-Forwarded-Host", "evil.example"), ("Forwarded", "host=evil.example"), ("X-Forwarded-Prefix", "/evil.example")):
        answer = world.raw.call("GET", "/v1/nodes?resource_class=crowd&limit=1", headers=[header], host=urlsplit(world.url).netloc)
        assert answer.status == 200 and b"evil.example" not in answer.body, (header, answer)
        links = [answer.json()["next"], *(link["href"] for node in answer.json()["nodes"] for link in node["links"])]
        assert len(links) == 3 and all(link.startswith(world.url + "/") for link in links), (header, links)


def test_command_line_lists_all(world):
    """The command line client, which follows `next` by itself."""
    done = command(world, "admin", ["node", "list", "--limit", "0", "--fields", "name", "resource_class", "-f", "json"])
    assert done.returncode == 0, done.stderr
    assert len([node for node in json.loads(done.stdout) if node["resource_class"] == "crowd"]) == COUNT


def test_sdk_lists_all(world):
    """openstacksdk, in pages, and it never talks to another host."""
    with closing(connection(world, "admin")) as cloud:
        asked = set()
        original = cloud.baremetal.request

        def request(url, *arguments, **options):
            asked.add(urlsplit(url).netloc or urlsplit(world.url).netloc)
            return original(url, *arguments, **options)

        cloud.baremetal.request = request
        nodes = list(cloud.baremetal.nodes(details=True, limit=250, resource_class="crowd"))
    assert len(nodes) == COUNT and asked == {urlsplit(world.url).netloc}
    assert {node.driver_info["redfish_password"] for node in nodes} == {"******"}
