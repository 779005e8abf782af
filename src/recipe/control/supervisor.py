"""The supervisor: keeps one server running, replaces it without a gap, and answers commands on its socket.

It knows nothing of Zope, WSGI or ZServer: it runs a command line, and starts it again when the process fails. A server
that knows of its supervisor (`recipe.common.supervision`) lends it the listening sockets, so that clients wait while
no server is there, and lets itself be replaced by a successor.
"""

import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from recipe.control.commandsocket import CommandSocket
from recipe.control.generation import CLOSING, Generation, Sockets

#: Exit statuses after which the server is not started again.
DONE = (0, 2)

#: A server that ends within this time (seconds) has failed. The pause before the next start is a second longer each
#: time, and after so many failures in a row the supervisor gives up.
SOON, MOST_FAILURES = 10.0, 10

STOP = (signal.SIGTERM, signal.SIGINT)
REOPEN = (signal.SIGUSR1, signal.SIGUSR2)


class Supervisor:
    """The main loop: it waits for signals, for the servers' messages and for commands."""

    def __init__(self, command: Sequence[str], commands: socket.socket | None) -> None:
        """`commands` is a listening unix socket; None: there are no commands."""
        self.command = list(command)
        self.environment = dict(os.environ)
        self.current: Generation | None = None
        self.successor: Generation | None = None
        self.retired: list[Generation] = []
        self.failures = 0
        self.due = 0.0  # when the server is started (`time.monotonic()`)
        self.stopping = False
        self._has_terminal = os.isatty(0)
        self._has_served = False
        self._gives_up = False  # whether the first server has reported that it cannot start
        self.status = 0  # the exit status
        self._reload_wanted = False
        self._orphans: Sockets = {}  # the sockets of a server that has crashed
        self._selector = selectors.DefaultSelector()
        known = {
            "status": self._status_command,
            "stop": self._stop_command,
            "kill": self._kill_command,
            "reload": self._reload_command,
            "reopen_transcript": lambda _rest, _trusted: "",
        }
        self._clients = CommandSocket(commands, self._selector, known) if commands else None
        self._handle_signals()

    def _handle_signals(self) -> None:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        self._selector.register(reading, selectors.EVENT_READ, lambda: self._signals(reading))
        for number in (*STOP, *REOPEN, signal.SIGHUP, signal.SIGCHLD):
            if number == signal.SIGTERM or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda _number, _frame: None)
        signal.set_wakeup_fd(writing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*STOP, *REOPEN, signal.SIGHUP))

    def run(self) -> int:
        """Keep the server running until a signal or a command; return the exit status."""
        while not self.stopping or self._generations():
            self._start_if_due()
            self._reload_if_due()
            for key, _ in self._selector.select(self._timeout()):
                key.data()
            self._reap()
            self._kill_late()
        return self.status

    def _generations(self) -> list[Generation]:
        return [*filter(None, (self.current, self.successor)), *self.retired]

    def _timeout(self) -> float | None:
        limits = [generation.deadline for generation in self._generations()]
        if not (self.current or self.successor or self.stopping):
            limits.append(self.due)
        limit = min(limits, default=float("inf"))
        return None if limit == float("inf") else max(0.0, limit - time.monotonic())

    # --- the server ---

    def _start_if_due(self) -> None:
        if self.current or self.successor or self.stopping or time.monotonic() < self.due:
            return
        try:
            self.current = self._spawn(None, self._orphans)
        except OSError:
            self.due = time.monotonic() + SOON
            return
        self._orphans = {}

    def _spawn(self, before: Generation | None, adopted: Sockets) -> Generation:
        generation = Generation(self.command, self.environment, before, adopted)
        self._selector.register(generation.channel, selectors.EVENT_READ, lambda: self._hear(generation))
        return generation

    def _hear(self, generation: Generation) -> None:
        messages = generation.channel.receive()
        if messages is None:
            self._selector.unregister(generation.channel)
            return
        generation.is_connected = True
        for message in messages:
            getattr(self, f"_on_{message['event']}")(generation, message)

    def _on_connected(self, generation: Generation, message: Mapping[str, Any]) -> None:
        """The server has started."""

    def _on_bound(self, generation: Generation, message: Mapping[str, Any]) -> None:
        """The server has bound its sockets."""
        generation.bound(message["sockets"], message["patience"])

    def _on_ready(self, generation: Generation, message: Mapping[str, Any]) -> None:
        """The server accepts requests."""
        self._has_served = generation.serves = True
        if generation is self.successor:
            self._promote(generation)
        else:
            self._dismiss(done="")

    def _promote(self, generation: Generation) -> None:
        if self.current:
            self._retire(self.current, generation)
        self.current, self.successor = generation, None
        self.failures = 0
        self._dismiss(done="")

    def _retire(self, generation: Generation, successor: Generation) -> None:
        generation.deadline = time.monotonic() + generation.patience + CLOSING
        generation.tell("retire", pid_file=successor.pid_file)
        self.retired.append(generation)
        self.current = None

    def _on_warm(self, generation: Generation, message: Mapping[str, Any]) -> None:
        """The successor has loaded the application. If it is `alone`, the other one has to end before it serves."""
        generation.pid_file = message["pid_file"]
        if message["alone"] and self.current:
            generation.tell("listen")
            self._retire(self.current, generation)
        if message["alone"] and self.retired:
            return  # until the last one has been reaped
        generation.tell("serve")

    def _on_waiting(self, generation: Generation, message: Mapping[str, Any]) -> None:
        if generation is self.successor:
            self._tell(waiting=message["text"])

    def _on_failed(self, generation: Generation, message: Mapping[str, Any]) -> None:
        self._gives_up = not self._has_served
        if generation is self.successor:
            self._dismiss(failed=message["text"])

    def _on_unable(self, generation: Generation, message: Mapping[str, Any]) -> None:
        self._dismiss(unable=message["text"])

    def _reap(self) -> None:
        for generation in self._generations():
            if generation.process.poll() is not None:
                self._ended(generation, generation.process.returncode)

    def _ended(self, generation: Generation, code: int) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(generation.channel)
        if generation in self.retired:
            self.retired.remove(generation)
            taken = generation.lend()
            generation.close()
            if heir := self.current or self.successor:
                heir.alone(taken)
                if heir is self.successor and not self.retired:
                    heir.tell("serve")
        elif generation is self.successor:
            generation.close()
            self.successor = None
            self._dismiss(failed="the new server ended without a message; see the event log")
        else:
            self.current = None
            self._crashed(generation, code)

    def _crashed(self, generation: Generation, code: int) -> None:
        if self.successor:
            self._orphans = {}
            generation.close()
            self.successor.tell("serve")
        elif self.stopping or code in DONE or self._gives_up:
            generation.close()
            self.status = 0 if self.stopping else code if code >= 0 else 1
            self.stopping = True
        else:
            self._orphans, generation.sockets = generation.sockets, {}
            generation.close()
            self._govern(time.time() - generation.started)

    def _govern(self, lived: float) -> None:
        """Pause before the next start if the server failed soon; give up if it did so too often."""
        self.failures = self.failures + 1 if lived < SOON else 0
        self.due = time.monotonic() + self.failures
        if self.failures >= MOST_FAILURES:
            self.status, self.stopping = 1, True

    def _kill_late(self) -> None:
        for generation in self._generations():
            if time.monotonic() > generation.deadline:
                generation.send(signal.SIGKILL)
                generation.deadline = float("inf")

    def stop(self) -> None:
        """End all servers, and then this process; end them immediately if called again."""
        self.stopping = True
        for generation in self._generations():
            generation.end()

    def reload(self, command: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> str:
        """Start a successor soon; return an error, or the empty text."""
        if self.stopping:
            return "the server is stopping"
        if self.successor or self._reload_wanted:
            return "another reload is in progress"
        if self.current and not self.current.serves:
            return "the server has not started yet"
        self.command = list(command) or self.command
        self.environment = dict(environment or self.environment)
        self._reload_wanted = True
        self.due = 0.0
        return ""

    def _reload_if_due(self) -> None:
        """Start the successor, when the server that was replaced before has ended."""
        if not self._reload_wanted or self.retired or self.stopping:
            return
        self._reload_wanted = False
        if self.current is None or self.successor:
            return
        try:
            self.successor = self._spawn(self.current, {})
        except OSError as error:
            self._dismiss(failed=f"cannot start {self.command[0]}: {error.strerror}")

    # --- signals ---

    def _signals(self, pipe: int) -> None:
        with suppress(BlockingIOError):
            for number in os.read(pipe, 1024):
                if number in STOP or (number == signal.SIGHUP and self._has_terminal):
                    self.stop()
                elif number == signal.SIGHUP:
                    self.reload()
                elif number in REOPEN:
                    for generation in self._generations():
                        generation.send(number)

    # --- commands ---

    def _status_command(self, _rest: str, _trusted: bool) -> str:
        server = self.current or self.successor
        values = {
            "application": server.pid if server else 0,
            "manager": os.getpid(),
            "lasttime": server.started if server else 0.0,
            "backoff": self.failures,
        }
        # The process id of the instance is that of the supervisor if the server knows of it, as ZServer does not
        if server and server.is_connected:
            values["supervisor"] = 1
        return "\n".join(f"{key}={value}" for key, value in values.items())

    def _stop_command(self, _rest: str, _trusted: bool) -> str:
        self.stop()
        return "Stopping"

    def _kill_command(self, rest: str, _trusted: bool) -> str:
        if rest and not rest.isdecimal():
            return f"Bad signal {rest!r}"
        for generation in self._generations():
            generation.send(int(rest or signal.SIGTERM))
        return "Signal sent"

    def _reload_command(self, rest: str, trusted: bool) -> str | None:
        # The user of the server must not run commands as root
        order = json.loads(rest) if rest and trusted else {}
        error = self.reload(order.get("command", ()), order.get("environment"))
        return json.dumps({"failed": error}) if error else None

    def _tell(self, **news: str) -> None:
        if self._clients:
            self._clients.tell(**news)

    def _dismiss(self, **result: str) -> None:
        if self._clients:
            self._clients.dismiss(**result)
