"""Servers that are a loop in this process: started in threads, and ended by us.

None of them ends without losing a request. So their loops run in threads that end with the process,
one for each address, and the main thread sees to the end: it lets nobody in, waits until all have
their answers, and returns.
"""

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from recipe.common.errors import StartError
from recipe.wsgi import guard, signals
from recipe.wsgi.requests import RequestCounter, has_request_in_receipt
from recipe.wsgi.servers import Server, WSGIApp
from recipe.wsgi.settings import Settings, read_section
from recipe.wsgi.sockets import Listener, has_waiting_clients, url

#: Seconds without a request after which all are taken to be answered: one may be between a
#: connection and the application, and an answer between the application and the connection.
LINGER = 0.5

#: Seconds between looks at whether to go on: a worker whose supervisor has ended notices it after so many.
TICK = 0.5


class LoopServer(Server):
    """A server that has a loop for one socket; a subclass says how to run it."""

    #: of its log, and of its threads
    name = ""
    #: whether it can run for more than one socket
    several_addresses = True
    #: whether it has workers, by `recipe.wsgi.processes.supervisor`
    has_workers = False
    #: whether one of several workers would accept all clients, so that each wants a socket of its own
    accepts_all = False

    def __init__(self, settings: Settings, listeners: list[Listener]) -> None:
        """Raise StartError, and close the sockets, where they are too many."""
        super().__init__(listeners)
        if len(listeners) > 1 and not self.several_addresses:
            names = ", ".join(url(listener.socket) for listener in listeners)
            self.close()
            raise StartError(f"[server:main]: {self.name} listens on one address only, and these are {names}")
        self.settings = settings
        self._stops = 0  # how often we were told to stop
        self._failure: BaseException | None = None
        self._loop_ended = False
        # Wakes the main thread. A signal handler may call `put` while its own thread waits in `get`; an Event is not
        # reentrant.
        self._wakeups: SimpleQueue[None] = SimpleQueue()
        #: to be called before it waits for the requests under way
        self.on_drain: Callable[[], None] = self.block_new_clients

    def run(self, app: WSGIApp, listener: Listener) -> None:
        """Serve `app` on a listener, which listens, without end. Called in a thread."""
        raise NotImplementedError

    def start(self, app: WSGIApp) -> None:
        """Begin to serve `app` on all listeners, which listen."""
        for listener in self.listeners:
            self.run_in_thread(partial(self.run, naming_unix_clients(app) if listener.is_unix else app, listener))

    def run_in_thread(self, loop: Callable[[], None]) -> None:
        """Run a loop in a thread; its end is the server's."""
        threading.Thread(target=self._run, args=(loop,), name=self.name, daemon=True).start()

    def wait_for_handlers(self) -> None:
        """Wait until the loops have set such handlers for signals as they set; those are ours again then."""

    def __call__(self, app: WSGIApp) -> None:
        """As `Server`; raises what a loop raises."""
        self.serve(guard.around(app, self.settings), lambda: True)

    def serve(self, app: WSGIApp, goes_on: Callable[[], bool]) -> None:
        """Serve `app` as it is until a signal, or until `goes_on` returns False; then end gracefully."""
        signals.reopen_logs()
        logger = logging.getLogger(self.name)
        requests = RequestCounter(logger)
        with signals.on_stop(self.stop):
            handlers = {number: signal.getsignal(number) for number in signals.STOP}
            for listener in self.listeners:
                listener.listen(self.settings.adjustments.backlog)
                if not listener.is_unix:
                    # What is accepted inherits it: a small answer does not wait for more
                    listener.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.start(requests.counted(app))
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
        """End gracefully; the second time at once."""
        self._stops += 1
        self._wakeups.put(None)

    def block_new_clients(self) -> None:
        """Let no further client connect to any of the listeners."""
        for listener in self.listeners:
            listener.block_new_clients()

    def _drain(self, requests: RequestCounter, logger: logging.Logger) -> None:
        """Let nobody in, and wait until those who are in have their answers."""
        self.on_drain()
        requests.draining = True
        start = time.monotonic()
        while not self._is_drained(requests, start):
            if self._stops > 1 or time.monotonic() - start > self.settings.graceful_timeout:
                if requests.under_way:
                    logger.warning("Stopped with %d request(s) under way", requests.under_way)
                return
            time.sleep(0.05)

    def _is_drained(self, requests: RequestCounter, start: float) -> bool:
        if requests.under_way or time.monotonic() - max(requests.changed, start) < LINGER:
            return False
        return not has_waiting_clients(self.listeners) and not has_request_in_receipt(self.listeners)


def naming_unix_clients(app: WSGIApp) -> WSGIApp:
    """Name what a unix socket has no name for, as waitress does: Zope wants a number for a port."""

    def named(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ |= {"REMOTE_ADDR": "localhost", "SERVER_NAME": "unix", "SERVER_PORT": "80"}
        return app(environ, start_response)

    return named


def read_settings(
    global_conf: Mapping[str, str],
    settings: Mapping[str, str],
    server: type[LoopServer],
    setting_errors: Callable[[Mapping[str, str]], Iterable[tuple[str, str]]],
) -> Settings:
    """Read the settings, of which the server itself names the `wrong` ones. Raises StartError."""
    section = read_section(global_conf, settings)
    if section.workers > 1 and not server.has_workers:
        raise StartError(f"[server:main] workers: {server.name} serves in one process")
    for name, mistake in setting_errors(section.own):
        raise StartError(f"[server:main] {name}: {mistake}")
    return section
