"""cheroot: threads, in pure Python.

cheroot binds its socket itself; here it is given a bound socket. Each socket, and so each address, has a pool of
threads of its own.
"""

import inspect
import logging
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from cheroot import server, wsgi

from recipe.wsgi import casts
from recipe.wsgi.base import WSGIApp
from recipe.wsgi.entries import entry_points
from recipe.wsgi.loop import LoopServer
from recipe.wsgi.sockets import Listener

#: Attributes that are not settings, or that other options set.
OURS = {
    "max_request_body_size", "max_request_header_size", "nodelay", "ready", "request_queue_size", "reuse_port",
    "shutdown_timeout", "version",
}  # fmt: skip

logger = logging.getLogger("cheroot")


def setting_errors(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the error of each setting that cheroot does not accept."""
    return casts.setting_errors(settings, {**_arguments(), **_attributes()}, "cheroot")


def _attributes() -> dict[str, type]:
    """Return the attributes of a server that can be set, and the types of their defaults."""
    kinds = {name: type(value) for name, value in vars(server.HTTPServer).items() if not name.startswith("_")}
    return {name: kind for name, kind in kinds.items() if kind in casts.WORDS and name not in OURS}


def _arguments() -> dict[str, type]:
    """Return the arguments of the server's constructor, and the types of their defaults."""
    parameters = inspect.signature(wsgi.Server).parameters.values()
    kinds = {parameter.name: type(parameter.default) for parameter in parameters}
    kinds["server_name"] = str
    return {name: kind for name, kind in kinds.items() if kind in casts.WORDS and name not in OURS | {"numthreads"}}


class CherootServer(LoopServer):
    """cheroot with its bound sockets."""

    name = "cheroot"

    def run(self, app: WSGIApp, listener: Listener) -> None:
        """Serve a listener; does not return."""
        bound = self._server(app, listener.socket)
        bound.prepare()
        bound.serve()

    def _server(self, app: WSGIApp, sock: socket.socket) -> "_BoundServer":
        adjusted, own = self.settings.adjustments, self.settings.own
        arguments = casts.cast_all({k: v for k, v in own.items() if k in _arguments()}, _arguments())
        threads = adjusted.threads
        arguments = {"max": threads} | arguments | {"numthreads": threads, "request_queue_size": adjusted.backlog}
        bound = _BoundServer(sock, app, **arguments)
        for name, value in casts.cast_all({k: v for k, v in own.items() if k not in arguments}, _attributes()).items():
            setattr(bound, name, value)
        bound.max_request_header_size = adjusted.max_request_header_size
        return bound


class _HeaderReader(server.HeaderReader):
    def _allow_header(self, name: bytes) -> bool:
        """Drop ``X_Name``, as waitress does: the application would read it as ``X-Name``, which a proxy has checked."""
        return b"_" not in name


class _Request(server.HTTPRequest):
    header_reader = _HeaderReader()

    def read_request_line(self) -> bool:
        """Read the first line of a request; cheroot would answer 500 to a target that Python cannot parse."""
        try:
            return bool(super().read_request_line())  # type: ignore[no-untyped-call]
        except ValueError:
            self.simple_response("400 Bad Request", "Malformed Request-URI")
            return False


class _Connection(server.HTTPConnection):
    RequestHandlerClass = _Request


class _BoundServer(wsgi.Server):
    """A server on a socket that is bound already."""

    ConnectionClass = _Connection

    def __init__(self, sock: socket.socket, app: WSGIApp, **settings: Any) -> None:
        name = sock.getsockname()
        super().__init__(name if sock.family == socket.AF_UNIX else name[:2], app, **settings)
        self._bound = sock

    def bind(self, family: int, type: int, proto: int = 0) -> socket.socket:
        """Use the bound socket; cheroot calls this for each address of a host until one succeeds."""
        self.socket = self._bound
        return self._bound

    def bind_unix_socket(self, bind_addr: str) -> socket.socket:
        """Use the bound socket."""
        self.socket = self._bound
        return self._bound

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Write to the log; cheroot would write to stderr."""
        logger.log(level, msg, exc_info=traceback)


server_factory, serve, read_settings = entry_points(CherootServer, setting_errors)
