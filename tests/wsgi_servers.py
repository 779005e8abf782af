"""Each server that ``wsgi-server`` can name, with a small application of the tests' own behind it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from handmade import GATE, App, Client, Process
from recipe.common.servers import SERVERS, Description
from waiting import wait_for

#: Those with which ``make test`` is content: the usual one, one with processes of its own, and one that runs in ours.
FIRST = ("waitress", "gunicorn", "granian")


def battery(*names: str) -> list[Any]:
    """Return servers as parameters of tests, which for all but the first few run in ``make test-all`` only.

    With other Pythons (``make test-pythons``), only those of waitress run.
    """
    return [
        pytest.param(
            name,
            marks=[
                *([] if name in FIRST else [pytest.mark.other_server]),
                *([] if name == "waitress" else [pytest.mark.one_python]),
            ],
        )
        for name in names
    ]


#: The application tells what a request was, or how long it takes.
APPLICATION = """
import atexit
import hashlib
import json
import logging
import os
import time

atexit.register(lambda: logging.getLogger("application").warning("process %d is through", os.getpid()))
time.sleep(float(os.environ.get("SLOW_START", 0)))
@GATE@

def factory(global_conf, **settings):
    if os.path.exists("broken"):
        raise RuntimeError(open("broken").read())
    return application


def application(environ, start_response):
    name, *args = environ["PATH_INFO"].lstrip("/").split("/")
    return globals().get(name or "pid", pid)(environ, start_response, *args)


def answer(start_response, text, status="200 OK"):
    body = text.encode()
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def pid(environ, start_response, *names):
    return answer(start_response, "pid %d" % os.getpid())


def sleep(environ, start_response, seconds):
    begun()
    time.sleep(float(seconds))
    return pid(environ, start_response)


def log(environ, start_response, text):
    logging.getLogger("application").info(text)
    return pid(environ, start_response)


def tell(environ, start_response, *names):
    known = {k: v for k, v in environ.items() if isinstance(v, (str, int, bool))}
    return answer(start_response, json.dumps(known))


def body(environ, start_response):
    digest, size = hashlib.sha256(), 0
    left = int(environ.get("CONTENT_LENGTH") or 0)
    while left and (block := environ["wsgi.input"].read(min(left, 65536))):
        digest.update(block)
        size += len(block)
        left -= len(block)
    return answer(start_response, "%d %s" % (size, digest.hexdigest()))


def again(environ, start_response):
    first = environ["wsgi.input"].read()
    environ["wsgi.input"].seek(0)
    assert environ["wsgi.input"].read() == first
    return answer(start_response, "twice %d" % len(first))


def blocks(environ, start_response, number):
    start_response("200 OK", [("Content-Length", str(int(number) * 65536))])
    return (b"x" * 65536 for _ in range(int(number)))
"""


class Served(App):
    """A directory with the application and a wsgi.ini for one of the servers."""

    def __init__(self, directory: Path, name: str, port: int) -> None:
        super().__init__(directory)
        (directory / "application.py").write_text(APPLICATION.replace("@GATE@", GATE))
        self.name = name
        self.port = port
        self.address = ("127.0.0.1", port)

    @property
    def server(self) -> Description:
        """What the server can do."""
        return SERVERS[self.name]

    def configure(self, settings: str = "", addresses: str = "", *, logged: str = "") -> None:
        """Write wsgi.ini with these lines in ``[server:main]``; `logged` is another application, with an access log."""
        addresses = addresses or f"fast-listen = 127.0.0.1:{self.port}"
        self.write(
            f"use = egg:{self.server.distribution}#{self.server.entry_point}\n{addresses}\n{settings}",
            application=f"paste.app_factory = {logged}\nfilter-with = log" if logged else "",
            more="[filter:log]\nuse = egg:plone.recipe.zope2instance#translogger\n" if logged else "",
        )

    def tell(self, *headers: str, address: tuple[str, int] | str | None = None) -> dict[str, Any]:
        """Return what the application knows of a request with these headers."""
        with Client(address or self.address) as client:
            client.send("".join(f"{line}\r\n" for line in ("GET /tell HTTP/1.1", "Host: localhost", *headers, "")))
            told: dict[str, Any] = json.loads(client.answer()[1])
        return told

    def status(self, head: str, body: bytes = b"") -> str:
        """Return the status with which a request is answered; empty where the connection ends without one."""
        with Client(self.address) as client:
            with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has all
                client.send(head)
                client.socket.sendall(body)
            try:
                return client.file.readline().decode().strip()
            except ConnectionResetError:
                return ""

    def pids(self, wanted: int) -> set[int]:
        """Return the processes that answer, once there are as many as wanted."""
        found: set[int] = set()

        def ask() -> bool:
            # Several at once, so that one that waits for work is not always the same
            clients = [Client(self.address) for _ in range(4 * wanted)]
            for client in clients:
                client.ask("/sleep/0.2")
            for client in clients:
                with client:
                    found.add(int(client.answer()[1].split()[1]))
            return len(found) >= wanted

        wait_for(ask, 60, lambda: f"only {found} of {wanted} processes answer")
        return found


@contextmanager
def slow_clients(address: tuple[str, int], number: int, text: str) -> Iterator[None]:
    """Let so many clients each begin a request, by this text, and not end it while the block runs."""
    clients = []
    try:
        for _ in range(number):
            client = socket.socket()
            client.settimeout(20)
            client.connect(address)
            client.sendall(text.encode())
            clients.append(client)
        yield
    finally:
        for client in clients:
            client.close()


def answers_within(address: tuple[str, int], seconds: float) -> bool:
    """Whether a request is answered in that time."""
    try:
        with Client(address, timeout=seconds) as client:
            return client.get().startswith("pid ")
    except TimeoutError:
        return False


def taken(port: int) -> bool:
    """Whether a port of 127.0.0.1 is bound, whoever may listen there."""
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


def end(process: Process) -> None:
    """End a server, and see that it ended well."""
    process.send(signal.SIGTERM)
    assert process.ended(60) == 0, process.output


def insist(process: Process, number: signal.Signals = signal.SIGTERM) -> None:
    """Send a signal for the second time: again and again, since the first one may not have been noticed yet."""
    for _ in range(5):
        process.send(number)
        with suppress(subprocess.TimeoutExpired):
            process.ended(3)
            return
    raise AssertionError(f"it goes on after a second signal:\n{process.output}")


def kill(pid: int) -> None:
    """Kill a process as the kernel does when memory is short, and wait until it has ended."""
    os.kill(pid, signal.SIGKILL)
    status = Path(f"/proc/{pid}/status")

    def is_dead() -> bool:
        with suppress(FileNotFoundError, ProcessLookupError):
            return "\nState:\tZ" in status.read_text()
        return True

    wait_for(is_dead)


def is_stopped(pid: int) -> bool:
    """Whether all threads of a process have stopped after SIGSTOP (proc(5))."""
    status = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return all("\nState:\tT" in text for text in status)


@contextmanager
def in_background(work: Any) -> Iterator[threading.Thread]:
    """Run a function beside the block, and wait for it at its end."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()
