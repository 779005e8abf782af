"""File descriptors of 1024 and above, with which select() fails."""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from handmade import App, Client, get
from parts import ini, wsgi_ini
from recipe.common.polling import readable
from recipe.wsgi.servers.waitress import read_settings

#: An application that holds files until its process has no descriptor below `ABOVE` left.
HOARDER = """
import os, resource

resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

def factory(global_conf):
    return application

def application(environ, start_response):
    held = "all"
    if environ["PATH_INFO"] == "/hold":
        try:
            while os.open(os.devnull, os.O_RDONLY) < 1100:
                pass
        except OSError as error:
            held = str(error.errno)
    start_response("200 OK", [])
    return [held.encode()]
"""


@pytest.fixture
def hoarder(tmp_path: Path) -> Iterator[App]:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 4096:
        pytest.skip("this user may not open 4096 files")
    app = App(tmp_path)
    (tmp_path / "hoarder.py").write_text(HOARDER)
    yield app
    app.close()


@pytest.mark.parametrize("setting", ["", "asyncore_use_poll = false", "asyncore_use_poll = true"])
def test_the_server_serves_beyond_1024(hoarder: App, port: int, setting: str) -> None:
    """False is what 9.1.0, and the releases of this package before, wrote for a part without the option."""
    hoarder.write(f"listen = 127.0.0.1:{port}\n{setting}", application="paste.app_factory = hoarder:factory")
    process = hoarder.serve()
    assert get(("127.0.0.1", port), "/hold") == "all"
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(("127.0.0.1", port))) for _ in range(10)]
        assert [client.get("/") for client in clients] == ["all"] * 10
    process.send(signal.SIGTERM)
    assert process.ended() == 0


def test_with_select_no_descriptor_is_too_high(hoarder: App, port: int) -> None:
    hoarder.write(
        f"listen = 127.0.0.1:{port}\nasyncore_use_poll = select", application="paste.app_factory = hoarder:factory"
    )
    process = hoarder.serve()
    with Client(("127.0.0.1", port)) as client:
        assert client.get("/hold") == "24"  # EMFILE
        with socket.create_connection(("127.0.0.1", port)):
            assert client.get("/") == "all"
    process.send(signal.SIGTERM)
    assert process.ended() == 0
    assert "Using select()" in hoarder.log.read_text()


@pytest.mark.parametrize(
    ("text", "poll", "connections"),
    [
        ("", True, 500),
        ("asyncore-use-poll = on", True, 500),
        ("asyncore-use-poll = off", False, 100),
        ("asyncore-use-poll = off\nwaitress-connection-limit = 300", False, 300),
        ("waitress-connection-limit = 300", True, 300),
    ],
)
def test_the_option(text: str, poll: bool, connections: int) -> None:
    section = dict(ini(wsgi_ini(text)).items("server:main"))
    section = {key: value for key, value in section.items() if key not in ("use", "here", "__file__")}
    adjustments = read_settings({}, section).adjustments
    assert (adjustments.asyncore_use_poll, adjustments.connection_limit) == (poll, connections)


def test_waiting_for_a_high_descriptor() -> None:
    reading, writing = os.pipe()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        os.dup2(reading, 1500)
        assert not readable([1500], 0)
        os.write(writing, b"x")
        assert readable([1500], 10)
    finally:
        for descriptor in (reading, writing, 1500):
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
