"""Servers that run in a process of ours: how they listen, end and fork, with a small application."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from handmade import App, Client, asking, is_read
from recipe.common.address import Address
from recipe.common.servers import SERVERS
from recipe.control.workers import workers
from recipe.wsgi import loop, signals
from recipe.wsgi.settings import read_section
from recipe.wsgi.sockets import Listener, bind, distribute, siblings
from waiting import wait_for
from wsgi_servers import battery

EMBEDDED = ["cheroot", "bjoern", "granian", "uwsgi", "pyruvate", "werkzeug"]


@pytest.fixture(params=battery(*EMBEDDED))
def server(request: pytest.FixtureRequest) -> str:
    """The name of a server."""
    return str(request.param)


@pytest.fixture
def app(tmp_path: Path, port: int, server: str) -> Iterator[App]:
    """An application that such a server serves on `port`."""
    app = App(tmp_path)
    app.write(f"use = egg:plone.recipe.zope2instance#{server}\nlisten = 127.0.0.1:{port}\ngraceful_timeout = 10")
    yield app
    app.close()


def test_requests_under_way_and_received_in_part_are_answered(app: App, port: int) -> None:
    process = app.serve()
    with Client(("127.0.0.1", port)) as slow, Client(("127.0.0.1", port)) as half:
        half.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf ")
        wait_for(lambda: is_read(half))
        app.begin(slow, 1)
        process.send(signal.SIGTERM)
        headers, body = slow.answer()
        assert body.startswith("pid")
        assert "close" in headers["connection"]
        time.sleep(0.3)
        half.send("whole")
        assert half.answer()[1] == "half whole"
    assert process.ended() == 0


FAULTY = """
import application

def factory(global_conf, **settings):
    return faulty

def faulty(environ, start_response):
    if environ["PATH_INFO"] == "/fault":
        raise ValueError("a fault")
    if environ["PATH_INFO"] == "/late":
        return late(start_response)
    if environ["PATH_INFO"] == "/half":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "8")])(b"half")
        raise ValueError("a fault")
    if environ["PATH_INFO"] == "/blocks":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
        return (b"", b"blo", b"cks")
    if environ["PATH_INFO"] == "/none":
        return (b"", None)
    if environ["PATH_INFO"] == "/text":
        return (b"", "text")
    return application.application(environ, start_response)

def late(start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    yield b"late"
"""


def test_a_connection_stays_in_step(app: App, port: int, server: str) -> None:
    """Over one connection: HEAD, a body in chunks, a fault, a body that is too large, and then a page."""
    (app.directory / "faulty.py").write_text(FAULTY)
    lines = f"use = egg:plone.recipe.zope2instance#{server}\nlisten = 127.0.0.1:{port}\nmax_request_body_size = 20"
    app.write(lines, application="paste.app_factory = faulty:factory")
    process = app.serve()
    client = HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        client.request(method, path, body, headers, encode_chunked=isinstance(body, list))
        response = client.getresponse()
        return response.status, response.read().decode()

    assert ask("HEAD", "/") == (200, "")
    assert ask("HEAD", "/late") == (200, "")
    assert ask("GET", "/late") == (200, "late")
    assert ask("GET", "/blocks") == (200, "blocks")
    if SERVERS[server].chunked:
        assert ask("POST", "/", [b"in ", b"chunks"], **{"Transfer-Encoding": "chunked"}) == (200, "in chunks")
    for path in ("/fault", "/none", "/text"):
        assert ask("GET", path) == (500, "Internal Server Error")
    assert ask("POST", "/", b"x" * 21)[0] == 413
    assert ask("GET", "/")[1].startswith("pid")
    client.close()
    process.expect("ValueError: a fault")
    assert "Exception while serving /fault" in process.output


def test_a_request_that_fails_in_the_midst_of_its_answer_is_over(tmp_path: Path, port: int) -> None:
    app = App(tmp_path)
    (app.directory / "faulty.py").write_text(FAULTY)
    lines = f"use = egg:plone.recipe.zope2instance#cheroot\nlisten = 127.0.0.1:{port}\ngraceful_timeout = 30"
    app.write(lines, application="paste.app_factory = faulty:factory")
    process = app.serve()
    with Client(("127.0.0.1", port)) as client:
        client.ask("/half")
        process.expect("ValueError: a fault")
    told = time.monotonic()
    process.send(signal.SIGTERM)
    assert process.ended() == 0
    assert time.monotonic() - told < 10


def test_a_signal_to_stop_wakes_the_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    class Idle(loop.LoopServer):
        def start(self, app: Any) -> None:
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()

    monkeypatch.setattr(loop, "TICK", 60)
    monkeypatch.setattr(signals, "reopen_logs", lambda: None)
    start = time.monotonic()
    Idle(read_section({}, {"listen": "127.0.0.1:0"}), []).serve(lambda environ, start_response: [], lambda: True)
    assert time.monotonic() - start < 30


def test_bjoern_says_that_it_listens_on_one_address(tmp_path: Path, port: int) -> None:
    app = App(tmp_path)
    app.write(f"use = egg:plone.recipe.zope2instance#bjoern\nlisten = 127.0.0.1:{port} unix:{tmp_path}/socket")
    process = app.start()
    assert process.ended() == 1
    assert "bjoern can listen on one address only, not on http://127.0.0.1" in process.output
    assert not (tmp_path / "socket").exists()


@pytest.mark.parametrize(
    ("server", "line", "header"),
    [
        ("cheroot", "server_name = Ours", "server"),
        ("granian", "http1_keep_alive = false", "connection"),
        ("uwsgi", "add-header = X-Ours: yes", "x-ours"),
    ],
)
def test_settings_of_their_own_reach_them(tmp_path: Path, port: int, server: str, line: str, header: str) -> None:
    app = App(tmp_path)
    answers = []
    for lines in ("", line):
        app.write(f"use = egg:plone.recipe.zope2instance#{server}\nlisten = 127.0.0.1:{port}\n{lines}")
        process = app.serve()
        with Client(("127.0.0.1", port)) as client:
            client.ask()
            answers.append(client.answer()[0].get(header))
        process.send(signal.SIGTERM)
        assert process.ended() == 0
    cheroot = [f"Cheroot/{version('cheroot')}", "Ours"]
    assert answers == {"cheroot": cheroot, "granian": [None, "close"], "uwsgi": [None, "yes"]}[server]


@pytest.mark.parametrize(
    ("server", "name", "text", "mistake"),
    [
        ("cheroot", "timeout", "10", ""),
        ("cheroot", "timeout", "soon", "'soon' is not a whole number"),
        ("cheroot", "peercreds_enabled", "maybe", "'maybe' is not true or false"),
        ("cheroot", "time_out", "10", "cheroot does not accept this setting; did you mean timeout? Allowed: "),
        ("granian", "http1_header_read_timeout", "5000", ""),
        ("granian", "runtime_threads", "x", "'x' is not a whole number"),
        ("granian", "http2_max_frame_size", "5000", "granian does not accept this setting"),
        ("bjoern", "timeout", "10", "bjoern has no settings of its own; remove this one"),
        ("pyruvate", "send_timeout", "60", ""),
        ("pyruvate", "send_timeout", "256", "'256' is not between 1 and 255"),
        ("pyruvate", "max_number_headers", "many", "'many' is not a whole number"),
        ("pyruvate", "max_reuse_count", "9", "pyruvate does not accept this setting"),
        ("uwsgi", "harakiri", "60", ""),
        ("uwsgi", "harakri", "60", "is not a setting of uWSGI; did you mean harakiri?"),
        ("werkzeug", "ssl_context", "adhoc", "werkzeug has no settings of its own"),
    ],
)
def test_a_setting_that_a_server_does_not_take_is_told(server: str, name: str, text: str, mistake: str) -> None:
    module = import_module(SERVERS[server].module)
    found = list(module.setting_errors({name: text}))
    assert found == [] if not mistake else found[0][0] == name and found[0][1].startswith(mistake)


@pytest.fixture(params=battery(*(name for name, server in SERVERS.items() if server.workers)))
def team(request: pytest.FixtureRequest, tmp_path: Path, port: int) -> Iterator[App]:
    """An application that two workers of a server serve on `port`."""
    app = App(tmp_path)
    name = SERVERS[request.param].entry_point
    app.write(f"use = egg:plone.recipe.zope2instance#{name}\nlisten = 127.0.0.1:{port}\nworkers = 2")
    yield app
    app.close()


def test_workers_end_with_their_master(team: App, port: int) -> None:
    process = team.serve()
    wait_for(lambda: len(workers(process.pid)) == 2)
    processes = workers(process.pid)
    with asking(port, "/", clients=2, lasting=False):
        process.kill()
        wait_for(lambda: not [pid for pid in processes if Path(f"/proc/{pid}/cmdline").exists()])
    assert "in progress" not in team.log.read_text()


def connections(group: list[Listener], clients: int) -> Counter[int]:
    """How many of so many clients are led to each sibling, by its index."""
    found: Counter[int] = Counter()
    with ExitStack() as stack:
        for _ in range(clients):
            stack.enter_context(socket.create_connection(group[0].socket.getsockname()[:2]))
        for index, each in enumerate(group):
            each.socket.setblocking(False)
            while True:
                try:
                    stack.enter_context(each.socket.accept()[0])
                except BlockingIOError:
                    break
                found[index] += 1
    assert found.total() == clients
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel leads nobody")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("early", [True, False])
def test_clients_are_led_to_the_siblings_that_serve(host: str, early: bool, port: int) -> None:
    [listener] = bind(Address(host, port), early=early, backlog=100, permissions=0o600)
    group = siblings([listener], 100, 3)
    try:
        assert distribute(group, [0])
        for each in group if not early else ():
            each.listen(100)
        assert set(connections(group, 90)) == {0}
        for serving in ([1], [0, 2], [2], [0, 1, 2]):
            assert distribute(group, serving)
            assert set(connections(group, 90)) == set(serving)
    finally:
        for each in group:
            each.close()
