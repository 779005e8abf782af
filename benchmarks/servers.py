"""The WSGI servers: each through the recipe beside the same by hand, beside waitress, and with one and two workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from benchmarks import frontpage
from benchmarks.measure import OURS, Bench, Comparison, Contenders, Subject
from benchmarks.processes import booted, first_answer, require_wrk
from benchmarks.sites import NAME as RECIPE
from benchmarks.sites import build, part
from databases import PostgreSQL, ZEOServer
from recipe.wsgi.servers.table import SERVERS
from support import free_port, running

WAITRESS = "waitress"
NAMES = tuple(SERVERS)
OTHERS = tuple(name for name in NAMES if name != WAITRESS)
WITH_WORKERS = tuple(name for name, server in SERVERS.items() if server.workers)
PROGRAM = Path(__file__).parent / "programs/by_hand.py"

ZEO, POSTGRESQL = "ZEO", "PostgreSQL"


def through(
    bench: Bench, stack: ExitStack, options: Mapping[str, str], connections: tuple[int, ...], eggs: str = "Zope"
) -> Contenders:
    """Serve one part for each of these options, by their names; the turns ask them."""
    require_wrk()
    ports = {name: free_port() for name in options}
    texts = (part(ports[name], f"var = var-{name}\n{options[name]}", name, eggs) for name in options)
    buildout = build(bench.directory / "recipe", OURS, "".join(texts))
    for name, port in ports.items():
        stack.enter_context(booted(buildout, port, "console", name))
    return {name: frontpage.turn(buildout.part(name), ports[name], bench.seconds, connections) for name in ports}


def by_hand(bench: Bench, stack: ExitStack) -> Contenders:
    """Serve one part for each server, without the recipe's part in serving."""
    texts = (part(None, f"var = var-{name}", name, f"Zope {RECIPE}[{SERVERS[name].extra}]") for name in NAMES)
    buildout = build(bench.directory / "by-hand", OURS, "".join(texts))
    found = {}
    for name in NAMES:
        directory, port = buildout.part(name), free_port()
        command = (directory / "bin/interpreter", str(PROGRAM), name, str(directory / "etc/wsgi.ini"), str(port))
        first_answer(port, stack.enter_context(running(*command, cwd=directory)))
        found[f"{name} by hand"] = frontpage.turn(directory, port, bench.seconds, (4,))
    return found


@contextmanager
def both(bench: Bench) -> Iterator[Contenders]:
    """Each server through the recipe, and by hand."""
    with ExitStack() as stack:
        recipe = through(bench, stack, {name: f"wsgi-server = {name}" for name in NAMES}, (4,))
        yield {**recipe, **by_hand(bench, stack)}


@contextmanager
def servers(bench: Bench) -> Iterator[Contenders]:
    """Each server through the recipe."""
    with ExitStack() as stack:
        yield through(bench, stack, {name: f"wsgi-server = {name}" for name in NAMES}, frontpage.CONNECTIONS)


@contextmanager
def workers(bench: Bench) -> Iterator[Contenders]:
    """Each server that has workers, with one and two of them, on both databases."""
    with closing(ZEOServer()) as zeo, closing(PostgreSQL()) as postgresql, ExitStack() as stack:
        postgresql.add("zope", "secret")
        dsn = f"dbname=zope user=zope password=secret host=127.0.0.1 port={postgresql.port}"
        databases = {
            ZEO: f"zeo-client = on\nzeo-address = {zeo.address}\n",
            POSTGRESQL: f"rel-storage =\n    keep-history false\n    dsn {dsn}\n",
        }
        options = {
            label(name, database, count): f"wsgi-server = {name}\nworkers = {count}\n{text}"
            for name in WITH_WORKERS
            for database, text in databases.items()
            for count in (1, 2)
        }
        yield through(bench, stack, options, (20,), "Zope psycopg2-binary")


def label(name: str, database: str, count: int) -> str:
    """Return the name of a contender, which is that of a part, too."""
    return f"{name}-{database}-{count}"


BY_HAND = Subject(
    "by-hand",
    "Through the recipe, beside by hand",
    tuple(
        Comparison(f"{name}: requests a second", "rate 4", "/s", 0.98, True, contender=name, baseline=f"{name} by hand")
        for name in NAMES
    ),
    both,
    rounds=12,
    page="servers",
)

BESIDE_WAITRESS = Subject(
    "servers",
    "Each server beside waitress",
    tuple(
        Comparison(f"{name}: {title}", quantity, unit, None, more, contender=name, baseline=WAITRESS)
        for title, quantity, unit, more in (
            ("requests a second, 4 connections", "rate 4", "/s", True),
            ("requests a second, 20 connections", "rate 20", "/s", True),
            ("99th percentile, 20 connections", "p99 20", "ms", False),
            ("memory under load", "memory", "MB", False),
        )
        for name in OTHERS
    ),
    servers,
    rounds=12,
    page="servers",
)

WORKERS = Subject(
    "workers",
    "Two workers beside one, 20 connections",
    tuple(
        Comparison(
            f"{name}, {database}: {title}",
            quantity,
            unit,
            aim,
            more,
            contender=label(name, database, 2),
            baseline=label(name, database, 1),
        )
        for title, quantity, unit, aim, more in (
            ("requests a second", "rate 20", "/s", 1.8, True),
            ("99th percentile", "p99 20", "ms", None, False),
            ("memory under load", "memory", "MB", None, False),
        )
        for name in WITH_WORKERS
        for database in (ZEO, POSTGRESQL)
    ),
    workers,
    rounds=10,
    page="servers",
)
