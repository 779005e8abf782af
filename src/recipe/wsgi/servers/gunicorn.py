"""gunicorn: a process that forks workers, each of which has threads.

gunicorn's arbiter and worker are its own, but for what all our servers have in common: which
signal does what, how it ends, where the log goes, and who says that clients are served.
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
from recipe.wsgi import signals
from recipe.wsgi.logs import reopen
from recipe.wsgi.processes import worker
from recipe.wsgi.processes.shared_sockets import BalancedSockets, SharedSockets
from recipe.wsgi.servers import ServerWithWorkers, WSGIApp
from recipe.wsgi.settings import Settings, read_section
from recipe.wsgi.sockets import has_waiting_clients, url

#: The longest request line that gunicorn can be made to take; its default is half of that.
LONGEST_LINE = 8190

#: Seconds after which the master has led clients away from a worker that ends.
HANDOVER = 0.1

#: Seconds that a worker gets over the graceful timeout, to close its databases.
CLOSING = 5.0


def server_factory(global_conf: Mapping[str, str], **settings: str) -> "GunicornServer":
    """PasteDeploy's ``paste.server_factory``. Raises StartError."""
    return GunicornServer(read_settings(global_conf, settings))


def serve(app: WSGIApp, global_conf: Mapping[str, str], **settings: str) -> None:
    """PasteDeploy's ``paste.server_runner``. Raises StartError."""
    server_factory(global_conf, **settings)(app)


def read_settings(global_conf: Mapping[str, str], settings: Mapping[str, str]) -> Settings:
    """Read the settings, and do nothing yet. Raises StartError where one is wrong."""
    section = read_section(global_conf, settings)
    for name, mistake in setting_errors(section.own):
        raise StartError(f"[server:main] {name}: {mistake}")
    return section


def setting_errors(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the mistake of each setting that gunicorn does not take."""
    config = Config()
    for name, text in settings.items():
        if name not in config.settings:
            yield name, f"gunicorn has no such setting{hint(name, config.settings)}"
            continue
        if name == "worker_class" and "gevent" in text:
            yield name, f"{text!r} makes sockets of its own; gthread and sync take those of http-address"
            continue
        try:
            config.set(name, text)
        except Exception as error:  # whatever a validator of gunicorn's raises
            yield name, f"gunicorn refuses {text!r}: {error}"


class GunicornServer(ServerWithWorkers):
    """gunicorn with its bound sockets."""

    #: in a worker: which one it is
    number = 0

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.share_sockets(BalancedSockets if settings.workers > 1 and _accepts_all(settings) else SharedSockets)

    def run(self) -> None:
        """Serve until a signal ends it; in a worker, raise SystemExit then."""
        process = os.getpid()
        for listener in self.listeners:
            listener.socket = BoundSocket(fileno=listener.socket.detach())
            if not listener.is_unix:
                # What is accepted inherits it: a small answer does not wait for more
                listener.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            RecipeArbiter(GunicornApplication(self)).run()
        except SystemExit as end:
            # The arbiter's only way to end
            if os.getpid() != process or end.code not in (0, worker.FAILED):
                raise


class BoundSocket(socket.socket):
    """A bound socket, by its name in gunicorn's log."""

    def __str__(self) -> str:
        return url(self)


class GunicornApplication(BaseApplication):  # type: ignore[misc]
    """What gunicorn asks for its configuration and, in each worker, for the application."""

    def __init__(self, server: GunicornServer) -> None:
        self.server = server
        super().__init__()

    def do_load_config(self) -> None:
        """Read the settings, and put what is ours before the class of the workers."""
        self.cfg = _config(self.server.settings)
        try:
            self.cfg.validate()
            worker_class = self.cfg.worker_class
        except Exception as error:  # an egg that a class of workers needs, a contradiction
            # Below the first line it may have a traceback
            raise StartError(f"[server:main]: gunicorn: {str(error).strip().splitlines()[0].rstrip(': ')}") from None
        self.cfg.set("worker_class", type("Worker", (WorkerMixin, worker_class), {}))

    def load(self) -> WSGIApp:
        """Load the application, in a worker."""
        return worker.load_application()


def _accepts_all(settings: Settings) -> bool:
    """Whether a worker that wakes up first may accept all who wait, and keep them: each class but sync does so."""
    name = _config(settings).worker_class_str
    return name != "sync" and not name.endswith(".SyncWorker")


def _config(settings: Settings) -> Config:
    """Set what is ours first: the server's own settings win."""
    config = Config()
    for name, value in (_defaults(settings) | dict(settings.own)).items():
        config.set(name, value)
    return config


def _defaults(settings: Settings) -> dict[str, Any]:
    """Return the settings of gunicorn's that follow from ours, and those that have another default here."""
    defaults = {
        "threads": settings.adjustments.threads,
        "workers": settings.workers,
        "graceful_timeout": math.ceil(settings.graceful_timeout),
        "backlog": settings.adjustments.backlog,
        "limit_request_line": LONGEST_LINE,
        # Its default, sync, has no threads, and no timeout for an idle client
        "worker_class": "gthread",
        # Otherwise anybody on this machine could set the scheme: trusted_proxy says who may
        "forwarded_allow_ips": "",
        # Its defaults are of the time when it was imported, and that may have been root's
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
    """The process that forks the workers."""

    def __init__(self, app: GunicornApplication) -> None:
        #: bound already; what listens late does so in the workers
        self.LISTENERS = [listener.socket for listener in app.server.sockets.listeners_of(0)]
        self.sockets = app.server.sockets
        #: which worker each is, by process id
        self._numbers: dict[int, int] = {}
        self._stops = 0  # how often it was told to stop
        self._ending = False
        super().__init__(app)

    def init_signals(self) -> None:
        """As gunicorn, but what was ignored stays so."""
        ignored = [number for number in signals.STOP if signal.getsignal(number) == signal.SIG_IGN]
        super().init_signals()
        for number in ignored:
            if number != signal.SIGTERM:
                signal.signal(number, signal.SIG_IGN)

    def signal(self, sig: int, frame: Any) -> None:
        """Note a signal; the second one to stop ends all at once."""
        self._stops += sig in signals.STOP
        super().signal(sig, frame)

    def spawn_worker(self) -> Any:
        """As gunicorn, with the worker's sockets; but a signal that comes right now waits for its handlers."""
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
        """The number of a worker that is not there."""
        return min(set(range(self.sockets.workers)).difference(self._numbers.values()))

    def manage_workers(self) -> None:
        """As gunicorn, and lead the clients."""
        # Before, since it rests after each one that it starts
        self.sockets.distribute()
        super().manage_workers()

    def handle_hup(self) -> None:
        """End gracefully, on HUP and INT as on TERM."""
        self.handle_term()

    handle_int = handle_hup

    def handle_usr1(self) -> None:
        """Let the workers reopen the logs, on USR2 too; `recipe.wsgi.signals` has done so here."""
        self.kill_workers(signal.SIGUSR1)

    handle_usr2 = handle_usr1

    def handle_ttin(self) -> None:
        """Keep the number of workers, of which each has its sockets; on TTOU, too."""
        self.log.warning("The number of workers is that of wsgi.ini")

    handle_ttou = handle_ttin

    def reap_workers(self) -> None:
        """As gunicorn, but one that could not start is no news when all are to end."""
        try:
            super().reap_workers()
        except HaltServer:
            if not self._ending:
                raise
        ended = [self._numbers.pop(process) for process in self._numbers.keys() - self.WORKERS.keys()]
        for number in ended:
            self.sockets.set_serving(number, serves=False)
        # At once: before it starts another one, gunicorn takes a rest
        self.sockets.distribute()
        for number in ended if self.WORKERS else ():
            self.sockets.withdraw(number)

    def stop(self, graceful: bool = True) -> None:
        """End the workers, and return when they have ended; those that do not are killed."""
        self._ending = True
        # The others see to the clients of one that has ended
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
    """What is ours in a worker, before a class of gunicorn's workers."""

    def init_process(self) -> None:
        """As gunicorn, and close the databases at the end."""
        try:
            super().init_process()
        finally:
            databases.close_all()

    def init_signals(self) -> None:
        """As gunicorn, but a signal for all of a terminal is the master's."""
        super().init_signals()
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, self.handle_usr1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def handle_usr1(self, _sig: int, _frame: Any) -> None:
        """Reopen the logs, in a thread: here it could interrupt a log handler in the midst of a line."""
        threading.Thread(target=reopen.reopen).start()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """End gracefully; at once before it serves."""
        super().handle_exit(sig, frame)
        self._set_serving(serves=False)
        if not self.booted:
            sys.exit(0)

    def handle_quit(self, _sig: int, _frame: Any) -> None:
        """End at once."""
        self.alive = False
        self._warn_of_busy()
        sys.exit(0)

    def load_wsgi(self) -> None:
        """As gunicorn, but however long that takes; then let clients in."""
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
        """Say whether this takes clients, and let the master look: as if a child had ended."""
        self._served.set_serving(self.app.server.number, serves)
        if os.getppid() == self.ppid:
            with suppress(OSError):
                os.kill(self.ppid, signal.SIGCHLD)

    def _notify_until(self, loaded: threading.Event) -> None:
        while not loaded.wait(1):
            self.notify()

    def get_thread_pool(self) -> "DaemonThreadPool":
        """Return the threads of a worker with threads."""
        return DaemonThreadPool(self.cfg.threads)

    def set_accept_enabled(self, enabled: bool) -> None:
        """As gunicorn's threaded worker; but at its end it goes on until clients are led elsewhere, and takes all."""
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
        """Accept whom the system has let in, and whom no other worker would; a second call does nothing."""
        for listener in self._served.unserved():
            if listener.socket.fileno() < 0:
                continue
            listener.socket.setblocking(False)
            while has_waiting_clients([listener]):
                self.accept(listener.socket)
            listener.socket.close()

    def run(self) -> None:
        """As gunicorn, and tell of requests that got no answer."""
        super().run()
        self._warn_of_busy()

    def _warn_of_busy(self) -> None:
        if busy := getattr(self, "nr_conns", 0):
            self.log.warning("Stopped with %d request(s) under way", busy)


class DaemonThreadPool:
    """A pool of threads that the end of the process does not wait for, as that of `concurrent.futures` makes it."""

    def __init__(self, count: int) -> None:
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[..., Any], Any] | None] = SimpleQueue()
        self._count = count
        for number in range(count):
            threading.Thread(target=self._work, name=f"gunicorn-{number}", daemon=True).start()

    def submit(self, call: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Let a thread call `call`."""
        future: Future[Any] = Future()
        self._jobs.put((future, call, args))
        return future

    def shutdown(self, wait: bool = False) -> None:
        """Let each thread end after its job."""
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
    """A class whose log goes where the root logger's goes; of gunicorn's access log nothing is left."""
    return type("Logger", (Statsd if statsd else glogging.Logger,), {"setup": _set_up})


def _set_up(logger: Any, cfg: Config) -> None:
    logger.cfg = cfg
    logger.error_log.propagate = True
    logger._access_log_enabled = False
