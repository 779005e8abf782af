"""gunicorn: its arbiter forks workers, each of which has threads.

The arbiter and the workers are gunicorn's own. What all servers here have in common is overridden: the meaning of
signals, the end, the logs, and the report that the server accepts requests.
"""

import logging
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from gunicorn import glogging
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.errors import HaltServer
from gunicorn.instrument.statsd import Statsd
from gunicorn.workers.base import Worker

from recipe.common import databases
from recipe.common.errors import StartError
from recipe.common.spelling import hint
from recipe.wsgi import guard, signals
from recipe.wsgi.base import ServerWithWorkers, WSGIApp
from recipe.wsgi.logs import reopen
from recipe.wsgi.processes import worker
from recipe.wsgi.settings import Settings, bind_all, read_section
from recipe.wsgi.shared_sockets import BalancedSockets, SharedSockets
from recipe.wsgi.sockets import has_waiting_clients, url

#: The longest request line that gunicorn can be set to accept; its default is half of that.
LONGEST_LINE = 8190

#: Seconds in which the arbiter directs new clients to other workers when a worker ends.
HANDOVER = 0.1

#: Seconds that a worker gets after the graceful timeout to close its databases.
CLOSING = 5.0


def server_factory(global_conf: Mapping[str, str], **settings: str) -> "GunicornServer":
    """Bind the sockets and return the server: PasteDeploy's ``paste.server_factory``. Raises StartError."""
    return GunicornServer(read_settings(global_conf, settings))


def serve(app: WSGIApp, global_conf: Mapping[str, str], **settings: str) -> None:
    """Serve `app` until a signal to stop: PasteDeploy's ``paste.server_runner``. Raises StartError."""
    server_factory(global_conf, **settings)(app)


def read_settings(global_conf: Mapping[str, str], settings: Mapping[str, str]) -> Settings:
    """Read the settings, and do nothing else. Raises StartError if a setting is wrong."""
    section = read_section(global_conf, settings)
    for name, mistake in setting_errors(section.own):
        raise StartError(f"[server:main] {name}: {mistake}")
    return section


def setting_errors(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the error of each setting that gunicorn does not accept."""
    config = Config()
    for name, text in settings.items():
        if name not in config.settings:
            yield name, f"is not a setting of gunicorn{hint(name, config.settings)}"
            continue
        if name == "worker_class" and "gevent" in text:
            yield name, f"{text!r} opens its own sockets, not those of http-address; use gthread or sync"
            continue
        try:
            config.set(name, text)
        except Exception as error:  # gunicorn's validators raise various exceptions
            yield name, f"gunicorn refuses {text!r}: {error}"


class GunicornServer(ServerWithWorkers):
    """gunicorn with its bound sockets."""

    #: the number of the worker, in a worker
    number = 0

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, bind_all(settings))
        sockets = BalancedSockets if settings.workers > 1 and _accepts_all(settings) else SharedSockets
        try:
            self.sockets = sockets(self.listeners, settings.workers, settings.adjustments.backlog)
        except StartError:
            self.close()
            raise
        self.listeners = self.sockets.listeners

    def run(self) -> None:
        """Serve until a signal to stop; raises SystemExit in a worker."""
        process = os.getpid()
        for listener in self.listeners:
            listener.socket = BoundSocket(fileno=listener.socket.detach())
            if not listener.is_unix:
                # Accepted sockets inherit it: a small response is sent without delay
                listener.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            RecipeArbiter(GunicornApplication(self)).run()
        except SystemExit as end:
            # The arbiter always ends with SystemExit
            if os.getpid() != process or end.code not in (0, worker.FAILED):
                raise


class BoundSocket(socket.socket):
    """A bound socket that gunicorn's log names by its URL."""

    def __str__(self) -> str:
        return url(self)


class GunicornApplication(BaseApplication):  # type: ignore[misc]
    """The object that gives gunicorn its configuration and, in each worker, the application."""

    def __init__(self, server: GunicornServer) -> None:
        self.server = server
        super().__init__()

    def do_load_config(self) -> None:
        """Read the settings, and mix `WorkerMixin` into the worker class."""
        self.cfg = _config(self.server.settings)
        try:
            self.cfg.validate()
            worker_class = self.cfg.worker_class
        except Exception as error:  # for example a missing egg, or two settings that exclude each other
            # The lines after the first may be a traceback
            raise StartError(f"[server:main]: gunicorn: {str(error).strip().splitlines()[0].rstrip(': ')}") from None
        self.cfg.set("worker_class", type("Worker", (WorkerMixin, worker_class), {}))

    def load(self) -> WSGIApp:
        """Load the application; called in each worker."""
        return guard.around(worker.load_application(), self.server.settings)


def _accepts_all(settings: Settings) -> bool:
    """Whether a worker may accept all waiting clients at once; all worker classes do so, except sync."""
    name = _config(settings).worker_class_str
    return name != "sync" and not name.endswith(".SyncWorker")


def _config(settings: Settings) -> Config:
    """Return gunicorn's configuration: the defaults of this package, overridden by the server's own settings."""
    config = Config()
    for name, value in (_defaults(settings) | dict(settings.own)).items():
        config.set(name, value)
    return config


def _defaults(settings: Settings) -> dict[str, Any]:
    """Return the settings of gunicorn that follow from shared ones, and those that have another default here."""
    defaults = {
        "threads": settings.adjustments.threads,
        "workers": settings.workers,
        "graceful_timeout": math.ceil(settings.graceful_timeout),
        "backlog": settings.adjustments.backlog,
        "limit_request_line": LONGEST_LINE,
        # gunicorn's default, sync, has no threads, and no timeout for idle clients
        "worker_class": "gthread",
        # With gunicorn's default any local process could set the scheme; trusted_proxy is the setting for that
        "forwarded_allow_ips": "",
        # gunicorn's defaults were computed when it was imported, possibly as root
        "user": os.geteuid(),
        "group": os.getegid(),
        "default_proc_name": settings.file,
        "control_socket_disable": True,
        "logger_class": _logger("statsd_host" in settings.own),
    }
    if settings.header_size is not None:
        defaults["limit_request_line"] = min(settings.header_size, LONGEST_LINE)
        defaults["limit_request_field_size"] = settings.header_size
    return defaults


class RecipeArbiter(Arbiter):  # type: ignore[misc]
    """The process that forks the workers and replaces those that end."""

    def __init__(self, app: GunicornApplication) -> None:
        #: bound already; sockets that listen late do so in the workers
        self.LISTENERS = [listener.socket for listener in app.server.sockets.listeners_of(0)]
        self.sockets = app.server.sockets
        #: the number of each worker, by process id
        self._numbers: dict[int, int] = {}
        self._stops = 0  # number of signals to stop
        self._ending = False
        super().__init__(app)

    def init_signals(self) -> None:
        """Install gunicorn's handlers, except for signals that are ignored."""
        ignored = [number for number in signals.STOP if signal.getsignal(number) == signal.SIG_IGN]
        super().init_signals()
        for number in ignored:
            if number != signal.SIGTERM:
                signal.signal(number, signal.SIG_IGN)

    def signal(self, sig: int, frame: Any) -> None:
        """Queue a signal; the second signal to stop ends all workers immediately."""
        self._stops += sig in signals.STOP
        super().signal(sig, frame)

    def spawn_worker(self) -> Any:
        """Fork a worker with its own sockets; signals are blocked until it has its handlers."""
        held = (*signals.STOP, *signals.REOPEN, signal.SIGQUIT)
        self.app.server.number = number = self._vacant()
        self.LISTENERS = [listener.socket for listener in self.sockets.listeners_of(number)]
        signal.pthread_sigmask(signal.SIG_BLOCK, held)
        try:
            process = super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, held)
        self._numbers[process] = number
        return process

    def _vacant(self) -> int:
        """Return the lowest number that no worker has."""
        return min(set(range(self.sockets.workers)).difference(self._numbers.values()))

    def manage_workers(self) -> None:
        """Start missing workers, and direct clients to those that serve."""
        # First, because gunicorn sleeps after each worker that it starts
        self.sockets.distribute()
        super().manage_workers()

    def handle_hup(self) -> None:
        """Stop gracefully on HUP and INT, as on TERM."""
        self.handle_term()

    handle_int = handle_hup

    def handle_usr1(self) -> None:
        """Let the workers reopen the logs, on USR2 too; `recipe.wsgi.signals` has done so in this process."""
        self.kill_workers(signal.SIGUSR1)

    handle_usr2 = handle_usr1

    def handle_ttin(self) -> None:
        """Keep the number of workers, on TTOU too: each worker has its own sockets."""
        self.log.warning("The number of workers can be changed in wsgi.ini only")

    handle_ttou = handle_ttin

    def reap_workers(self) -> None:
        """Reap workers that have ended; ignore workers that could not start if all are to end."""
        try:
            super().reap_workers()
        except HaltServer:
            if not self._ending:
                raise
        ended = [self._numbers.pop(process) for process in self._numbers.keys() - self.WORKERS.keys()]
        for number in ended:
            self.sockets.set_serving(number, serves=False)
        # Immediately, because gunicorn sleeps before it starts the next worker
        self.sockets.distribute()
        for number in ended if self.WORKERS else ():
            self.sockets.withdraw(number)

    def stop(self, graceful: bool = True) -> None:
        """Stop the workers, and return when they have ended; kill those that do not end in time."""
        self._ending = True
        # The other workers accept the clients of a worker that has ended
        self.reap_workers()
        listeners = self.app.server.listeners
        for listener in listeners:
            listener.block_new_clients()
        self.kill_workers(signal.SIGTERM)
        for listener in listeners:
            listener.close()
        self.LISTENERS = []
        limit = time.monotonic() + self.cfg.graceful_timeout + CLOSING
        while self.WORKERS and time.monotonic() < limit:
            if graceful and self._stops < 2:
                time.sleep(0.1)
            else:
                self.kill_workers(signal.SIGQUIT)
                graceful, limit = True, time.monotonic() + CLOSING
                self._stops = 0
            self.reap_workers()
        self.kill_workers(signal.SIGKILL)
        self.reap_workers()


class WorkerMixin(Worker):  # type: ignore[misc]
    """The methods that this package overrides in each of gunicorn's worker classes."""

    def init_process(self) -> None:
        """Run the worker, and close the databases at the end."""
        try:
            super().init_process()
        finally:
            databases.close_all()

    def init_signals(self) -> None:
        """Install gunicorn's handlers, but ignore the signals that a terminal sends to all processes of a group."""
        super().init_signals()
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, self.handle_usr1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def handle_usr1(self, _sig: int, _frame: Any) -> None:
        """Reopen the logs in a thread: this handler may have interrupted a log handler while it writes."""
        threading.Thread(target=reopen.reopen).start()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop gracefully; exit immediately if the worker does not serve yet."""
        super().handle_exit(sig, frame)
        self._set_serving(serves=False)
        if not self.booted:
            sys.exit(0)

    def handle_quit(self, _sig: int, _frame: Any) -> None:
        """Exit immediately."""
        self.alive = False
        self._warn_of_busy()
        sys.exit(0)

    def load_wsgi(self) -> None:
        """Load the application without a timeout; then accept clients."""
        loaded = threading.Event()
        threading.Thread(target=self._notify_until, args=(loaded,), daemon=True).start()
        try:
            super().load_wsgi()
        finally:
            loaded.set()
        with worker.reporting_failure():
            self._served.listen(self.app.server.number)
        for sock in self.sockets:
            logging.getLogger("gunicorn.error").info("Serving on %s", url(sock))
        self._set_serving(serves=True)
        worker.report_ready()

    @property
    def _served(self) -> SharedSockets:
        sockets: SharedSockets = self.app.server.sockets
        return sockets

    def _set_serving(self, serves: bool) -> None:
        """Record whether this worker accepts clients, and wake the arbiter as if a child had ended."""
        self._served.set_serving(self.app.server.number, serves)
        if os.getppid() == self.ppid:
            with suppress(OSError):
                os.kill(self.ppid, signal.SIGCHLD)

    def _notify_until(self, loaded: threading.Event) -> None:
        while not loaded.wait(1):
            self.notify()

    def get_thread_pool(self) -> "DaemonThreadPool":
        """Return the threads for gunicorn's threaded worker."""
        return DaemonThreadPool(self.cfg.threads)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Enable or disable accepting in gunicorn's threaded worker.

        A worker that ends accepts clients until the arbiter directs them to other workers, and then all that wait.
        """
        self._set_serving(serves=enabled)
        orphaned = os.getppid() != self.ppid
        if enabled or (self.alive and not orphaned):
            super().set_accept_enabled(enabled)
            return
        if orphaned:
            for listener in self.app.server.listeners:
                listener.block_new_clients()
        limit = time.monotonic() + HANDOVER
        while (rest := limit - time.monotonic()) > 0:
            self.wait_for_and_dispatch_events(timeout=rest)
        super().set_accept_enabled(enabled)
        self._accept_all()

    def _accept_all(self) -> None:
        """Accept the clients that wait, and that no other worker would accept; a second call does nothing."""
        for listener in self._served.unserved():
            if listener.socket.fileno() < 0:
                continue
            listener.socket.setblocking(False)
            while has_waiting_clients([listener]):
                self.accept(listener.socket)
            listener.socket.close()

    def run(self) -> None:
        """Serve as gunicorn does, and log the requests that got no response."""
        super().run()
        self._warn_of_busy()

    def _warn_of_busy(self) -> None:
        if busy := getattr(self, "nr_conns", 0):
            self.log.warning("Stopped with %d request(s) in progress", busy)


class DaemonThreadPool:
    """A pool of threads that does not delay the end of the process, as the pool of `concurrent.futures` would."""

    def __init__(self, count: int) -> None:
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[..., Any], Any] | None] = SimpleQueue()
        self._count = count
        for number in range(count):
            threading.Thread(target=self._work, name=f"gunicorn-{number}", daemon=True).start()

    def submit(self, call: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Let a thread call `call`; return its future result."""
        future: Future[Any] = Future()
        self._jobs.put((future, call, args))
        return future

    def shutdown(self, wait: bool = False) -> None:
        """Let each thread end after its current job."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _work(self) -> None:
        while job := self._jobs.get():
            future, call, args = job
            try:
                future.set_result(call(*args))
            except BaseException as error:
                future.set_exception(error)


def _logger(statsd: bool) -> type:
    """Return a logger class that writes to the handlers of the root logger, and writes no access log."""
    return type("Logger", (Statsd if statsd else glogging.Logger,), {"setup": _set_up})


def _set_up(logger: Any, cfg: Config) -> None:
    logger.cfg = cfg
    logger.error_log.propagate = True
    logger._access_log_enabled = False
