"""Instances that follow one another, broken reloads, a flood, and an Ironic that is killed or hangs, while openstacksdk works."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from keystoneauth1.exceptions import DiscoveryFailure
from stack import gate as gates
from stack import service
from test_clients import connection
from world import World

NODES = [f"77777777-0000-4000-8000-00000000000{digit}" for digit in range(4)]
ANSWER_TIMEOUT_SECONDS = 2


@pytest.fixture(scope="module")
def site(tmp_path_factory, gated):
    """An Ironic with a node for each worker behind irongate, which goes on serving for a second when it is told to end."""
    made = World(tmp_path_factory.mktemp("outages"), "site", tapped=False)
    try:
        for node in NODES:
            assert made.direct.call("POST", "/v1/nodes", {"uuid": node, "driver": "fake-hardware"}).status == 201
        made.gate.stop()
        made.gate.configuration.write_text(made.gate.configuration.read_text() + "\n[limits]\ndrain_delay_seconds = 1\n")
        made.gate.start()
        yield made
    finally:
        made.close()


class Worker(threading.Thread):
    """An operator's program: it changes its node, reads it, and lists nodes, again and again, and never expects to fail."""

    def __init__(self, site, node, anew):
        super().__init__(daemon=True)
        self.site, self.node, self.anew = site, node, anew
        self.over, self.rounds, self.problem = threading.Event(), 0, None
        self.start()

    def run(self):
        try:
            while not self.over.is_set():
                with closing(connection(self.site, "admin")) as cloud:
                    self.work(cloud.baremetal)
        except Exception as problem:  # told by who joins
            self.problem = problem

    def work(self, metal):
        """Rounds on one connection; one only, where each shall have a new one."""
        while not self.over.is_set():
            metal.patch_node(self.node, [{"op": "add", "path": "/extra/round", "value": self.rounds}])
            assert metal.get_node(self.node).extra["round"] == self.rounds, "a write got lost"
            assert sorted(node.id for node in metal.nodes()) == NODES
            self.rounds += 1
            if self.anew:
                return


@contextmanager
def at_work(site, count=4):
    """Workers, half of them with a new connection for each round; afterwards not one of them has failed."""
    workers = [Worker(site, node, anew=index % 2 == 1) for index, node in enumerate(NODES[:count])]

    def rounds(more):
        """Wait until each has done some more rounds."""
        goals = [worker.rounds + more for worker in workers]
        deadline = time.monotonic() + 60
        while any(worker.rounds < goal and worker.problem is None for worker, goal in zip(workers, goals)):
            assert time.monotonic() < deadline, "the workers make no progress"
            time.sleep(0.02)

    try:
        yield rounds
    finally:
        for worker in workers:
            worker.over.set()
        for worker in workers:
            worker.join(60)
    for worker in workers:
        assert worker.problem is None, f"the worker of {worker.node} failed in round {worker.rounds}: {worker.problem!r}"


def test_one_instance_follows_the_other(site):
    """Three replacements under work: the next one is ready, then the running one is told to end."""
    running = site.gate
    try:
        with at_work(site) as rounds:
            rounds(1)
            for count in range(3):
                following = running.beside(f"instance-{count}", gates.free_ports(1)[0])
                following.start()
                rounds(1)
                assert running.stop()
                running = following
                rounds(1)
    finally:
        running.stop()
        site.gate.start()


def test_reloads_that_work_and_reloads_that_do_not(site):
    """HUP after HUP; each second configuration is broken and stays without effect."""
    good = site.gate.configuration.read_text()
    try:
        with at_work(site) as rounds:
            for count in range(6):
                site.gate.configuration.write_text(good + ("[[binding]]\nrolle = 1\n" if count % 2 else f"# {count}\n"))
                site.gate.reload()
                rounds(1)
    finally:
        site.gate.configuration.write_text(good)
        site.gate.reload()
    log = site.gate.log.read_text()
    assert log.count('"reloaded"') >= 3 and log.count("rolle") >= 1, service.tail(site.gate.log)


def test_a_flood_beside_the_work(site):
    """500 connections that send half a head and wait, and callers with wrong passwords without end."""
    held = [site.raw.open() for _ in range(500)]
    over = threading.Event()

    def guess():
        while not over.is_set():
            site.raw.call("GET", "/v1/nodes", user="nobody")

    guessing = [threading.Thread(target=guess, daemon=True) for _ in range(2)]
    try:
        for stream in held:
            stream.sendall(b"GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\nX-Half: ")
        for thread in guessing:
            thread.start()
        with at_work(site, count=2) as rounds:
            rounds(3)
    finally:
        over.set()
        for stream in held:
            stream.close()
        for thread in guessing:
            thread.join(30)


def told(site):
    """What openstacksdk is told when it asks for a node."""
    with closing(connection(site, "admin")) as cloud:
        # The endpoint is given, so nothing is discovered before.
        return cloud.session.get(f"{site.url}/v1/nodes/{NODES[0]}", raise_exc=False, headers={"X-OpenStack-Ironic-API-Version": "1.80"})


def works(site):
    """openstacksdk is served."""
    with closing(connection(site, "admin")) as cloud:
        assert cloud.baremetal.get_node(NODES[0]).id == NODES[0]


def test_a_killed_ironic(site):
    """502 with a time to come back at; not ready; and all is well as soon as Ironic is."""
    try:
        for pid in service.members(site.ironic.running()):
            os.kill(pid, signal.SIGKILL)
        with closing(connection(site, "admin")) as cloud, pytest.raises(DiscoveryFailure, match="service is unavailable"):
            cloud.baremetal.get_node(NODES[0])
        answer = told(site)
        assert answer.status_code == 502 and answer.headers["Retry-After"] and answer.json()["irongate"]["code"] == "upstream_unreachable"
        deadline = time.monotonic() + 15
        while site.gate.ready():
            assert time.monotonic() < deadline, "it calls itself ready while Ironic is dead"
            time.sleep(0.1)
    finally:
        site.ironic.start()
    works(site)


def test_a_hanging_ironic(site):
    """504 after the time that is set, for everybody at once; and all is well when it goes on."""
    text = site.gate.configuration.read_text()
    workers = service.members(site.ironic.running())
    assert workers
    try:
        site.gate.stop()
        site.gate.configuration.write_text(text.replace("[upstream]\n", f"[upstream]\nanswer_timeout_seconds = {ANSWER_TIMEOUT_SECONDS}\n"))
        site.gate.start()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        with ThreadPoolExecutor(5) as pool:
            answers = list(pool.map(told, [site] * 5))
        assert [(answer.status_code, answer.json()["irongate"]["code"]) for answer in answers] == [(504, "upstream_timeout")] * 5
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        site.gate.configuration.write_text(text)
    works(site)
