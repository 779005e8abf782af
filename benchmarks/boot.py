"""How long a server takes to its first answer, and what its processes occupy then: plain Zope, and Plone.

What is made once is there already: the database, compiled Python and the cache of templates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.measure import OURS, THEIRS, Bench, Comparison, Contenders, Subject, Values
from benchmarks.processes import booted, memory
from benchmarks.sites import PLONE_VERSIONS, build, part
from support import Buildout, free_port


def turn(buildout: Buildout, port: int, *commands: str) -> Callable[[], Values]:
    """Return a turn that starts an instance by each of the commands, and stops it after its first answer."""

    def take() -> Values:
        values = {}
        for command in commands:
            with booted(buildout, port, command) as (seconds, _):
                values[f"boot {command}"] = seconds
                values[f"memory {command}"] = memory(buildout.directory)
        return values

    return take


@contextmanager
def zope(bench: Bench) -> Iterator[Contenders]:
    """Plain Zope, by both recipes."""
    ports = {name: free_port() for name in (OURS, THEIRS)}
    yield {
        name: turn(build(bench.directory / name, name, part(port)), port, "fg", "console")
        for name, port in ports.items()
    }


@contextmanager
def plone(bench: Bench) -> Iterator[Contenders]:
    """Plone, by both recipes."""
    ports = {name: free_port() for name in (OURS, THEIRS)}
    yield {
        name: turn(
            build(bench.directory / name, name, part(port, eggs="Plone"), extends=PLONE_VERSIONS), port, "console"
        )
        for name, port in ports.items()
    }


ZOPE = Subject(
    "boot-zope",
    "Start of plain Zope",
    (
        Comparison("first answer after fg", "boot fg", "s", aim=0.6),
        Comparison("first answer after console", "boot console", "s"),
        Comparison("memory after it (fg)", "memory fg", "MB"),
        Comparison("memory after it (console)", "memory console", "MB"),
    ),
    zope,
)

PLONE = Subject(
    "boot-plone",
    "Start of Plone",
    (
        Comparison("first answer after console", "boot console", "s", aim=0.55),
        Comparison("memory after it", "memory console", "MB"),
    ),
    plone,
)
