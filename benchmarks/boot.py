"""The time from the start of a server to its first response, and its memory then: plain Zope, and Plone.

The turn before the first round makes the database, the compiled Python and the cache of templates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from benchmarks import frontpage
from benchmarks.measure import NEW, OLD, Bench, Comparison, Contenders, Subject, Values
from benchmarks.processes import ask, booted, cpu_time, memory, require_wrk
from benchmarks.sites import PLONE_VERSIONS, build, part
from support import Buildout, free_port

LINKED, UNLINKED = "linked", "not linked"
DEFERRED, ALWAYS_ON = "collector deferred", "collector on"

#: An option that leaves the garbage collector on during the start.
COLLECTOR_ON = "initialization =\n    import gc\n    gc.set_threshold = gc.freeze = lambda *args: 0\n"


def turn(
    buildout: Buildout, port: int, *commands: str, script: str = "instance", load: int = 0
) -> Callable[[], Values]:
    """Return a turn that starts an instance with each of the commands, and stops it after its first response.

    With `load`, clients send requests for that many seconds before it is stopped, after one second that does not count.
    """

    def take() -> Values:
        values: dict[str, float] = {}
        for command in commands:
            with booted(buildout, port, command, script) as (seconds, _):
                values[f"boot {command}"] = seconds
                values[f"cpu {command}"] = cpu_time(buildout.directory)
                values[f"memory {command}"] = memory(buildout.directory)
                if load:
                    ask(port, 4, 1)
                    values |= frontpage.turn(buildout.directory, port, load, (4,))()
        return values

    return take


@contextmanager
def zope(bench: Bench) -> Iterator[Contenders]:
    """Build plain Zope with both recipes."""
    ports = {name: free_port() for name in (NEW, OLD)}
    yield {
        name: turn(build(bench.directory / name, name, part(port)), port, "fg", "console")
        for name, port in ports.items()
    }


@contextmanager
def plone(bench: Bench) -> Iterator[Contenders]:
    """Build Plone with both recipes."""
    ports = {name: free_port() for name in (NEW, OLD)}
    yield {
        name: turn(
            build(bench.directory / name, name, part(port, eggs="Plone"), extends=PLONE_VERSIONS), port, "console"
        )
        for name, port in ports.items()
    }


@contextmanager
def links(bench: Bench) -> Iterator[Contenders]:
    """Build Plone with the eggs linked into one directory, and with each egg on the path."""
    yield _variants(bench, {LINKED: "link-eggs = on", UNLINKED: "link-eggs = off"})


@contextmanager
def collector(bench: Bench) -> Iterator[Contenders]:
    """Build Plone with the garbage collector off during the start, and with it on."""
    require_wrk()
    yield _variants(bench, {DEFERRED: "", ALWAYS_ON: COLLECTOR_ON}, load=bench.seconds)


def _variants(bench: Bench, options: Mapping[str, str], load: int = 0) -> Contenders:
    """Build a Plone with this recipe for each of these options, in one buildout."""
    ports = {name: free_port() for name in options}
    scripts = {name: f"instance{number}" for number, name in enumerate(options)}
    texts = (
        part(ports[name], f"var = var-{script}\n{options[name]}", script, "Plone") for name, script in scripts.items()
    )
    buildout = build(bench.directory, NEW, "".join(texts), extends=PLONE_VERSIONS)
    return {name: turn(buildout, ports[name], "console", script=script, load=load) for name, script in scripts.items()}


ZOPE = Subject(
    "boot-zope",
    "Start of plain Zope",
    (
        Comparison("first response after fg", "boot fg", "s", aim=0.6),
        Comparison("first response after console", "boot console", "s"),
        Comparison("CPU time until then (console)", "cpu console", "s"),
        Comparison("memory after the first response (fg)", "memory fg", "MB"),
        Comparison("memory after the first response (console)", "memory console", "MB"),
    ),
    zope,
)

PLONE = Subject(
    "boot-plone",
    "Start of Plone",
    (
        Comparison("first response after console", "boot console", "s", aim=0.55),
        Comparison("CPU time until then", "cpu console", "s"),
        Comparison("memory after the first response", "memory console", "MB"),
    ),
    plone,
)

LINKS = Subject(
    "links",
    "Start of Plone, with and without link-eggs",
    (
        Comparison("first response after console", "boot console", "s", contender=LINKED, baseline=UNLINKED),
        Comparison("CPU time until then", "cpu console", "s", contender=LINKED, baseline=UNLINKED),
        Comparison("memory after the first response", "memory console", "MB", contender=LINKED, baseline=UNLINKED),
    ),
    links,
)

COLLECTOR = Subject(
    "collector",
    "Start of Plone, garbage collection deferred",
    tuple(
        Comparison(title, quantity, unit, more_is_better=more, contender=DEFERRED, baseline=ALWAYS_ON)
        for title, quantity, unit, more in (
            ("first response after console", "boot console", "s", False),
            ("CPU time until then", "cpu console", "s", False),
            ("memory after the first response", "memory console", "MB", False),
            ("requests per second, 4 connections", "rate 4", "/s", True),
            ("99th percentile of latency, 4 connections", "p99 4", "ms", False),
            ("memory under load", "memory", "MB", False),
        )
    ),
    collector,
)
