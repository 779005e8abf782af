"""gunicorn: its worker class, with threads or as ``worker_class`` says, in the main thread of this process.

The meaning of signals, the end, the logs, and the report that the server accepts requests are those of all servers
here. gunicorn's master process does not run: `recipe.wsgi.processes.pool` replaces workers.
"""

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from gunicorn import glogging
from gunicorn.config import Config
from gunicorn.instrument.statsd import Statsd
from gunicorn.workers.base import Worker
from gunicorn.workers.sync import SyncWorker

from recipe.common.errors import StartError
from recipe.common.spelling import hint
from recipe.wsgi import guard, signals
from recipe.wsgi.base import GracefulServer, WSGIApp
from recipe.wsgi.entries import entry_points
from recipe.wsgi.logs.mistakes import ClientMistakes
from recipe.wsgi.settings import Settings
from recipe.wsgi.sockets import Listener, has_waiting_clients, url

#: The longest request line that gunicorn can be set to accept; its default is half of that.
LONGEST_LINE = 8190

#: The maximum number of seconds for which a worker of gunicorn's waits, before it looks whether it has to end.
TICK = 0.5

MISTAKES = ClientMistakes("Invalid request from ")


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


class Interrupted(BaseException):
    """A second signal to stop has arrived."""


class GunicornServer(GracefulServer):
    """gunicorn with its bound sockets."""

    name = "gunicorn"
    has_workers = True

    def __init__(self, settings: Settings, listeners: list[Listener]) -> None:
        """Raise StartError, and close the sockets, if gunicorn refuses the settings."""
        super().__init__(settings, listeners)
        self.accepts_all = _is_threaded(settings)
        config = _config(settings)
        self.silence_limit = config.timeout
        self._worker: Worker | None = None
        try:
            config.validate()
            self._worker_class = type("Worker", (WorkerMixin, config.worker_class), {})
        except Exception as error:  # for example a missing egg, or two settings that exclude each other
            self.close()
            # The lines after the first may be a traceback
            raise StartError(f"[server:main]: gunicorn: {str(error).strip().splitlines()[0].rstrip(': ')}") from None

    @classmethod
    def needs_pool(cls, settings: Settings) -> bool:
        """Whether one process is not enough: another one must replace it, or end a request that takes too long."""
        config = _config(settings)
        is_replaced = config.max_requests > 0 or ("timeout" in settings.own and config.timeout > 0)
        return super().needs_pool(settings) or is_replaced or not _is_threaded(settings)

    def serve(self, app: WSGIApp, goes_on: Callable[[], bool]) -> None:
        """Serve `app` as `GracefulServer` does."""
        signals.reopen_logs()
        self._app, self.goes_on = guard.around(app, self.settings), goes_on
        # Anew: the process may have become another user
        config = _config(self.settings)
        log = config.logger_class(config)
        for listener in self.listeners:
            listener.listen(config.backlog)
            if not listener.is_unix:
                # Accepted sockets inherit it: a small response is sent without delay
                listener.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            log.info("Serving on %s", url(listener.socket))
        sockets = [listener.socket for listener in self.listeners]
        self._worker = self._worker_class(0, os.getppid(), sockets, self, TICK, config, log)
        with suppress(Interrupted), signals.on_stop(self.stop):
            # A signal may have arrived while the application was loaded
            self._worker.alive = not self._stops
            self._worker.init_process()
            if self._stops:  # otherwise other workers accept those clients
                self._answer_waiting()
        self.on_drain()
        if busy := getattr(self._worker, "nr_conns", 0):
            log.warning("Stopped with %d request(s) in progress", busy)

    def _answer_waiting(self) -> None:
        """Answer the clients that wait when gunicorn's sync worker stops; the threaded one does this by itself."""
        if not isinstance(self._worker, SyncWorker):
            return
        limit = time.monotonic() + self.handover
        while has_waiting_clients(self.listeners, max(0.0, limit - time.monotonic())):
            for listener in self.listeners:
                # Another worker may have accepted it
                with suppress(BlockingIOError, ConnectionAbortedError):
                    self._worker.accept(listener.socket)

    def wsgi(self) -> WSGIApp:
        """Return the application; gunicorn's worker calls this."""
        return self._app

    def stop(self) -> None:
        """Stop as `GracefulServer` does."""
        super().stop()
        if self._worker:
            if self._worker.booted:
                self._worker.handle_exit(0, None)  # wakes the worker
            self._worker.alive = False
            if self._stops > 1:
                raise Interrupted


def _is_threaded(settings: Settings) -> bool:
    """Whether the worker class is gunicorn's threaded one, which accepts all waiting clients at once."""
    name: str = _config(settings).worker_class_str
    return name == "gthread" or name.endswith(".ThreadWorker")


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
        "logger_class": _logger("statsd_host" in settings.own),
    }
    if settings.header_size is not None:
        defaults["limit_request_line"] = min(settings.header_size, LONGEST_LINE)
        defaults["limit_request_field_size"] = settings.header_size
    return defaults


class WorkerMixin(Worker):  # type: ignore[misc]
    """The methods that this package overrides in each of gunicorn's worker classes; `app` is the `GunicornServer`."""

    def init_signals(self) -> None:
        """Leave the signals to `GunicornServer`."""

    def notify(self) -> None:
        """Report that this process is able to serve; end if its pool has ended."""
        self.app.on_beat()
        # Without a pool, the process outlives its parent
        self.ppid = os.getppid()
        if not self.app.goes_on():
            self.alive = False

    def run(self) -> None:
        """Serve as gunicorn does, and report that."""
        self.app.on_ready()
        super().run()

    def get_thread_pool(self) -> "DaemonThreadPool":
        """Return the threads for gunicorn's threaded worker."""
        return DaemonThreadPool(self.cfg.threads)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Enable or disable accepting in gunicorn's threaded worker; at the end, accept all clients that wait."""
        if enabled or self.alive:
            super().set_accept_enabled(enabled)
            return
        self.app.on_drain()
        limit = time.monotonic() + self.app.handover
        while (rest := limit - time.monotonic()) > 0:
            self.wait_for_and_dispatch_events(timeout=rest)
        super().set_accept_enabled(enabled)
        for listener in self.app.listeners:
            while has_waiting_clients([listener]):
                self.accept(listener.socket)
            listener.socket.close()


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
    logger.error_log.addFilter(MISTAKES)
    logger._access_log_enabled = False


server_factory, serve, read_settings = entry_points(GunicornServer, setting_errors)
