"""What pyruvate does not do right, and what is made of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from handmade import App, Client, Process, get
from waiting import wait_for

pytestmark = pytest.mark.other_server

APPLICATION = """
import json

CALLS = []

class Blocks:
    def __init__(self, blocks):
        self.blocks = iter(blocks)

    def __iter__(self):
        return self

    def __next__(self):
        CALLS.append("block")
        return next(self.blocks)

    def close(self):
        CALLS.append("closed")

def breaks():
    yield b"half"
    raise ValueError("a fault in the midst")

def factory(global_conf, **settings):
    return application

def application(environ, start_response):
    _, name, *args = environ["PATH_INFO"].split("/")
    headers = [("Content-Type", "text/plain")]
    if name == "blocks":
        CALLS.clear()
        number, size, head = map(int, args)
        # The padding lets the blocks end where the system's buffers do
        length = len("HTTP/1.1 200 OK\\r\\nX: \\r\\nContent-Length: %d\\r\\nVia: pyruvate\\r\\n" % (number * size))
        padding = "x" * max(0, head - length - len("Connection: close\\r\\n\\r\\n"))
        start_response("200 OK", [("X", padding), ("Content-Length", str(number * size))])
        return Blocks(b"x" * size for _ in range(number))
    if name == "stream":
        start_response("200 OK", headers)
        return Blocks([b"one", b"", b"two"])
    if name == "breaks":
        start_response("200 OK", headers)
        return Blocks(breaks())
    if name == "status":
        start_response(args[0] + " Some", [])
        return Blocks([])
    text = json.dumps(CALLS if name == "calls" else {k: v for k, v in environ.items() if isinstance(v, (str, bool))})
    CALLS.append(environ["PATH_INFO"]) if name != "calls" else None
    start_response("200 OK", [*headers, ("Content-Length", str(len(text)))])
    return [text.encode()]
"""


@pytest.fixture
def app(tmp_path: Path, port: int) -> Iterator[App]:
    """The application, with pyruvate in front of it."""
    app = App(tmp_path)
    (tmp_path / "application.py").write_text(APPLICATION)
    configure(app, port)
    yield app
    app.close()


def configure(app: App, port: int, settings: str = "") -> None:
    """Write wsgi.ini."""
    app.write(f"use = egg:plone.recipe.zope2instance#pyruvate\nfast-listen = 127.0.0.1:{port}\n{settings}")


def end(process: Process) -> None:
    """End a server; it does not take its whole time for that."""
    process.send(signal.SIGTERM)
    assert process.ended(15) == 0, process.output


def talk(port: int, *packets: bytes) -> bytes:
    """Send packets, with a pause after each; return all that comes until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for packet in packets:
                sock.sendall(packet)
                time.sleep(0.1)
        except OSError:
            pass  # it has ended
        return read_all(sock)


def read_all(sock: socket.socket) -> bytes:
    """Return all that comes until the connection ends."""
    got = b""
    try:
        while data := sock.recv(65536):
            got += data
    except ConnectionResetError:
        pass
    return got


HEAD = b"POST /first HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
SECOND = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_no_request_comes_out_of_a_body_in_chunks(app: App, port: int) -> None:
    process = app.serve()
    chunk = b"%x\r\n%b\r\n" % (len(SECOND), SECOND)
    for packets in (
        [HEAD + chunk + b"0\r\n\r\n"],
        [HEAD, chunk, b"0\r\n\r\n"],
        [HEAD + chunk, SECOND, SECOND],
        [HEAD + b"0\r\n\r\n" + SECOND],
        [HEAD.replace(b"\r\nT", b"\r\nContent-Length: 4\r\nT") + b"0\r\n\r\n", SECOND],
        [HEAD.replace(b"chunked", b"identity") + SECOND],
    ):
        answer = talk(port, *packets)
        assert answer.startswith(b"HTTP/1.1 411 Length Required\r\n")
        assert answer.count(b"HTTP/1.1 ") == 1
    assert get(("127.0.0.1", port), "/calls") == "[]"
    end(process)


def test_a_slow_client_gets_the_last_block_too(app: App, port: int) -> None:
    """By itself it drops a last block of which the system takes nothing at first."""
    process = app.serve()

    def stalled(number: int) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.settimeout(20)
        sock.connect(("127.0.0.1", port))
        sock.sendall(b"GET /blocks/%d/4096/4096 HTTP/1.1\r\nHost: localhost\r\n\r\n" % number)
        return sock

    with stalled(100_000):
        made = [-1]

        def full() -> bool:
            made.append(get(("127.0.0.1", port), "/calls").count("block"))
            time.sleep(0.2)
            return made[-1] == made[-2] > 0

        wait_for(full)
    # It is this many, or one more or less, that lost a block
    for number in range(max(1, made[-1] - 3), made[-1] + 4):
        with stalled(number) as sock:
            time.sleep(0.2)
            assert len(read_all(sock).split(b"\r\n\r\n", 1)[1]) == number * 4096
        wait_for(lambda: get(("127.0.0.1", port), "/calls").endswith('"closed"]'))
    # The one of the start, which has gone, keeps nobody waiting
    end(process)


def test_a_client_has_so_many_seconds_for_an_answer(app: App, port: int) -> None:
    configure(app, port, "send_timeout = 1")
    process = app.serve()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.settimeout(20)
        sock.connect(("127.0.0.1", port))
        sock.sendall(b"GET /blocks/1000/65536/0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        process.expect("Write timeout")
        assert len(read_all(sock)) < 1000 * 65536
    wait_for(lambda: get(("127.0.0.1", port), "/calls").endswith('"closed"]'))
    end(process)


def test_a_stream_has_an_end_and_one_that_breaks_off_has_none(app: App, port: int) -> None:
    process = app.serve()
    ask = "GET /{} HTTP/{}\r\nHost: localhost\r\n\r\n"
    head, body = talk(port, ask.format("stream", "1.1").encode()).split(b"\r\n\r\n", 1)
    assert b"Transfer-Encoding: chunked" in head
    assert body == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    assert talk(port, ask.format("stream", "1.0").encode()).endswith(b"\r\n\r\nonetwo")
    assert talk(port, ask.format("breaks", "1.1").encode()).endswith(b"\r\n\r\n4\r\nhalf\r\n")
    assert "ValueError: a fault in the midst" in process.output
    for status in ("204", "304"):
        answer = talk(port, ask.format(f"status/{status}", "1.1").encode())
        assert answer.endswith(b"\r\n\r\n")
        assert b"chunked" not in answer
    assert get(("127.0.0.1", port), "/calls").count("closed") == 5
    end(process)


def test_a_second_request_of_a_connection_is_not_served(app: App, port: int) -> None:
    process = app.serve()
    first = b"GET /one HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = talk(port, first + SECOND)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"\r\nConnection: close\r\n" in answer
    assert get(("127.0.0.1", port), "/calls") == '["/one"]'
    end(process)


def test_an_upload_that_breaks_off_reaches_nobody(app: App, port: int) -> None:
    process = app.serve()
    with Client(("127.0.0.1", port)) as client:
        client.send("POST /half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")
        time.sleep(0.1)
    process.expect("Incomplete request")
    assert get(("127.0.0.1", port), "/calls") == "[]"
    end(process)


def test_the_environment_is_as_others_have_it(app: App, port: int) -> None:
    process = app.serve()
    text = get(("127.0.0.1", port), "/tell")
    assert f'"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "{port}"' in text
    assert '"wsgi.multithread": true, "wsgi.multiprocess": false' in text
    environment = Path(f"/proc/{process.pid}/environ").read_bytes()
    assert b"LISTEN_" not in environment
    end(process)


# --- the file descriptor ---------------------------------------------------------------------


def test_a_descriptor_that_was_there_before_is_moved(app: App, port: int) -> None:
    """As of a service with a socket of systemd's, or of a shell."""
    reading, writing = os.pipe()
    program = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()));"
    )
    program += "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
    command = [sys.executable, "-c", program, str(writing), "-m", "recipe.wsgi.serve", str(app.ini)]
    env = os.environ | {"PYTHONPATH": str(app.directory)}
    popen = subprocess.Popen(command, env=env, pass_fds=[writing], stderr=subprocess.DEVNULL, cwd=app.directory)
    try:
        os.close(writing)
        wait_for(lambda: app.log.exists() and "Serving on" in app.log.read_text())
        assert '"SERVER_PORT"' in get(("127.0.0.1", port), "/tell")
        assert os.readlink(f"/proc/{popen.pid}/fd/3").startswith("socket:")
        pipe = os.readlink(f"/proc/self/fd/{reading}")
        numbers = os.listdir(f"/proc/{popen.pid}/fd")
        assert pipe in [os.readlink(f"/proc/{popen.pid}/fd/{number}") for number in numbers]
        popen.send_signal(signal.SIGTERM)
        assert popen.wait(20) == 0
    finally:
        popen.kill()
        popen.wait()
        os.close(reading)


def test_a_descriptor_that_the_process_has_opened_is_told(app: App, port: int) -> None:
    program = f"import os; assert os.open({str(app.ini)!r}, os.O_RDONLY) == 3; import runpy; "
    program += f"import sys; sys.argv[1:] = [{str(app.ini)!r}]; runpy.run_module('recipe.wsgi.serve', {{}}, '__main__')"
    process = app.run("-c", program)
    assert process.ended(30) == 1
    assert f"pyruvate needs file descriptor 3 for its socket, but it is in use for {app.ini}" in process.output
    assert "Traceback" not in process.output


# --- memory ----------------------------------------------------------------------------------


def test_twenty_thousand_requests_do_not_make_it_grow(app: App, port: int) -> None:
    process = app.serve()

    def resident() -> int:
        return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def ask(number: int) -> None:
        for _ in range(number):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
                sock.sendall(b"GET /blocks/3/1000/0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert read_all(sock).endswith(b"x" * 3000)

    ask(2000)
    before = resident()
    ask(20_000)
    assert resident() - before < 2 * 2**20
    end(process)
