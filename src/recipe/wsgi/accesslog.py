"""The access log: one line a request in Apache's combined format, to the logger ``wsgi``.

``use = egg:plone.recipe.zope2instance#translogger`` in a filter section. The format is that of
Apache's ``%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"``
(https://httpd.apache.org/docs/2.4/logs.html#combined). A request is logged when its answer is
complete, with the bytes of the body that went to the server.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import quote

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

LOGGER = "wsgi"
RECORD_ATTRIBUTE = "wsgi_request"  # of a log record: the parts of the line


def filter_factory(global_conf: dict[str, str], logger_name: str = LOGGER) -> Callable[[Application], Application]:
    """PasteDeploy's filter factory; `logger_name` is the logger that gets the lines."""
    logger = logging.getLogger(logger_name)
    return lambda app: AccessLog(app, logger)


class AccessLog:
    """A WSGI application around another, which logs each request once."""

    def __init__(self, app: Application, logger: logging.Logger) -> None:
        self.app = app
        self.logger = logger

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with the application's own answer, and log it when it is complete."""
        if not self.logger.isEnabledFor(logging.INFO):
            return self.app(environ, start_response)
        request = Request(self.logger, environ)

        def note_status(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            request.status = status[:3]
            write = start_response(status, headers) if exc_info is None else start_response(status, headers, exc_info)
            return request.counting(write)

        try:
            body = self.app(environ, note_status)
        except BaseException:
            # What the client then gets is the server's to say; 500 is what it gets from all of them
            request.status = "500"
            request.log()
            raise
        return request.watch(body)


class Request:
    """A request that is being answered."""

    def __init__(self, logger: logging.Logger, environ: Environ) -> None:
        self.logger = logger
        self.environ = environ
        self.start = time.time()
        self.status = "-"
        self.bytes = 0
        # The application may change these on its way to what it serves
        self.path = quote(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), encoding="latin-1")

    def counting(self, write: Callable[[bytes], object]) -> Callable[[bytes], object]:
        """WSGI's old `write`, counted."""

        def counted(data: bytes) -> object:
            self.bytes += len(data)
            return write(data)

        return counted

    def watch(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """The body, watched until it is complete.

        A list is complete already, and goes on as it is: this is what nearly every page is. A
        server's file wrapper goes on as it is, too, since the server treats it specially.
        """
        if isinstance(body, list | tuple):
            self.bytes += sum(map(len, body))
            self.log()
            return body
        wrapper = self.environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(body, wrapper):
            self._watch_file(body)
            return body
        return Body(self, body)

    def _watch_file(self, body: Any) -> None:
        close = getattr(body, "close", None)

        def closed() -> None:
            try:
                self.bytes += _sent(body)
            finally:
                self.log()
                if close is not None:
                    close()

        body.close = closed

    def log(self) -> None:
        """Write the line; its parts go along in the record's `wsgi_request`, for other formats.

        They are plain data, since handlers such as SocketHandler pickle the record.
        """
        environ = self.environ
        query = environ.get("QUERY_STRING")
        method = environ["REQUEST_METHOD"]
        parts: dict[str, Any] = {
            "method": method,
            "path": f"{self.path}?{query}" if query else self.path,
            "status": int(self.status) if self.status.isdigit() else None,
            # To HEAD the server sends no body, whatever the application gives it
            "bytes": 0 if method == "HEAD" else self.bytes,
            "duration": round(time.time() - self.start, 6),
            "client": environ.get("REMOTE_ADDR") or None,
            "user": environ.get("REMOTE_USER") or None,
            "user_agent": environ.get("HTTP_USER_AGENT"),
            "referrer": environ.get("HTTP_REFERER"),
        }
        # One text, no arguments: handlers such as HTTPHandler send the message as it is here
        self.logger.info(
            f"{parts['client'] or '-'} - {escape(parts['user'])} [{clf_time(self.start)}] "
            f'"{method} {escape(parts["path"])} {environ.get("SERVER_PROTOCOL", "-")}" '
            f'{self.status} {parts["bytes"] or "-"} "{escape(parts["referrer"])}" "{escape(parts["user_agent"])}"',
            extra={RECORD_ATTRIBUTE: parts},
        )


class Body:
    """The body of an answer, counted while it is sent, and logged when it is closed."""

    def __init__(self, request: Request, body: Iterable[bytes]) -> None:
        self._request = request
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        """Yield the application's blocks."""
        request = self._request
        for block in self._body:
            request.bytes += len(block)
            yield block

    def close(self) -> None:
        """Close the application's body; the server does so in any case, as PEP 3333 has it."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._request.log()


def _sent(file_wrapper: Any) -> int:
    """How much of a file has been read to be sent; 0 where that cannot be told."""
    try:
        return int(file_wrapper.tell())
    except (AttributeError, OSError, ValueError):
        return 0


def escape(text: str | None) -> str:
    """A client's text as Apache writes it: no quote in it ends the field, no control character the line."""
    if text is None:
        return "-"
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in escaped)


def clf_time(seconds: float) -> str:
    """Local time in Common Log Format, ``10/Oct/2000:13:55:36 -0700``.

    Month names are English whatever the locale: programs read them.
    """
    minute, second = divmod(int(seconds), 60)
    return _clf_minute(minute) % second


@lru_cache(maxsize=4)
def _clf_minute(minute: int) -> str:
    local = time.localtime(minute * 60)
    day = f"{local.tm_mday:02}/{MONTHS[local.tm_mon - 1]}/{local.tm_year}"
    return f"{day}:{local.tm_hour:02}:{local.tm_min:02}:%02d {time.strftime('%z', local)}"


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
