"""A recording tap between irongate and Ironic: what arrives at Ironic, byte for byte, is what the tests judge."""

import asyncio
import threading
from dataclasses import dataclass, field

BODY_BYTES_KEPT = 1 << 20


@dataclass
class Arrival:
    """One request as it came."""

    head: bytes
    body: bytearray = field(default_factory=bytearray)

    @property
    def line(self):
        """The request line."""
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def headers(self):
        """Header names in lower case with their values, in order, repetitions kept."""
        pairs = (line.partition(b":") for line in self.head.split(b"\r\n")[1:] if line)
        return [(name.decode("latin-1").lower(), value.strip().decode("latin-1")) for name, _, value in pairs]


class Tap:
    """Relays a unix socket (and a TCP port, to judge Ironic alone) to Ironic's socket, and remembers every request."""

    def __init__(self, upstream, path, port=None):
        self.upstream = str(upstream)
        self.path = str(path)
        self.port = port
        self.arrivals = []
        self.delay_seconds = 0
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self.serve, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait(10)

    def serve(self, ready):
        """The tap's own thread."""
        asyncio.set_event_loop(self.loop)
        self.servers = [self.loop.run_until_complete(asyncio.start_unix_server(self.relay, self.path, backlog=128))]
        if self.port:
            self.servers.append(self.loop.run_until_complete(asyncio.start_server(self.relay, "127.0.0.1", self.port)))
        ready.set()
        self.loop.run_forever()

    def mark(self):
        """Where we are now: to be compared, or to slice `arrivals` with."""
        return len(self.arrivals)

    def since(self, mark):
        """What has arrived since, less irongate's own health probes."""
        return [arrival for arrival in self.arrivals[mark:] if not probe(arrival)]

    async def relay(self, reader, writer):
        """One connection, both ways."""
        try:
            upstream_reader, upstream_writer = await asyncio.open_unix_connection(self.upstream)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            self.copy(reader, upstream_writer, Recorder(self)), self.copy(upstream_reader, writer, None),
            return_exceptions=True)

    async def copy(self, reader, writer, recorder):
        """One direction, until its end."""
        try:
            while chunk := await reader.read(1 << 16):
                if recorder:
                    recorder.feed(chunk)
                else:
                    await asyncio.sleep(self.delay_seconds)
                writer.write(chunk)
                await writer.drain()
        finally:
            writer.close()


class Recorder:
    """Cuts a connection's bytes into requests. irongate sends Content-Length or nothing: anything else shows as junk."""

    def __init__(self, tap):
        self.tap = tap
        self.pending = bytearray()
        self.due = 0

    def feed(self, chunk):
        """More bytes of the connection."""
        self.pending += chunk
        while self.pending:
            if self.due:
                part = self.pending[: self.due]
                del self.pending[: len(part)]
                self.due -= len(part)
                body = self.current.body
                body += part[: max(0, BODY_BYTES_KEPT - len(body))]
                continue
            end = self.pending.find(b"\r\n\r\n")
            if end < 0:
                return
            self.current = Arrival(bytes(self.pending[:end]))
            del self.pending[: end + 4]
            lengths = [value for name, value in self.current.headers if name == "content-length"]
            self.due = int(lengths[0]) if lengths and lengths[0].isdigit() else 0
            self.tap.arrivals.append(self.current)


def probe(arrival):
    """Whether a request is irongate's own health probe: unlike all that it forwards, that says no version."""
    return arrival.line == "GET /v1 HTTP/1.1" and [name for name, _ in arrival.headers] == ["host"]
