"""Fixtures for tests that run real buildouts and real servers; see ``support.py``."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from handmade import Instance
from support import Buildout, free_port


def pytest_configure() -> None:
    """Let the servers under test hear Ctrl-C and SIGHUP.

    A shell starts its background jobs with SIGINT ignored, ``nohup`` whatever it starts with
    SIGHUP, and that is inherited by every process below, the servers included. A handler of our
    own is not: they get the default.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests that make a Python 2.7 come first: that takes long, and runs beside all others then."""
    items.sort(key=lambda item: not item.path.name.startswith("test_zserver"))


@pytest.fixture
def buildout(tmp_path: Path) -> Buildout:
    """An empty directory for a buildout."""
    return Buildout(tmp_path / "buildout")


@pytest.fixture
def port() -> int:
    """A free TCP port on 127.0.0.1."""
    return free_port()


@pytest.fixture
def instance(tmp_path: Path, port: int) -> Iterator[Instance]:
    """An instance that serves the small application."""
    instance = Instance(tmp_path, port)
    instance.serve_application()
    yield instance
    instance.close()
