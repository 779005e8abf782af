"""What is between a server and the application: malformed requests and HEAD, and what only waitress does itself.

The proxy's headers are handled by `waitress.proxy_headers`, a WSGI middleware that works with any server.
"""

import io
import logging
import re
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

from waitress.proxy_headers import proxy_headers_middleware

from recipe.wsgi.base import WSGIApp
from recipe.wsgi.settings import Settings

#: Bytes of a body that are kept in memory, and that are read at once.
IN_MEMORY, AT_ONCE = 524288, 65536

#: Digits of a length that are read; a number with more exceeds every limit.
DIGITS = 20

#: The method and the protocol of a request that Zope can answer. The target of CONNECT is not a path: it is for proxies
#: (RFC 9110, 9.3.6).
REQUEST = re.compile(r"(?!CONNECT )[\w!#$%&'*+.^`|~-]+ HTTP/\d(\.\d)?", re.ASCII)

#: The status of a refused request, and the explanation for the client.
MALFORMED = ("400 Bad Request", "The method, the path or the protocol of the request is malformed.")
TOO_LARGE = ("413 Request Entity Too Large", "The body of the request exceeds max_request_body_size.")
BROKEN_OFF = ("400 Bad Request", "The body of the request does not end as it should.")


def around(app: WSGIApp, settings: Settings) -> WSGIApp:
    """Return `app` behind all of this, for a server that is not waitress."""
    adjusted = settings.adjustments
    app = _limited(well_formed(app), adjusted.max_request_body_size)
    if adjusted.trusted_proxy or adjusted.clear_untrusted_proxy_headers:
        app = proxy_headers_middleware(
            app,
            trusted_proxy=adjusted.trusted_proxy,
            trusted_proxy_count=adjusted.trusted_proxy_count,
            trusted_proxy_headers=adjusted.trusted_proxy_headers,
            clear_untrusted=adjusted.clear_untrusted_proxy_headers,
            log_untrusted=adjusted.log_untrusted_proxy_headers,
            logger=logging.getLogger("waitress"),
        )
    return _named(app) if any(address.path for address, _ in settings.addresses) else app


def well_formed(app: WSGIApp) -> WSGIApp:
    """Answer a malformed request with 400, and send no body to HEAD.

    Zope answers 500 to a path that is not UTF-8, although PEP 3333 allows it. Most servers would send a body to HEAD,
    which the client takes for the next response.
    """

    def formed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if _is_well_formed(environ):
            body = app(environ, start_response)
        else:
            body = refusal(start_response, *MALFORMED, closes=False)
        return _without_body(body) if method == "HEAD" else body

    return formed


def _is_well_formed(environ: Mapping[str, Any]) -> bool:
    if not REQUEST.fullmatch(f"{environ['REQUEST_METHOD']} {environ.get('SERVER_PROTOCOL')}"):
        return False
    path = environ.get("PATH_INFO", "")
    try:
        path.encode("latin-1").decode()
    except UnicodeError:
        return False
    return not path or path.startswith("/") or (path == "*" and environ["REQUEST_METHOD"] == "OPTIONS")


def _without_body(body: Iterable[bytes]) -> list[bytes]:
    try:
        # A generator calls start_response only when its first block is requested
        next(iter(body), None)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
    return []


def _named(app: WSGIApp) -> WSGIApp:
    """Give clients of a unix socket the address ``localhost``, as waitress does: a trusted proxy may be one."""

    def named(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["REMOTE_ADDR"] = environ.get("REMOTE_ADDR") or "localhost"
        return app(environ, start_response)

    return named


def _limited(app: WSGIApp, limit: int) -> WSGIApp:
    """Answer a request with 413 if its body has more than `limit` bytes.

    The body is read before `app` is called, unless it is a file already: after a conflict in the database the publisher
    reads it again from its start. A body in chunks gets a length, because the publisher reads none without one.
    """

    def limited(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not environ.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" not in environ:
            environ["wsgi.input"] = io.BytesIO()
            return app(environ, start_response)
        source, length = environ["wsgi.input"], _length(environ)
        if length is None or length > limit or not _can_seek(source):
            try:
                body, size = _received(source, length, limit)
            except BodyError as error:
                return refusal(start_response, *error.args)
            environ["wsgi.input"] = body
            if length is None:
                environ["CONTENT_LENGTH"] = str(size)
                del environ["HTTP_TRANSFER_ENCODING"]
        return app(environ, start_response)

    return limited


class BodyError(Exception):
    """The body of a request is refused; the arguments are the status and the explanation."""


def _received(source: Any, length: int | None, limit: int) -> tuple[Any, int]:
    """Read a body, whose `length` may be unknown; return it as a file, and its size. Raises BodyError."""
    if length is not None and length > limit:
        raise BodyError(*TOO_LARGE)
    # Closed when it is garbage collected: the application may read it until the response is complete
    body = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
    size = 0
    while wanted := AT_ONCE if length is None else min(AT_ONCE, length - size):
        data = _read(source, wanted)
        if not data:
            break
        body.write(data)
        size += len(data)
        if size > limit:
            raise BodyError(*TOO_LARGE)
    if length is not None and size < length:
        # The client has disconnected; some servers raise no error then
        raise BodyError(*BROKEN_OFF)
    body.seek(0)
    return body, size


def _length(environ: dict[str, Any]) -> int | None:
    """Return the length of a request's body; None if it comes in chunks."""
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        return None
    length = environ.get("CONTENT_LENGTH") or "0"
    # Python converts at most 4300 digits
    return int(length.lstrip("0")[:DIGITS] or 0) if length.isdecimal() else 0


def _can_seek(source: Any) -> bool:
    seekable = getattr(source, "seekable", None)
    return seekable is not None and bool(seekable())


def _read(source: Any, size: int) -> bytes:
    """Read a part of a body. Raises BodyError if the client disconnects, or if the chunks are malformed."""
    try:
        data: bytes = source.read(size)
    except Exception:  # each server raises its own
        raise BodyError(*BROKEN_OFF) from None
    return data


def refusal(start_response: Any, status: str, why: str, *, closes: bool = True) -> Iterable[bytes]:
    """Answer that a request is refused; close the connection if `closes`."""
    text = f"{status[4:]}\r\n\r\n{why}\r\n".encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]
    start_response(status, [*headers, ("Connection", "close")] if closes else headers)
    return [text]
