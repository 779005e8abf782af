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
from recipe.wsgi.processes.shared_sockets import BalancedSockets, SharedSockets
from recipe.wsgi.servers import Server, ServerWithWorkers, WSGIApp, loop
from recipe.wsgi.servers.loop import LoopServer
from recipe.wsgi.settings import Settings, bind_all
from recipe.wsgi.sockets import has_waiting_clients

#: Seconds that a worker gets over the graceful timeout, to close its databases.
CLOSING = 5.0

#: Seconds between looks at the workers, and from the death of one to its successor.
TICK, PAUSE = 0.1, 1.0


EntryPoints = tuple[Callable[..., Server], Callable[..., None], Callable[..., Settings]]


def entry_points(
    server: type[LoopServer], setting_errors: Callable[[Mapping[str, str]], Iterable[tuple[str, str]]]
) -> EntryPoints:
    """Return ``server_factory``, ``serve`` and ``read`` of a server's module (see `recipe.wsgi.servers`)."""

    def read_settings(global_conf: Mapping[str, str], settings: Mapping[str, str]) -> Settings:
        return loop.read_settings(global_conf, settings, server, setting_errors)

    def server_factory(global_conf: Mapping[str, str], **settings: str) -> Server:
        section = read_settings(global_conf, settings)
        return Supervisor(section, server) if section.workers > 1 else server(section, bind_all(section))

    def serve(app: WSGIApp, global_conf: Mapping[str, str], **settings: str) -> None:
        server_factory(global_conf, **settings)(app)

    entries = server_factory, serve, read_settings
    for entry in entries:  # whoever has one finds the others in its module
        entry.__module__ = server.__module__
    return entries


class WorkerProcess(NamedTuple):
    """Which worker a process is, when it was started (`time.monotonic()`), and what can be read once it has ended."""

    number: int
    since: float
    exit_fd: int | None


def _exit_descriptor(process: int) -> int | None:
    """Return a file descriptor that can be read once a process has ended, where the system has such (Linux)."""
    try:
        return os.pidfd_open(process)
    except (AttributeError, OSError):
        return None


class Supervisor(ServerWithWorkers):
    """A server in several processes."""

    def __init__(self, settings: Settings, server: type[LoopServer]) -> None:
        super().__init__(settings)
        # First, since it may want a file descriptor that another socket would get
        self.server = server(settings, self.listeners)
        self.share_sockets(BalancedSockets if server.accepts_all else SharedSockets)
        self._logger = logging.getLogger(server.name)
        #: by process id
        self._workers: dict[int, WorkerProcess] = {}
        #: workers that are to be started, and when (`time.monotonic()`)
        self._due = dict.fromkeys(range(settings.workers), 0.0)
        self._stops = 0  # how often we were told to stop

    def run(self) -> None:
        """Serve until a signal ends it; in a worker, raise SystemExit then."""
        reopeners = {number: signal.signal(number, self._pass_on) for number in signals.REOPEN}
        try:
            with signals.on_stop(self._stop):
                self._watch()
                self._stop_workers()
        finally:
            for number, handler in reopeners.items():
                signal.signal(number, handler)

    def _watch(self) -> None:
        """Keep all workers there, until a signal or a failure of the first ones."""
        while not self._stops and self._replace_ended():
            self._wait_for_exit()

    def _wait_for_exit(self) -> None:
        """Wait until a worker ends, for TICK seconds at most."""
        exits = [process.exit_fd for process in self._workers.values() if process.exit_fd is not None]
        select.select(exits, [], [], TICK)

    def _replace_ended(self) -> bool:
        """Start a worker for each that is gone; return whether that makes sense."""
        ended = self._reap()
        self.sockets.distribute()
        if any(code == worker.FAILED for _, code, _ in ended):
            return False
        for process, code, (number, since, _) in ended:
            self._logger.error("Worker %d ended (%d), another one takes its place", process, code)
            if self._workers:
                self.sockets.withdraw(number)
            # One that ends at once would keep the machine busy
            self._due[number] = since + PAUSE
        for number in [number for number, due in self._due.items() if due <= time.monotonic()]:
            self._start_worker(number)
        return True

    def _reap(self) -> list[tuple[int, int, WorkerProcess]]:
        """Take the workers that have ended out of the others; return their process ids and exit codes, too."""
        reaped = []
        for process in list(self._workers):
            gone, status = os.waitpid(process, os.WNOHANG)
            if gone:
                ended = self._workers.pop(process)
                self.sockets.set_serving(ended.number, serves=False)
                if ended.exit_fd is not None:
                    os.close(ended.exit_fd)
                reaped.append((process, os.waitstatus_to_exitcode(status), ended))
        return reaped

    def _start_worker(self, number: int) -> None:
        held = (*signals.STOP, *signals.REOPEN)
        # A signal that comes right now waits for the worker's own handlers
        signal.pthread_sigmask(signal.SIG_BLOCK, held)
        master = os.getpid()
        process = self._fork()
        if process == 0:
            self._run_worker(master, number)
        if process is None:
            self._due[number] = time.monotonic() + PAUSE
        else:
            del self._due[number]
            self._workers[process] = WorkerProcess(number, time.monotonic(), _exit_descriptor(process))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)

    def _fork(self) -> int | None:
        """As os.fork; None where the system has no process left. The other workers serve on."""
        try:
            return os.fork()
        except OSError as error:
            self._logger.error("No process for a worker, it is tried again: %s", error)
            return None

    def _run_worker(self, master: int, number: int) -> None:
        """Serve, in a worker, until the master says or is gone; raises SystemExit."""
        signals.reset_after_fork()
        # Ctrl-C is for all of a terminal, and the master's
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._stop_worker(number))
        self._stops = 0
        signals.reopen_logs()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*signals.STOP, *signals.REOPEN))
        try:
            app = worker.load_application()
            with worker.reporting_failure():
                self.sockets.listen(number)
            self.server.listeners = self.sockets.listeners_of(number)
            self.server.on_ready = partial(self._ready, number)
            self.server.on_drain = partial(self._stop_accepting, number, master)
            self.server.serve(app, lambda: os.getppid() == master)
        finally:
            databases.close_all()
        sys.exit(0)

    def _stop_worker(self, number: int) -> None:
        """End, in a worker that loads; but whom its predecessor has left at its sockets is served first."""
        self._stops += 1
        if self._stops > 1 or not worker.any_has_served() or not has_waiting_clients(self.sockets.listeners_of(number)):
            sys.exit(0)
        self.server.stop()

    def _ready(self, number: int) -> None:
        self.sockets.set_serving(number, serves=True)
        worker.report_ready()

    def _stop_accepting(self, number: int, master: int) -> None:
        """Take no more clients, where they are led; the sockets are the others', too, and the master's to shut."""
        self.sockets.set_serving(number, serves=False)
        if os.getppid() != master:  # it is gone, and all end
            self.server.block_new_clients()

    def _stop(self) -> None:
        self._stops += 1

    def _pass_on(self, number: int, _frame: object) -> None:
        self._signal(number)

    def _signal(self, number: int) -> None:
        for process in self._workers:
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def _replace_where_clients_wait(self) -> None:
        """Start the successor of a worker that has ended with clients at its sockets."""
        numbers = {*self._due, *(ended.number for _, _, ended in self._reap())}
        for number in numbers:
            self._due[number] = 0.0
            if has_waiting_clients(self.sockets.listeners_of(number)):
                self._start_worker(number)

    def _stop_workers(self) -> None:
        """Let nobody in, end the workers, and return when they have ended; those that do not are killed."""
        for listener in self.listeners:
            listener.block_new_clients()
        if self._stops:
            self._replace_where_clients_wait()
        signalled = 0
        limit = time.monotonic() + self.settings.graceful_timeout + CLOSING
        while self._workers and time.monotonic() < limit:
            # The second one ends a worker at once
            while signalled < max(1, min(self._stops, 2)):
                self._signal(signal.SIGTERM)
                signalled += 1
                if signalled == 2:
                    limit = time.monotonic() + CLOSING
            self._wait_for_exit()
            self._reap()
        self._signal(signal.SIGKILL)
        for process in list(self._workers):
            os.waitpid(process, 0)
