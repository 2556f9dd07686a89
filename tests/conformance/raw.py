"""A client that sends exactly the bytes it is told to, and reads whatever comes back."""

import json
import socket
import ssl
from base64 import b64encode
from dataclasses import dataclass


@dataclass
class Answer:
    """What came back: status 0 when nothing readable did."""

    status: int
    headers: list
    body: bytes
    closed: bool

    def header(self, name):
        """The first header of this name, or None."""
        return next((value for known, value in self.headers if known == name.lower()), None)

    def json(self):
        """The body as JSON, or None."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def fault(self):
        """The inner object of Ironic's error shape, or None."""
        outer = self.json()
        if not isinstance(outer, dict) or not isinstance(outer.get("error_message"), str):
            return None
        try:
            inner = json.loads(outer["error_message"])
        except ValueError:
            return None
        return inner if isinstance(inner, dict) else None

    def code(self):
        """irongate's stable code, which only its own refusals bear."""
        for place in (self.json(), self.fault()):
            if isinstance(place, dict) and isinstance(place.get("irongate"), dict):
                return place["irongate"].get("code")
        return None


class Raw:
    """Opens a connection per request, so that one odd request cannot colour the next."""

    def __init__(self, port=None, path=None, authority=None, passwords=None):
        self.port, self.path, self.passwords = port, path, passwords or {}
        self.context = None
        if authority:
            self.context = ssl.create_default_context(cafile=str(authority))
            self.context.set_alpn_protocols(["http/1.1"])

    def open(self, timeout=10):
        """A connected (TLS) socket."""
        if self.path:
            plain = socket.socket(socket.AF_UNIX)
            plain.settimeout(timeout)
            plain.connect(str(self.path))
        else:
            plain = socket.create_connection(("127.0.0.1", self.port), timeout)
        plain.settimeout(timeout)
        return self.context.wrap_socket(plain, server_hostname="localhost") if self.context else plain

    def authorization(self, user):
        """The header of a user."""
        return "Basic " + b64encode(f"{user}:{self.passwords.get(user, 'none')}".encode()).decode()

    def bytes(self, method, target, headers=(), body=b"", user="admin", version="1.115", host="localhost", length=True):
        """A plain HTTP/1.1 request; headers are (name, value) pairs or whole lines as bytes, sent as they are."""
        lines = [as_bytes(method) + b" " + as_bytes(target) + b" HTTP/1.1"]
        if host is not None:
            lines.append(b"Host: " + as_bytes(host))
        if user:
            lines.append(b"Authorization: " + as_bytes(self.authorization(user)))
        if version:
            lines.append(b"X-OpenStack-Ironic-API-Version: " + as_bytes(version))
        for header in headers:
            lines.append(header if isinstance(header, bytes) else as_bytes(header[0]) + b": " + as_bytes(header[1]))
        if body and length:
            lines.append(b"Content-Length: %d" % len(body))
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def send(self, request, timeout=10):
        """Send bytes, read one answer."""
        connection = self.open(timeout)
        try:
            try:
                connection.sendall(request)
            except OSError:
                pass  # refused while we still sent: the answer may be there
            return read(connection)
        finally:
            connection.close()

    def call(self, method, target, body=None, headers=(), **options):
        """A well-formed request with a JSON body."""
        content = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            headers = [("Content-Type", "application/json"), *headers]
        return self.send(self.bytes(method, target, headers, content, **options), timeout=90)


def read(connection):
    """One answer: by its Content-Length, its chunks, or the end of the connection."""
    received, closed = bytearray(), False
    while True:
        answer = parse(received, closed)
        if answer:
            return answer
        try:
            chunk = connection.recv(1 << 16)
        except OSError:
            chunk = b""
        if not chunk:
            closed = True
            return parse(received, closed) or Answer(0, [], bytes(received), True)
        received += chunk


def parse(received, closed):
    """The first final answer in the bytes, or None if more must come."""
    while True:
        head, separator, rest = bytes(received).partition(b"\r\n\r\n")
        if not separator:
            return None
        lines = head.split(b"\r\n")
        words = lines[0].split(b" ", 2)
        if len(words) < 2 or not words[1].isdigit():
            return None
        status = int(words[1])
        if 100 <= status < 200 and status != 101:
            received = rest
            continue
        break
    pairs = (line.partition(b":") for line in lines[1:])
    headers = [(name.decode("latin-1").lower(), value.strip().decode("latin-1")) for name, _, value in pairs]
    named = dict(headers)
    if status in (204, 304):
        return Answer(status, headers, b"", closed)
    if "content-length" in named:
        length = int(named["content-length"])
        return Answer(status, headers, rest[:length], closed) if len(rest) >= length or closed else None
    if named.get("transfer-encoding") == "chunked":
        body, complete = dechunk(rest)
        return Answer(status, headers, body, closed) if complete or closed else None
    return Answer(status, headers, rest, True) if closed else None


def dechunk(rest):
    """The content of chunks, and whether the last one is there."""
    body = b""
    while True:
        size, separator, rest = rest.partition(b"\r\n")
        if not separator:
            return body, False
        count = int(size.split(b";")[0] or b"0", 16)
        if count == 0:
            return body, True
        if len(rest) < count + 2:
            return body + rest, False
        body, rest = body + rest[:count], rest[count + 2:]


def as_bytes(value):
    """Text as it goes over the wire."""
    return value if isinstance(value, bytes) else value.encode()
