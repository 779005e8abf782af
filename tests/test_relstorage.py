"""RelStorage on a real PostgreSQL, a real MariaDB and SQLite."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from databases import DatabaseServer, MariaDB, PostgreSQL
from handmade import Client
from storages import assert_all_there, parts, served, writing
from support import CHECKOUT, Buildout
from waiting import wait_for
from wsgi_servers import kill

#: All that quoting can get wrong, of libpq's connection string and of ZConfig.
PASSWORD = "a b'c$d%e#f\\gü\"h"

COMMON = """\
eggs =
    Zope
    mysqlclient
    psycopg2-binary
    zc.zlibstorage
"""


def rel_storage(name: str, *lines: str) -> str:
    blobs = f"blob-dir var/blobs-{name}"
    return "rel-storage =\n" + "".join(f"  {line}\n" for line in (*lines, blobs))


#: Servers with two workers, and a database of each: one with workers of its own, and one with ours.
PAIRS = ("gunicorn", "bjoern")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    server = PostgreSQL()
    for name in ("plone", "free", "zlib", *PAIRS):
        server.add(name, PASSWORD)
    yield server
    server.close()


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDB]:
    server = MariaDB()
    server.add("plone", PASSWORD)
    server.add("kept", PASSWORD)
    server.sql("USE kept; " + (CHECKOUT / "examples/cluster/mariadb-history.sql").read_text())
    yield server
    server.close()


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL, mariadb: MariaDB
) -> tuple[Buildout, dict[str, int]]:
    """Two parts for each database, made in one run, the second one of each by another way; and those with workers."""
    tcp = ("host 127.0.0.1", f"port {postgresql.port}")
    socket = (f"host {postgresql.directory}", f"port {postgresql.port}")
    user = ("dbname plone", "user plone", f"password {PASSWORD}")
    zlib = ("dbname zlib", "user zlib", f"password {PASSWORD}")
    free = ("dbname free", "user free", f"password {PASSWORD}", "keep-history false")
    mysql = ("type mysql", "db plone", "user plone", f"passwd {PASSWORD}", "keep-history false")
    kept = ("type mysql", "db kept", "user kept", f"passwd {PASSWORD}", f"unix_socket {mariadb.socket}")
    sqlite = ("type sqlite3", "data-dir var/sqlite", "pragmas-page_size 8192", "pragmas-synchronous off")
    keys = ("cache-local-mb 7", "commit-lock-timeout 11", "blob-cache-size 3MB", "replica-timeout 12.5", "name main")
    variants = {
        "postgresql-1": rel_storage("p1", "type postgresql", *tcp, *user, *keys),
        "postgresql-2": rel_storage("p2", *socket, *user),
        "postgresql-free-1": rel_storage("pf1", *tcp, *free),
        "postgresql-free-2": rel_storage("pf2", *socket, *free),
        "mysql-1": rel_storage("m1", *mysql, "host 127.0.0.1", f"port {mariadb.port}", *keys),
        "mysql-2": rel_storage("m2", *mysql, f"unix_socket {mariadb.socket}"),
        "mysql-kept-1": rel_storage("mk1", *kept, *keys),
        "mysql-kept-2": rel_storage("mk2", *kept),
        "sqlite-1": rel_storage("s1", *sqlite, *keys),
        "sqlite-2": rel_storage("s2", *sqlite),
        "zlib-1": f"{rel_storage('z1', *tcp, *zlib)}zlib-storage = active",
        "zlib-2": f"{rel_storage('z2', *socket, *zlib)}zlib-storage = active",
    }
    for name in PAIRS:
        base = rel_storage(name, *tcp, f"dbname {name}", f"user {name}", f"password {PASSWORD}")
        variants[name] = f"{base}wsgi-server = {name}\nworkers = 2"
    variants["gunicorn"] += "\nwsgi-server-options = keepalive = 60"
    buildout = Buildout(tmp_path_factory.mktemp("relstorage") / "buildout")
    text, ports = parts(COMMON, variants)
    buildout.write(text)
    buildout.run()
    return buildout, ports


@pytest.mark.parametrize("kind", ["postgresql", "postgresql-free", "mysql", "mysql-kept", "sqlite"])
def test_two_instances_share_a_database(built: tuple[Buildout, dict[str, int]], kind: str) -> None:
    """And the keys of RelStorage arrive."""
    buildout, ports = built
    with served(buildout, ports, f"{kind}-1", f"{kind}-2") as [one, other]:
        one.write("a/1", "from one")
        one.write("a/2", "a blob", blob=True)
        assert other.read("a/1") == "from one"
        assert other.read("a/2") == "a blob"
        other.write("a/1", "from the other")
        assert one.read("a/1") == "from the other"
        if kind != "postgresql-free":
            settings = ("cache_local_mb", "commit_lock_timeout", "blob_cache_size", "replica_timeout", "name")
            found = [one.ask("setting", name=name).text for name in settings]
            assert found == ["7", "11", str(3 * 1024**2), "12.5", "main"]
    conf = buildout.part(f"{kind}-1") / "etc/zope.conf"
    assert stat.S_IMODE(conf.stat().st_mode) == (0o644 if kind == "sqlite" else 0o600)
    blobs = [path for path in (buildout.directory / "var").glob("blobs-*") if path.is_dir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in blobs} == {0o700}


def test_history_is_kept_or_not(
    built: tuple[Buildout, dict[str, int]], postgresql: PostgreSQL, mariadb: MariaDB
) -> None:
    buildout, ports = built
    with served(buildout, ports, "postgresql-1", "postgresql-free-1", "mysql-1", "mysql-kept-1") as sites:
        for site in sites:
            for value in ("first", "second", "third"):
                site.write("history/1", value)
    # Only a history-preserving schema has a table of transactions
    assert int(postgresql.sql("SELECT count(*) FROM transaction", "plone")) > 3
    assert postgresql.sql("SELECT to_regclass('transaction') IS NULL", "free") == "t"
    assert (
        postgresql.sql("SELECT max(n) > 2 FROM (SELECT count(*) n FROM object_state GROUP BY zoid) s", "plone") == "t"
    )
    assert postgresql.sql("SELECT max(n) FROM (SELECT count(*) n FROM object_state GROUP BY zoid) s", "free") == "1"
    for database, kept in (("kept", "1"), ("plone", "0")):
        states = f"SELECT count(*) n FROM {database}.object_state GROUP BY zoid"
        assert mariadb.sql(f"SELECT max(n) > 2 FROM ({states}) s") == kept


def test_pragmas_and_the_directory_of_sqlite(built: tuple[Buildout, dict[str, int]]) -> None:
    buildout, ports = built
    with served(buildout, ports, "sqlite-1"):
        pass
    [file] = (buildout.directory / "var/sqlite").glob("main.sqlite3")
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA page_size").fetchone() == (8192,)


def test_zlib_around_relstorage(built: tuple[Buildout, dict[str, int]], postgresql: PostgreSQL) -> None:
    buildout, ports = built
    with served(buildout, ports, "zlib-1", "zlib-2") as [one, other]:
        one.write("zlib/1", "x" * 5000)
        assert other.read("zlib/1") == "x" * 5000
        other.write("zlib/1", "y" * 5000)
        assert one.read("zlib/1") == "y" * 5000
    assert postgresql.sql("SELECT count(*) > 0 FROM object_state WHERE substring(state FOR 2) = '.z'", "zlib") == "t"


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_database_that_is_not_there_is_an_error(
    built: tuple[Buildout, dict[str, int]], kind: str, request: pytest.FixtureRequest
) -> None:
    server: DatabaseServer = request.getfixturevalue({"mysql": "mariadb"}.get(kind, kind))
    server.stop()
    try:
        done = built[0].call(f"bin/{kind}-1", "console", check=False)
    finally:
        server.start()
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith("cannot open the database: ")
    assert "127.0.0.1" in last


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_the_database_is_restarted_under_load(
    built: tuple[Buildout, dict[str, int]], kind: str, request: pytest.FixtureRequest
) -> None:
    server: DatabaseServer = request.getfixturevalue({"mysql": "mariadb"}.get(kind, kind))
    buildout, ports = built
    with served(buildout, ports, f"{kind}-1", f"{kind}-2") as sites:
        with writing(*sites, name="restart") as load:
            load.wait_for_more(40)
            server.stop()
            server.start()
            load.wait_for_more_of("restart0")
            load.wait_for_more_of("restart1")
        for site in sites:
            assert_all_there(load, site)


# --- several processes -----------------------------------------------------------------------


def backends(postgresql: PostgreSQL, process: int) -> set[str]:
    """The processes of PostgreSQL that serve a process, by the ports of the sockets that it has open."""
    files = set()
    for path in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            files.add(os.readlink(path))
    # proc_pid_net(5): the second column is the address here, the third the one there, the tenth the inode
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    there = f":{postgresql.port:04X}"
    ports = [int(row[1][-4:], 16) for row in rows if row[2].endswith(there) and f"socket:[{row[9]}]" in files]
    found = postgresql.sql(
        f"SELECT pid FROM pg_stat_activity WHERE client_port = ANY('{{{','.join(map(str, ports))}}}')"
    )
    return set(found.split())


@contextmanager
def connected(port: int, workers: Collection[int]) -> Iterator[dict[int, Client]]:
    """A connection that lasts to each worker, by its process id."""
    found: dict[int, Client] = {}
    with ExitStack() as stack:

        def ask() -> bool:
            client = stack.enter_context(Client(("127.0.0.1", port)))
            found.setdefault(int(client.get("/@@process")), client)
            return set(found) == set(workers)

        wait_for(ask, 60, lambda: f"{list(found)} of {workers} answer")
        yield found


@pytest.mark.parametrize("name", PAIRS)
def test_each_worker_has_connections_of_its_own(
    built: tuple[Buildout, dict[str, int]], postgresql: PostgreSQL, name: str
) -> None:
    """Opened after the fork; what one writes, the other one reads, and so does the successor of one that dies."""
    buildout, ports = built

    def status() -> dict[str, Any]:
        return dict(json.loads(buildout.call(f"bin/{name}", "status", "--json").stdout))

    buildout.call(f"bin/{name}", "start", timeout=120)
    try:
        wait_for(lambda: len(status()["workers"]) == 2)
        first, second = status()["workers"]
        with connected(ports[name], (first, second)) as clients:
            for writer, reader in ((first, second), (second, first)):
                assert clients[writer].get(f"/@@write?key=pair/1&value={writer}") == "written"
                assert clients[reader].get("/@@read?key=pair/1") == str(writer)
        assert backends(postgresql, first)
        assert backends(postgresql, second)
        assert not backends(postgresql, first) & backends(postgresql, second)
        assert not backends(postgresql, status()["server"])
        kill(first)
        wait_for(lambda: len(set(status()["workers"]) - {first}) == 2)
        [third] = set(status()["workers"]) - {second}
        with connected(ports[name], (second, third)) as clients:
            assert {client.get("/@@read?key=pair/1") for client in clients.values()} == {str(second)}
        assert backends(postgresql, third)
        assert not backends(postgresql, third) & backends(postgresql, second)
    finally:
        buildout.call(f"bin/{name}", "stop", timeout=120)
