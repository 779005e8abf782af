"""Requests that a process makes to its own application before it serves: code is imported, caches are filled."""

import io
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from recipe.wsgi.base import WSGIApp

logger = logging.getLogger("Zope")


def warm_up(app: WSGIApp, paths: Sequence[str]) -> None:
    """Request each path once; log the status, and the time that the response takes.

    An exception of the application is logged, and not raised: the path may need a user, or be misspelt.
    """
    for path in paths:
        start = time.monotonic()
        try:
            status = _request(app, path)
        except Exception:
            logger.exception("Warm-up: %s failed", path)
        else:
            logger.info("Warm-up: %s answered %s in %.0f ms", path, status, (time.monotonic() - start) * 1000)


def _request(app: WSGIApp, path: str) -> str:
    """Make a GET request; return its status."""
    statuses: list[str] = []

    def start_response(status: str, _headers: Any, _exc_info: Any = None) -> Any:
        statuses.append(status)
        return lambda data: None

    body = app(_environ(path), start_response)
    try:
        for _ in body:
            pass
    finally:
        with suppress(AttributeError):
            body.close()  # type: ignore[attr-defined]
    return statuses[-1][:3] if statuses else "without a status"


def _environ(path: str) -> dict[str, Any]:
    parts = urlsplit(path)
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
        "QUERY_STRING": parts.query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_USER_AGENT": "warm-up",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
