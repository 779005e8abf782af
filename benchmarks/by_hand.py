"""Each WSGI server through the recipe, compared with the same server started by hand, at the same time on one core.

They differ by a percent or two. The speed of a machine varies more than that from second to second, and so do two
processes of the same program (by the layout of their memory, by their hash seeds). So both get requests at the same
time, their CPU time counts, and each round starts them anew.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import NEW, Bench, Comparison, Contenders, Subject, Values
from benchmarks.processes import ask, cpu_time, first_answer
from benchmarks.servers import NAMES, build_parts
from benchmarks.sites import NAME as RECIPE
from benchmarks.sites import build, part
from recipe.common.servers import SERVERS
from support import free_port, running

PROGRAM = Path(__file__).parent / "programs/by_hand.py"

THROUGH, BY_HAND = "through the recipe", "by hand"

#: The number of connections, which equals the number of threads.
CONNECTIONS = 4

#: Seconds of load on a server before the measurement.
WARMING = 1


@dataclass(frozen=True)
class Program:
    """The command that starts a server, its port, and a directory that its command line names."""

    directory: Path
    port: int
    command: tuple[str, ...]


@contextmanager
def contenders(bench: Bench) -> Iterator[Contenders]:
    """Build a pair for each server."""
    if len(os.sched_getaffinity(0)) < 2:
        raise RuntimeError("this benchmark needs two cores, one for the servers and one for the clients")
    buildout, ports = build_parts(bench, {name: f"wsgi-server = {name}" for name in NAMES})
    texts = (part(None, f"var = var-{name}", name, f"Zope {RECIPE}[{SERVERS[name].extra}]") for name in NAMES)
    other = build(bench.directory / "by-hand", NEW, "".join(texts))
    yield {
        name: turn(
            {
                THROUGH: Program(buildout.part(name), port, (str(buildout.directory / "bin" / name), "console")),
                BY_HAND: by_hand(name, other.part(name)),
            },
            bench.seconds,
        )
        for name, port in ports.items()
    }


def by_hand(name: str, directory: Path) -> Program:
    """Return a program that serves a part without the recipe's code for serving."""
    port = free_port()
    interpreter, wsgi_ini = directory / "bin/interpreter", directory / "etc/wsgi.ini"
    return Program(directory, port, (str(interpreter), str(PROGRAM), name, str(wsgi_ini), str(port)))


def turn(programs: Mapping[str, Program], seconds: int) -> Callable[[], Values]:
    """Return a turn that starts all programs, and sends requests to them at the same time."""

    def take() -> Values:
        # In random order, since the server that starts first is slower by up to a percent
        names = random.sample(list(programs), len(programs))
        with ExitStack() as stack:
            with on_core(max):
                for name in names:
                    stack.enter_context(started(programs[name]))
            with on_core(min), ThreadPoolExecutor(len(names)) as pool:
                list(pool.map(lambda name: rate(programs[name], WARMING), names))
                return dict(zip(names, pool.map(lambda name: rate(programs[name], seconds), names), strict=True))

    return take


@contextmanager
def on_core(choose: Callable[[set[int]], int]) -> Iterator[None]:
    """Restrict the processes that the block starts to one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {choose(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def started(program: Program) -> Iterator[None]:
    """Run a server while the block runs, and kill it afterwards, since some do not stop by themselves."""
    with running(*program.command, cwd=program.directory) as server:
        try:
            first_answer(program.port, server)
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def rate(program: Program, seconds: int) -> float:
    """Return the number of requests that a server handles per second of CPU time."""
    before = cpu_time(program.directory)
    load = ask(program.port, CONNECTIONS, seconds)
    return load.requests / (cpu_time(program.directory) - before)


SUBJECT = Subject(
    "by-hand",
    "Through the recipe, compared with by hand",
    tuple(
        Comparison(
            f"{name}: requests per second of CPU time",
            THROUGH,
            "/s",
            0.98,
            True,
            contender=name,
            baseline=name,
            baseline_quantity=BY_HAND,
        )
        for name in NAMES
    ),
    contenders,
    rounds=20,
    page="servers",
)
