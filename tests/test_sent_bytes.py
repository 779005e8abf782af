"""The number of bytes in a line of the access log is the one that the client has counted, with every server."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator

import pytest

from handmade import Client
from recipe.common.servers import SERVERS
from support import free_port
from waiting import wait_for
from wsgi_servers import Served, battery, end

SIZE = 200_000

#: These lack the old interface of PEP 3333.
WITHOUT_WRITE = ("bjoern", "granian", "pyruvate")

#: Each function is a kind of response; the query is the number of bytes of the body, and of its Content-Length.
BODIES = """
import io
import os

HERE = os.path.dirname(os.path.abspath(__file__))


def factory(global_conf, **settings):
    return application


def application(environ, start_response):
    size, length = environ["QUERY_STRING"].split(",")
    headers = [("Content-Type", "application/octet-stream")]
    if length:
        headers.append(("Content-Length", length))
    kind = environ["PATH_INFO"][1:]
    if kind.isdecimal():
        start_response(kind + " Status", headers)
        return []
    write = start_response("206 Partial Content" if kind.endswith("_range") else "200 OK", headers)
    if kind == "written":
        write(b"x" * (int(size) // 2))
        return [b"x" * (int(size) - int(size) // 2)]
    return globals()[kind](environ, int(size))


def whole(environ, size):
    return [b"x" * size]


def pair(environ, size):
    return b"x" * (size // 2), b"x" * (size - size // 2)


def blocks(environ, size):
    for start in range(0, size, 10000):
        yield b"x" * min(10000, size - start)


def wrapped(environ, file):
    # What plone.namedfile's iterators return ends at the end of a range; what they read does not
    wrapper = environ.get("wsgi.file_wrapper")
    return wrapper(file) if wrapper else parts(file, int(environ["QUERY_STRING"].split(",")[0]))


def parts(file, size):
    with file:
        while size and (part := file.read(min(size, 65536))):
            size -= len(part)
            yield part


def path(size):
    name = os.path.join(HERE, "file-%d-%d" % (size, os.getpid()))
    if not os.path.exists(name):
        with open(name, "wb") as file:
            file.truncate(size)
    return name


def file(environ, size):
    return wrapped(environ, open(path(size), "rb"))


def raw_file(environ, size):
    return wrapped(environ, io.FileIO(path(size)))


def file_range(environ, size):
    file = open(path(size + 50000), "rb")
    file.seek(30000)
    return wrapped(environ, file)


def memory(environ, size):
    return wrapped(environ, io.BytesIO(b"x" * size))


class Stream:
    # A file as plone.namedfile hands it to Zope's publisher, which cannot seek
    def __init__(self, size, start=0):
        self._file = io.FileIO(path(size))
        self._file.seek(start)

    def read(self, size=-1):
        return self._file.read(size)

    def close(self):
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def stream(environ, size):
    return wrapped(environ, Stream(size))


def stream_range(environ, size):
    return wrapped(environ, Stream(size + 50000, 30000))


def pipe(environ, size):
    reader, writer = os.pipe()
    with open(writer, "wb") as file:
        file.write(b"x" * size)
    return wrapped(environ, open(reader, "rb"))
"""

FILES = ("file", "raw_file", "memory", "stream")
KINDS = [
    *((kind, SIZE, SIZE) for kind in ("whole", "pair", "blocks", *FILES, "file_range", "stream_range")),
    *((kind, SIZE, "") for kind in ("whole", "blocks", *FILES)),
    *((kind, 0, 0) for kind in ("whole", "blocks", "file", "stream")),
    ("pipe", 5000, 5000),
    ("304", 0, ""),
    ("304", 0, SIZE),
    ("204", 0, ""),
]


@pytest.fixture(scope="module", params=battery(*SERVERS))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp(request.param), request.param, free_port())
    (served.directory / "bodies.py").write_text(BODIES)
    served.configure(logged="bodies:factory")
    served.serve()
    yield served
    end(served.processes[0])
    served.close()


def counted(served: Served, method: str, path: str) -> int:
    """The number of bytes of a body that a client receives."""
    connection = http.client.HTTPConnection(*served.address, timeout=20)
    connection.request(method, path)
    response = connection.getresponse()
    try:
        return len(response.read())
    except http.client.IncompleteRead as error:
        return len(error.partial)
    finally:
        connection.close()


def logged(served: Served, method: str, path: str) -> int:
    """The number of bytes in the line of the access log about a path."""
    lines: list[str] = []

    def arrived() -> bool:
        pattern = rf'"{method} {re.escape(path)} HTTP/1.1" \d+ (\d+|-) '
        lines[:] = re.findall(pattern, served.log.read_text())
        return bool(lines)

    wait_for(arrived)
    assert len(lines) == 1
    return int(lines[0].replace("-", "0"))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("kind", "size", "length"), KINDS)
def test_the_log_has_what_the_client_counts(running: Served, method: str, kind: str, size: int, length: object) -> None:
    path = f"/{kind}?{size},{length}"
    received = counted(running, method, path)
    assert received == (size if method == "GET" else 0)
    assert logged(running, method, path) == received


@pytest.mark.parametrize("running", battery(*(name for name in SERVERS if name not in WITHOUT_WRITE)), indirect=True)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_written_counts(running: Served, method: str) -> None:
    path = f"/written?{SIZE},{SIZE}"
    received = counted(running, method, path)
    assert received == (SIZE if method == "GET" else 0)
    assert logged(running, method, path) == received


@pytest.mark.parametrize("kind", ["pair", "blocks", "file", "memory", "stream"])
def test_a_body_that_is_longer_than_its_length(running: Served, kind: str) -> None:
    path = f"/{kind}?{SIZE},{SIZE - 1000}"
    received = counted(running, "GET", path)
    assert logged(running, "GET", path) == received


# pyruvate notices it only when it stops
@pytest.mark.parametrize("running", battery(*(name for name in SERVERS if name != "pyruvate")), indirect=True)
@pytest.mark.parametrize("kind", ["blocks", "file", "memory", "stream"])
def test_a_client_that_leaves(running: Served, kind: str) -> None:
    """Besides what it has read, the line counts what is in the buffers of the server and of the system."""
    path = f"/{kind}?{SIZE * 300},{SIZE * 300}"
    with Client(running.address) as client:
        client.ask(path)
        received = len(client.socket.recv(100_000))
    sent = logged(running, "GET", path)
    # What was received includes the head of the response
    assert received - 1000 <= sent < SIZE * 300
