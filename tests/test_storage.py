"""The tree of storages, as text."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

import pytest

from parts import description, zope_conf
from recipe.common import inspection
from recipe.describe import storages
from recipe.describe.sections import Key, Wrapped
from recipe.render import files, provenance, scripts, zconfig
from recipe.render.place import Place
from support import Buildout

PYTHON = scripts.Python("/usr/bin/python3", (), "")


def tree(text: str) -> str:
    """The storages of a part, a line each, indented as they nest, without values."""
    instance, problems = description(text)
    assert problems.errors == []
    marked = zconfig.Writer(Place("/none", "/none")).section(instance.storages.tree)
    lines = provenance.split(marked).text.splitlines()
    return "\n".join(line for line in lines if line.lstrip().startswith("<") and "</" not in line)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "<blobstorage>\n  <filestorage>"),
        ("blob-storage =", "<filestorage>"),
        ("file-storage =", "<demostorage>"),
        ("file-storage =\nblob-storage = b", "<blobstorage>\n  <mappingstorage>"),
        ("file-storage =\nblob-storage =", "<demostorage>"),
        ("zlib-storage = active", "<blobstorage>\n  <zlibstorage>\n    <filestorage>"),
        ("before-storage = now", "<before>\n  <blobstorage>\n    <filestorage>"),
        ("demo-storage = on", "<demostorage>\n  <filestorage>"),
        ("demo-storage = on\nblob-storage =", "<demostorage>\n  <filestorage>"),
        (
            "demo-storage = on\nbefore-storage = now",
            "<demostorage>\n  <before>\n    <blobstorage>\n      <filestorage>",
        ),
        (
            "demo-storage = on\ndemo-file-storage = d.fs\ndemo-blob-storage = d",
            "<demostorage>\n  <filestorage base>\n  <blobstorage changes>\n    <filestorage>",
        ),
        (
            "demo-storage = on\ndemo-blob-storage = d",
            "<demostorage>\n  <filestorage base>\n  <blobstorage changes>\n    <mappingstorage>",
        ),
        ("zeo-client = on", "<zeoclient>"),
        ("zeo-client = on\nzlib-storage = passive", "<zlibstorage>\n  <zeoclient>"),
        ("zeo-client = on\ndemo-storage = on", "<demostorage>\n  <zeoclient>"),
        ("rel-storage = type mysql\n  db x", "<relstorage>\n  <mysql>"),
        ("rel-storage =\n  type mysql\nzlib-storage = active", "<zlibstorage>\n  <relstorage>\n    <mysql>"),
        ("storage-wrapper =\n  <x>\n  %s\n  </x>\nblob-storage =", "<x>\n  <filestorage>"),
    ],
)
def test_what_wraps_what(text: str, expected: str) -> None:
    assert tree(text) == expected


@pytest.mark.parametrize("sign", ["%", "%%"])
def test_a_directive_in_a_wrapper(sign: str) -> None:
    """9.1.0 makes a doubled sign a single one; a single one fails there, and so it means itself."""
    text = zope_conf(f"storage-wrapper =\n  {sign}import x\n  <x>\n  a 5%% %%s %(y)s\n  %s\n  </x>\nblob-storage =")
    assert re.search(r"\n *%import x\n *<x>\n *a 5% %s %\(y\)s\n *<filestorage>\n", text)


def test_blobs_are_where_they_always_were() -> None:
    def blobs(text: str) -> tuple[str, ...]:
        return description(text)[0].private_directories

    assert blobs("") == ("/bd/var/blobstorage",)
    assert blobs("zeo-client = on") == ("/bd/var/blobcache",)
    assert blobs("zeo-client = on\nshared-blob = on") == ("/bd/var/blobstorage",)
    assert blobs("zeo-client = on\nblob-storage =") == ()
    assert blobs("demo-storage = on") == ()
    assert blobs("blob-storage = x/y") == ("/bd/x/y",)
    assert blobs("blob-storage = $(BLOBS)") == ()
    assert blobs("zope-conf = my.conf") == ()


def test_relstorage_keys_go_where_they_belong() -> None:
    text = zope_conf(
        """
rel-storage =
    type postgresql
    dbname plone
    user plone
    host localhost
    password it's a $ecret \\o/
    cache-local-mb 100
    name main
    driver psycopg2
"""
    )
    assert r"dsn dbname='plone' user='plone' host='localhost' password='it\'s a $$ecret \\o/'" in text
    relstorage = text[text.index("<relstorage>") : text.index("<postgresql>")]
    adapter = text[text.index("<postgresql>") : text.index("</postgresql>")]
    assert "cache-local-mb 100" in relstorage
    assert "name main" in relstorage
    assert "driver psycopg2" in adapter


def test_sqlite_pragmas_have_a_section_of_their_own() -> None:
    text = zope_conf("rel-storage =\n  type sqlite3\n  data-dir /d\n  pragmas-synchronous off\n  keep-history false")
    adapter = text[text.index("<sqlite3>") : text.index("</sqlite3>")]
    assert "data-dir /d" in adapter
    pragmas = adapter[adapter.index("<pragmas>") : adapter.index("</pragmas>")]
    assert "synchronous off" in pragmas
    assert "keep-history false" in text[: text.index("<sqlite3>")]


def test_a_pool_for_many_threads() -> None:
    assert "pool-size" not in zope_conf("threads = 7")
    assert "pool-size 20\n" in zope_conf("threads = 20")


@pytest.mark.parametrize(
    ("option", "eggs", "there"),
    [
        ("", (), False),
        ("", ("tempstorage", "Products.TemporaryFolder"), True),
        ("", ("tempstorage", "Products.TemporaryFolder", "Products.CMFPlone"), False),
        ("zodb-temporary-storage = off", ("tempstorage", "Products.TemporaryFolder"), False),
        ("zodb-temporary-storage = ON", ("tempstorage", "Products.TemporaryFolder", "Products.CMFPlone"), True),
    ],
)
def test_temporary_storage(option: str, eggs: tuple[str, ...], there: bool) -> None:
    instance, _ = description(option, eggs)
    assert (instance.temporary is not None) is there


def test_a_temporary_storage_of_ones_own() -> None:
    text = zope_conf("zodb-temporary-storage =\n  <zodb_db temporary>\n  mount-point /t\n  </zodb_db>")
    assert "<zodb_db temporary>\nmount-point /t\n</zodb_db>" in text


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("", False),
        ("rel-storage =\n  dbname plone\n  user plone", False),
        ("rel-storage =\n  dbname plone\n  password x", True),
        ("rel-storage =\n  type mysql\n  passwd x", True),
        ("rel-storage =\n  type oracle\n  dsn plone\n  user plone", False),
        ("rel-storage =\n  dsn dbname='plone' password='x'", True),
        ("rel-storage =\n  dsn postgresql://plone:x@localhost/plone", True),
        ("rel-storage =\n  dsn postgresql://plone@localhost/plone", False),
        ("rel-storage =\n  dbname plone\n  password $(PASSWORD)", False),
        ("rel-storage =\n  dsn dbname='plone' password='$(PASSWORD)'", False),
        ("zeo-client = on\nzeo-username = a\nzeo-password = x", True),
        ("zeo-client = on\nzeo-username = a\nzeo-password = $(PASSWORD)", False),
        ("zeo-client = on\nzeo-password = x", False),
        ("zeo-username = a\nzeo-password = x", False),
    ],
)
def test_a_password_closes_zope_conf_to_others(text: str, secret: bool) -> None:
    instance, problems = description(text)
    assert not problems.errors
    modes = {file.path: file.mode for file in files.render(instance, PYTHON, {}, problems)}
    assert modes[instance.zope_conf] == (0o600 if secret else 0o644)
    assert modes[instance.wsgi_ini] == 0o644


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "zeo-client = on\nrel-storage =\n  type sqlite3",
            "rel-storage: cannot be combined with zeo-client; remove one of them",
        ),
        ("zeo-client = on\nzeo-username = a", "zeo-username: has no zeo-password; set it as well"),
        (
            "demo-storage = on\nblob-storage = b",
            "demo-storage: needs a directory for the blobs of its changes",
        ),
        (
            "storage-wrapper =\n  <x>\n  </x>",
            "storage-wrapper: '<x> </x>' must contain %s exactly once",
        ),
        (
            "rel-storage =\n  type",
            "rel-storage: the value has a key without a value (line 1). Allowed: lines of",
        ),
        ("zodb-pool-timeout = soon", "zodb-pool-timeout: 'soon' is not a time interval. Allowed: a number of seconds"),
        ("zodb-pool-size = 0", "zodb-pool-size: '0' is below 1. Allowed: a whole number, 1 or more"),
    ],
)
def test_wrong_combinations_are_errors(text: str, message: str) -> None:
    _, problems = description(text)
    [error] = problems.errors
    assert error.startswith(f"[instance] {message}")


def test_keys_of_the_main_database() -> None:
    text = zope_conf(
        """
threads = 20
zodb-pool-size = 11
zodb-pool-timeout = 10m
zodb-large-record-size = 4MB
zodb-historical-pool-size = 2
zodb-historical-cache-size = 9
zodb-historical-cache-size-bytes = 8MB
zodb-historical-timeout = 60
zodb-allow-implicit-cross-references = off
"""
    )
    database = text[text.index("<zodb_db main>") : text.index("<blobstorage>")]
    keys = dict(line.split(None, 1) for line in database.splitlines()[1:] if line.strip())
    assert keys == {
        "cache-size": "30000",
        "pool-size": "11",
        "pool-timeout": "10m",
        "large-record-size": "4MB",
        "historical-pool-size": "2",
        "historical-cache-size": "9",
        "historical-cache-size-bytes": "8MB",
        "historical-timeout": "60",
        "allow-implicit-cross-references": "off",
        "mount-point": "/",
    }


def test_the_keys_of_a_zeo_client_are_those_of_the_installed_zodb() -> None:
    tree = description("zeo-client = on\nzeo-client-client = c\nmin-disconnect-poll = 3")[0].storages.tree
    [section] = storages.checked(Wrapped("<x>", tree, "</x>"))
    assert list(inspection.storage_keys(asdict(section), ())) == []
    unset = replace(section, keys=(*section.keys, Key("unknown", None)))
    assert list(inspection.storage_keys(asdict(unset), ())) == []
    # As in a ZODB that has no such keys
    for key in ("client", "min-disconnect-poll", "server"):
        renamed = tuple(each._replace(name=f"{key}s") if each.name == key else each for each in section.keys)
        [finding] = inspection.storage_keys(asdict(replace(section, keys=renamed)), ())
        assert finding.message == f"zeoclient has no key '{key}s'; did you mean {key}?"
        expected = {"client": "zeo-client-client", "server": "zeo-address"}
        assert finding.option == expected.get(key, key)


def test_no_word_where_the_package_cannot_be_loaded() -> None:
    tree = description("rel-storage =\n  nonsense x")[0].storages.tree
    [section] = storages.checked(tree)
    assert list(inspection.storage_keys(asdict(section), ("no.such.package",))) == []


NO_ADAPTER = "'postgres' is not an adapter of RelStorage (mysql, oracle, postgresql, sqlite3); did you mean postgresql?"


@pytest.mark.parametrize(
    ("lines", "messages"),
    [
        (
            "type mysql\n  pasword x\n  keep_history off\n  cache-local-bm 3",
            (
                "mysql has no key 'pasword'; did you mean passwd?",
                "mysql has no key 'keep_history'; did you mean keep-history?",
                "relstorage has no key 'cache-local-bm'; did you mean cache-local-mb?",
            ),
        ),
        (
            "type postgres\n  dbname $(NO_SUCH_VARIABLE)",
            (NO_ADAPTER,),
        ),
    ],
)
def test_unknown_keys_and_adapters_are_errors(buildout: Buildout, lines: str, messages: tuple[str, ...]) -> None:
    buildout.instance(f"eggs = Zope\nrel-storage =\n  {lines}\n")
    done = buildout.run(check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    assert "will not start" not in done.stdout
    for message in messages:
        assert f"[instance] rel-storage: {message} (buildout.cfg, line 8)\n" in done.stdout
    assert not (buildout.part() / "etc/zope.conf").exists()


def test_data_is_never_deleted(buildout: Buildout) -> None:
    data = [buildout.directory / name for name in ("var/filestorage/Data.fs", "var/blobstorage/0x00.blob")]
    variants = (
        "",
        "zeo-client = on\n",
        "rel-storage =\n  type sqlite3\n  data-dir var/sqlite\n  blob-dir var/relblobs\n",
        "file-storage =\nblob-storage =\n",
    )
    for options in variants:
        buildout.instance(f"eggs = Zope\n{options}")
        buildout.run()
        for directory in ("filestorage", "blobstorage", "blobcache", "sqlite", "relblobs"):
            if (buildout.directory / "var" / directory).is_dir():
                data.append(buildout.directory / "var" / directory / "kept")
        for path in data:
            if options == "" or path.name == "kept":
                path.write_text("the user's")
    buildout.run("buildout:parts=")
    assert not buildout.part().exists()
    assert len({path.parent for path in data}) == 5
    assert {path.read_text() for path in data} == {"the user's"}
