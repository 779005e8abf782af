"""Servers that run in threads of this process.

None of these servers can stop by itself without losing requests. So each runs in daemon threads, one for each
address, and the main thread stops it: it blocks new clients, waits until all requests are answered, and returns.
"""

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from recipe.common.errors import StartError
from recipe.wsgi import guard, signals
from recipe.wsgi.base import GracefulServer, WSGIApp
from recipe.wsgi.requests import RequestCounter, has_request_in_receipt
from recipe.wsgi.settings import Settings
from recipe.wsgi.sockets import Listener, has_waiting_clients, url

#: Seconds without a request after which all requests count as answered. A request may be between the connection and
#: the application, and a response between the application and the connection.
LINGER = 0.5

#: Seconds between two calls of `goes_on`: a worker notices within this time that its pool has ended.
TICK = 0.5


class LoopServer(GracefulServer):
    """A server that runs in threads of this process; a subclass implements `run`."""

    #: whether it can serve more than one socket
    several_addresses = True

    def __init__(self, settings: Settings, listeners: list[Listener]) -> None:
        """Raise StartError, and close the sockets, if there are more than the server can serve."""
        super().__init__(settings, listeners)
        # An address has several sockets, one for each worker, if those of another process are adopted
        addresses = dict.fromkeys(url(listener.socket) for listener in listeners)
        if len(addresses) > 1 and not self.several_addresses:
            names = ", ".join(addresses)
            self.close()
            raise StartError(f"[server:main]: {self.name} can listen on one address only, not on {names}")
        self._failure: BaseException | None = None
        self._loop_ended = False
        # Wakes the main thread. `put` may be called by a signal handler that interrupts `get` in the same thread; the
        # methods of an Event must not.
        self._wakeups: SimpleQueue[None] = SimpleQueue()

    def run(self, app: WSGIApp, listener: Listener) -> None:
        """Serve `app` on a listening socket; does not return. Called in a thread."""
        raise NotImplementedError

    def start(self, app: WSGIApp) -> None:
        """Begin to serve `app` on all listeners; they listen already."""
        for listener in self.listeners:
            self.run_in_thread(partial(self.run, naming_unix_clients(app) if listener.is_unix else app, listener))

    def run_in_thread(self, loop: Callable[[], None]) -> None:
        """Run a loop in a thread; when the loop ends, the server ends."""
        threading.Thread(target=self._run, args=(loop,), name=self.name, daemon=True).start()

    def wait_for_handlers(self) -> None:
        """Wait until the loops have installed their signal handlers; the caller then installs its own again."""

    def serve(self, app: WSGIApp, goes_on: Callable[[], bool]) -> None:
        """Serve `app` as `GracefulServer` does; raises the exception with which a loop ends."""
        signals.reopen_logs()
        logger = logging.getLogger(self.name)
        requests = RequestCounter(logger)
        with signals.on_stop(self.stop):
            handlers = {number: signal.getsignal(number) for number in signals.STOP}
            for listener in self.listeners:
                listener.listen(self.settings.adjustments.backlog)
                if not listener.is_unix:
                    # Accepted sockets inherit it: a small response is sent without delay
                    listener.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.start(requests.counted(guard.around(app, self.settings)))
            self.wait_for_handlers()
            for number, handler in handlers.items():
                signal.signal(number, handler)
            for listener in self.listeners:
                logger.info("Serving on %s", url(listener.socket))
            self.on_ready()
            while not self._stops and not self._loop_ended and goes_on():
                with suppress(Empty):
                    self._wakeups.get(timeout=TICK)
            self._drain(requests, logger)
        if self._failure is not None:
            raise self._failure

    def _run(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:
            self._failure = error
        finally:
            self._loop_ended = True
            self._wakeups.put(None)

    def stop(self) -> None:
        """Stop as `GracefulServer` does."""
        super().stop()
        self._wakeups.put(None)

    def _drain(self, requests: RequestCounter, logger: logging.Logger) -> None:
        """Block new clients, and wait until all requests are answered."""
        self.on_drain()
        requests.draining = True
        start = time.monotonic()
        while not self._is_drained(requests, start):
            if self._stops > 1 or time.monotonic() - start > self.settings.graceful_timeout:
                if requests.under_way:
                    logger.warning("Stopped with %d request(s) in progress", requests.under_way)
                return
            time.sleep(0.05)

    def _is_drained(self, requests: RequestCounter, start: float) -> bool:
        if requests.under_way or time.monotonic() - max(requests.changed, start) < LINGER:
            return False
        return not has_waiting_clients(self.listeners) and not has_request_in_receipt(self.listeners)


def naming_unix_clients(app: WSGIApp) -> WSGIApp:
    """Set the variables that a unix socket has no value for, as waitress does; Zope expects a number as the port."""

    def named(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ |= {"REMOTE_ADDR": "localhost", "SERVER_NAME": "unix", "SERVER_PORT": "80"}
        return app(environ, start_response)

    return named
