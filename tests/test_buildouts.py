"""Buildouts with several parts, and buildout's own options: what its users expect of any recipe."""

from __future__ import annotations

import shutil

import pytest

from support import Buildout, toolchain

READERS = """
[buildout]
parts = {parts}

[before]
recipe = zc.recipe.egg
eggs = waitress
interpreter = before
initialization = facts = ['${{instance:location}}', '${{instance:zope-conf}}']

[instance]
recipe = plone.recipe.zope2instance
user = admin:admin
eggs = Zope
scripts =
{options}

[after]
<= before
interpreter = after
"""


@pytest.mark.parametrize("parts", ["before instance after", "instance after", "before"])
@pytest.mark.parametrize("options", ["", "zope-conf = my.conf"])
def test_other_parts_read_where_it_is(buildout: Buildout, parts: str, options: str) -> None:
    buildout.write(READERS.format(parts=parts, options=options))
    buildout.write("", "my.conf")
    buildout.run()
    conf = "my.conf" if options else f"{buildout.part()}/etc/zope.conf"
    for reader in {"before", "after"} & set(parts.split()):
        assert f"['{buildout.part()}', '{conf}']" in buildout.read(f"bin/{reader}")
    assert (buildout.part() / "etc/zope.conf").exists() == (options == "")
    before = buildout.read(".installed.cfg")
    assert "Updating instance" in buildout.run().stdout
    assert buildout.read(".installed.cfg").startswith(before)


def test_one_part_alone_can_be_installed(buildout: Buildout) -> None:
    buildout.write(
        """
        [buildout]
        parts = one two
        [one]
        recipe = plone.recipe.zope2instance
        user = admin:admin
        [two]
        <= one
        """
    )
    buildout.run("install", "one")
    assert (buildout.part("one") / "etc/zope.conf").exists()
    assert not buildout.part("two").exists()
    buildout.run()
    assert (buildout.part("two") / "etc/zope.conf").exists()
    buildout.run("one:threads=9", "install", "one")
    assert "threads = 9\n" in buildout.read("parts/one/etc/wsgi.ini")
    assert (buildout.part("two") / "etc/zope.conf").exists()


@pytest.mark.parametrize("option", ["-N", "-n", "-q", "-v"])
def test_options_of_buildout(buildout: Buildout, option: str) -> None:
    buildout.instance("eggs = Zope\n")
    buildout.run(option, "buildout:newest=false")
    assert (buildout.part() / "etc/zope.conf").exists()
    assert "Traceback" not in buildout.run(option, "buildout:newest=false").stdout


def test_an_option_on_the_command_line_of_buildout(buildout: Buildout) -> None:
    buildout.instance()
    buildout.run("instance:http-address=127.0.0.1:8123")
    assert "fast-listen = 127.0.0.1:8123\n" in buildout.read("parts/instance/etc/wsgi.ini")
    buildout.run("instance:http-address=127.0.0.1:8124")
    assert "fast-listen = 127.0.0.1:8124\n" in buildout.read("parts/instance/etc/wsgi.ini")


def test_a_part_that_comes_back_finds_its_data(buildout: Buildout) -> None:
    buildout.instance()
    buildout.run()
    text = buildout.read("buildout.cfg")
    (buildout.directory / "var/filestorage/Data.fs").write_text("data")
    buildout.write(text.replace("parts = instance", "parts ="))
    buildout.run()
    assert not buildout.part().exists()
    buildout.write(text)
    buildout.run()
    assert (buildout.part() / "inituser").exists()
    assert buildout.read("var/filestorage/Data.fs") == "data"


def test_another_recipe_takes_the_part(buildout: Buildout) -> None:
    buildout.instance()
    buildout.run()
    buildout.write("[buildout]\nparts = instance\n[instance]\nrecipe = zc.recipe.egg\neggs = waitress\n")
    buildout.run()
    assert not buildout.part().exists()
    assert not (buildout.directory / "bin/instance").exists()
    assert (buildout.directory / "bin/waitress-serve").exists()


def test_the_bin_directory_moves(buildout: Buildout) -> None:
    buildout.instance("eggs = Zope\n")
    buildout.run()
    buildout.run("buildout:bin-directory=programs")
    assert (buildout.directory / "programs/instance").exists()
    assert list((buildout.directory / "bin").iterdir()) == []


def test_slugs_that_were_kept_go_when_they_are_kept_no_longer(buildout: Buildout) -> None:
    def slugs() -> list[str]:
        return sorted(path.name for path in (buildout.part() / "etc/package-includes").iterdir())

    for zcml, expected in (
        ("a b", ["002-a-configure.zcml", "003-b-configure.zcml"]),
        ("* a", ["002-a-configure.zcml", "003-b-configure.zcml"]),
        ("a", ["002-a-configure.zcml"]),
    ):
        buildout.instance(f"zcml = {zcml}\n")
        buildout.run()
        assert slugs() == expected


def test_a_recipe_made_twice_on_the_same_options(buildout: Buildout) -> None:
    """As a recipe of one's own does that makes ours when it is installed."""
    buildout.write(
        """
        from setuptools import setup

        setup(
            name="twice",
            version="1",
            py_modules=["twice"],
            install_requires=["plone.recipe.zope2instance"],
            entry_points={"zc.buildout": ["default = twice:Recipe"]},
        )
        """,
        "twice/setup.py",
    )
    buildout.write(
        """
        import plone.recipe.zope2instance

        class Recipe:
            def __init__(self, *args):
                self.args = args
                plone.recipe.zope2instance.Recipe(*args)
            def install(self):
                return plone.recipe.zope2instance.Recipe(*self.args).install()
            update = install
        """,
        "twice/twice.py",
    )
    buildout.instance("[buildout]\ndevelop = twice\ndevelop-eggs-directory = develop-eggs\n", recipe="twice")
    shutil.copytree(toolchain().develop_eggs, buildout.directory / "develop-eggs")
    for _ in range(2):
        buildout.run()
        assert (buildout.part() / "etc/zope.conf").exists()
