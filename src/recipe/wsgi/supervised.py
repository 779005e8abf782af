"""The connection of a server to its supervisor (`recipe.control.supervisor`), which lets a successor replace it."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, NoReturn

from recipe.common.errors import LOCKED
from recipe.common.supervision import Channel, read_order
from recipe.wsgi import pidfile, signals, sockets
from recipe.wsgi.sockets import Listener


class Supervision:
    """The connection to the supervisor that the environment names."""

    def __init__(self) -> None:
        self._order = order = read_order()
        os.set_inheritable(order.channel, False)
        self._channel = Channel(socket.socket(fileno=order.channel))
        #: called in a thread when a successor serves
        self.on_retire: Callable[[], None] = lambda: None
        self._retired = False
        #: called in a thread when the sockets of the server before this one have been closed
        self.on_alone: Callable[[], None] = lambda: None
        self._waiting = ""  # what has been reported last
        self._words: SimpleQueue[str] = SimpleQueue()
        sockets.taken = order.taken
        sockets.adopted = {address: list(map(sockets.adopt, held)) for address, held in order.adopted.items()}
        self._send({"event": "connected"})
        threading.Thread(target=self._listen, name="supervision", daemon=True).start()

    @property
    def succeeds(self) -> bool:
        """Whether another server of this instance still serves."""
        return self._order.succeeds

    def bound(self, listeners: Sequence[Listener], patience: float) -> None:
        """Lend the supervisor the listening sockets; `patience` is the graceful timeout in seconds."""
        addresses = [str(listener.address) for listener in listeners]
        descriptors = [listener.socket.fileno() for listener in listeners]
        self._send({"event": "bound", "sockets": addresses, "patience": patience}, descriptors)

    @property
    def preload(self) -> bool:
        """Whether the application may be loaded once for all workers."""
        return self._order.preload

    def execute_again(self, listeners: Sequence[Listener]) -> NoReturn:
        """Execute this program anew, with its sockets, and without loading the application for all workers."""
        adopted: dict[str, list[int]] = {}
        for listener in listeners:
            adopted.setdefault(str(listener.address), []).append(listener.socket.fileno())
        for descriptor in (self._channel.fileno(), *(listener.socket.fileno() for listener in listeners)):
            os.set_inheritable(descriptor, True)
        os.environ.update(self._order._replace(adopted=adopted, preload=False).environment())
        # Signals wait until the new program has its handlers
        signal.pthread_sigmask(signal.SIG_BLOCK, (*signals.STOP, *signals.REOPEN))
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

    @property
    def supervisor(self) -> int:
        """The process id of the supervisor."""
        return self._order.supervisor

    def fileno(self) -> int:
        """Return the file descriptor of the connection."""
        return self._channel.fileno()

    def warm(self, alone: bool, pid_file: str, listen: Callable[[], None]) -> None:
        """Report that the application is loaded, and wait until this server may serve.

        If it is to serve `alone`, the other server ends first; `listen` is called before that. Raises StartError.
        """
        self._send({"event": "warm", "alone": alone, "pid_file": pid_file})
        while (word := self._words.get()) != "serve":
            if word == "listen":
                listen()
                self._send({"event": "listening"})

    def ready(self) -> None:
        """Report that the server accepts requests."""
        self._send({"event": "ready", "pid_file": pidfile.path()})

    def waiting(self, text: str) -> None:
        """Report what the server waits for, once."""
        if text != self._waiting:
            self._waiting = text
            self._send({"event": "waiting", "text": text})

    def failed(self, text: str) -> None:
        """Report why the server cannot start; a restart succeeds if the server that runs is the reason."""
        if self.succeeds and any(reason in text for reason in (LOCKED, sockets.OTHER_FORM)):
            self.unable(text)
            return
        self._send({"event": "failed", "text": text})

    def unable(self, text: str) -> None:
        """Report why this server cannot take the place of another one."""
        self._send({"event": "unable", "text": text})

    def _send(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        with suppress(OSError):  # the supervisor has ended
            self._channel.send(message, descriptors)

    def _listen(self) -> None:
        while (messages := self._channel.receive()) is not None:
            for message in messages:
                if message["do"] == "retire":
                    pidfile.leave_to(message["pid_file"])
                    self._retired = True
                    self.on_retire()
                elif message["do"] == "alone":
                    self.on_alone()
                else:
                    self._words.put(message["do"])
        # The supervisor has ended. A server that ends already would drop its requests at a second signal
        if not (self._retired or signals.has_arrived()):
            os.kill(os.getpid(), signal.SIGTERM)
        self._words.put("serve")
