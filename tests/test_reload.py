"""A server is replaced while clients write: nothing is refused, nothing that was acknowledged is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from storages import Site, assert_all_there, parts, reading, writing
from support import Buildout

VARIANTS = {
    "filestorage": "",
    "socket": "",
    "late": "http-fast-listen = off",
}


def status(buildout: Buildout, name: str) -> dict[str, object]:
    values: dict[str, object] = json.loads(buildout.call(f"bin/{name}", "status", "--json", check=False).stdout)
    return values


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Buildout, dict[str, int]]]:
    buildout = Buildout(tmp_path_factory.mktemp("reload") / "buildout")
    text, ports = parts("eggs = Zope", VARIANTS)
    buildout.write(text)
    buildout.run()
    yield buildout, ports
    for name in VARIANTS:
        buildout.call(f"bin/{name}", "stop", check=False)


@pytest.mark.parametrize("name", ["filestorage", "late"])
def test_nothing_is_refused_or_lost(built: tuple[Buildout, dict[str, int]], name: str) -> None:
    buildout, ports = built
    buildout.call(f"bin/{name}", "start")
    before = status(buildout, name)
    site = Site(f"http://127.0.0.1:{ports[name]}")
    with writing(site) as load, reading(f"{site.url}/@@keys") as read:
        load.wait_for_more(20)
        for _ in range(3):
            done = buildout.call(f"bin/{name}", "reload", check=False)
            assert done.returncode == 0, done.stdout
            assert done.stdout == f"daemon process reloaded, pid={before['pid']}\n"
            load.wait_for_more(20)
    assert (load.refused, read.refused) == ([], [])
    assert_all_there(load, site)
    after = status(buildout, name)
    assert after["pid"] == before["pid"]
    assert after["server"] != before["server"]
    pid_file = buildout.directory / f"var/{name}.pid"
    assert int(pid_file.read_text()) == before["pid"]
    buildout.call(f"bin/{name}", "stop")
    assert not pid_file.exists()
