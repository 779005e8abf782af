"""The access log: what is written for each kind of answer, and through the real server."""

from __future__ import annotations

import io
import logging
import pickle
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any
from wsgiref.util import FileWrapper, setup_testing_defaults

import pytest
from waitress import wasyncore
from waitress.server import create_server

from recipe.wsgi.logs.accessline import RECORD_ATTRIBUTE, clf_time
from recipe.wsgi.logs.accesslog import AccessLog, filter_factory

Start = Callable[..., Any]


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The lines of the logger ``wsgi``, as they come."""
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    logger, handler, level = logging.getLogger("wsgi"), Keep(), logging.getLogger("wsgi").level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(level)


def ask(app: Any, **environ: Any) -> bytes:
    """Call an application as a server does: start, iterate, close."""
    environ = {"REMOTE_ADDR": "192.0.2.7", "SERVER_PROTOCOL": "HTTP/1.1"} | environ
    setup_testing_defaults(environ)
    application = filter_factory({})(app)
    try:
        body = application(environ, lambda status, headers, exc_info=None: io.BytesIO().write)
        try:
            return b"".join(body)
        finally:
            getattr(body, "close", lambda: None)()
    finally:
        application.writer.flush()  # type: ignore[attr-defined]


def page(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def test_the_combined_line(lines: list[str]) -> None:
    ask(
        page,
        PATH_INFO="/a b/ü".encode().decode("latin-1"),
        QUERY_STRING="x=1",
        REMOTE_USER="jo",
        HTTP_REFERER="http://r/",
        HTTP_USER_AGENT="Agent/1",
    )
    assert re.fullmatch(
        r"192\.0\.2\.7 - jo \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "
        r'"GET /a%20b/%C3%BC\?x=1 HTTP/1\.1" 200 5 "http://r/" "Agent/1"',
        lines[0],
    )
    assert len(lines) == 1


def test_the_record_can_be_sent_elsewhere(caplog: pytest.LogCaptureFixture, lines: list[str]) -> None:
    with caplog.at_level(logging.INFO, "wsgi"):
        ask(page, QUERY_STRING="x=1", **{"wsgi.input": io.TextIOWrapper(io.BytesIO())})
    parts = pickle.loads(pickle.dumps(caplog.records[0].__dict__))[RECORD_ATTRIBUTE]
    assert (parts["method"], parts["path"], parts["status"], parts["bytes"]) == ("GET", "/?x=1", 200, 5)


def test_what_is_missing_is_a_dash(lines: list[str]) -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("304 Not Modified", [])
        return []

    ask(app)
    assert lines[0].endswith('"GET / HTTP/1.1" 304 - "-" "-"')


def test_a_client_cannot_forge_a_line(lines: list[str]) -> None:
    ask(page, HTTP_USER_AGENT='x" 200 - "\n\\', HTTP_REFERER="\x1b[2J")
    assert lines[0].endswith(r'''"\x1b[2J" "x\" 200 - \"\x0a\\"''')
    assert "\n" not in lines[0]
    ask(page, SERVER_PROTOCOL='x" 200\n')
    assert r'"GET / x\" 200\x0a" 200 5 ' in lines[1]


def test_blocks_are_counted_and_closed(lines: list[str]) -> None:
    closed = []

    class Blocks:
        def __iter__(self) -> Iterator[bytes]:
            yield b"one"
            assert lines == []  # logged when complete
            yield b"two!"

        def close(self) -> None:
            closed.append(True)

    def app(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Blocks()

    assert ask(app) == b"onetwo!"
    assert " 200 7 " in lines[0]
    assert closed == [True]


def test_write_is_counted(lines: list[str]) -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"abc")
        return [b"de"]

    ask(app)
    assert " 200 5 " in lines[0]


def test_head_has_no_body(lines: list[str]) -> None:
    ask(page, REQUEST_METHOD="HEAD")
    assert ' 200 - "' in lines[0]


def test_an_application_that_raises_is_logged(lines: list[str]) -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        ask(app)
    assert " 500 - " in lines[0]


def test_a_body_that_breaks_is_closed_and_logged(lines: list[str]) -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])

        def blocks() -> Iterator[bytes]:
            yield b"abc"
            raise ValueError("broken")

        return blocks()

    with pytest.raises(ValueError, match="broken"):
        ask(app)
    assert " 200 3 " in lines[0]


def test_a_file_goes_on_as_the_server_s_own(lines: list[str]) -> None:
    file = io.BytesIO(b"x" * 100_000)
    wrapper = FileWrapper(file)

    def app(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        return wrapper

    environ: dict[str, Any] = {"wsgi.file_wrapper": FileWrapper}
    setup_testing_defaults(environ)
    body = AccessLog(app, logging.getLogger("wsgi"))(environ, lambda *args: io.BytesIO().write)
    assert body is wrapper


def test_nothing_is_done_for_a_level_that_is_off(lines: list[str]) -> None:
    logging.getLogger("wsgi").setLevel(logging.ERROR)
    ask(page)
    assert lines == []


def test_times_are_local_and_english() -> None:
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/2001:\d\d:46:40 [+-]\d{4}", clf_time(1_000_000_000))
    assert clf_time(1_000_000_001).split(":")[-1].startswith("41 ")


@contextmanager
def waitress(app: Any, **settings: Any) -> Iterator[str]:
    sockets: dict[int, Any] = {}
    server = create_server(app, sockets, listen="127.0.0.1:0", clear_untrusted_proxy_headers=True, **settings)
    over = Event()

    def serve() -> None:
        while not over.is_set():
            wasyncore.loop(timeout=1, map=sockets, count=1)

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.effective_port}"
    finally:
        over.set()
        server.pull_trigger()
        thread.join()  # no socket is closed under its hands
        server.close()
        server.task_dispatcher.shutdown()


def get(address: str, head: str = "", path: str = "/x") -> bytes:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(f"GET {path} HTTP/1.0\r\n{head}\r\n".encode())
        return b"".join(iter(lambda: client.recv(65536), b""))


def wait_for(lines: list[str]) -> str:
    import time

    end = time.monotonic() + 60
    while not lines and time.monotonic() < end:
        time.sleep(0.01)
    return lines[0]


def test_through_waitress_with_a_large_file(lines: list[str]) -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Any:
        start_response("200 OK", [("Content-Length", "3000000")])
        return environ["wsgi.file_wrapper"](io.BytesIO(b"x" * 3_000_000))

    with waitress(filter_factory({})(app)) as address:
        assert len(get(address).partition(b"\r\n\r\n")[2]) == 3_000_000
        assert '"GET /x HTTP/1.0" 200 3000000 ' in wait_for(lines)


@pytest.mark.parametrize(
    ("trusted", "client"), [("127.0.0.1", "198.51.100.9"), ("203.0.113.1", "127.0.0.1")], ids=["trusted", "untrusted"]
)
def test_the_client_behind_a_proxy(lines: list[str], trusted: str, client: str) -> None:
    settings = {"trusted_proxy": trusted, "trusted_proxy_headers": "x-forwarded-for"}
    with waitress(filter_factory({})(page), **settings) as address:
        get(address, "X-Forwarded-For: 198.51.100.9\r\n")
        assert wait_for(lines).startswith(f"{client} - ")


def test_through_waitress_the_application_raises(lines: list[str]) -> None:
    """Before and after it has begun to answer: one line each, and the server goes on."""

    def app(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        if environ["QUERY_STRING"] == "late":
            start_response("200 OK", [])
            return late(b"abc")
        if environ["QUERY_STRING"] == "first":
            start_response("200 OK", [])
            return late(b"")
        raise ValueError("broken")

    def late(block: bytes) -> Iterator[bytes]:
        yield block
        raise ValueError("broken")

    with waitress(filter_factory({})(app)) as address:
        assert get(address).startswith(b"HTTP/1.0 500 ")
        assert '"GET /x HTTP/1.0" 500 - ' in wait_for(lines)
        lines.clear()
        assert get(address, path="/x?late").endswith(b"\r\n\r\nabc")
        assert '"GET /x?late HTTP/1.0" 200 3 ' in wait_for(lines)
        assert len(lines) == 1
        lines.clear()
        assert get(address, path="/x?first").startswith(b"HTTP/1.0 500 ")
        assert '"GET /x?first HTTP/1.0" 500 - ' in wait_for(lines)


def test_through_waitress_a_client_that_goes_away(lines: list[str]) -> None:
    """What was not sent is not counted, and the application's body is closed."""
    closed = Event()

    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x" * 100_000

        def close(self) -> None:
            closed.set()

    def app(environ: dict[str, Any], start_response: Start) -> Any:
        start_response("200 OK", [])
        return Endless()

    with waitress(filter_factory({})(app), outbuf_high_watermark=200_000) as address:
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as client:
            client.sendall(b"GET /x HTTP/1.0\r\n\r\n")
            got = len(client.recv(100_000))
        assert closed.wait(60)
        sent = re.search(r'"GET /x HTTP/1.0" 200 (\d+) ', wait_for(lines))
    assert sent
    # Besides what it read: what lay in the buffers of the server and of the system
    assert got <= int(sent[1]) < 50_000_000
