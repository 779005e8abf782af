"""The WSGI servers, each through the recipe: compared with waitress, and two workers compared with one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from benchmarks import frontpage
from benchmarks.measure import NEW, Bench, Comparison, Contenders, Subject
from benchmarks.processes import booted, require_wrk
from benchmarks.sites import build, part
from databases import PostgreSQL, ZEOServer
from recipe.common.servers import SERVERS
from support import Buildout, free_port

WAITRESS = "waitress"
NAMES = tuple(SERVERS)
OTHERS = tuple(name for name in NAMES if name != WAITRESS)
WITH_WORKERS = tuple(name for name, server in SERVERS.items() if server.workers)
OVERVIEW = Path(__file__).parent / "programs/overview.py"

ZEO, POSTGRESQL = "ZEO", "PostgreSQL"

#: The pages that clients request from workers. The front page costs the client and the database as much as the server.
FRONT, LISTING = "front page", "listing"
PAGES = {FRONT: "/", LISTING: "/overview"}


def build_parts(bench: Bench, options: Mapping[str, str], eggs: str = "Zope") -> tuple[Buildout, dict[str, int]]:
    """Build a part for each name, with its options; return the buildout, and the port of each part."""
    require_wrk()
    ports = {name: free_port() for name in options}
    texts = (part(ports[name], f"var = var-{name}\n{options[name]}", name, eggs) for name in options)
    return build(bench.directory / "recipe", NEW, "".join(texts)), ports


def serve(stack: ExitStack, buildout: Buildout, ports: Mapping[str, int]) -> None:
    """Start these parts."""
    for name, port in ports.items():
        stack.enter_context(booted(buildout, port, "console", name))


@contextmanager
def servers(bench: Bench) -> Iterator[Contenders]:
    """Run each server through the recipe."""
    buildout, ports = build_parts(bench, {name: f"wsgi-server = {name}" for name in NAMES})
    with ExitStack() as stack:
        serve(stack, buildout, ports)
        yield {name: frontpage.turn(buildout.part(name), port, bench.seconds) for name, port in ports.items()}


@contextmanager
def workers(bench: Bench) -> Iterator[Contenders]:
    """Run each server that has workers, with one and with two of them, on both databases, for both pages."""
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
        buildout, ports = build_parts(bench, options, "Zope psycopg2-binary")
        for database in databases:
            buildout.call(f"bin/{label(WITH_WORKERS[0], database, 1)}", "run", str(OVERVIEW))
        serve(stack, buildout, ports)
        yield {
            contender(name, page): frontpage.turn(buildout.part(name), port, bench.seconds, (20,), path)
            for page, path in PAGES.items()
            for name, port in ports.items()
        }


def label(name: str, database: str, count: int) -> str:
    """Return the name of a part."""
    return f"{name}-{database}-{count}"


def contender(part_name: str, page: str) -> str:
    """Return the name of a contender: a part and the page that clients request from it."""
    return f"{part_name}, {page}"


BESIDE_WAITRESS = Subject(
    "servers",
    "Each server compared with waitress",
    tuple(
        Comparison(f"{name}: {title}", quantity, unit, None, more, contender=name, baseline=WAITRESS)
        for title, quantity, unit, more in (
            ("requests per second, 4 connections", "rate 4", "/s", True),
            ("requests per second, 20 connections", "rate 20", "/s", True),
            ("99th percentile, 20 connections", "p99 20", "ms", False),
            ("memory under load", "memory", "MB", False),
        )
        for name in OTHERS
    ),
    servers,
    rounds=12,
    page="servers",
)


def beside_one(
    name: str, database: str, page: str, title: str, quantity: str, unit: str, aim: float | None = None
) -> Comparison:
    """Compare two workers with one."""
    two, one = (contender(label(name, database, count), page) for count in (2, 1))
    return Comparison(f"{name}, {database}, {page}: {title}", quantity, unit, aim, unit == "/s", two, one)


WORKERS = Subject(
    "workers",
    "Two workers compared with one, 20 connections",
    tuple(
        beside_one(name, database, *what)
        for what in (
            (LISTING, "requests/s", "rate 20", "/s", 1.8),
            (LISTING, "p99", "p99 20", "ms"),
            (LISTING, "memory", "memory", "MB"),
            (FRONT, "requests/s", "rate 20", "/s"),
            (FRONT, "p99", "p99 20", "ms"),
        )
        for name in WITH_WORKERS
        for database in (ZEO, POSTGRESQL)
    ),
    workers,
    rounds=10,
    page="servers",
)
