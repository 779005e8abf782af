"""waitress, the default server: it listens on any number of addresses, and stops gracefully.

The settings in ``[server:main]`` are ``listen``, ``fast-listen`` and ``graceful_timeout`` (see
`recipe.wsgi.settings`), and those of waitress
(https://docs.pylonsproject.org/projects/waitress/en/stable/arguments.html).
"""

import logging
import select
import time
from collections.abc import Callable, Mapping
from typing import Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import BaseWSGIServer, TcpWSGIServer, UnixWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

from recipe.wsgi import guard, signals
from recipe.wsgi.base import GracefulServer, WSGIApp
from recipe.wsgi.entries import entry_points
from recipe.wsgi.logs.queuelog import QueueLog
from recipe.wsgi.settings import Settings, read_adjustments, read_common
from recipe.wsgi.sockets import Listener, url

#: The number of connections: slow clients soon use up waitress's own default of 100, and all other clients wait then.
CONNECTIONS = "500"

#: The value of ``asyncore_use_poll`` with which the server uses select(). Not ``false``, since 9.1.0 and former
#: releases of this package wrote that into each wsgi.ini.
SELECT = "select"

#: select() fails at this file descriptor (FD_SETSIZE), which would end the server.
SELECT_LIMIT = 1024

#: Seconds for which idle connections are kept open when the server stops. A request that a client sends in this time
#: is answered, and the response says that the connection will be closed.
LINGER = 0.5

#: The maximum number of seconds between two calls of `goes_on`; it is waitress's own default for its loop.
TICK = 1.0

logger = logging.getLogger("waitress")


def _read(global_conf: Mapping[str, str], settings: Mapping[str, str]) -> Settings:
    """Read the settings, and do nothing else.

    Raises StartError if a setting is wrong, or if there is no address.
    """
    rest, common = read_common(global_conf, settings)
    if rest.get("asyncore_use_poll", "").lower() == SELECT or not hasattr(select, "poll"):
        rest["asyncore_use_poll"] = "false"
    else:
        rest = {"connection_limit": CONNECTIONS} | rest | {"asyncore_use_poll": "true"}
    return Settings(adjustments=read_adjustments(rest), **common)


def _keep_below(limit: int) -> None:
    """Let this process open no file descriptor of `limit` or above: opening a file or a connection fails instead."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft > limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    def parse_header(self, header_plus: bytes) -> None:
        """Parse the head of a request; waitress would close the connection if Python cannot parse a part of it."""
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            raise ParsingError(str(error)) from None


class GracefulTask(WSGITask):  # type: ignore[misc]
    """A request; the last response on a connection says that the connection will be closed.

    The head of a response is sent together with the first block of its body. That saves a packet, and if the server is
    killed, no client has received half of a small page.
    """

    def write(self, data: bytes) -> None:
        """Send a block; waitress would send the head separately."""
        if self.wrote_header:
            super().write(data)
            return
        self.channel.hold()
        try:
            super().write(data)
        finally:
            self.channel.release()

    def build_response_header(self) -> bytes:
        """Return the head; waitress would look at the headers of the request only."""
        if self.channel.is_last_answer():
            self.request.headers["CONNECTION"] = "close"
        header: bytes = super().build_response_header()
        return header


class GracefulChannel(HTTPChannel):  # type: ignore[misc]
    """A connection that is closed after the current request if the server is stopping."""

    parser_class = _Parser
    task_class = GracefulTask
    #: the data that will be sent together, between `hold` and `release`
    _held: list[bytes] | None = None

    def hold(self) -> None:
        """Collect the data that is written until `release` is called."""
        self._held = []

    def release(self) -> None:
        """Send the collected data."""
        held, self._held = self._held, None
        if held:
            self.write_soon(b"".join(held))

    def write_soon(self, data: Any) -> int:
        """Send data, or collect it after `hold`; return the number of bytes taken."""
        if self._held is not None and isinstance(data, bytes):
            self._held.append(data)
            return len(data)
        taken: int = super().write_soon(data)
        return taken

    def is_last_answer(self) -> bool:
        """Whether this connection will be closed after the current response."""
        return self.server.draining_since is not None and len(self.requests) <= 1 and self.request is None

    def is_idle(self, since: float) -> bool:
        """Whether no request is in progress, and none has been since the time `since` (`time.time()`)."""
        return not (self.requests or self.request is not None or self.total_outbufs_len or self.last_activity > since)


class _Draining:
    channel_class = GracefulChannel
    #: when the server began to stop (`time.time()`)
    draining_since: float | None = None


class _TcpServer(_Draining, TcpWSGIServer):  # type: ignore[misc]
    pass


class _UnixServer(_Draining, UnixWSGIServer):  # type: ignore[misc]
    def getsockname(self) -> tuple[str, str]:
        """Return the values of SERVER_NAME and SERVER_PORT for a request without Host; the port must be a number."""
        return "unix", "80"


class WaitressServer(GracefulServer):
    """waitress, with its bound sockets."""

    name = "waitress"
    has_workers = True
    accepts_all = True

    def __init__(self, settings: Settings, listeners: list[Listener]) -> None:
        super().__init__(settings, listeners)
        self.adjustments = settings.adjustments
        self._map: dict[int, Any] = {}
        self._servers: list[BaseWSGIServer] = []

    def serve(self, app: WSGIApp, goes_on: Callable[[], bool]) -> None:
        """Serve `app` as `GracefulServer` does.

        Raises StartError if another process took an address while the application was loaded.
        """
        signals.reopen_logs()
        if not self.adjustments.asyncore_use_poll:
            _keep_below(SELECT_LIMIT)
            logger.warning("Using select(): file descriptors of %d and above are not opened", SELECT_LIMIT)
        tasks = ThreadedTaskDispatcher()
        tasks.queue_logger = QueueLog(tasks.queue_logger)
        try:
            tasks.set_thread_count(self.adjustments.threads)
            formed = guard.well_formed(app)
            self._servers = [self._server(formed, tasks, listener) for listener in self.listeners]
            with signals.on_stop(self.stop):
                self._serve(goes_on)
                self._drain()
        finally:
            for channel in self._channels():
                channel.handle_close()
            tasks.shutdown(timeout=0.1)
            # A thread that is still running would write to a file descriptor that is closed by then
            for server in self._servers if not tasks.threads else ():
                server.trigger.close()
            # They hold the application, which may do something when it is deleted
            self._servers = []

    def stop(self) -> None:
        """Stop as `GracefulServer` does."""
        super().stop()
        for server in self._servers[:1]:
            server.pull_trigger()

    def _server(self, app: WSGIApp, tasks: ThreadedTaskDispatcher, listener: Listener) -> BaseWSGIServer:
        sock = listener.socket
        make = _UnixServer if listener.is_unix else _TcpServer
        # As waitress.create_server, which does not accept TCP and unix sockets together
        return make(
            app,
            self._map,
            False,
            sock,
            dispatcher=tasks,
            adj=self.adjustments,
            sockinfo=(sock.family, sock.type, sock.proto, sock.getsockname()),
            bind_socket=False,
        )

    def _serve(self, goes_on: Callable[[], bool]) -> None:
        for listener, server in zip(self.listeners, self._servers, strict=True):
            listener.listen(self.adjustments.backlog)
            server.accepting = True
            logger.info("Serving on %s", url(listener.socket))
        self.on_ready()
        while not self._stops and goes_on():
            self._turn(min(self.adjustments.asyncore_loop_timeout, TICK))

    def _turn(self, timeout: float) -> None:
        wasyncore.loop(timeout=timeout, use_poll=self.adjustments.asyncore_use_poll, map=self._map, count=1)

    def _drain(self) -> None:
        """Accept no more connections, and let the present ones finish their requests."""
        self.on_drain()
        start = time.time()
        while (rest := start + self.handover - time.time()) > 0:
            self._turn(rest)
        for listener, server in zip(self.listeners, self._servers, strict=True):
            self._accept_waiting(server)
            server.draining_since = time.time()
            server.accepting = False
            server.del_channel()
            listener.socket.close()
        while channels := self._channels():
            now = time.time()
            if self._stops > 1 or now - start > self.settings.graceful_timeout:
                busy = [channel for channel in channels if not channel.is_idle(now)]
                if busy:
                    logger.warning("Stopped with %d request(s) in progress", len(busy))
                break
            self._turn(0.05)
            if now - start > LINGER:
                for channel in self._channels():
                    if channel.is_idle(now - LINGER):
                        channel.handle_close()

    def _accept_waiting(self, server: BaseWSGIServer) -> None:
        """Accept the clients in the backlog: closing the socket would reset their connections."""
        before = -1
        while len(self._map) != before:
            before = len(self._map)
            server.handle_accept()

    def _channels(self) -> list[GracefulChannel]:
        return [channel for channel in self._map.values() if isinstance(channel, GracefulChannel)]


server_factory, serve, read_settings = entry_points(WaitressServer, lambda _own: (), _read)
