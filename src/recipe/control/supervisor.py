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

from recipe.common.names import CLOSING
from recipe.common.polling import readable
from recipe.control.commandsocket import CommandSocket
from recipe.control.generation import Generation, Sockets, rotate

#: Exit statuses after which the server is not started again.
DONE = (0, 2)

#: A server that ends within this time (seconds) has failed. The pause before the next start is a second longer each
#: time, and after so many failures in a row the supervisor gives up.
SOON, MOST_FAILURES = 10.0, 10

NO_MESSAGE = "the new server ended without a message; see the event log"

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
            self.current = self._spawn(self.retired, self._orphans)
        except OSError as error:
            self._dismiss(ended=f"cannot start {self.command[0]}: {error.strerror}")
            self.due = time.monotonic() + SOON
            return
        self._orphans = {}
        # The pipe of the command `start` is removed when that ends, and another user could make a file of its name
        self.command = _without_report(self.command)

    def _spawn(self, before: Sequence[Generation], adopted: Sockets) -> Generation:
        generation = Generation(self.command, self.environment, before, adopted)
        self._selector.register(generation.channel, selectors.EVENT_READ, lambda: self._hear(generation))
        return generation

    def _hear(self, generation: Generation) -> bool:
        """Take the server's messages; return whether more may come."""
        if generation not in self._generations():
            return False  # killed by a command that came at the same time
        messages = generation.channel.receive()
        if messages is None:
            self._forget(generation)
            return False
        generation.is_connected = True
        for message in messages:
            # A server with newer files may have other events
            if handler := getattr(self, f"_on_{message['event']}", None):
                handler(generation, message)
        return True

    def _forget(self, generation: Generation) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(generation.channel)

    def _on_connected(self, generation: Generation, message: Mapping[str, Any]) -> None:
        """The server has started."""

    def _on_bound(self, generation: Generation, message: Mapping[str, Any]) -> None:
        """The server has bound its sockets."""
        generation.bound(message["sockets"], message["patience"])

    def _on_ready(self, generation: Generation, message: Mapping[str, Any]) -> None:
        """The server accepts requests."""
        self._has_served = generation.serves = True
        generation.pid_file = message["pid_file"]
        if generation is self.successor:
            self._promote(generation)
        elif generation is self.current:
            self._dismiss(done="")

    def _promote(self, generation: Generation) -> None:
        if self.current:
            self._retire(self.current, generation)
        self.current, self.successor = generation, None
        self.failures = 0
        self._dismiss(done="")

    def _retire(self, generation: Generation, successor: Generation) -> None:
        generation.deadline = time.monotonic() + generation.patience + CLOSING
        if not self.stopping:  # otherwise it ends already
            generation.tell("retire", pid_file=successor.pid_file)
        self.retired.append(generation)
        self.current = None

    def _on_warm(self, generation: Generation, message: Mapping[str, Any]) -> None:
        """The server has loaded the application. If it is `alone`, the one before has to end before it serves."""
        generation.pid_file = message["pid_file"]
        # It listens before the other one ends, so that clients wait
        generation.tell("listen" if message["alone"] else "serve")

    def _on_listening(self, generation: Generation, message: Mapping[str, Any]) -> None:
        """Clients of the successor wait."""
        if self.current and generation is self.successor:
            self._retire(self.current, generation)
        generation.waits = True
        self._let_serve(generation)

    def _let_serve(self, generation: Generation) -> None:
        if generation.waits and not self.retired:
            generation.waits = False
            generation.tell("serve")

    def _on_waiting(self, generation: Generation, message: Mapping[str, Any]) -> None:
        if generation is self.successor:
            self._tell(waiting=message["text"])

    def _on_failed(self, generation: Generation, message: Mapping[str, Any]) -> None:
        self._gives_up = not self._has_served
        if generation is self.successor and self.current:
            self._dismiss(failed=message["text"])
        elif generation not in self.retired:
            self._dismiss(ended=message["text"])

    def _on_unable(self, generation: Generation, message: Mapping[str, Any]) -> None:
        self._dismiss(unable=message["text"])

    def _reap(self) -> None:
        for generation in self._generations():
            # `_crashed` may have killed a successor, and reaped it
            if generation.process.poll() is not None and generation in self._generations():
                self._ended(generation, generation.process.returncode)
        if os.getpid() == 1:
            self._reap_orphans()

    def _reap_orphans(self) -> None:
        """Reap the processes that a killed server has left to process 1 of a container."""
        ours = [generation.pid for generation in self._generations()]
        with suppress(ChildProcessError):  # there are no children
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid in ours:
                    return  # `_reap` takes its status, and comes here again
                os.waitpid(ended.si_pid, 0)

    def _ended(self, generation: Generation, code: int) -> None:
        # What it has sent before its end
        while readable([generation.channel.fileno()], 0) and self._hear(generation):
            pass
        self._forget(generation)
        if generation in self.retired:
            self.retired.remove(generation)
            self._close(generation)
        elif generation is self.successor and self.current:
            self.successor = None
            generation.discard()
            self._dismiss(failed=NO_MESSAGE)
        else:
            if generation is self.current:
                self.current = None
            else:
                self.successor = None
            self._crashed(generation, code)

    def _crashed(self, generation: Generation, code: int) -> None:
        """The server that clients connect to has ended."""
        if self.stopping:
            generation.close()
        elif code in DONE or self._gives_up:
            self.status = code if code >= 0 else 1
            generation.close()
            self.stop()
        elif self.successor and self.successor.listens:
            self._close(generation)
        else:
            if self.successor:
                self._kill_successor()  # its sockets refuse clients; the next server has those that listen
            self._orphans, generation.sockets = generation.sockets, {}
            generation.close()
            if not generation.serves:
                self._dismiss(ended=NO_MESSAGE)
            self._govern(time.time() - generation.started)

    def _close(self, generation: Generation) -> None:
        """Close the sockets of a server that has ended while the next one listens beside it."""
        taken = generation.lend()
        generation.close()
        if heir := self.current or self.successor:
            heir.alone(taken)
            self._let_serve(heir)
        else:
            rotate(self._orphans, taken)

    def _kill_successor(self) -> None:
        if successor := self.successor:
            successor.send(signal.SIGKILL)
            successor.process.wait()
            self._forget(successor)
            successor.discard()
            self.successor = None

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
        # The retired ones end already, and a second signal would cut off their requests
        ending = self._generations() if self.stopping else [*filter(None, (self.current, self.successor))]
        self.stopping = True
        self._dismiss(ended="the server has been stopped")
        for generation in ending:
            generation.end()

    def reload(self, command: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> dict[str, str]:
        """Start a successor soon, in place of one that does not serve yet; return news for the client if that fails."""
        if self.stopping:
            return {"ended": "the server is stopping"}
        if (server := self.current or self.successor) and not server.serves:
            return {"unable": "the server has not started yet"}
        self._dismiss(ended="another reload has taken the place of this one")
        self._kill_successor()
        self.command = list(command) or self.command
        self.environment = dict(environment or self.environment)
        self._reload_wanted = True
        self.due = 0.0
        return {}

    def _reload_if_due(self) -> None:
        """Start the successor, when the server that was replaced before has ended."""
        if not self._reload_wanted or self.retired or self.stopping:
            return
        self._reload_wanted = False
        # A server that was started meanwhile, after a crash, has the new configuration already
        if self.current is None or not self.current.serves:
            return
        try:
            self.successor = self._spawn([self.current], {})
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
                        if generation.is_connected:  # before that, it has no handler
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
        values["supervisor"] = 1
        # The process id of the instance is that of the supervisor if the server knows of it, as ZServer does not
        if server and server.is_connected:
            values["connected"] = 1
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
        return json.dumps(error) if error else None

    def _tell(self, **news: str) -> None:
        if self._clients:
            self._clients.tell(**news)

    def _dismiss(self, **result: str) -> None:
        if self._clients:
            self._clients.dismiss(**result)


def _without_report(command: list[str]) -> list[str]:
    """Return a command line without the option ``--report``."""
    if "--report" not in command:
        return command
    place = command.index("--report")
    return command[:place] + command[place + 2 :]
