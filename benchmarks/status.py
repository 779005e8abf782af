"""The duration of ``bin/instance status``, for a running and a stopped instance."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from benchmarks.measure import NEW, OLD, Bench, Comparison, Contenders, Subject, Values
from benchmarks.processes import memory
from benchmarks.sites import build, part
from support import Buildout, free_port, wait_for_http


def turn(buildout: Buildout) -> Callable[[], Values]:
    """Return a turn that runs the command for both instances, and measures the memory of the running one."""

    def take() -> Values:
        return {
            "running": status(buildout, "instance", "program running; pid="),
            "stopped": status(buildout, "stopped", "daemon manager not running"),
            "memory": memory(buildout.directory),
        }

    return take


def status(buildout: Buildout, script: str, expected: str) -> float:
    """Return the duration of ``bin/SCRIPT status`` in seconds. Raises RuntimeError if it does not print `expected`."""
    begin = time.perf_counter()
    output = buildout.call(f"bin/{script}", "status", check=False).stdout
    seconds = time.perf_counter() - begin
    if expected not in output:
        raise RuntimeError(f"bin/{script} status printed:\n{output}")
    return seconds


@contextmanager
def contenders(bench: Bench) -> Iterator[Contenders]:
    """Build two instances with each recipe, of which one runs, with its manager."""
    with ExitStack() as stack:
        turns = {}
        for name in (NEW, OLD):
            port = free_port()
            buildout = build(
                bench.directory / name, name, part(port) + part(free_port(), "var = var-stopped", "stopped")
            )
            stack.callback(buildout.call, "bin/instance", "stop", check=False, timeout=120)
            buildout.call("bin/instance", "start", timeout=120)
            wait_for_http(f"http://127.0.0.1:{port}/", timeout=120)
            turns[name] = turn(buildout)
        yield turns


SUBJECT = Subject(
    "status",
    "bin/instance status",
    (
        Comparison("running instance", "running", "s", aim=0.1),
        Comparison("stopped instance", "stopped", "s", aim=0.1),
        Comparison("memory of a running instance, with its manager", "memory", "MB"),
    ),
    contenders,
    rounds=25,
)
