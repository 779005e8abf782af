"""Zope's front page: requests per second, latency, CPU time and memory, with default settings and access log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.measure import NEW, OLD, Bench, Comparison, Contenders, Subject, Values
from benchmarks.processes import ask, booted, cpu_time, finish, memory, require_wrk
from benchmarks.sites import build, part
from support import free_port

#: Numbers of connections: one for each thread, and more, so that requests wait.
CONNECTIONS = (4, 20)


def turn(
    directory: Path, port: int, seconds: int, connections: tuple[int, ...] = CONNECTIONS, path: str = "/"
) -> Callable[[], Values]:
    """Return a turn that requests a page from a server for some seconds, over each number of connections.

    The command line of the server must name `directory`.
    """

    def take() -> Values:
        values: dict[str, float] = {}
        for count in connections:
            before = cpu_time(directory)
            load = ask(port, count, seconds, path)
            used = cpu_time(directory) - before
            # Otherwise a part of this work would count for the next turn
            finish(directory)
            values |= {
                f"rate {count}": load.rate, f"p99 {count}": load.p99, f"cpu {count}": used / load.requests * 1e6
            }  # fmt: skip
        return values | {"memory": memory(directory)}

    return take


@contextmanager
def contenders(bench: Bench) -> Iterator[Contenders]:
    """Run a server of each recipe, side by side."""
    require_wrk()
    with ExitStack() as stack:
        turns = {}
        for name in (NEW, OLD):
            port = free_port()
            buildout = build(bench.directory / name, name, part(port))
            stack.enter_context(booted(buildout, port, "console"))
            turns[name] = turn(buildout.directory, port, bench.seconds)
        yield turns


SUBJECT = Subject(
    "requests",
    "Zope's front page",
    (
        Comparison("requests per second, 4 connections", "rate 4", "/s", aim=1.12, more_is_better=True),
        Comparison("requests per second, 20 connections", "rate 20", "/s", aim=1.12, more_is_better=True),
        Comparison("99th percentile of latency, 4 connections", "p99 4", "ms"),
        Comparison("99th percentile of latency, 20 connections", "p99 20", "ms"),
        Comparison("CPU time per request", "cpu 4", "µs"),
        Comparison("memory under load", "memory", "MB"),
    ),
    contenders,
)
