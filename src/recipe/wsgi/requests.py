"""The requests in progress, counted between server and application for servers that do not count them."""

import logging
import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from recipe.wsgi.base import WSGIApp
from recipe.wsgi.sockets import FAMILIES, Listener

#: Bytes of a response that the system is certain to take at once, so that the end of the response need not be awaited.
AT_ONCE = 65536

#: Fields of struct tcp_info in <linux/tcp.h>: milliseconds since data was last sent and received, and the number of
#: segments with data that were received and sent.
TCP_INFO = struct.Struct("=44x I 4x I 96x I I")

FAULT = b"Internal Server Error"


class RequestCounter:
    """The set of requests that have begun and not ended."""

    def __init__(self, logger: logging.Logger) -> None:
        #: the `start_response` of each; a change of a set is atomic for all threads
        self._begun: set[object] = set()
        #: when the last request ended (`time.monotonic()`)
        self.changed = time.monotonic()
        #: whether each response has to say that its connection will be closed
        self.draining = False
        self._logger = logger

    @property
    def under_way(self) -> int:
        """The number of requests in progress."""
        return len(self._begun)

    def counted(self, app: WSGIApp) -> WSGIApp:
        """Return `app`, with its requests counted; exceptions are logged and answered with 500."""
        begun = self._begun

        def counted(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
                if self.draining:
                    headers = [*headers, ("Connection", "close")]
                return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

            begun.add(start)
            try:
                body = app(environ, start)
                # The publisher returns a tuple of two: what was written to the response, usually nothing, and the page
                if type(body) in (list, tuple) and sum(map(len, body)) <= AT_ONCE:
                    whole = [b"".join(body)]
                    self._end(start)
                    return whole
            except Exception:
                self._logger.exception("Exception while serving %s", environ.get("PATH_INFO"))
                self._end(start)
                headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(FAULT)))]
                start("500 Internal Server Error", headers, sys.exc_info())
                return [FAULT]
            except BaseException:
                self._end(start)
                raise
            return CountedBody(body, partial(self._end, start))

        return counted

    def _end(self, start: object) -> None:
        self.changed = time.monotonic()
        self._begun.remove(start)


class CountedBody:
    """The body of a response, which calls `on_close` when the server closes it."""

    def __init__(self, body: Iterable[bytes], on_close: Callable[[], None]) -> None:
        self._body = body
        self._on_close: Callable[[], None] | None = on_close

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Close the application's body. A second call does nothing."""
        on_close, self._on_close = self._on_close, None
        if on_close is None:
            return
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            on_close()


def has_request_in_receipt(listeners: Sequence[Listener]) -> bool:
    """Whether a client of this process is in the middle of sending a request, as far as the system knows.

    A connection is idle if data was last sent, not received. Linux knows this for TCP; otherwise this is False.
    """
    return any(_is_receiving(sock) for sock in _clients(listeners))


def has_connected_client(listeners: Sequence[Listener]) -> bool:
    """Whether this process has a connected client; True if the system does not know (Linux does, for TCP)."""
    if sys.platform != "linux" or any(listener.is_unix for listener in listeners):
        return True
    # ESTABLISHED and CLOSE_WAIT, in the first field of struct tcp_info (<netinet/tcp.h>)
    states = (sock.getsockopt(socket.SOL_TCP, socket.TCP_INFO, 1)[0] for sock in _clients(listeners))
    return any(state in (1, 8) for state in states)


def _clients(listeners: Sequence[Listener]) -> Iterator[socket.socket]:
    ports = {listener.socket.getsockname()[1] for listener in listeners if not listener.is_unix}
    if sys.platform == "linux" and ports:
        yield from (sock for sock in _sockets() if _is_client(sock, ports))


def _sockets() -> Iterator[socket.socket]:
    for name in os.listdir("/proc/self/fd"):
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            # A duplicate: the server may close its own descriptor meanwhile
            with socket.socket(fileno=os.dup(int(name))) as sock:
                yield sock
        except OSError:
            continue  # it has been closed meanwhile


def _is_client(sock: socket.socket, ports: set[int]) -> bool:
    if sock.family not in FAMILIES or sock.type != socket.SOCK_STREAM:
        return False
    return not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and sock.getsockname()[1] in ports


def _is_receiving(sock: socket.socket) -> bool:
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size)
    if len(info) < TCP_INFO.size:
        return False
    since_sent, since_received, received, sent = TCP_INFO.unpack(info)
    return bool(received and (not sent or since_received < since_sent))
