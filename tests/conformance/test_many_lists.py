"""Callers read a list of 5 MB at once, slowly: irongate's memory does not grow with the list.

Twelve of them always, by what each one adds; sixty-four with `--full`, by what the whole process takes.
"""

import json
import re
import socket
import socketserver
import threading
from pathlib import Path

import pytest
from raw import Raw, dechunk
from stack import environment
from stack import gate as gates
from world import ROOT, binary

CALLERS, CALLERS_FULL = 12, 64
LIST_BYTES = 5_000_000
MEMORY_BYTES_MAX = 64 << 20
ANSWER_BYTES_MAX = 1 << 20  # what one more answer may add: the scrubber's 256 KiB, TLS and the connections' buffers
SECRET = "canary-many-7e57"


def nodes():
    """A list as Ironic writes it, with a secret in every node."""
    node = {"uuid": "0" * 36, "name": "n", "driver_info": {"redfish_password": SECRET, "redfish_address": "https://192.0.2.1"},
            "extra": {f"key_{index}": "some text of no interest at all" for index in range(60)}}
    text = json.dumps(node)
    return ('{"nodes": [' + ", ".join([text] * (LIST_BYTES // len(text))) + "]}").encode()


class Ironic(socketserver.StreamRequestHandler):
    """Answers every request with the list, and the probe with an empty object."""

    def handle(self):
        while True:
            line = self.rfile.readline()
            if not line:
                return
            while self.rfile.readline().strip():
                pass
            body = self.server.body if b"/v1/nodes " in line else b"{}"
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + body)
            except OSError:
                return


class Server(socketserver.ThreadingUnixStreamServer):
    """The fake Ironic."""

    daemon_threads = True
    request_queue_size = 128
    body = nodes()


@pytest.fixture
def gate(tmp_path, gated):
    """An irongate in front of it."""
    path = tmp_path / "ironic.sock"
    server = Server(str(path), Ironic)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port, admin_port = gates.free_ports(2)
    made = gates.Gate(binary(), environment.ensure(print), tmp_path / "gate", port, admin_port)
    made.passwords = {role: f"pass-{role}" for role in gates.ROLES}
    made.prepare(made.passwords, f"unix:{path}", [ROOT / "policies" / "roles"], cost=4)
    made.start()
    yield made
    made.stop()
    server.shutdown()


def memory_bytes(pid, field):
    """A figure of the kernel's about a process."""
    return int(re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) << 10


def begin(gate, raw):
    """A request whose answer is read as slowly as its caller likes: the kernel keeps little of it."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)
    plain.settimeout(120)
    plain.connect(("127.0.0.1", gate.port))
    connection = raw.context.wrap_socket(plain, server_hostname="localhost")
    connection.sendall(raw.bytes("GET", "/v1/nodes", [("Connection", "close")]))
    return connection


def test_memory_of_many_lists(gate, request):
    """All answers are under way at the same time; one is then read to its end."""
    callers = CALLERS_FULL if request.config.getoption("--full") else CALLERS
    raw = Raw(port=gate.port, authority=gate.authority, passwords=gate.passwords)
    raw.call("GET", "/v1/nodes/n")  # the password is verified, once
    idle = memory_bytes(gate.running(), "VmRSS")
    connections = [begin(gate, raw) for _ in range(callers)]
    for connection in connections:
        received = b""
        while len(received) < 200_000:  # beyond what is scrubbed before the head is sent
            received += connection.recv(1 << 16)
        assert received.startswith(b"HTTP/1.1 200") and SECRET.encode() not in received and b'"******"' in received
    peak = memory_bytes(gate.running(), "VmHWM")
    print(f"{callers} answers of {LIST_BYTES / 1e6:.0f} MB: idle {idle >> 20} MiB, peak {peak >> 20} MiB")
    last = connections.pop()
    while chunk := last.recv(1 << 16):
        received += chunk
    body, whole = dechunk(received.partition(b"\r\n\r\n")[2])
    assert whole and b"\r\ntransfer-encoding: chunked\r\n" in received.lower(), received[-100:]
    listed = json.loads(body)["nodes"]
    assert len(listed) == Server.body.count(b'"uuid"') and {node["driver_info"]["redfish_password"] for node in listed} == {"******"}
    for connection in connections:
        connection.close()
    # What the process is by itself (policies, catalogue) is not the answers'.
    assert peak - idle < callers * ANSWER_BYTES_MAX, f"idle {idle >> 20} MiB, peak {peak >> 20} MiB"
    if callers == CALLERS_FULL:
        assert peak < MEMORY_BYTES_MAX, f"idle {idle >> 20} MiB, peak {peak >> 20} MiB"
