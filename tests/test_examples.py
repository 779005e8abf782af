"""The examples, run as their READMEs say, on free ports."""

from __future__ import annotations

import pickle
import re
import shutil
import socket
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from support import (
    CHECKOUT,
    EGGS,
    Buildout,
    fetch,
    free_port,
    running,
    serving,
    toolchain,
    wait_for_http,
)

#: What lies in a checkout without belonging to it.
LEFTOVERS = shutil.ignore_patterns(
    ".*_cache", ".cache", ".git", ".hypothesis", ".tox", ".venv", "__pycache__", "*.egg-info",
    ".installed.cfg", "bin", "develop-eggs", "eggs", "include", "lib*", "parts", "var",
)  # fmt: skip


def copy_example(name: str, directory: Path, ports: Mapping[int, int]) -> Buildout:
    """Copy the example ``name``, with what it extends, and put other ``ports`` into it."""
    shutil.copytree(CHECKOUT / "examples", directory / "examples", ignore=LEFTOVERS)
    example = directory / "examples" / name
    for path in filter(Path.is_file, example.iterdir()):
        text = path.read_text(encoding="utf-8")
        for old, new in ports.items():
            text = text.replace(str(old), str(new))
        path.write_text(text, encoding="utf-8")
    return Buildout(example)


def read_record(connection: socket.socket) -> dict[str, object]:
    """Read one record as ``logging.handlers.SocketHandler`` sends it."""
    with connection, connection.makefile("rb") as stream:
        (length,) = struct.unpack(">L", stream.read(4))
        record = pickle.loads(stream.read(length))
    assert isinstance(record, dict)
    return record


def test_basic(tmp_path: Path, port: int) -> None:
    example = copy_example("basic", tmp_path, {8080: port})
    # The checkout is linked already.
    example.run("buildout:develop=")
    with serving(example, url=f"http://localhost:{port}/") as server:
        assert server.response.status == 200
        management = f"http://localhost:{port}/manage_main"
        assert fetch(management).status == 401
        assert fetch(management, user="admin:admin").status == 200
    assert (example.directory / "var/filestorage/Data.fs").is_file()
    assert (example.directory / "var/blobstorage").is_dir()
    assert '"GET / HTTP/1.1" 200' in example.read("var/log/instance-access.log")


@pytest.fixture
def log_port() -> int:
    """The port to which the example sends its access log."""
    return free_port()


@pytest.fixture
def socket_logging(tmp_path: Path, port: int, log_port: int) -> Buildout:
    """The example socket-logging, built."""
    example = copy_example("socket-logging", tmp_path, {8080: port, 9000: log_port})
    example.run("-c", "options.cfg", "buildout:develop=")
    return example


def test_socket_logging_sends_the_record(socket_logging: Buildout, port: int, log_port: int) -> None:
    """The tutorial's exercise."""
    with socket.create_server(("localhost", log_port)) as listening:
        listening.settimeout(30)
        with serving(socket_logging, url=f"http://localhost:{port}/"):
            record = read_record(listening.accept()[0])
    assert record["name"] == "wsgi"
    assert record["levelname"] == "INFO"
    assert re.fullmatch(r'\S+ - \S+ \[.+\] "GET / HTTP/1\.1" 200 .*', str(record["msg"]))


def test_socket_logging_listener_prints_the_line(socket_logging: Buildout, port: int, log_port: int) -> None:
    directory = socket_logging.directory
    with running(sys.executable, "listener.py", cwd=directory) as listener:
        listener.wait_for_output(f"Listening on localhost:{log_port}")
        with serving(socket_logging, url=f"http://localhost:{port}/"):
            printed = listener.wait_for_output("GET /")
        assert re.search(r'^wsgi INFO \S+ - \S+ \[.+\] "GET / HTTP/1\.1" 200', printed, re.M)
        assert listener.stop() == 0


def test_make_run(tmp_path: Path, port: int) -> None:
    """A newcomer's one command, in a clone where nothing has been made yet."""
    toolchain()
    clone = tmp_path / "clone"
    shutil.copytree(CHECKOUT, clone, ignore=LEFTOVERS)
    # Only the eggs are there already, which would take minutes.
    home = tmp_path / "home"
    home.mkdir()
    (home / "default.cfg").write_text(f"[buildout]\neggs-directory = {EGGS}\nnewest = false\n")
    args = ["run", f"PORT={port}", f"PYTHON={sys.executable}"]
    with running("make", *args, cwd=clone, env={"BUILDOUT_HOME": str(home)}) as make:
        try:
            response = wait_for_http(f"http://localhost:{port}/", 300, make.process)
        except (ChildProcessError, TimeoutError) as error:
            pytest.fail(f"{error}:\n{make.output}")
        make.stop()
    assert response.status == 200
    assert f"http://localhost:{port}/" in make.output
    assert f"{clone}/examples/basic/var/log/instance.log" in make.output
    assert "admin" in make.output
    assert "***" not in make.output, make.output
    assert "Traceback" not in make.output, make.output


def test_make_run_says_what_is_missing(tmp_path: Path) -> None:
    """Without a usable Python, make says what to install."""
    args = ["-C", str(CHECKOUT), "run", "PYTHON=", "RUN_VENV=missing"]
    with running("make", *args, cwd=tmp_path) as make:
        assert make.process.wait(30) != 0
        assert "Python 3.10" in make.output
