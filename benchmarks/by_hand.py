"""Each WSGI server through the recipe, beside the same started by hand: at once, on one core.

They differ by a percent or two. A machine changes by more from one second to the next, and so does a process beside
another one of the same program (where its memory lies, how its hashes fall). So both are asked at the same time, what
counts is the time of CPU that it takes them, and each round starts them anew.
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

from benchmarks.measure import OURS, Bench, Comparison, Contenders, Subject, Values
from benchmarks.processes import ask, cpu_time, first_answer
from benchmarks.servers import NAMES, build_parts
from benchmarks.sites import NAME as RECIPE
from benchmarks.sites import build, part
from recipe.common.servers import SERVERS
from support import free_port, running

PROGRAM = Path(__file__).parent / "programs/by_hand.py"

THROUGH, BY_HAND = "through the recipe", "by hand"

#: As many as there are threads.
CONNECTIONS = 4

#: Seconds that a server is asked before it counts.
WARMING = 1


@dataclass(frozen=True)
class Program:
    """How to start a server, and where it answers. Its command line names the directory."""

    directory: Path
    port: int
    command: tuple[str, ...]


@contextmanager
def contenders(bench: Bench) -> Iterator[Contenders]:
    """A pair for each server."""
    if len(os.sched_getaffinity(0)) < 2:
        raise RuntimeError("Servers and clients want a core each, and this machine has one.")
    buildout, ports = build_parts(bench, {name: f"wsgi-server = {name}" for name in NAMES})
    texts = (part(None, f"var = var-{name}", name, f"Zope {RECIPE}[{SERVERS[name].extra}]") for name in NAMES)
    other = build(bench.directory / "by-hand", OURS, "".join(texts))
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
    """Return how to serve a part without the recipe's part in serving."""
    port = free_port()
    interpreter, wsgi_ini = directory / "bin/interpreter", directory / "etc/wsgi.ini"
    return Program(directory, port, (str(interpreter), str(PROGRAM), name, str(wsgi_ini), str(port)))


def turn(programs: Mapping[str, Program], seconds: int) -> Callable[[], Values]:
    """Return a turn that starts all of them, and asks them at once."""

    def take() -> Values:
        # By lot, since who is first is slower by up to a percent
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
    """Let what the block starts run on one core only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {choose(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def started(program: Program) -> Iterator[None]:
    """Serve while the block runs. The end is sudden, since some do not end by themselves."""
    with running(*program.command, cwd=program.directory) as server:
        try:
            first_answer(program.port, server)
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def rate(program: Program, seconds: int) -> float:
    """Return how many requests a server answers in a second of CPU time."""
    before = cpu_time(program.directory)
    load = ask(program.port, CONNECTIONS, seconds)
    return load.requests / (cpu_time(program.directory) - before)


SUBJECT = Subject(
    "by-hand",
    "Through the recipe, beside by hand",
    tuple(
        Comparison(
            f"{name}: requests in a second of CPU time",
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
