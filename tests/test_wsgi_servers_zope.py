"""A Zope behind every server that ``wsgi-server`` can name, through a real buildout and ``bin/NAME``.

A server more is one more in the table of `recipe.common.servers`, and nothing here.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import views
from databases import ZEOServer
from handmade import Client
from receivers import Receiver, posts, read_envelope
from recipe.common.servers import SERVERS
from storages import LEDGER, Site, assert_all_there, writing
from support import Buildout, fetch, free_port, serving
from waiting import wait_for
from wsgi_servers import battery, kill

FORKING = [each.name for each in SERVERS.values() if each.workers]
SIZE = 50 * 2**20

#: Both packages of views, in one part.
VIEWS = views.OPTIONS.replace("extra-paths = ", "extra-paths =\n    ").replace(
    "\nzcml-additional", "\n    " + LEDGER.split("extra-paths = ")[1].strip() + "\nzcml = ledger\nzcml-additional"
)


@dataclass(frozen=True)
class Built:
    """A buildout with a part for a server, and one more on ZEO if that has workers; and the parts' ports."""

    buildout: Buildout
    ports: dict[str, int]
    sentry: Receiver

    def url(self, name: str) -> str:
        """The root of a part's Zope."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def control(self, name: str, *command: str) -> str:
        """Run ``bin/NAME COMMAND``; return what it printed."""
        return self.buildout.call(f"bin/{name}", *command, timeout=120).stdout

    def pid(self, name: str) -> int:
        """The server's process, by ``status``."""
        found = re.match(r"program running; pid=(\d+)$", self.control(name, "status"), re.MULTILINE)
        assert found
        return int(found[1])

    def workers(self, name: str) -> list[int]:
        """The processes that serve, by ``status --json``."""
        status = json.loads(self.control(name, "status", "--json"))
        return list(status.get("workers") or [status["server"]])


@pytest.fixture(scope="module")
def sentry() -> Iterator[Receiver]:
    with posts(read_envelope) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def zeo() -> Iterator[ZEOServer]:
    server = ZEOServer()
    yield server
    server.close()


@pytest.fixture(scope="module", params=battery(*SERVERS))
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sentry: Receiver, zeo: ZEOServer
) -> Built:
    ports = {name: free_port() for name in (request.param, f"zeo-{request.param}")}
    if request.param not in FORKING:
        del ports[f"zeo-{request.param}"]
    text = f"[buildout]\nparts = {' '.join(ports)}\n"
    for name, port in ports.items():
        text += f"\n[{name}]\nrecipe = plone.recipe.zope2instance\neggs = Zope\nuser = admin:admin\n"
        text += f"http-address = 127.0.0.1:{port}\nwsgi-server = {request.param}\n{VIEWS}"
        if name == request.param:
            text += f"sentry_dsn = http://key@127.0.0.1:{sentry.port}/42\nprofile = on\n"
            text += "waitress-trusted-proxy = 127.0.0.1\nwaitress-trusted-proxy-headers = x-forwarded-for\n"
        else:
            text += f"zeo-client = on\nzeo-address = {zeo.address}\nshared-blob = on\nblob-storage = {zeo.blobs}\n"
            # Both write to one tree all the time, and a request that gives up after three conflicts is not lost
            text += "workers = 2\nzope-conf-additional = max-conflict-retries 30\n"
    buildout = Buildout(tmp_path_factory.mktemp(request.param))
    buildout.write(text)
    buildout.run()
    return Built(buildout, ports, sentry)


@pytest.fixture(scope="module")
def server(built: Built) -> Iterator[str]:
    """The name of a server, which runs in the background."""
    name = next(iter(built.ports))
    assert "daemon process started, pid=" in built.control(name, "start")
    yield name
    assert built.control(name, "stop") == "daemon process stopped\n"
    assert built.buildout.call(f"bin/{name}", "status", check=False).stdout == "daemon manager not running\n"


def test_it_has_started_as_any_other(built: Built, server: str) -> None:
    assert fetch(built.url(server)).status == 200
    pid = built.pid(server)
    # With one process these are the only digits
    assert built.control(server, "status") == f"program running; pid={pid}\n"
    assert int(built.buildout.read(f"var/{server}.pid")) == pid
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    assert str(built.buildout.part(server) / "etc/wsgi.ini") in words
    assert built.buildout.read(f"var/log/{server}.log").count("Ready to handle requests") == 1


def test_a_blob_of_fifty_megabytes_up_and_down(built: Built, server: str) -> None:
    data = random.Random(1).randbytes(SIZE)
    request = urllib.request.Request(
        f"{built.url(server)}/@@upload", data, {"Content-Type": "application/octet-stream"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=120) as answer:
        assert answer.read() == str(SIZE).encode()
    [worker] = built.workers(server)
    # "Reset peak resident set size", proc(5)
    Path(f"/proc/{worker}/clear_refs").write_text("5")
    before = peak(worker)
    with opener.open(f"{built.url(server)}/@@download", timeout=120) as answer:
        assert hashlib.sha256(answer.read()).digest() == hashlib.sha256(data).digest()
    assert peak(worker) - before < SIZE // 2


def peak(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024  # type: ignore[index]


def test_a_body_in_chunks_reaches_zope(built: Built, server: str) -> None:
    if not SERVERS[server].chunked:
        # At once, since the connection ends while a client still sends
        with Client(("127.0.0.1", built.ports[server])) as client:
            head = "POST /@@upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            client.send(f"{head}3\r\none\r\n0\r\n\r\n")
            assert client.file.readline() == b"HTTP/1.1 411 Length Required\r\n"
        return
    connection = http.client.HTTPConnection("127.0.0.1", built.ports[server], timeout=60)
    headers = {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}
    connection.request("POST", "/@@upload", iter([b"one", b"two" * 1000]), headers, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"3003")
    connection.close()


def test_the_client_of_a_trusted_proxy_is_known(built: Built, server: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", built.ports[server], timeout=60)
    # What the client says stands before what the proxy has seen
    connection.request("GET", "/tell", headers={"X-Forwarded-For": "198.51.100.1, 192.0.2.7"})
    assert json.loads(connection.getresponse().read())["REMOTE_ADDR"] == "192.0.2.7"
    connection.close()
    log = f"var/log/{server}-access.log"
    wait_for(lambda: re.search(r'^192\.0\.2\.7 .*"GET /tell HTTP/1.1" 200 ', built.buildout.read(log), re.MULTILINE))


def test_sentry_and_the_profile_are_in_the_pipeline(built: Built, server: str) -> None:
    fetch(built.url(server))  # the profile leaves out the first request
    assert fetch(f"{built.url(server)}/fail?text=of-{server}").status == 500
    built.sentry.wait_for(lambda received: any(f"of-{server}" in each.text for each in received if each.events))

    def profiled() -> bool:
        fetch(built.url(server))
        return "function calls" in fetch(f"{built.url(server)}/__profile__").text

    # repoze.profile takes what the page shows from sys.stdout, which all threads share
    wait_for(profiled)


def test_logs_are_reopened(built: Built, server: str) -> None:
    logs = built.buildout.directory / "var/log"
    for kind in ("", "-access"):
        (logs / f"{server}{kind}.log").rename(logs / f"{server}{kind}.log.1")
    assert built.control(server, "logreopen") == ""

    def arrived() -> bool:
        fetch(f"{built.url(server)}/say?text=after-the-rotation&level=WARNING&logger=a")
        new = [logs / f"{server}{kind}.log" for kind in ("", "-access")]
        return all(each.exists() and "after-the-rotation" in each.read_text() for each in new)

    wait_for(arrived)


def test_it_is_restarted(built: Built, server: str) -> None:
    before = built.workers(server)
    assert f"daemon process restarted, pid={built.pid(server)}" in built.control(server, "restart")
    assert built.workers(server) != before
    assert fetch(built.url(server)).status == 200


def test_what_zope_refuses_is_told_and_ctrl_c_ends_it(built: Built, server: str) -> None:
    built.control(server, "stop")
    conf = built.buildout.part(server) / "etc/zope.conf"
    good = conf.read_text()
    conf.write_text(good + "\nno-such-key on\n")
    done = built.buildout.call(f"bin/{server}", "start", check=False)
    conf.write_text(good)
    assert done.returncode == 1
    assert "'no-such-key' is not a known key name" in done.stdout
    assert "Traceback" not in done.stdout
    assert built.buildout.call(f"bin/{server}", "status", check=False).stdout == "daemon manager not running\n"
    with serving(built.buildout, server, url=built.url(server)) as process:
        assert process.response.status == 200
    assert "Traceback" not in process.output
    built.control(server, "start")


# --- several processes -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(built: Built) -> Iterator[str]:
    """The name of a part with two workers on ZEO, which runs in the background."""
    name = list(built.ports)[1]
    built.control(name, "start")
    yield name
    built.control(name, "stop")


with_workers = pytest.mark.parametrize("built", battery(*FORKING), indirect=True, scope="module")


@with_workers
def test_both_workers_serve_one_database(built: Built, pair: str) -> None:
    wait_for(lambda: len(built.workers(pair)) == 2)
    workers = built.workers(pair)
    assert (
        built.control(pair, "status") == f"program running; pid={built.pid(pair)}\nworkers: {workers[0]} {workers[1]}\n"
    )
    site = Site(built.url(pair))
    site.write("pair/1", "one")
    seen: dict[int, str | None] = {}

    def ask() -> bool:
        with writing(site, clients=4, name="keep-busy", blobs=False) as load:
            load.wait_for_more(20)
            for _ in range(10):
                seen[int(site.ask("process").text)] = site.read("pair/1")
        return set(seen) == set(workers)

    wait_for(ask, 90)
    assert set(seen.values()) == {"one"}


@with_workers
def test_a_worker_that_dies_is_replaced(built: Built, pair: str) -> None:
    site = Site(built.url(pair))
    wait_for(lambda: len(built.workers(pair)) == 2)
    first, second = built.workers(pair)
    with writing(site, clients=4, name="dying") as load:
        load.wait_for_more(20)
        kill(first)
        wait_for(lambda: len(set(built.workers(pair)) - {first}) == 2)
        load.wait_for_more(20)
    assert_all_there(load, site)
    # Nobody but those whom it served notices
    assert len(load.refused) <= 4, load.refused
    assert second in built.workers(pair)


@with_workers
def test_no_request_is_lost_when_it_stops(built: Built, pair: str) -> None:
    site = Site(built.url(pair))
    with writing(site, clients=4, name="stopping") as load:
        load.wait_for_more(20)
        built.control(pair, "restart")
        load.wait_for_more(20)
    assert_all_there(load, site)
    lost = [each for each in load.refused if "refused" not in each.lower()]
    assert lost == []
