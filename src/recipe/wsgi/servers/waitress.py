"""The server that wsgi.ini names: waitress, on any addresses, with a graceful end.

Settings in ``[server:main]``: ``listen``, ``fast-listen`` and ``graceful_timeout`` (see
`recipe.wsgi.settings`). All others are waitress's
(https://docs.pylonsproject.org/projects/waitress/en/stable/arguments.html).
"""

import logging
import select
import time
from collections.abc import Mapping
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, TcpWSGIServer, UnixWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

from recipe.common.errors import StartError
from recipe.wsgi import signals
from recipe.wsgi.logs.queuelog import QueueLog
from recipe.wsgi.servers import Server, WSGIApp
from recipe.wsgi.settings import Settings, bind_all, read_adjustments, read_common
from recipe.wsgi.sockets import Listener, url

#: Connections at a time: waitress's own 100 are soon taken by clients that are slow, and all others wait then.
#: Each may have a temporary file or two beside it, and select() ends the server where it meets a descriptor from
#: 1024 up.
DEFAULTS = {"connection_limit": "500", "asyncore_use_poll": str(hasattr(select, "poll"))}

#: Seconds an idle connection is kept when the server stops: what a client is just sending on it
#: is answered, and it learns then that the connection ends.
LINGER = 0.5

logger = logging.getLogger("waitress")


def server_factory(global_conf: Mapping[str, str], **settings: str) -> "WaitressServer":
    """PasteDeploy's ``paste.server_factory``: bind, and return what will serve an application.

    Raises StartError where a setting is wrong or an address cannot be had.
    """
    section = read_settings(global_conf, settings)
    return WaitressServer(bind_all(section), section.adjustments, section.graceful_timeout)


def read_settings(global_conf: Mapping[str, str], settings: Mapping[str, str]) -> Settings:
    """Read the settings, and do nothing yet.

    Raises StartError where one is wrong, or no address is among them.
    """
    rest, addresses, timeout = read_common(global_conf, settings)
    if rest.pop("workers", "1") != "1":
        raise StartError("[server:main] workers: waitress serves in one process")
    return Settings(addresses, read_adjustments(DEFAULTS | rest), timeout)


def serve(app: WSGIApp, global_conf: Mapping[str, str], **settings: str) -> None:
    """PasteDeploy's ``paste.server_runner``: serve `app` until a signal ends it."""
    server_factory(global_conf, **settings)(app)


class GracefulTask(WSGITask):  # type: ignore[misc]
    """A request; its answer tells the client when it is the connection's last one.

    The head of an answer goes out with the first of its body: one packet less, and a server that
    is killed in between leaves nobody with half of a small page.
    """

    def write(self, data: bytes) -> None:
        """As waitress, which sends the head by itself."""
        if self.wrote_header:
            super().write(data)
            return
        self.channel.hold()
        try:
            super().write(data)
        finally:
            self.channel.release()

    def build_response_header(self) -> bytes:
        """As waitress, which goes by the request's headers."""
        if self.channel.is_last_answer():
            self.request.headers["CONNECTION"] = "close"
        header: bytes = super().build_response_header()
        return header


class GracefulChannel(HTTPChannel):  # type: ignore[misc]
    """A connection that ends after the request under way once the server is stopping."""

    task_class = GracefulTask
    #: what is to be sent together, while it is collected
    _held: list[bytes] | None = None

    def hold(self) -> None:
        """Collect what is written until `release`."""
        self._held = []

    def release(self) -> None:
        """Send what was collected."""
        held, self._held = self._held, None
        if held:
            self.write_soon(b"".join(held))

    def write_soon(self, data: Any) -> int:
        """As waitress; returns how many bytes were taken."""
        if self._held is not None and isinstance(data, bytes):
            self._held.append(data)
            return len(data)
        taken: int = super().write_soon(data)
        return taken

    def is_last_answer(self) -> bool:
        """Whether nothing may follow the request that is being answered."""
        return self.server.draining_since is not None and len(self.requests) <= 1 and self.request is None

    def is_idle(self, since: float) -> bool:
        """Whether no request is under way, and none has been since the time `since`."""
        return not (self.requests or self.request is not None or self.total_outbufs_len or self.last_activity > since)


class _Draining:
    channel_class = GracefulChannel
    #: when the server was told to stop (`time.time()`)
    draining_since: float | None = None


class _TcpServer(_Draining, TcpWSGIServer):  # type: ignore[misc]
    pass


class _UnixServer(_Draining, UnixWSGIServer):  # type: ignore[misc]
    def getsockname(self) -> tuple[str, str]:
        """Return what becomes SERVER_PORT, too, where a request has no Host: it must be a number."""
        return "unix", "80"


class WaitressServer(Server):
    """Serves one application on bound sockets; called with the application, it serves it."""

    def __init__(self, listeners: list[Listener], adjustments: Adjustments, graceful_timeout: float) -> None:
        super().__init__(listeners)
        self.adjustments = adjustments
        self.graceful_timeout = graceful_timeout
        self._map: dict[int, Any] = {}
        self._servers: list[BaseWSGIServer] = []
        self._stops = 0  # how often we were told to stop

    def __call__(self, app: WSGIApp) -> None:
        """Serve `app` until TERM, HUP or INT; return when the last request has its answer.

        Raises StartError where an address was taken while the application was loaded.
        """
        signals.reopen_logs()
        tasks = ThreadedTaskDispatcher()
        tasks.queue_logger = QueueLog(tasks.queue_logger)
        try:
            tasks.set_thread_count(self.adjustments.threads)
            self._servers = [self._server(app, tasks, listener) for listener in self.listeners]
            with signals.on_stop(self.stop):
                self._serve()
                self._drain()
        finally:
            self.close()
            tasks.shutdown(timeout=0.1)
            # A thread that still runs would write to the number of a closed pipe.
            for server in self._servers if not tasks.threads else ():
                server.trigger.close()

    def stop(self) -> None:
        """End gracefully; at once when called again. May be called by a signal handler."""
        self._stops += 1
        for server in self._servers[:1]:
            server.pull_trigger()

    def _server(self, app: WSGIApp, tasks: ThreadedTaskDispatcher, listener: Listener) -> BaseWSGIServer:
        sock = listener.socket
        make = _UnixServer if listener.is_unix else _TcpServer
        # What waitress.create_server does; that one mixes no TCP and unix sockets.
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

    def _serve(self) -> None:
        for listener, server in zip(self.listeners, self._servers, strict=True):
            listener.listen(self.adjustments.backlog)
            server.accepting = True
            logger.info("Serving on %s", url(listener.socket))
        self.on_ready()
        while not self._stops:
            self._turn(self.adjustments.asyncore_loop_timeout)

    def _turn(self, timeout: float) -> None:
        wasyncore.loop(timeout=timeout, use_poll=self.adjustments.asyncore_use_poll, map=self._map, count=1)

    def _drain(self) -> None:
        """Take no more connections, and let those there are finish what they are about."""
        for listener, server in zip(self.listeners, self._servers, strict=True):
            listener.block_new_clients()
            self._accept_waiting(server)
            server.draining_since = time.time()
            server.accepting = False
            server.del_channel()
            listener.close()
        start = time.time()
        while channels := self._channels():
            now = time.time()
            if self._stops > 1 or now - start > self.graceful_timeout:
                busy = [channel for channel in channels if not channel.is_idle(now)]
                if busy:
                    logger.warning("Stopped with %d request(s) under way", len(busy))
                break
            self._turn(0.05)
            if now - start > LINGER:
                for channel in self._channels():
                    if channel.is_idle(now - LINGER):
                        channel.handle_close()

    def _accept_waiting(self, server: BaseWSGIServer) -> None:
        """Accept whom the system has let in already: a closed socket would throw them out."""
        before = -1
        while len(self._map) != before:
            before = len(self._map)
            server.handle_accept()

    def _channels(self) -> list[GracefulChannel]:
        return [channel for channel in self._map.values() if isinstance(channel, GracefulChannel)]

    def close(self) -> None:
        """Close all sockets, those of clients too. May be called again."""
        super().close()
        for channel in self._channels():
            channel.handle_close()
