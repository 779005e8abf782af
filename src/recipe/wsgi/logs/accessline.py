"""A line of the access log: the combined format, and its parts for other formats.

The format is Apache's ``%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"``
(https://httpd.apache.org/docs/2.4/logs.html#combined).
"""

import logging
import os
import time
from functools import lru_cache
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import quote

RECORD_ATTRIBUTE = "wsgi_request"  # the attribute of a log record with the parts of its line


class Entry(NamedTuple):
    """An answered request, as raw data; formatting it takes longer, and is done in another thread."""

    #: begin and end, in seconds since the epoch
    start: float
    end: float
    thread: Thread
    client: str | None
    user: str | None
    method: str
    #: as in WSGI: decoded, its bytes as latin-1
    path: str
    query: str | None
    protocol: str
    #: three digits, or a dash
    status: str
    #: size of the body, as far as it was passed to the server and the client accepts it
    bytes: int
    referrer: str | None
    user_agent: str | None


def make_record(entry: Entry, logger: logging.Logger) -> logging.LogRecord:
    """Return the log record of an entry, as the thread that answered the request would have made it.

    The message has no arguments, since handlers such as HTTPHandler send `msg` unformatted. The parts are in the
    record's `wsgi_request`, as plain data, since handlers such as SocketHandler pickle the record.
    """
    parts = entry_parts(entry)
    model = _model(logger)
    made = object.__new__(type(model))
    made.__dict__.update(
        model.__dict__,
        msg=combined_line(entry, parts),
        created=entry.end,
        msecs=int(entry.end % 1 * 1000) + 0.0,
        relativeCreated=model.relativeCreated + (entry.end - model.created) * 1000,
        thread=entry.thread.ident,
        threadName=entry.thread.name,
        **{RECORD_ATTRIBUTE: parts},
    )
    return made


@lru_cache(maxsize=4)
def _model(logger: logging.Logger) -> logging.LogRecord:
    """Return a record with the common attributes: to make a new one takes as long as everything else together."""
    return logger.makeRecord(logger.name, logging.INFO, __file__, 0, "", (), None)


os.register_at_fork(after_in_child=_model.cache_clear)  # it contains the process id


def entry_parts(entry: Entry) -> dict[str, Any]:
    """Return the parts of a line, for programs: numbers as numbers, None for missing parts."""
    path = quote(entry.path, encoding="latin-1")
    return {
        "method": entry.method,
        "path": f"{path}?{entry.query}" if entry.query else path,
        "status": int(entry.status) if entry.status.isdigit() else None,
        "bytes": entry.bytes,
        "duration": round(entry.end - entry.start, 6),
        "client": entry.client or None,
        "user": entry.user or None,
        "user_agent": entry.user_agent,
        "referrer": entry.referrer,
    }


def combined_line(entry: Entry, parts: dict[str, Any]) -> str:
    """Return the line of an entry with these parts, in combined format."""
    request_line = f"{entry.method} {parts['path']} {entry.protocol}"
    return (
        f"{parts['client'] or '-'} - {escape(parts['user'])} [{clf_time(entry.start)}] "
        f'"{escape(request_line)}" '
        f'{entry.status} {entry.bytes or "-"} "{escape(entry.referrer)}" "{escape(entry.user_agent)}"'
    )


def escape(text: str | None) -> str:
    """Escape a client's text as Apache does: a quote does not end the field, a control character not the line."""
    if text is None:
        return "-"
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in escaped)


def clf_time(seconds: float) -> str:
    """Return local time in Common Log Format, ``10/Oct/2000:13:55:36 -0700``.

    The names of months are English in every locale, since programs read them.
    """
    minute, second = divmod(int(seconds), 60)
    return _clf_minute(minute) % second


@lru_cache(maxsize=4)
def _clf_minute(minute: int) -> str:
    local = time.localtime(minute * 60)
    day = f"{local.tm_mday:02}/{MONTHS[local.tm_mon - 1]}/{local.tm_year}"
    return f"{day}:{local.tm_hour:02}:{local.tm_min:02}:%02d {time.strftime('%z', local)}"


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
