"""Signals: how the usual server ends, and reopens its logs; what every server does is in `test_wsgi_servers`."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from handmade import App, Client, Instance, get, is_read, refused
from waiting import wait_for


@pytest.fixture
def app(tmp_path: Path, port: int) -> Iterator[App]:
    """An application that listens on `port`."""
    app = App(tmp_path)
    app.write(f"listen = 127.0.0.1:{port}\ngraceful_timeout = 10")
    yield app
    app.close()


@pytest.fixture
def client(app: App, port: int) -> Iterator[Client]:
    """A connection to the application's server, which runs."""
    app.serve()
    with Client(("127.0.0.1", port)) as client:
        yield client


STOPS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]


@pytest.mark.parametrize("number", STOPS)
def test_idle_it_ends_within_two_seconds(app: App, port: int, number: signal.Signals) -> None:
    process = app.serve()
    with Client(("127.0.0.1", port)) as client:
        client.get()  # the connection stays, idle
        start = time.monotonic()
        process.send(number)
        assert process.ended() == 0
    assert time.monotonic() - start < 2
    assert "Traceback" not in process.output


def test_a_request_received_in_part_is_answered(app: App, client: Client, port: int) -> None:
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf ")
    wait_for(lambda: is_read(client))
    app.processes[0].send(signal.SIGTERM)
    wait_for(lambda: refused(port))
    time.sleep(0.5)
    client.send("whole")
    assert client.answer()[1] == "half whole"
    assert app.processes[0].ended() == 0


def test_pipelined_requests_are_answered(app: App, client: Client) -> None:
    client.send(3 * "GET /sleep/0.4 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_for(lambda: is_read(client))
    app.processes[0].send(signal.SIGTERM)
    connections = [client.answer()[0].get("connection") for _ in range(3)]
    assert connections == [None, None, "close"]
    assert app.processes[0].ended() == 0


def test_the_port_is_free_while_requests_finish(app: App, client: Client, port: int) -> None:
    app.begin(client, 2)
    app.processes[0].send(signal.SIGTERM)
    wait_for(lambda: refused(port))
    successor = app.serve()
    assert get(("127.0.0.1", port)) == f"pid {successor.pid}"
    assert client.answer()[1] == f"pid {app.processes[0].pid}"


def test_hangups_are_ignored_under_nohup(app: App, port: int) -> None:
    code = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        f"os.execv(sys.executable, [sys.executable, '-m', 'recipe.wsgi.serve', {str(app.ini)!r}])"
    )
    process = app.run("-c", code)
    process.expect("Serving on")
    process.send(signal.SIGHUP)
    time.sleep(0.5)
    assert get(("127.0.0.1", port)) == f"pid {process.pid}"
    process.send(signal.SIGTERM)
    assert process.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_logs_are_reopened_and_no_line_is_lost(app: App, port: int, number: signal.Signals) -> None:
    process = app.serve()
    over = threading.Event()
    count = 0

    def log() -> None:
        nonlocal count
        with Client(("127.0.0.1", port)) as client:
            while not over.is_set():
                assert client.get(f"/log/line-{count}") == f"pid {process.pid}"
                count += 1

    thread = threading.Thread(target=log)
    thread.start()
    rotated = [app.log.with_suffix(f".{i}") for i in range(8)]
    try:
        for path in rotated:
            time.sleep(0.15)
            app.log.rename(path)
            process.send(number)
            wait_for(app.log.exists)
    finally:
        over.set()
        thread.join()
    process.send(signal.SIGTERM)
    assert process.ended() == 0
    text = "".join(path.read_text() for path in [*rotated, app.log])
    assert count > 20
    assert re.findall(r"line-(\d+)", text) == [str(i) for i in range(count)]


def test_every_kind_of_file_handler_is_reopened(tmp_path: Path) -> None:
    code = """
import logging, logging.handlers, os, sys
from recipe.wsgi.logs.reopen import reopen
import io
logging.raiseExceptions = True
handlers = {
    "plain": logging.FileHandler("plain", "w"),
    "watched": logging.handlers.WatchedFileHandler("watched"),
    "sized": logging.handlers.RotatingFileHandler("sized", maxBytes=10**6, backupCount=1),
    "timed": logging.handlers.TimedRotatingFileHandler("timed"),
    "delayed": logging.FileHandler("delayed", delay=True),
    "behind": logging.FileHandler("behind"),
}
target = handlers.pop("behind")
handlers["memory"] = logging.handlers.MemoryHandler(100, logging.INFO, target)
for name, handler in handlers.items():
    logger = logging.getLogger(f"some.{name}")
    logger.addHandler(handler)
    logger.error("before")
for name in os.listdir():
    os.rename(name, f"old-{name}")
reopen()
for name in handlers:
    logging.getLogger(f"some.{name}").error("after")
reopen()
os.mkdir("elsewhere")
handlers["plain"].baseFilename = os.path.abspath("elsewhere")
reopen()
logging.getLogger("some.plain").error("still")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "cannot reopen the log" in done.stderr
    files = {p.name: p.read_text().split() for p in tmp_path.iterdir() if p.is_file()}
    for name in ("watched", "sized", "timed", "delayed", "behind"):
        assert files[f"old-{name}"][-1] == "before", name
        assert files[name][-1] == "after", name
    assert files["plain"] == ["after", "still"]


SERVERS = """
import time

def plain(app, conf):
    print("plain", flush=True)
    time.sleep(60)

def deaf(app, conf):
    # As one in C whose loop drops what a handler raises; the second time it gives in.
    print("deaf", flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(60)
"""


@pytest.mark.parametrize("name", ["plain", "deaf"])
@pytest.mark.parametrize("number", STOPS)
def test_servers_not_our_own_end(app: App, name: str, number: signal.Signals) -> None:
    (app.directory / "servers.py").write_text(SERVERS)
    app.write(f"#use =\npaste.server_runner = servers:{name}")
    process = app.start()
    process.expect(name)
    process.send(signal.SIGUSR2)
    process.send(number)
    assert process.ended(8) == 0
    assert "Traceback" not in process.output


def test_zope_closes_its_databases_and_its_pid_file(tmp_path: Path, port: int) -> None:
    instance = Instance(tmp_path, port)
    instance.pid_file.write_text("1\n")  # stale, and recycled: init
    try:
        process = instance.serve()
        assert instance.pid_file.read_text() == f"{process.pid}\n"
        assert "Zope" in get(instance.address)
        assert "Ready to handle requests" in instance.log.read_text()
        # The index is what FileStorage writes when it is closed.
        index = instance.var / "filestorage" / "Data.fs.index"
        index.unlink(missing_ok=True)
        process.send(signal.SIGTERM)
        assert process.ended() == 0
        assert index.exists()
        assert not instance.pid_file.exists()
    finally:
        instance.close()


def test_zope_s_own_mistakes_take_one_line(tmp_path: Path, port: int) -> None:
    instance = Instance(tmp_path, port)

    def failure(application: str = "") -> str:
        if application:
            instance.write(f"listen = 127.0.0.1:{port}", application=application)
        process = instance.start()
        assert process.ended() == 1
        lines = [line for line in process.output.splitlines() if " INFO " not in line]
        assert len(lines) == 1, process.output
        return lines[0]

    good = instance.zope_conf.read_text()
    instance.zope_conf.write_text(good + "no-such-key 1\n")
    assert "no-such-key" in failure()
    instance.zope_conf.write_text(good.replace("</zodb_db>", ""))
    assert "unclosed sections" in failure()
    assert "/no/such/zope.conf" in failure("use = egg:Zope#main\nzope_conf = /no/such/zope.conf")


def test_a_database_in_use_takes_one_line(tmp_path: Path, port: int) -> None:
    instance = Instance(tmp_path, port)
    try:
        instance.serve()
        instance.write("listen = 127.0.0.1:0", application=instance.application())
        process = instance.start()
        assert process.ended() == 1
        assert process.output.splitlines()[-1].endswith("another process has the database open")
        assert "Traceback" not in process.output
        with suppress(OSError):
            assert "Zope" in get(instance.address)
    finally:
        instance.close()
