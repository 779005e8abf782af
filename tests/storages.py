"""Instances with the add-on ``packages/ledger``, and clients that write and read through it."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException

from support import TESTS, Buildout, Response, fetch, free_port, serving
from waiting import wait_for

#: What a part needs for the views.
LEDGER = f"zcml = ledger\nextra-paths = {TESTS}/packages\n"


@dataclass(frozen=True)
class Site:
    """A site that serves the views, by the base URL of the object whose database they use."""

    url: str

    def ask(self, view: str, timeout: float = 30, **form: str) -> Response:
        """Call a view; any status is an answer."""
        return fetch(f"{self.url}/@@{view}?{urllib.parse.urlencode(form)}", timeout=timeout)

    def write(self, key: str, value: str, blob: bool = False) -> None:
        """Write an entry, which must succeed."""
        answer = self.ask("write", key=key, value=value, blob="x" if blob else "")
        assert (answer.status, answer.text) == (200, "written"), answer

    def read(self, key: str) -> str | None:
        """Return an entry; None where there is none."""
        answer = self.ask("read", key=key)
        assert answer.status in (200, 404), answer
        return answer.text if answer.status == 200 else None

    def keys(self) -> set[str]:
        """Return the keys of all entries."""
        answer = self.ask("keys")
        assert answer.status == 200, answer
        return set(answer.text.split())


@dataclass(frozen=True)
class Poster(Site):
    """A site that is written to by POST requests, with these headers."""

    headers: Mapping[str, str] = field(default_factory=dict)

    def ask(self, view: str, timeout: float = 60, **form: str) -> Response:
        """Post a form to a view; any status is an answer."""
        data = urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(f"{self.url}/@@{view}", data=data, headers=dict(self.headers))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout) as answer:
                return Response(answer.status, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Response(error.code, error.read().decode(errors="replace"))


def parts(common: str, variants: Mapping[str, str]) -> tuple[str, dict[str, int]]:
    """Return the text of a buildout with one part for each variant, and their ports."""
    ports = {name: free_port() for name in variants}
    text = f"[buildout]\nparts = {' '.join(variants)}\n\n"
    for name, options in variants.items():
        text += f"[{name}]\nrecipe = plone.recipe.zope2instance\nuser = admin:admin\n"
        text += f"http-address = 127.0.0.1:{ports[name]}\n{LEDGER}{common}\n{options}\n\n"
    return text, ports


@contextmanager
def served(buildout: Buildout, ports: Mapping[str, int], *names: str) -> Iterator[list[Site]]:
    """Run these parts in the foreground, side by side, for as long as the block takes."""
    with ExitStack() as stack:
        sites = []
        for name in names:
            url = f"http://127.0.0.1:{ports[name]}"
            stack.enter_context(serving(buildout, name, url=f"{url}/@@keys"))
            sites.append(Site(url))
        yield sites


@dataclass
class Load:
    """Clients that write without a pause, each one entry after the other, and never the same twice.

    acknowledged  keys of the entries whose writing was answered with 200
    refused       the other answers and the broken connections, as text
    """

    acknowledged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def wait_for_more(self, number: int = 20) -> None:
        """Wait until so many entries more have been acknowledged: the site serves (again)."""
        goal = len(self.acknowledged) + number
        wait_for(lambda: len(self.acknowledged) >= goal, 90, lambda: f"refused: {self.refused[-3:]}")

    def wait_for_more_of(self, writer: str, number: int = 20) -> None:
        """The same, for the clients whose name begins so: those of one site."""

        def count() -> int:
            return sum(key.startswith(writer) for key in self.acknowledged)

        goal = count() + number
        wait_for(lambda: count() >= goal, 90, lambda: f"refused: {self.refused[-3:]}")


@contextmanager
def writing(*sites: Site, clients: int = 2, name: str = "load", blobs: bool = True) -> Iterator[Load]:
    """Let clients write to each site, while the block runs; every fifth entry is a blob."""
    load, over = Load(), threading.Event()

    def write(site: Site, writer: str) -> None:
        number = 0
        while not over.is_set():
            number += 1
            key = f"{writer}/{number}"
            try:
                answer = site.ask("write", key=key, value=key, blob="x" if blobs and number % 5 == 0 else "")
            except (OSError, HTTPException) as error:
                load.refused.append(repr(error))
                time.sleep(0.05)
                continue
            if answer.status == 200:
                load.acknowledged.append(key)
                time.sleep(0.01)  # leave the servers some of the machine
            else:
                load.refused.append(f"{answer.status} {answer.text[-300:]}")
                time.sleep(0.05)

    threads = [
        threading.Thread(target=write, args=(site, f"{name}{index}-{client}"))
        for index, site in enumerate(sites)
        for client in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        over.set()
        for thread in threads:
            thread.join()


@contextmanager
def reading(url: str) -> Iterator[Load]:
    """Let a client read without a pause, while the block runs."""
    load, over = Load(), threading.Event()

    def read() -> None:
        while not over.is_set():
            try:
                answer = fetch(url, timeout=60)
            except (OSError, HTTPException) as error:
                load.refused.append(repr(error))
                continue
            (load.acknowledged if answer.status == 200 else load.refused).append(str(answer.status))
            time.sleep(0.01)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield load
    finally:
        over.set()
        thread.join()


def assert_all_there(load: Load, site: Site) -> None:
    """What was acknowledged is in the database, with the values that were written."""
    assert load.acknowledged
    missing = set(load.acknowledged) - site.keys()
    assert not missing, f"{len(missing)} of {len(load.acknowledged)} lost: {sorted(missing)[:5]}"
    for key in [*load.acknowledged[:5], *load.acknowledged[-10:]]:
        assert site.read(key) == key
