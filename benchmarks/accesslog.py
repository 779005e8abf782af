"""The cost of the access log: Zope's front page with the recipe's filter, with Paste's translogger, and without a log.

In addition, the CPU time of each filter alone is measured, around an application that does nothing.
"""

from __future__ import annotations

import io
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

from benchmarks import frontpage
from benchmarks.measure import NEW, Bench, Comparison, Contenders, Subject, Values
from benchmarks.processes import booted, require_wrk
from benchmarks.sites import build, part
from support import Buildout, free_port

PASTE, NONE = "Paste's", "no log"
SECTION = "use = egg:plone.recipe.zope2instance#translogger"
PASTE_SECTION = "use = egg:Paste#translogger\nsetup_console_handler = False"


def build_with(bench: Bench, name: str, port: int) -> Buildout:
    """Build an instance with the recipe's filter, with Paste's filter as in 9.1.0, or without an access log."""
    options = "access-log = disable\n" if name == NONE else ""
    buildout = build(bench.directory / name.replace(" ", "-"), NEW, part(port, options))
    if name == PASTE:
        ini = buildout.part() / "etc/wsgi.ini"
        text = ini.read_text(encoding="utf-8")
        assert SECTION in text
        ini.write_text(text.replace(SECTION, PASTE_SECTION), encoding="utf-8")
    return buildout


@contextmanager
def contenders(bench: Bench) -> Iterator[Contenders]:
    """Run three servers side by side."""
    require_wrk()
    with ExitStack() as stack, filters(1_000 if bench.quick else 30_000) as own_times:
        turns = {}
        for name in (NEW, PASTE, NONE):
            port = free_port()
            buildout = build_with(bench, name, port)
            stack.enter_context(booted(buildout, port, "console"))
            turns[name] = _together(frontpage.turn(buildout.directory, port, bench.seconds, (4,)), own_times.get(name))
        yield turns


def _together(turn: Callable[[], Values], own_time: Callable[[], float] | None) -> Callable[[], Values]:
    return lambda: {**turn(), **({"own": own_time()} if own_time else {})}


@contextmanager
def filters(calls: int) -> Iterator[dict[str, Callable[[], float]]]:
    """Set up both filters in this process, with a log file as in wsgi.ini; yield functions that return `own_time`."""
    from paste.translogger import TransLogger

    from recipe.wsgi.logs.accesslog import filter_factory

    logger = logging.getLogger("wsgi")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    with tempfile.NamedTemporaryFile() as file:
        log = Path(file.name)
        handler = logging.FileHandler(log)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        try:
            yield {
                NEW: lambda: own_time(filter_factory({}), calls, log),
                PASTE: lambda: own_time(lambda app: TransLogger(app, setup_console_handler=False), calls, log),
            }
        finally:
            logger.removeHandler(handler)
            handler.close()


def own_time(make_filter: Any, calls: int, log: Path) -> float:
    """Return the CPU time in microseconds that a filter uses for a request, including the line in the log.

    All threads count, since a filter may write in a thread of its own.
    """

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "5")])
        return [b"hello"]

    def seconds(application: Any) -> float:
        environ = {"REMOTE_ADDR": "127.0.0.1", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_USER_AGENT": "wrk"}
        setup_testing_defaults(environ)
        start = time.process_time()
        for _ in range(calls):
            _answer(application, dict(environ))
        _wait_for_quiet(log)
        return time.process_time() - start

    filtered = make_filter(app)
    os.truncate(log, 0)
    used = seconds(filtered)
    lines = log.read_bytes().count(b"\n")
    assert lines == calls, f"{lines} lines for {calls} requests"
    return (used - seconds(app)) / calls * 1e6


def _answer(application: Any, environ: dict[str, Any]) -> None:
    """Consume a response as a server does (PEP 3333)."""
    body = application(environ, lambda status, headers, exc_info=None: io.BytesIO.write)
    try:
        for _ in body:
            pass
    finally:
        if close := getattr(body, "close", None):
            close()


def _wait_for_quiet(log: Path) -> None:
    """Wait until the log has not grown for 0.3 seconds."""
    size = -1
    while size != (size := log.stat().st_size):
        time.sleep(0.3)


SUBJECT = Subject(
    "accesslog",
    "Access log compared with no log",
    (
        Comparison("recipe's: requests per second", "rate 4", "/s", more_is_better=True, contender=NEW, baseline=NONE),
        Comparison("Paste's: requests per second", "rate 4", "/s", more_is_better=True, contender=PASTE, baseline=NONE),
        Comparison("recipe's: CPU time per request", "cpu 4", "µs", contender=NEW, baseline=NONE),
        Comparison("Paste's: CPU time per request", "cpu 4", "µs", contender=PASTE, baseline=NONE),
        Comparison("the filter alone, compared with Paste's", "own", "µs", contender=NEW, baseline=PASTE),
    ),
    contenders,
)
