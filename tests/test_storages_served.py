"""Every storage that needs no database server: a real Zope starts with it and serves, and the data stays, or goes."""

from __future__ import annotations

import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest

from storages import Site, parts, served
from support import Buildout

LONG = "zlib makes this short. " * 100


@dataclass(frozen=True)
class Case:
    """A storage.

    options   of the part
    kept      whether what is written is still there after a restart
    blobs     whether blobs can be written
    base      whether the entries of an existing Data.fs are seen
    base_blobs  whether its blobs are, too
    late      whether an entry is seen that was written after the TIME
    writable  whether anything can be written
    place     where the data must be in the end, given `var`
    """

    options: str
    kept: bool = True
    blobs: bool = True
    base: bool = True
    base_blobs: bool = True
    late: bool = True
    writable: bool = True
    place: Callable[[Path, bytes], bool] = lambda var, before: holds(var, "filestorage/Data.fs")


def holds(var: Path, name: str, text: str = LONG) -> bool:
    """Whether a FileStorage has the long value as it is."""
    return text.encode() in (var / name).read_bytes()


def base_is_unchanged(var: Path, before: bytes) -> bool:
    """Whether Data.fs is as it was."""
    return (var / "filestorage/Data.fs").read_bytes() == before


def blobs_in(directory: Path) -> int:
    """The number of blobs in a directory, which is for its owner alone."""
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    return len(list(directory.rglob("*.blob")))


IN_DEMO_FILE = "demo-storage = on\ndemo-file-storage = filestorage/demo.fs"

CASES = {
    "file": Case(
        "", place=lambda var, before: holds(var, "filestorage/Data.fs") and blobs_in(var / "blobstorage") == 2
    ),
    "file-elsewhere": Case(
        "file-storage = a/b.fs\nblob-storage = ${buildout:directory}/var/c/d\n"
        "zodb-pool-size = 11\nzodb-pool-timeout = 10m\nzodb-large-record-size = 4MB",
        base=False,
        place=lambda var, before: holds(var, "a/b.fs") and blobs_in(var.parent / "c/d") == 1,
    ),
    "file-without-blobs": Case("blob-storage =", blobs=False, base_blobs=False),
    "memory": Case("file-storage =", kept=False, blobs=False, base=False, place=base_is_unchanged),
    "memory-with-blobs": Case(
        "file-storage =\nblob-storage = var/blobs-of-memory",
        kept=False,
        base=False,
        place=lambda var, before: base_is_unchanged(var, before) and blobs_in(var.parent / "blobs-of-memory") == 1,
    ),
    "zlib-active": Case(
        "zlib-storage = active",
        place=lambda var, before: not holds(var, "filestorage/Data.fs") and not base_is_unchanged(var, before),
    ),
    "zlib-passive": Case("zlib-storage = passive"),
    "before-now": Case("before-storage = now", writable=False, place=base_is_unchanged),
    "before-time": Case("before-storage = TIME", writable=False, late=False, place=base_is_unchanged),
    "demo": Case("demo-storage = on", kept=False, base_blobs=False, place=base_is_unchanged),
    "demo-without-blobs": Case(
        "demo-storage = on\nblob-storage =", kept=False, base_blobs=False, place=base_is_unchanged
    ),
    "demo-before": Case("demo-storage = on\nbefore-storage = now", kept=False, place=base_is_unchanged),
    "demo-file": Case(
        IN_DEMO_FILE,
        blobs=False,
        base_blobs=False,
        place=lambda var, before: base_is_unchanged(var, before) and holds(var, "filestorage/demo.fs"),
    ),
    "demo-blobs": Case(
        "demo-storage = on\ndemo-blob-storage = var/changes-1\nblob-storage = ${:var}/blobstorage",
        kept=False,
        place=lambda var, before: base_is_unchanged(var, before) and blobs_in(var.parent / "changes-1") == 1,
    ),
    "demo-file-and-blobs": Case(
        f"{IN_DEMO_FILE}\ndemo-blob-storage = var/changes-2\nblob-storage = ${{:var}}/blobstorage",
        place=lambda var, before: (
            base_is_unchanged(var, before)
            and holds(var, "filestorage/demo.fs")
            and blobs_in(var.parent / "changes-2") == 1
            and blobs_in(var / "blobstorage") == 1
        ),
    ),
    "demo-file-zlib": Case(
        f"{IN_DEMO_FILE}\nzlib-storage = active",
        blobs=False,
        base_blobs=False,
        place=lambda var, before: base_is_unchanged(var, before) and not holds(var, "filestorage/demo.fs"),
    ),
    "demo-file-before": Case(
        f"{IN_DEMO_FILE}\nbefore-storage = now\ndemo-blob-storage = var/changes-3",
        place=lambda var, before: (
            base_is_unchanged(var, before)
            and holds(var, "filestorage/demo.fs")
            and blobs_in(var.parent / "changes-3") == 1
        ),
    ),
    "wrapper": Case(
        "zope-conf-imports = zc.zlibstorage\nstorage-wrapper =\n  <zlibstorage>\n    %s\n  </zlibstorage>",
        place=lambda var, before: not holds(var, "filestorage/Data.fs"),
    ),
    "temporary": Case("zodb-temporary-storage = on"),
}
COMMON = """\
eggs =
    Zope
    tempstorage
    Products.TemporaryFolder
    zc.beforestorage
    zc.zlibstorage
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The ``var`` of an instance that was used: an object and a blob are in it, and what came after the time."""
    buildout = Buildout(tmp_path_factory.mktemp("base") / "buildout")
    text, ports = parts("eggs = Zope", {"instance": ""})
    buildout.write(text)
    buildout.run()
    with served(buildout, ports, "instance") as [site]:
        site.write("base/1", "an object")
        site.write("base/2", "a blob", blob=True)
        between = time.time() // 1 + 1  # the first full second after that, which the next entry comes after
        time.sleep(between - time.time() + 0.1)
        site.write("base/late", "a late object")
    return buildout.directory / "var", datetime.fromtimestamp(between, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, base: tuple[Path, str]) -> tuple[Buildout, dict[str, int]]:
    """All the parts, each with a copy of what is in `base`; made in one run."""
    buildout = Buildout(tmp_path_factory.mktemp("cases") / "buildout")
    var, time_between = base
    variants = {}
    for name, case in CASES.items():
        shutil.copytree(var, buildout.directory / "var" / name, ignore=shutil.ignore_patterns("log", "*.lock"))
        options = case.options.replace("TIME", time_between)
        temporary = "" if "zodb-temporary-storage" in options else "zodb-temporary-storage = off\n"
        variants[name] = f"var = ${{buildout:directory}}/var/{name}\n{temporary}{options}"
    text, ports = parts(COMMON, variants)
    buildout.write(text)
    buildout.run()
    return buildout, ports


@pytest.mark.parametrize("name", CASES)
def test_it_serves_and_the_data_is_where_it_should_be(built: tuple[Buildout, dict[str, int]], name: str) -> None:
    buildout, ports = built
    case = CASES[name]
    var = buildout.directory / "var" / name
    before = (var / "filestorage/Data.fs").read_bytes()
    with served(buildout, ports, name) as [site]:
        assert site.read("base/1") == ("an object" if case.base else None)
        if case.base and case.base_blobs:
            assert site.read("base/2") == "a blob"
        if case.base:
            assert site.read("base/late") == ("a late object" if case.late else None)
        if not case.writable:
            assert site.ask("write", key="new/1", value=LONG).status == 500
        else:
            write(site, case)
            assert_written(site, case)
    with served(buildout, ports, name) as [site]:
        assert site.read("base/1") == ("an object" if case.base else None)
        if case.kept and case.writable:
            assert_written(site, case)
        else:
            assert site.read("new/1") is site.read("new/2") is None
    assert case.place(var, before)


def test_the_pool_is_as_it_was_set(built: tuple[Buildout, dict[str, int]]) -> None:
    buildout, ports = built
    with served(buildout, ports, "file-elsewhere") as [site]:
        assert site.ask("pool").text == f"11 600 {4 * 1024**2}"


def write(site: Site, case: Case) -> None:
    site.write("new/1", LONG)
    if case.blobs:
        site.write("new/2", "a new blob", blob=True)


def assert_written(site: Site, case: Case) -> None:
    assert site.read("new/1") == LONG
    if case.blobs:
        assert site.read("new/2") == "a new blob"
