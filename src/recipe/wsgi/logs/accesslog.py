"""The access log: one line for each request in Apache's combined format, to the logger ``wsgi``.

``use = egg:plone.recipe.zope2instance#translogger`` in a filter section. A request is logged when its response is
complete, with the size of the body that was passed to the server. The line is written a moment later.

The size is what the client receives. If the client disconnects, the server may not have sent all that was passed to it.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from threading import current_thread
from typing import Any

from recipe.wsgi.logs.accessline import Entry, make_record
from recipe.wsgi.logs.writer import LogWriter

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

LOGGER = "wsgi"

#: Attributes in which servers' file wrappers keep the file: gunicorn and wsgiref (as in PEP 3333), waitress.
FILES = ("filelike", "file")


def filter_factory(global_conf: dict[str, str], logger_name: str = LOGGER) -> Callable[[Application], Application]:
    """Return a filter that logs requests to the logger `logger_name`: PasteDeploy's filter factory."""
    logger = logging.getLogger(logger_name)
    return lambda app: AccessLog(app, logger)


class AccessLog:
    """A WSGI application around another one, which logs each request once."""

    def __init__(self, app: Application, logger: logging.Logger) -> None:
        self.app = app
        self.logger = logger
        self.writer = _writer(logger)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Return the application's response, and log it when it is complete."""
        if not self.logger.isEnabledFor(logging.INFO):
            return self.app(environ, start_response)
        request = LoggedRequest(self.writer, environ, start_response)
        try:
            body = self.app(environ, request.start_response)
        except BaseException:
            # The server sends the response then; all servers send 500
            request.status = "500"
            request.log()
            raise
        return request.watch(body)


@cache
def _writer(logger: logging.Logger) -> LogWriter[Entry]:
    return LogWriter(logger, make_record)


class LoggedRequest:
    """A request in progress."""

    __slots__ = ("bytes", "environ", "headers", "path", "server_start", "server_write", "start", "status", "writer")

    def __init__(self, writer: LogWriter[Entry], environ: Environ, start_response: StartResponse) -> None:
        self.writer = writer
        self.environ = environ
        self.server_start = start_response
        self.start = time.time()
        self.status = "-"
        self.headers: Iterable[tuple[str, str]] = ()
        self.bytes = 0
        # The application may change these while it traverses
        self.path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")

    def start_response(self, status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
        """Record the status and the headers, and call the server's `start_response`."""
        self.status, self.headers = status[:3], headers
        self.server_write = self.server_start(status, headers, *exc_info)
        return self.write

    def write(self, data: bytes) -> object:
        """Count the bytes, and call the server's `write` (the old interface in PEP 3333)."""
        self.bytes += len(data)
        return self.server_write(data)

    def watch(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """Return the body, or a wrapper that logs when the body is complete.

        A list is complete already, and is returned unchanged: nearly all pages are lists. A file wrapper of the server
        is returned unchanged, too, since the server handles it specially.
        """
        if isinstance(body, list | tuple):
            self.bytes += sum(map(len, body))
            self.log()
            return body
        wrapper = self.environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(body, wrapper):
            for name in FILES:
                if hasattr(body, name):
                    self._watch_file(body, name)
                    return body
        return LoggedBody(self, body)

    def _watch_file(self, body: Any, name: str) -> None:
        """Count what the server reads of the file, which is the attribute `name` of its wrapper `body`."""
        file = CountedFile(getattr(body, name))
        setattr(body, name, file)
        close = getattr(body, "close", None)

        def closed() -> None:
            # waitress may call it twice, in two threads, if the client leaves
            if vars(body).pop("close", None):
                self.bytes += file.count
                self.log()
            if close is not None:
                close()

        body.close = closed

    def log(self) -> None:
        """Put an entry into the queue of the log writer."""
        get = self.environ.get
        method = self.environ["REQUEST_METHOD"]
        self.writer.put(
            Entry(
                self.start,
                time.time(),
                current_thread(),
                get("REMOTE_ADDR"),
                get("REMOTE_USER"),
                method,
                self.path,
                get("QUERY_STRING"),
                get("SERVER_PROTOCOL", "-"),
                self.status,
                self._received(method),
                get("HTTP_REFERER"),
                get("HTTP_USER_AGENT"),
            )
        )

    def _received(self, method: str) -> int:
        """Return how many of the bytes are a body to the client (RFC 9112, 6.3)."""
        if not self.bytes or method == "HEAD" or self.status in ("204", "304"):
            return 0
        lengths = [int(text) for name, text in self.headers if name.lower() == "content-length" and text.isdecimal()]
        return min([self.bytes, *lengths])


class LoggedBody:
    """The body of a response; it is counted while it is sent, and logged when it is closed."""

    def __init__(self, request: LoggedRequest, body: Iterable[bytes]) -> None:
        self._request = request
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        """Yield the application's blocks."""
        request = self._request
        try:
            for block in self._body:
                request.bytes += len(block)
                yield block
        except Exception:
            if not request.bytes:
                # The server has sent nothing yet
                request.status = "500"
            raise

    def close(self) -> None:
        """Close the application's body; PEP 3333 requires the server to call this."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._request.log()


class CountedFile:
    """A file that counts the bytes by which a server reads on: read at once, or skipped after it has sent them."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.count = 0
        if hasattr(file, "seek"):
            self.seek = self._seek

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, *size: int) -> bytes:
        """Read from the file."""
        data: bytes = self._file.read(*size)
        self.count += len(data)
        return data

    def _seek(self, *offset: int) -> object:
        before = self._file.tell()
        position: object = self._file.seek(*offset)
        self.count += self._file.tell() - before
        return position
