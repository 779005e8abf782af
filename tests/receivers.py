"""The other side of logging handlers and of Sentry: servers on 127.0.0.1 that keep what arrives.

Each is a context manager over a list that grows, and its port.
"""

from __future__ import annotations

import gzip
import json
import pickle
import socketserver
import struct
import threading
import urllib.parse
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from support import free_port
from waiting import wait_for


@dataclass
class Receiver:
    """What arrived at a port so far, in the order in which it did."""

    port: int
    received: list[Any] = field(default_factory=list)

    def wait_for(self, condition: Callable[[list[Any]], object], timeout: float = 60) -> list[Any]:
        """Wait until the condition holds for what arrived; return that."""
        wait_for(
            lambda: condition(list(self.received)), timeout, lambda: f"only this arrived: {str(self.received)[-2000:]}"
        )
        return list(self.received)

    def wait_for_text(self, *texts: str) -> list[Any]:
        """Wait until each text stands in something that arrived."""
        return self.wait_for(lambda received: all(any(text in str(one) for one in received) for text in texts))


@contextmanager
def _serving(server: socketserver.BaseServer, receiver: Receiver) -> Iterator[Receiver]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def records() -> Iterator[Receiver]:
    """Receive from SocketHandler: pickled records, with their length before each; keeps their texts."""
    receiver = Receiver(0)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while head := self.rfile.read(4):
                record = pickle.loads(self.rfile.read(*struct.unpack(">L", head)))
                receiver.received.append(record["msg"])

    server = _Server(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    with _serving(server, receiver):
        yield receiver


@contextmanager
def datagrams(read: Callable[[bytes], str] = bytes.decode) -> Iterator[Receiver]:
    """Receive UDP, and keep what `read` makes of a datagram."""
    receiver = Receiver(0)

    class Handler(socketserver.DatagramRequestHandler):
        def handle(self) -> None:
            receiver.received.append(read(self.rfile.read()))

    server = socketserver.UDPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    with _serving(server, receiver):
        yield receiver


def read_gelf(datagram: bytes) -> str:
    """The message of a compressed GELF datagram (https://go2docs.graylog.org/current/getting_in_log_data/gelf.html)."""
    message: str = json.loads(zlib.decompress(datagram))["short_message"]
    return message


@contextmanager
def posts(read: Callable[[str, bytes], Any]) -> Iterator[Receiver]:
    """Receive HTTP's POST, and keep what `read` makes of the path and the body."""
    receiver = Receiver(0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            receiver.received.append(read(self.path, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    with _serving(server, receiver):
        yield receiver


def read_form(path: str, body: bytes) -> str:
    """The message of a record as HTTPHandler sends it."""
    return urllib.parse.parse_qs(body.decode())["msg"][0]


@contextmanager
def mails() -> Iterator[Receiver]:
    """Receive mail by SMTP, and keep its text."""
    receiver = Receiver(free_port())

    class Handler:
        async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802
            mail = message_from_bytes(envelope.content, policy=default)
            receiver.received.append(mail.get_content())
            return "250 OK"

    controller = Controller(Handler(), hostname="127.0.0.1", port=receiver.port)
    controller.start()
    try:
        yield receiver
    finally:
        controller.stop()


@dataclass(frozen=True)
class Envelope:
    """What Sentry's SDK posts: items with their types, and all of it as text.

    https://develop.sentry.dev/sdk/foundations/transport/envelopes/
    """

    path: str
    text: str
    items: tuple[tuple[str, Any], ...]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The errors and messages in it."""
        return [item for kind, item in self.items if kind == "event"]


def read_envelope(path: str, body: bytes) -> Envelope:
    """Read an envelope, of items that are JSON: after its header come pairs of lines."""
    _, *lines = (json.loads(line) for line in body.splitlines())
    kinds = [head["type"] for head in lines[::2]]
    return Envelope(path, body.decode(), tuple(zip(kinds, lines[1::2], strict=True)))
