"""What waitress does between its connections and the application, for servers that do not.

The proxy's headers are waitress's own work (`waitress.proxy_headers`), a WSGI middleware that
depends on no server.
"""

import logging
import tempfile
from collections.abc import Iterable
from typing import Any

from waitress.proxy_headers import proxy_headers_middleware

from recipe.wsgi.servers import WSGIApp
from recipe.wsgi.settings import Settings

#: Bytes of a body that are kept in memory, and those read at once.
IN_MEMORY, AT_ONCE = 524288, 65536

TOO_LARGE = b"Request Entity Too Large\r\n\r\nThe body of the request exceeds max_request_body_size.\r\n"


def around(app: WSGIApp, settings: Settings) -> WSGIApp:
    """Return `app` behind the limit for bodies, and with the client's address from a trusted proxy."""
    adjusted = settings.adjustments
    app = _limited(app, adjusted.max_request_body_size)
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
    return _named(app)


def _named(app: WSGIApp) -> WSGIApp:
    """Call a client that comes by a unix socket ``localhost``, as waitress does: a trusted proxy may be one."""

    def named(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["REMOTE_ADDR"] = environ.get("REMOTE_ADDR") or "localhost"
        return app(environ, start_response)

    return named


def _limited(app: WSGIApp, limit: int) -> WSGIApp:
    """Answer a request with 413 where its body has more than `limit` bytes.

    A body in chunks is read before `app` is called, which then knows its length: the publisher
    reads none that has no length.
    """

    def limited(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            length = environ.get("CONTENT_LENGTH") or "0"
            if length.isdecimal() and int(length) > limit:
                return _refuse(start_response)
            return app(environ, start_response)
        # Closed when it is collected: the application may read it until its answer is through
        body = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        while data := environ["wsgi.input"].read(AT_ONCE):
            body.write(data)
            if body.tell() > limit:
                return _refuse(start_response)
        environ["CONTENT_LENGTH"] = str(body.tell())
        del environ["HTTP_TRANSFER_ENCODING"]
        body.seek(0)
        environ["wsgi.input"] = body
        return app(environ, start_response)

    return limited


def _refuse(start_response: Any) -> Iterable[bytes]:
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(TOO_LARGE))), ("Connection", "close")]
    start_response("413 Request Entity Too Large", headers)
    return [TOO_LARGE]
