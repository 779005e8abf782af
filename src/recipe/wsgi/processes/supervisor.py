"""Workers for a server that has none: processes forked off before the application is loaded.

They share the sockets, or have siblings of them. Each runs the server as `recipe.wsgi.servers.loop`
has it; this process replaces those that die, and passes signals on.
"""

import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from recipe.common import databases
from recipe.wsgi import signals
from recipe.wsgi.processes import worker
from recipe.wsgi.processes.shared_sockets import SharedSockets, Spread
from recipe.wsgi.servers import Forking, Server, WSGIApp, loop
from recipe.wsgi.servers.loop import Embedded
from recipe.wsgi.settings import Settings, bind_all
from recipe.wsgi.sockets import waiting

#: Seconds that a worker gets over the graceful timeout, to close its databases.
CLOSING = 5.0

#: Seconds between looks at the workers, and from the death of one to its successor.
TICK, PAUSE = 0.1, 1.0


EntryPoints = tuple[Callable[..., Server], Callable[..., None], Callable[..., Settings]]


def entry_points(
    server: type[Embedded], wrong: Callable[[Mapping[str, str]], Iterable[tuple[str, str]]]
) -> EntryPoints:
    """Return ``server_factory``, ``serve`` and ``read`` of a server's module (see `recipe.wsgi.servers`)."""

    def read(global_conf: Mapping[str, str], settings: Mapping[str, str]) -> Settings:
        return loop.read(global_conf, settings, server, wrong)

    def server_factory(global_conf: Mapping[str, str], **settings: str) -> Server:
        known = read(global_conf, settings)
        return Prefork(known, server) if known.workers > 1 else server(known, bind_all(known))

    def serve(app: WSGIApp, global_conf: Mapping[str, str], **settings: str) -> None:
        server_factory(global_conf, **settings)(app)

    entries = server_factory, serve, read
    for each in entries:  # whoever has one finds the others in its module
        each.__module__ = server.__module__
    return entries


class Started(NamedTuple):
    """Which worker a process is, when it was started (`time.monotonic()`), and what can be read once it has ended."""

    number: int
    since: float
    ended: int | None


def _end_of(process: int) -> int | None:
    """Return a file descriptor that can be read once a process has ended, where the system has such (Linux)."""
    try:
        return os.pidfd_open(process)
    except (AttributeError, OSError):
        return None


class Prefork(Forking):
    """A server in several processes."""

    def __init__(self, settings: Settings, server: type[Embedded]) -> None:
        super().__init__(settings)
        # First, since it may want a file descriptor that another socket would get
        self.server = server(settings, self.listeners)
        self.share(Spread if server.hoards else SharedSockets)
        self._logger = logging.getLogger(server.name)
        #: by process id
        self._workers: dict[int, Started] = {}
        #: workers that are to be started, and when (`time.monotonic()`)
        self._due = dict.fromkeys(range(settings.workers), 0.0)
        self._stops = 0  # how often we were told to stop

    def run(self) -> None:
        """Serve until a signal ends it; in a worker, raise SystemExit then."""
        reopeners = {number: signal.signal(number, self._pass_on) for number in signals.REOPEN}
        try:
            with signals.on_stop(self._stop):
                self._watch()
                self._end()
        finally:
            for number, handler in reopeners.items():
                signal.signal(number, handler)

    def _watch(self) -> None:
        """Keep all workers there, until a signal or a failure of the first ones."""
        while not self._stops and self._replace():
            # At once, since clients may wait at a socket that nobody serves any more
            select.select([each.ended for each in self._workers.values() if each.ended is not None], [], [], TICK)

    def _replace(self) -> bool:
        """Start a worker for each that is gone; return whether that makes sense."""
        ended = self._ended()
        self.sockets.lead()
        if any(code == worker.FAILED for _, code, _ in ended):
            return False
        for process, code, (number, since, _) in ended:
            self._logger.error("Worker %d ended (%d), another one takes its place", process, code)
            if self._workers:
                self.sockets.leave(number)
            # One that ends at once would keep the machine busy
            self._due[number] = since + PAUSE
        for number in [number for number, due in self._due.items() if due <= time.monotonic()]:
            self._start(number)
        return True

    def _ended(self) -> list[tuple[int, int, Started]]:
        """Take the workers that have ended out of the others; return their process ids and exit codes, too."""
        found = []
        for process in list(self._workers):
            gone, status = os.waitpid(process, os.WNOHANG)
            if gone:
                one = self._workers.pop(process)
                self.sockets.note(one.number, serves=False)
                if one.ended is not None:
                    os.close(one.ended)
                found.append((process, os.waitstatus_to_exitcode(status), one))
        return found

    def _start(self, number: int) -> None:
        held = (*signals.STOP, *signals.REOPEN)
        # A signal that comes right now waits for the worker's own handlers
        signal.pthread_sigmask(signal.SIG_BLOCK, held)
        master = os.getpid()
        process = self._fork()
        if process == 0:
            self._work(master, number)
        if process is None:
            self._due[number] = time.monotonic() + PAUSE
        else:
            del self._due[number]
            self._workers[process] = Started(number, time.monotonic(), _end_of(process))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)

    def _fork(self) -> int | None:
        """As os.fork; None where the system has no process left. The other workers serve on."""
        try:
            return os.fork()
        except OSError as error:
            self._logger.error("No process for a worker, it is tried again: %s", error)
            return None

    def _work(self, master: int, number: int) -> None:
        """Serve, in a worker, until the master says or is gone; raises SystemExit."""
        signals.forget()
        # Ctrl-C is for all of a terminal, and the master's
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._told(number))
        self._stops = 0
        signals.reopen_logs()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*signals.STOP, *signals.REOPEN))
        try:
            app = worker.load()
            with worker.telling():
                self.sockets.listen(number)
            self.server.listeners = self.sockets.of(number)
            self.server.on_ready = partial(self._ready, number)
            self.server.on_drain = partial(self._leave, number, master)
            self.server.serve(app, lambda: os.getppid() == master)
        finally:
            databases.close_all()
        sys.exit(0)

    def _told(self, number: int) -> None:
        """End, in a worker that loads; but whom its predecessor has left at its sockets is served first."""
        self._stops += 1
        if self._stops > 1 or not worker.one_has_served() or not waiting(self.sockets.of(number)):
            sys.exit(0)
        self.server.stop()

    def _ready(self, number: int) -> None:
        self.sockets.note(number, serves=True)
        worker.ready()

    def _leave(self, number: int, master: int) -> None:
        """Take no more clients, where they are led; the sockets are the others', too, and the master's to shut."""
        self.sockets.note(number, serves=False)
        if os.getppid() != master:  # it is gone, and all end
            self.server.let_nobody_in()

    def _stop(self) -> None:
        self._stops += 1

    def _pass_on(self, number: int, _frame: object) -> None:
        self._signal(number)

    def _signal(self, number: int) -> None:
        for process in self._workers:
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def _replace_for_those_who_wait(self) -> None:
        """Start the successor of a worker that has ended with clients at its sockets."""
        numbers = {*self._due, *(one.number for _, _, one in self._ended())}
        for number in numbers:
            self._due[number] = 0.0
            if waiting(self.sockets.of(number)):
                self._start(number)

    def _end(self) -> None:
        """Let nobody in, end the workers, and return when they have ended; those that do not are killed."""
        for listener in self.listeners:
            listener.let_nobody_in()
        if self._stops:
            self._replace_for_those_who_wait()
        told = 0
        limit = time.monotonic() + self.settings.graceful_timeout + CLOSING
        while self._workers and time.monotonic() < limit:
            # The second one ends a worker at once
            while told < max(1, min(self._stops, 2)):
                self._signal(signal.SIGTERM)
                told += 1
                if told == 2:
                    limit = time.monotonic() + CLOSING
            time.sleep(TICK)
            self._ended()
        self._signal(signal.SIGKILL)
        for process in list(self._workers):
            os.waitpid(process, 0)
