"""Zope's front page: requests a second, latency, CPU and memory, with default settings, the access log included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.measure import OURS, THEIRS, Bench, Comparison, Contenders, Subject, Values
from benchmarks.processes import ask, booted, cpu_time, finish, memory, require_wrk
from benchmarks.sites import build, part
from support import free_port

#: As many as there are threads; and more, so that requests wait.
CONNECTIONS = (4, 20)


def turn(
    directory: Path, port: int, seconds: int, connections: tuple[int, ...] = CONNECTIONS, path: str = "/"
) -> Callable[[], Values]:
    """Return a turn that asks a server for a page for some seconds, over each number of connections.

    `directory` is one that its command line names.
    """

    def take() -> Values:
        values: dict[str, float] = {}
        for count in connections:
            before = cpu_time(directory)
            load = ask(port, count, seconds, path)
            used = cpu_time(directory) - before
            # Else the next turn would have a part of this one's work
            finish(directory)
            values |= {
                f"rate {count}": load.rate, f"p99 {count}": load.p99, f"cpu {count}": used / load.requests * 1e6
            }  # fmt: skip
        return values | {"memory": memory(directory)}

    return take


@contextmanager
def contenders(bench: Bench) -> Iterator[Contenders]:
    """A server by each recipe, side by side."""
    require_wrk()
    with ExitStack() as stack:
        found = {}
        for name in (OURS, THEIRS):
            port = free_port()
            buildout = build(bench.directory / name, name, part(port))
            stack.enter_context(booted(buildout, port, "console"))
            found[name] = turn(buildout.directory, port, bench.seconds)
        yield found


SUBJECT = Subject(
    "requests",
    "Zope's front page",
    (
        Comparison("requests a second, 4 connections", "rate 4", "/s", aim=1.12, more_is_better=True),
        Comparison("requests a second, 20 connections", "rate 20", "/s", aim=1.12, more_is_better=True),
        Comparison("99th percentile of latency, 4 connections", "p99 4", "ms"),
        Comparison("99th percentile of latency, 20 connections", "p99 20", "ms"),
        Comparison("time of CPU a request", "cpu 4", "µs"),
        Comparison("memory under load", "memory", "MB"),
    ),
    contenders,
)
