"""ZEO clients and a real ZEO server."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator

import pytest
import ZEO.asyncio.client
from ZEO.ClientStorage import ClientStorage

from databases import ZEOServer
from recipe.common import zeofallback
from storages import Site, assert_all_there, parts, served, writing
from support import Buildout, free_port, start, wait_for_http
from waiting import wait_for

COMMON = """\
eggs =
    Zope
    zc.zlibstorage
zeo-client = on
"""


@pytest.fixture(scope="module")
def tcp() -> Iterator[ZEOServer]:
    server = ZEOServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def unix() -> Iterator[ZEOServer]:
    server = ZEOServer(unix=True)
    yield server
    server.close()


@pytest.fixture(scope="module")
def fallback(tcp: ZEOServer) -> Iterator[ZEOServer]:
    """A read-only server of the same files as `tcp`."""
    server = ZEOServer(read_only_on=tcp.directory)
    yield server
    server.close()


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, tcp: ZEOServer, unix: ZEOServer, fallback: ZEOServer
) -> tuple[Buildout, dict[str, int]]:
    address = f"zeo-address = {tcp.address}\n"
    shared = f"zeo-address = {unix.address}\nshared-blob = on\nblob-storage = {unix.blobs}"
    variants = {
        "tcp-1": f"{address}blob-storage = var/cache-1",
        "tcp-2": f"{address}blob-storage = var/cache-2\nzeo-client-blob-cache-size = 1MB",
        "unix-1": shared,
        "unix-2": shared,
        "several": f"zeo-address =\n  127.0.0.1:{free_port()}\n  {tcp.address}\nblob-storage = var/cache-3",
        "second": f"{address}zeo-storage = second\nblob-storage = var/cache-4",
        "zlib": f"{address}zeo-storage = second\nblob-storage = var/cache-4\nzlib-storage = active",
        "persistent": f"{address}zeo-client-client = kept\nblob-storage = var/cache-5",
        "read-only": f"{address}read-only = on\nblob-storage = var/cache-6",
        "demo": f"{address}demo-storage = on",
        "fallback": f"zeo-address = {tcp.address} {fallback.address}\nzeo-client-read-only-fallback = on",
    }
    buildout = Buildout(tmp_path_factory.mktemp("zeo") / "buildout")
    text, ports = parts(COMMON, variants)
    buildout.write(text)
    buildout.run()
    return buildout, ports


def sees(site: Site, key: str, value: str) -> None:
    """Wait until a site sees an entry: the server tells the other clients of a commit afterwards."""
    wait_for(lambda: site.read(key) == value, message=lambda: f"{key}: {site.read(key)!r}")


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_two_instances_see_each_others_commits(built: tuple[Buildout, dict[str, int]], kind: str) -> None:
    buildout, ports = built
    with served(buildout, ports, f"{kind}-1", f"{kind}-2") as [one, other]:
        one.write("a/1", "from one")
        one.write("a/2", "a blob", blob=True)
        sees(other, "a/1", "from one")
        sees(other, "a/2", "a blob")
        other.write("a/1", "from the other")
        other.write("a/2", "its blob", blob=True)
        sees(one, "a/1", "from the other")
        sees(one, "a/2", "its blob")
    if kind == "tcp":  # each has a cache of its own; with shared blobs there is none
        for name in ("cache-1", "cache-2"):
            cache = buildout.directory / "var" / name
            assert list(cache.rglob("*.blob"))
            assert stat.S_IMODE(cache.stat().st_mode) == 0o700


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_the_server_is_restarted_under_load(
    built: tuple[Buildout, dict[str, int]], kind: str, request: pytest.FixtureRequest
) -> None:
    server: ZEOServer = request.getfixturevalue(kind)
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


def test_the_instance_is_started_first(built: tuple[Buildout, dict[str, int]], tcp: ZEOServer) -> None:
    buildout, ports = built
    tcp.stop()
    try:
        with start(buildout, "demo") as server:
            server.wait_for_output(f"waiting for the ZEO server at {tcp.address} (Connection refused)")
            tcp.start()
            url = f"http://127.0.0.1:{ports['demo']}"
            assert wait_for_http(f"{url}/@@keys", process=server.process).status in (200, 204)
            Site(url).write("first/1", "served")
    finally:
        if tcp.process is None:
            tcp.start()


def test_several_addresses_and_a_storage_by_name(built: tuple[Buildout, dict[str, int]]) -> None:
    buildout, ports = built
    with served(buildout, ports, "several", "second") as [several, second]:
        several.write("several/1", "the first storage")
        second.write("second/1", "the second storage")
        assert several.read("second/1") is second.read("several/1") is None
    with served(buildout, ports, "tcp-1") as [one]:
        assert one.read("several/1") == "the first storage"


def test_zlib_around_zeo(built: tuple[Buildout, dict[str, int]], tcp: ZEOServer) -> None:
    buildout, ports = built
    for value in ("written", "again"):
        with served(buildout, ports, "zlib") as [site]:
            assert value == "written" or site.read("zlib/1") == "written" * 1000
            site.write("zlib/1", value * 1000)
    data = (tcp.directory / "second.fs").read_bytes()
    assert b"writtenwrittenwritten" not in data


def test_the_cache_outlives_a_restart(built: tuple[Buildout, dict[str, int]]) -> None:
    buildout, ports = built
    cache = buildout.directory / "var/persistent/kept-1.zec"
    with served(buildout, ports, "persistent") as [site]:
        site.write("cached/1", "kept in the cache " * 20)
    assert b"kept in the cache kept" in cache.read_bytes()
    with served(buildout, ports, "persistent") as [site]:
        assert site.read("cached/1") == "kept in the cache " * 20
    assert cache.is_file()


def test_read_only(built: tuple[Buildout, dict[str, int]]) -> None:
    buildout, ports = built
    with served(buildout, ports, "tcp-1", "read-only") as [site, read_only]:
        site.write("read/1", "by all")
        sees(read_only, "read/1", "by all")
        assert read_only.ask("write", key="read/2", value="by none").status == 500


def test_fall_back_to_a_read_only_server(
    built: tuple[Buildout, dict[str, int]], tcp: ZEOServer, fallback: ZEOServer
) -> None:
    buildout, ports = built

    def writes(value: str) -> bool:
        return site.ask("write", key="fallback/1", value=value).status == 200

    with served(buildout, ports, "fallback") as [site]:
        site.write("fallback/1", "with both")
        fallback.stop()
        fallback.start()  # it reads the file as it is now
        tcp.stop()
        try:
            wait_for(lambda: site.ask("read", key="fallback/1").text == "with both")
            assert not writes("without a server to write to")
            # As a server does that is just stopping: ZEO's own client would never come back to it
            with socket.create_server(("127.0.0.1", tcp.port)) as dying:
                dying.settimeout(60)
                dying.accept()[0].close()
        finally:
            tcp.start()
        wait_for(lambda: writes("with both again"))
    # Both are there when it starts, and it has the one that can be written to
    with served(buildout, ports, "fallback") as [site]:
        assert site.read("fallback/1") == "with both again"
        assert writes("once more")


def test_a_new_client_takes_the_server_that_can_be_written_to(tcp: ZEOServer, fallback: ZEOServer) -> None:
    """Without losing what it asks meanwhile, as ZEO's own does about every second time."""
    servers = [("127.0.0.1", fallback.port), ("127.0.0.1", tcp.port)]
    usual = ZEO.asyncio.client.ClientIO
    zeofallback.use()
    try:
        for _ in range(10):
            client = ClientStorage(servers, read_only_fallback=True)
            try:
                client.lastTransaction()
                client.ping()
                assert not client.is_read_only()
            finally:
                client.close()
    finally:
        ZEO.asyncio.client.ClientIO = usual


def test_demo_over_zeo(built: tuple[Buildout, dict[str, int]]) -> None:
    buildout, ports = built
    with served(buildout, ports, "tcp-1") as [site]:
        site.write("demo/1", "base")
    with served(buildout, ports, "demo") as [site]:
        assert site.read("demo/1") == "base"
        site.write("demo/1", "changed")
        assert site.read("demo/1") == "changed"
    with served(buildout, ports, "tcp-1") as [site]:
        assert site.read("demo/1") == "base"
