"""The tree of storages, as text."""

from __future__ import annotations

import pytest

from parts import description, zope_conf
from recipe import render, zconfig
from recipe.place import Place

PYTHON = render.Python("/usr/bin/python3", (), "")


def tree(text: str) -> str:
    """The storages of a part, a line each, indented as they nest, without values."""
    instance, problems = description(text)
    assert problems.errors == []
    lines = zconfig.Writer(Place("/none", "/none")).section(instance.storages.tree).splitlines()
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
    files = {file.path: file.mode for file in render.files(instance, PYTHON, {}, problems)}
    assert files[instance.zope_conf] == (0o600 if secret else 0o644)
    assert files[instance.wsgi_ini] == 0o644
