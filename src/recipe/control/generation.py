"""A process that the supervisor runs, and the listening sockets that it lends to the supervisor."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain

from recipe.common.names import CLOSING
from recipe.common.supervision import Channel, Order

#: Listening sockets by address; those of an address are in the order in which the kernel numbers them.
Sockets = dict[str, list[socket.socket]]


class Generation:
    """A process that serves, or is about to, or has to end."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        before: "Sequence[Generation]",
        adopted: "Sockets",
    ) -> None:
        """Start the process beside those `before`, or with the sockets of one that has crashed. Raises OSError."""
        ours, theirs = socket.socketpair()
        order = Order(
            os.getpid(),
            theirs.fileno(),
            bool(before),
            {address: number for generation in before for address, number in generation.lend().items()},
            {address: [sock.fileno() for sock in held] for address, held in adopted.items()},
        )
        inherited = [theirs.fileno(), *(number for numbers in order.adopted.values() for number in numbers)]
        with theirs:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=inherited,
                env={**environment, **order.environment()},
                # A terminal sends Ctrl-C to all processes of the session; the supervisor handles it
                start_new_session=os.isatty(0),
            )
        self.channel = Channel(ours)
        self.started = time.time()
        #: those of the process, and, before it has reported them, those that it adopts
        self.sockets: Sockets = adopted
        #: when it is killed, because it has not ended in time (`time.monotonic()`)
        self.deadline = float("inf")
        #: its graceful timeout, in seconds
        self.patience = float("inf")  # until it has reported it
        #: whether it has sent a message
        self.is_connected = False
        #: whether it accepts requests
        self.serves = False
        #: whether it listens, and may serve when those before it have ended
        self.waits = False
        #: the pid file; its content is the process id of the supervisor
        self.pid_file = ""

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def tell(self, word: str, **more: str) -> None:
        """Send a word; a server that has ended, or knows of no supervisor, does not hear it."""
        with suppress(OSError):
            self.channel.send({"do": word} | more)

    @property
    def listens(self) -> bool:
        """Whether clients can connect to each of its addresses."""
        return bool(self.sockets) and all(any(map(_listens, held)) for held in self.sockets.values())

    def send(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self) -> None:
        """Send the signal after which it must end in time."""
        self.send(signal.SIGTERM)
        self.deadline = min(self.deadline, time.monotonic() + self.patience + CLOSING)

    def bound(self, sockets: Sequence[tuple[str, int]], patience: float) -> None:
        """Take its listening sockets, so that they stay open if it crashes."""
        _close(self.sockets)
        self.sockets = {}
        for address, descriptor in sockets:
            self.sockets.setdefault(address, []).append(socket.socket(fileno=descriptor))
        self.patience = patience

    def lend(self) -> dict[str, int]:
        """Let another process listen on the same addresses; return the number of sockets of each."""
        for held in self.sockets.values():
            for sock in held:
                if sock.family != socket.AF_UNIX:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        return {address: len(held) // len(_by_name(held)) for address, held in self.sockets.items()}

    def alone(self, taken: Mapping[str, int]) -> None:
        """Let it know that the sockets of the process before it have been closed; `taken` is the number of each."""
        rotate(self.sockets, taken)
        self.tell("alone")

    def discard(self) -> None:
        """Close all, and remove the file of a unix socket that was never used."""
        for sock in chain(*self.sockets.values()):
            if sock.family == socket.AF_UNIX and not _listens(sock):
                with suppress(OSError):
                    os.unlink(sock.getsockname())
        self.close()

    def close(self) -> None:
        """Close the connection and the sockets."""
        self.channel.close()
        _close(self.sockets)
        self.sockets = {}


def _by_name(held: list[socket.socket]) -> list[list[socket.socket]]:
    """Return the sockets that are bound to the same address; a host name may stand for several."""
    groups: dict[object, list[socket.socket]] = {}
    for sock in held:
        groups.setdefault(sock.getsockname(), []).append(sock)
    return list(groups.values())


def rotate(sockets: Sockets, taken: Mapping[str, int]) -> None:
    """Put sockets into the kernel's order, after those before them have been closed; `taken` is the number of each."""
    for address, held in sockets.items():
        number = taken.get(address, 0)
        sockets[address] = [sock for group in _by_name(held) for sock in _rotated(group, number)]


def _rotated(group: list[socket.socket], number: int) -> list[socket.socket]:
    """Return sockets in the kernel's order, after the `number` sockets before them have been closed by `_close`."""
    start = -number % len(group)
    return group[start:] + group[:start]


def _listens(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _close(sockets: Sockets) -> None:
    """Close sockets, the last one first: the kernel moves the last one of an address to the place of a closed one."""
    for held in sockets.values():
        for sock in reversed(held):
            sock.close()
