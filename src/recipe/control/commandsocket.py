"""The supervisor's socket for commands: a client sends one line, and receives the answer.

The answer is one text, and the connection ends. Or the client waits: then it receives news, as JSON objects in lines.
"""

import json
import os
import selectors
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress

#: The longest command, in bytes.
MOST_BYTES = 1_000_000

#: A command: takes the rest of the line, and whether the client may run any command line; returns the answer. None: the
#: client waits for news.
Command = Callable[[str, bool], str | None]


class CommandSocket:
    """A listening unix socket, and the clients that wait."""

    def __init__(self, sock: socket.socket, selector: selectors.BaseSelector, commands: Mapping[str, Command]) -> None:
        """Register with `selector`, whose data are functions that are called when a socket can be read."""
        self._socket = sock
        self._selector = selector
        self._commands = commands
        self._waiting: list[socket.socket] = []
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ, self._accept)

    def tell(self, **news: str) -> None:
        """Send news to the clients that wait."""
        for client in self._waiting:
            with suppress(OSError):
                client.sendall(f"{json.dumps(news)}\n".encode())

    def dismiss(self, **result: str) -> None:
        """Send the result to the clients that wait, and end the connections."""
        self.tell(**result)
        for client in self._waiting:
            client.close()
        self._waiting = []

    def _accept(self) -> None:
        with suppress(OSError):
            client, _ = self._socket.accept()
            client.settimeout(1)  # a client sends its command at once, and takes the answer
            received = bytearray()
            self._selector.register(client, selectors.EVENT_READ, lambda: self._receive(client, received))

    def _receive(self, client: socket.socket, received: bytearray) -> None:
        try:
            data = client.recv(65536)
        except OSError:
            data = b""
        received += data
        if data and b"\n" not in received and len(received) < MOST_BYTES:
            return
        self._selector.unregister(client)
        word, _, rest = received.partition(b"\n")[0].decode("utf-8", "replace").partition(" ")
        command = self._commands.get(word)
        try:
            answer = command(rest, _is_trusted(client)) if command else f"Unknown command {word!r}"
        except Exception as error:  # a wrong command must not end the supervisor
            answer = f"Bad command: {error!r}"
        if answer is None:
            self._waiting.append(client)
            return
        with suppress(OSError):
            client.sendall(f"{answer}\n".encode())
        client.close()


def _is_trusted(client: socket.socket) -> bool:
    """Whether the client has the rights of this process: the socket of root's may belong to the user of the server."""
    if os.geteuid():
        return True  # the permissions of the socket admit nobody else
    if not hasattr(socket, "SO_PEERCRED"):
        return False
    _pid, uid, _gid = struct.unpack("iII", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return bool(uid == 0)
