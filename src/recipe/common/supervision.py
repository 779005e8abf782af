"""Messages between the supervisor and the server that it runs: JSON objects, in lines, over a pair of unix sockets.

The supervisor (`recipe.control.supervisor`) names its end in the environment of the server. A message may bring
listening sockets along: it has the address of each in ``sockets``.
"""

import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

#: The environment variable that holds the `Order` of the server, as JSON.
VARIABLE = "RECIPE_SUPERVISOR"

#: Bytes, and descriptors, that are sent or received at once; Linux has a limit of 253 descriptors (unix(7)).
AT_ONCE, MOST_DESCRIPTORS = 65536, 250


class Order(NamedTuple):
    """What a server has to know about its supervisor, and about the server before it."""

    #: the process id of the supervisor
    supervisor: int
    #: the file descriptor of the server's end
    channel: int
    #: whether another server of this instance still serves
    succeeds: bool = False
    #: the number of sockets with which that server listens on an address (of a host name: on each of its addresses)
    taken: Mapping[str, int] = {}
    #: the sockets, by address, of a server that has crashed, or of this process before it has executed itself anew
    adopted: Mapping[str, Sequence[int]] = {}
    #: whether the application may be loaded once for all workers
    preload: bool = True

    def environment(self) -> dict[str, str]:
        """Return the variable for the server's environment."""
        return {VARIABLE: json.dumps(self._asdict())}


def read_order() -> Order:
    """Return the order of this process, and remove it from the environment. Raises KeyError without a supervisor."""
    return Order(**json.loads(os.environ.pop(VARIABLE)))


class Channel:
    """One end of the connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._rest = b""
        self._descriptors: list[int] = []

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def send(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send a message. Raises OSError if the other process has ended."""
        line = json.dumps(message).encode() + b"\n"
        for start in range(0, len(descriptors), MOST_DESCRIPTORS):
            # With a byte each, since they need one; all arrive before the end of the line
            sent = socket.send_fds(self._socket, [line[:1]], descriptors[start : start + MOST_DESCRIPTORS])
            line = line[sent:]
        self._socket.sendall(line)

    def receive(self) -> list[dict[str, Any]] | None:
        """Wait for messages, and return them; None: the other process has ended.

        The sockets of a message are in ``sockets``: a list of pairs, each an address and a file descriptor.
        """
        try:
            data, descriptors, *_ = socket.recv_fds(self._socket, AT_ONCE, MOST_DESCRIPTORS)
        except ConnectionError:
            return None
        if not data:
            return None
        self._descriptors += descriptors
        *lines, self._rest = (self._rest + data).split(b"\n")
        return list(map(self._message, lines))

    def _message(self, line: bytes) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(line)
        if "sockets" in message:
            message["sockets"] = list(self._with_descriptors(message["sockets"]))
        return message

    def _with_descriptors(self, addresses: Sequence[str]) -> Iterator[tuple[str, int]]:
        for address in addresses:
            yield address, self._descriptors.pop(0)
