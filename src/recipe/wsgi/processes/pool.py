"""The workers of a server: processes that are forked from one that has loaded the application, or has not (`preload`).

Each worker runs the server. The workers share the listening sockets, or have siblings of them. The pool replaces
workers that end, and passes signals on to them.
"""

import logging
import mmap
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from recipe.common import databases
from recipe.common.errors import StartError
from recipe.common.polling import readable
from recipe.wsgi import base, signals
from recipe.wsgi.base import GracefulServer, ServerWithWorkers, WSGIApp
from recipe.wsgi.processes import worker
from recipe.wsgi.settings import Settings
from recipe.wsgi.shared_sockets import BalancedSockets, SharedSockets
from recipe.wsgi.sockets import Listener, has_waiting_clients

#: Seconds that a worker gets after the graceful timeout to close its databases.
CLOSING = 5.0

#: Seconds between two checks of the workers, and the minimum time between two starts of a worker.
TICK, PAUSE = 0.1, 1.0

#: Seconds in which a worker that ends accepts new clients, until the pool directs them to other workers.
HANDOVER = 2 * TICK


class WorkerProcess(NamedTuple):
    """A worker: its number, its start (`time.monotonic()`), and a descriptor that becomes readable when it ends."""

    number: int
    since: float
    exit_fd: int | None


def _exit_descriptor(process: int) -> int | None:
    """Return a file descriptor that becomes readable when a process ends; None if the system has none (Linux has)."""
    try:
        return os.pidfd_open(process)
    except (AttributeError, OSError):
        return None


class WorkerPool(ServerWithWorkers):
    """A server in several processes, which this process starts, replaces and stops."""

    def __init__(self, settings: Settings, listeners: list[Listener], server: type[GracefulServer]) -> None:
        """Raise StartError if the server cannot use the sockets; no socket is left open then."""
        super().__init__(settings, listeners)
        # First, because it may need a file descriptor that another socket would get
        self.server = server(settings, listeners)
        sockets = BalancedSockets if self.server.accepts_all and settings.workers > 1 else SharedSockets
        try:
            self.sockets = sockets(listeners, settings.workers, settings.adjustments.backlog)
        except StartError:
            self.close()
            raise
        self.listeners = self.sockets.listeners
        self._logger = logging.getLogger(server.name)
        #: when each worker last reported that it is able to serve (`time.monotonic()`); 0 before that. In memory that
        #: all processes share
        self._beats = memoryview(mmap.mmap(-1, 8 * settings.workers)).cast("d")
        #: by process id
        self._workers: dict[int, WorkerProcess] = {}
        #: the workers that have to be started, and when (`time.monotonic()`)
        self._due = dict.fromkeys(range(settings.workers), 0.0)
        self._stops = 0  # number of signals to stop
        #: whether a successor listens on the same addresses, so that new clients are not blocked
        self._retired = False
        #: whether another process keeps the sockets open, and starts a server in the place of this one if it crashes
        self.is_supervised = False
        #: the application, if it is loaded for all workers; its databases are closed
        self.app: WSGIApp | None = None
        #: paths that each worker requests before it serves
        self.warm_up: Sequence[str] = ()

    def run(self) -> None:
        """Serve until a signal to stop; raises SystemExit in a worker."""
        reopeners = {number: signal.signal(number, self._pass_on) for number in signals.REOPEN}
        try:
            with signals.on_stop(self.stop):
                self._watch()
                self._stop_workers()
        finally:
            for number, handler in reopeners.items():
                signal.signal(number, handler)

    def _watch(self) -> None:
        """Keep all workers running until a signal to stop, or until one of the first workers fails."""
        while not self._stops and self._replace_ended():
            self._kill_silent()
            self._wait_for_exit()

    def _kill_silent(self) -> None:
        """Kill each worker that has not reported for longer than its server allows."""
        limit = self.server.silence_limit
        for process, (number, _, _) in self._workers.items():
            if limit and self._beats[number] and time.monotonic() - self._beats[number] > limit:
                self._logger.error("Worker %d has not responded for %g seconds; it is killed", process, limit)
                self._beats[number] = 0.0
                os.kill(process, signal.SIGKILL)

    def _beat(self, number: int) -> None:
        self._beats[number] = time.monotonic()

    def _wait_for_exit(self) -> None:
        """Wait until a worker ends, at most TICK seconds."""
        exits = [process.exit_fd for process in self._workers.values() if process.exit_fd is not None]
        readable(exits, TICK)

    def _replace_ended(self) -> bool:
        """Start a successor for each worker that has ended; return False if the application cannot be loaded."""
        ended = self._reap()
        self.sockets.distribute()
        if any(code == worker.FAILED for _, code, _ in ended):
            return False
        for process, code, (number, since, _) in ended:
            # A worker ends with 0 if it was told to, or after its number of requests
            level = logging.ERROR if code else logging.INFO
            self._logger.log(level, "Worker %d ended with status %d; it is replaced", process, code)
            if self._workers:
                self.sockets.withdraw(number)
            # Without a pause, a worker that ends immediately would use all of the processor
            self._due[number] = since + PAUSE
        for number in [number for number, due in self._due.items() if due <= time.monotonic()]:
            self._start_worker(number)
        return True

    def _reap(self) -> list[tuple[int, int, WorkerProcess]]:
        """Remove the workers that have ended; return the process id, the exit status and the worker of each."""
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
        # A signal that arrives now waits until the worker has its handlers
        signal.pthread_sigmask(signal.SIG_BLOCK, held)
        master = os.getpid()
        self._beats[number] = 0.0
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
        """Fork as os.fork does; return None if the system can make no process. The other workers continue."""
        try:
            return os.fork()
        except OSError as error:
            self._logger.error("Cannot start a process for a worker, will try again: %s", error)
            return None

    def _run_worker(self, master: int, number: int) -> None:
        """Serve, in a worker, until a signal to stop or the end of the pool's process; raises SystemExit."""
        signals.reset_after_fork()
        # A terminal sends these to all processes of the group; the pool's process handles them
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._stop_worker(number))
        self._stops = 0
        signals.reopen_logs()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*signals.STOP, *signals.REOPEN))
        try:
            app = worker.with_databases(self.app) if self.app is not None else worker.load_application(self.warm_up)
            with worker.reporting_failure():
                self.sockets.listen(number)
            self.server.listeners = self.sockets.listeners_of(number)
            self.server.on_ready = partial(self._ready, number)
            self.server.on_drain = partial(self._stop_accepting, number, master)
            self.server.on_beat = partial(self._beat, number)
            self.server.handover = HANDOVER
            self.server.serve(app, lambda: os.getppid() == master)
        finally:
            signals.ignore()
            databases.close_all()
        sys.exit(0)

    def _stop_worker(self, number: int) -> None:
        """Stop this worker. If it is still loading, exit, unless clients wait that the previous worker has left."""
        self._stops += 1
        if self._stops > 1 or not worker.any_has_served() or not has_waiting_clients(self.sockets.listeners_of(number)):
            sys.exit(0)
        self.server.stop()

    def _ready(self, number: int) -> None:
        self.sockets.set_serving(number, serves=True)
        worker.report_ready()

    def _stop_accepting(self, number: int, master: int) -> None:
        """Accept no more new clients. The pool closes the sockets, which the other workers share."""
        self.sockets.set_serving(number, serves=False)
        if os.getppid() != master and not self.is_supervised:  # the pool's process has ended, and all workers end
            self.server.block_new_clients()

    def stop(self) -> None:
        """Stop as `ReplaceableServer` does."""
        self._stops += 1

    def be_supervised(self, paths: Sequence[str]) -> None:
        """Do as `ServerWithWorkers` says."""
        self.is_supervised, self.warm_up = True, paths

    def retire(self) -> None:
        """Stop as `ReplaceableServer` does."""
        self._retired = True
        self._stops += 1

    def alone(self) -> None:
        """Take note that the sockets of the server before this one have been closed."""
        self.sockets.alone()

    def _pass_on(self, number: int, _frame: object) -> None:
        self._signal(number)

    def _signal(self, number: int) -> None:
        for process in self._workers:
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def _replace_where_clients_wait(self) -> None:
        """Start a successor for each worker that has ended while clients wait at its sockets."""
        numbers = {*self._due, *(ended.number for _, _, ended in self._reap())}
        for number in numbers:
            self._due[number] = 0.0
            if has_waiting_clients(self.sockets.listeners_of(number)):
                self._start_worker(number)

    def _stop_workers(self) -> None:
        """Block new clients, stop the workers, and return when they have ended; kill those that do not end in time."""
        if self._retired:
            time.sleep(base.HANDOVER)  # for clients that have begun to connect
        else:
            self.block_new_clients()
        if self._stops:
            self._replace_where_clients_wait()
        signalled = 0
        limit = time.monotonic() + self.settings.graceful_timeout + CLOSING
        while self._workers and time.monotonic() < limit:
            # A second signal ends a worker immediately
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
