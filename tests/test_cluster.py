"""``examples/cluster``: HAProxy in front of two instances, on a ZEO server and on PostgreSQL.

Clients write and read through HAProxy while one instance after the other is restarted, and one is
killed: none of them sees an error, and what was written is there.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import stat
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

from databases import PostgreSQL
from storages import Poster, Site, assert_all_there, reading, writing
from support import TESTS, Buildout, fetch, free_port, running, wait_for_http
from test_examples import copy_example
from waiting import wait_for

PASSWORD = "pass$word"
INSTANCES = ("instance1", "instance2")
HAPROXY = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")


@dataclass
class Cluster:
    """The example, built on free ports."""

    buildout: Buildout
    ports: Mapping[str, int]
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where HAProxy serves."""
        return f"http://127.0.0.1:{self.ports['haproxy']}"

    @property
    def status(self) -> str:
        """What HAProxy knows of its servers, as CSV."""
        return f"http://127.0.0.1:{self.ports['status']}/;csv"

    def control(self, name: str, command: str) -> None:
        """Run ``bin/NAME COMMAND``."""
        self.buildout.call(f"bin/{name}", command, env=self.env)

    def pid(self, name: str) -> int:
        """The process that serves; 0 while there is none."""
        status = self.buildout.call(f"bin/{name}", "status", "--json", check=False).stdout
        return int(json.loads(status).get("server") or 0)

    def wait_until_up(self, name: str) -> None:
        """Wait until HAProxy sends requests to an instance."""

        def states() -> dict[str, str]:
            text = fetch(self.status).text.removeprefix("# ")
            return {row["svname"]: row["status"] for row in csv.DictReader(text.splitlines())}

        wait_for(lambda: states().get(name) == "UP", message=lambda: str(states()))

    def restart(self, name: str) -> None:
        """Restart an instance, and wait until it is in use again."""
        before = self.pid(name)
        self.control(name, "restart")
        assert self.pid(name) != before
        self.wait_until_up(name)

    def kill(self, name: str) -> None:
        """Kill the server, and wait until its daemon has started another one, which is in use."""
        before = self.pid(name)
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: self.pid(name) not in (0, before))
        self.wait_until_up(name)


@contextmanager
def cluster(directory: Path, config: str, **env: str) -> Iterator[Cluster]:
    """Build and start the cluster; with the views of the tests in it."""
    ports = {"haproxy": 8080, "instance1": 8081, "instance2": 8082, "status": 8090, "inner": 8091}
    ports |= {"zeoserver": 8100, "database": 5432}
    free = {name: int(env.pop(f"{name}_port", 0)) or free_port() for name in ports}
    example = copy_example("cluster", directory, {ports[name]: free[name] for name in ports})
    # The checkout is linked already.
    views = ("instance:zcml+=ledger", f"instance:extra-paths+={TESTS}/packages")
    example.run("-c", config, "buildout:develop=", *views)
    found = Cluster(example, free, env)
    haproxy = example.part("haproxy") / "haproxy.cfg"
    with ExitStack() as stack:
        for name in ("zeoserver", "instance1", "instance2"):
            if (example.directory / "bin" / name).exists():
                stack.callback(found.control, name, "stop")
                found.control(name, "start")
        assert HAPROXY, "apt-get install haproxy"
        server = stack.enter_context(running(HAPROXY, "-db", "-f", str(haproxy), cwd=example.directory))
        wait_for_http(found.status, process=server.process)
        for name in INSTANCES:
            found.wait_until_up(name)
        yield found


def test_on_zeo(tmp_path: Path) -> None:
    with cluster(tmp_path, "buildout.cfg") as found:
        no_client_sees_an_error(found)


def test_on_postgresql(tmp_path: Path) -> None:
    server = PostgreSQL()
    try:
        server.add("plone", PASSWORD)
        with cluster(tmp_path, "postgresql.cfg", database_port=str(server.port), DATABASE_PASSWORD=PASSWORD) as found:
            no_client_sees_an_error(found)
            conf = found.buildout.read("parts/instance1/etc/zope.conf")
            assert PASSWORD not in conf
            blobs = found.buildout.directory / "var/blobcache"
            assert stat.S_IMODE(blobs.stat().st_mode) == 0o700
    finally:
        server.close()


def no_client_sees_an_error(found: Cluster) -> None:
    url = found.url
    with reading(url) as reads, writing(Poster(url)) as writes, counting(Poster(url), 3) as counts:
        writes.wait_for_more(20)
        for name in INSTANCES:
            found.restart(name)
        writes.wait_for_more(20)
        for name in INSTANCES:
            found.kill(name)
            writes.wait_for_more(20)
    assert reads.refused == []
    assert writes.refused == []
    for answers in counts:
        # None lost, and none done twice: also of those that were under way when an instance was killed
        assert answers == [str(number) for number in range(1, len(answers) + 1)]
    a_request_is_carried_out_once(found)
    for name in INSTANCES:
        site = Site(f"http://127.0.0.1:{found.ports[name]}")
        assert_all_there(writes, site)
        assert [site.read(f"count{client}/n") for client in range(len(counts))] == [answers[-1] for answers in counts]


def a_request_is_carried_out_once(found: Cluster) -> None:
    """By its number: at both instances at the same time, and once more afterwards."""
    urls = [f"http://127.0.0.1:{found.ports[name]}" for name in INSTANCES]
    for done in range(1, 11):
        headers = {"X-Request-ID": f"{int(time.time())}-{uuid.uuid4()}"}
        sites = [Poster(url, headers) for url in urls]
        with ThreadPoolExecutor() as pool:
            answers = list(pool.map(lambda site: site.ask("count", key="once/n"), sites))
        answers += [site.ask("count", key="once/n") for site in sites]
        assert [(one.status, one.text) for one in answers] == [(200, str(done))] * 4


@contextmanager
def counting(site: Site, clients: int) -> Iterator[list[list[str]]]:
    """Let clients count without a pause, while the block runs; yields what each was answered."""
    over = threading.Event()
    answers: list[list[str]] = [[] for _ in range(clients)]

    def count(client: int) -> None:
        while not over.is_set():
            try:
                answer = site.ask("count", key=f"count{client}/n")
                answers[client].append(answer.text if answer.status == 200 else str(answer))
            except (OSError, HTTPException) as error:
                answers[client].append(repr(error))

    threads = [threading.Thread(target=count, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()
