"""The server that wsgi.ini names: waitress, on any addresses, with a graceful end.

Settings in ``[server:main]``:

``listen``
    addresses (see `recipe.address`), white space between; bound at once, so that a taken port
    is told before Zope starts up, and open to clients once the application is there.
``fast-listen``
    the same, but open at once: clients wait until the application is there.
``graceful_timeout``
    seconds that requests under way get to finish when the server is told to stop; 30.

All others are waitress's (https://docs.pylonsproject.org/projects/waitress/en/stable/arguments.html).
"""

import logging
import math
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, TcpWSGIServer, UnixWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

from recipe import address
from recipe.wsgi import signals
from recipe.wsgi.errors import StartError
from recipe.wsgi.queuelog import QueueLog
from recipe.wsgi.sockets import FAMILIES, Listener, bind

GRACEFUL_TIMEOUT = 30.0

#: Seconds an idle connection is kept when the server stops: what a client is just sending on it
#: is answered, and it learns then that the connection ends.
LINGER = 0.5

WSGIApp = Callable[..., Iterable[bytes]]

logger = logging.getLogger("waitress")


class Settings(NamedTuple):
    """What ``[server:main]`` says."""

    #: addresses, and whether each is open at once
    addresses: list[tuple[address.Address, bool]]
    adjustments: Adjustments
    graceful_timeout: float


def server_factory(global_conf: Mapping[str, str], **settings: str) -> "Server":
    """PasteDeploy's ``paste.server_factory``: bind, and return what will serve an application.

    Raises StartError where a setting is wrong or an address cannot be had.
    """
    known = read(global_conf, settings)
    listeners: list[Listener] = []
    try:
        for one, early in known.addresses:
            listeners += bind(
                one,
                early=early,
                backlog=known.adjustments.backlog,
                permissions=known.adjustments.unix_socket_perms,
                families=_families(known.adjustments),
            )
    except StartError:
        for listener in listeners:
            listener.close()
        raise
    return Server(listeners, known.adjustments, known.graceful_timeout)


def read(global_conf: Mapping[str, str], settings: Mapping[str, str]) -> Settings:
    """Read the settings, and do nothing yet.

    Raises StartError where one is wrong, or no address is among them.
    """
    # 9.1.0 wrote `use` and `paste.server_factory` both; the second one comes as a setting then.
    rest = {k: v for k, v in settings.items() if not k.startswith("paste.")}
    timeout = rest.pop("graceful_timeout", None)
    timeout = global_conf.get("graceful_timeout") or timeout  # the command line wins
    late = _addresses(rest.pop("listen", "")) + _waitress_address(rest)
    early = _addresses(rest.pop("fast-listen", "")) + _addresses(rest.pop("fast_listen", ""))
    if not (late or early):
        raise StartError("[server:main] has no address: give it listen or fast-listen")
    addresses = [(one, False) for one in late] + [(one, True) for one in early]
    return Settings(addresses, _adjustments(rest), _seconds(timeout))


def serve(app: WSGIApp, global_conf: Mapping[str, str], **settings: str) -> None:
    """PasteDeploy's ``paste.server_runner``: serve `app` until a signal ends it."""
    server_factory(global_conf, **settings)(app)


def _addresses(text: str) -> list[address.Address]:
    # waitress takes commas, too
    try:
        return [address.parse(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise StartError(f"[server:main] listen: {error}") from None


def _waitress_address(settings: dict[str, str]) -> list[address.Address]:
    """Take waitress's own settings for an address out of `settings`."""
    if path := settings.pop("unix_socket", ""):
        return _addresses(f"unix:{path}")
    host, port = settings.pop("host", ""), settings.pop("port", "")
    if not (host or port):
        return []
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return _addresses(f"{host or '0.0.0.0'}:{port or '8080'}")


def _families(adjustments: Adjustments) -> list[int]:
    return [family for family, on in zip(FAMILIES, (adjustments.ipv4, adjustments.ipv6), strict=True) if on]


def _adjustments(settings: Mapping[str, str]) -> Adjustments:
    try:
        # With an address of either family: its default is none where `ipv4` is off
        return Adjustments(**({"listen": "*:0"} | dict(settings)))
    except (ValueError, TypeError) as error:
        raise StartError(f"[server:main]: {error}") from None


def _seconds(text: str | None) -> float:
    if not text:
        return GRACEFUL_TIMEOUT
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise StartError(f"[server:main] graceful_timeout: {text!r} is no number of seconds")
    return seconds


class Task(WSGITask):  # type: ignore[misc]
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


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that ends after the request under way once the server is stopping."""

    task_class = Task
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
    channel_class = Channel
    #: when the server was told to stop (`time.time()`)
    draining_since: float | None = None


class _TcpServer(_Draining, TcpWSGIServer):  # type: ignore[misc]
    pass


class _UnixServer(_Draining, UnixWSGIServer):  # type: ignore[misc]
    def getsockname(self) -> tuple[str, str]:
        """Return what becomes SERVER_PORT, too, where a request has no Host: it must be a number."""
        return "unix", "80"


class Server:
    """Serves one application on bound sockets; called with the application, it serves it."""

    def __init__(self, listeners: list[Listener], adjustments: Adjustments, graceful_timeout: float) -> None:
        self.listeners = listeners
        self.adjustments = adjustments
        self.graceful_timeout = graceful_timeout
        #: called once clients are served
        self.on_ready: Callable[[], None] = lambda: None
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
            self._servers = [self._server(app, tasks, one) for one in self.listeners]
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
            logger.info("Serving on %s", _url(listener.socket))
        self.on_ready()
        while not self._stops:
            self._turn(self.adjustments.asyncore_loop_timeout)

    def _turn(self, timeout: float) -> None:
        wasyncore.loop(timeout=timeout, use_poll=self.adjustments.asyncore_use_poll, map=self._map, count=1)

    def _drain(self) -> None:
        """Take no more connections, and let those there are finish what they are about."""
        for listener, server in zip(self.listeners, self._servers, strict=True):
            listener.let_nobody_in()
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

    def _channels(self) -> list[Channel]:
        return [one for one in self._map.values() if isinstance(one, Channel)]

    def close(self) -> None:
        """Close all sockets, those of clients too. May be called again."""
        for listener in self.listeners:
            listener.close()
        for channel in self._channels():
            channel.handle_close()


def _url(sock: socket.socket) -> str:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"http://{host}:{name[1]}"
