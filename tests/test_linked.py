"""An instance whose eggs are linked: it sees what one without links sees, and keeps it while it runs."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from support import PYTHON, TESTS, Buildout, fetch, free_port, serving, toolchain
from test_links import EITHER, egg, write, zipped

#: Without Python's warnings, which some versions of setuptools cause.
QUIET = {"PYTHONWARNINGS": "ignore"}

HEAD = """
[buildout]
parts = {parts}
develop-eggs-directory = develop-eggs
allow-picked-versions = true
index = file:///nowhere

[versions]
late = {version}

[base]
recipe = plone.recipe.zope2instance
user = admin:admin
eggs =
    Zope
    late
"""

ZCML = """
zcml-additional =
    <configure xmlns:browser="http://namespaces.zope.org/browser" xmlns="http://namespaces.zope.org/zope">
      <include package="Products.Five" />
      <browser:page name="late" for="*" class="late.View" permission="zope.Public" />
    </configure>
"""

#: A view that imports when it is asked, not before.
VIEW = """
from Products.Five import BrowserView

class View(BrowserView):
    def __call__(self):
        from late import answer
        return answer.TEXT
"""


def add_eggs(buildout: Buildout) -> None:
    """Eggs beside the link to this checkout, where buildout finds them."""
    place = buildout.directory / "develop-eggs"
    shutil.copytree(toolchain().develop_eggs, place)
    for version in "1", "2", "3":
        files = {"late/__init__.py": VIEW, "late/answer.py": f"TEXT = 'of {version}'\n"}
        egg(place, "late", {**files, f"late/only{version}.py": ""}, f"{version}.0")
    points = "[group]\nname = many.one:WHO\n[console_scripts]\nsay-many = many.one:say\n"
    say = "WHO = 'one'\ndef say():\n    import sys\n    print(WHO, sys.path[0])\n"
    files = {"many/__init__.py": EITHER, "many/one.py": say, "taken/__init__.py": ""}
    egg(place, "many.one", files, points=points)
    egg(place, "many.two", {"many/__init__.py": EITHER, "many/two.py": "", "taken.py": ""})
    zipped(egg(place, "many.three", {"many/__init__.py": EITHER, "many/three.py": ""}))
    own = write(buildout.directory / "own", {"many/__init__.py": EITHER, "many/own.py": ""})
    write(Path(own), {"many.own.egg-info/PKG-INFO": "Metadata-Version: 2.1\nName: many.own\nVersion: 1.0\n"})
    (place / "many.own.egg-link").write_text(f"{own}\n.")


def many(name: str, more: str = "") -> str:
    eggs = "".join(f"    many.{each}\n" for each in ("one", "two", "three", "own"))
    return f"\n[{name}]\n<= base\neggs +=\n{eggs}{more}"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Buildout:
    """Parts of the same eggs with links and without."""
    buildout = Buildout(tmp_path_factory.mktemp("both") / "buildout")
    add_eggs(buildout)
    relative = many("relative", "relative-paths = true\nscripts =\n")
    plain = many("plain", "link-eggs = off\nscripts =\n")
    buildout.write(HEAD.format(parts="linked again plain relative", version="1.0") + many("linked") + relative + plain)
    with (buildout.directory / "buildout.cfg").open("a") as file:
        file.write("\n[again]\n<= linked\n")
    done = buildout.run()
    warning = (
        "several eggs contain the same module; Python imports taken from "
        f"many.one-1.0-py{PYTHON}.egg, not from many.two"
    )
    assert done.stdout.count(f"[linked] link-eggs: {warning}") == 1
    assert "link-eggs" not in buildout.run("-v").stdout
    return buildout


def tree(buildout: Buildout, name: str = "linked") -> Path:
    """The directory of links that the scripts of a part go by."""
    names = set(re.findall(r"lib-\w+", buildout.read(f"parts/{name}/bin/interpreter")))
    assert len(names) == 1
    return buildout.part(name) / str(names.pop())


def sees(buildout: Buildout, name: str) -> dict[str, Any]:
    names = [f"many.{each}" for each in ("one", "two", "three", "own")]
    names += [
        "taken",
        "zope.interface._zope_interface_coptimizations",
        "BTrees._OOBTree",
        "Products.Five",
        "paste.deploy",
    ]
    told = buildout.call(f"parts/{name}/bin/interpreter", str(TESTS / "visible.py"), *names, env=QUIET).stdout
    return dict(json.loads(told))


def test_the_same_is_seen_with_and_without(both: Buildout) -> None:
    linked, plain = sees(both, "linked"), sees(both, "plain")
    assert linked == plain
    assert linked["imported"]["many.two"] == f"many.two-1.0-py{PYTHON}.egg:many/two.py"
    assert "ModuleNotFoundError" not in linked["imported"].values()
    assert len(linked["modules"]) > 1000
    assert {"Zope", "many.one", "many.two", "many.three", "many.own"} < linked["distributions"].keys()


def test_what_is_on_the_path(both: Buildout) -> None:
    interpreter = both.read("parts/linked/bin/interpreter")
    assert str(both.directory / "own") in interpreter
    assert "many.three" in interpreter
    assert ".egg'" not in interpreter.replace(f"many.three-1.0-py{PYTHON}.egg'", "")
    assert "/lib" not in both.read("parts/plain/bin/interpreter").replace("/lib/python", "")
    assert "Zope-" in both.read("parts/plain/bin/interpreter")
    assert not (both.part("plain") / "lib").exists()
    assert (both.part("linked") / "lib").resolve() == tree(both)
    code = "import zope.interface._zope_interface_coptimizations as c; print(c.__file__)"
    file = both.call("parts/linked/bin/interpreter", "-c", code, env=QUIET).stdout
    assert file.startswith(f"{tree(both)}/zope/interface/")
    assert file.strip().endswith(".so")


def test_eggs_are_compiled(both: Buildout) -> None:
    """Who serves may not be allowed to write in them."""
    compiled = list((tree(both) / "late/__pycache__").iterdir())
    assert {file.name.partition(".")[0] for file in compiled} == {"__init__", "answer", "only1"}


def test_scripts_of_eggs_are_the_same_for_parts_with_the_same_eggs(both: Buildout) -> None:
    assert tree(both).name == tree(both, "again").name
    said = both.call("bin/say-many", env=QUIET).stdout.split()
    assert said[0] == "one"
    assert str(tree(both)) in both.read("bin/say-many")
    assert both.run("-v").stdout.count("Nothing has changed since the last run.") == 4


def test_a_part_is_taken_out_and_the_scripts_go_by_the_one_that_stays(both: Buildout) -> None:
    text = both.read("buildout.cfg")
    try:
        both.write(text.replace("parts = linked again plain relative", "parts = again"))
        both.run()
        assert os.listdir(both.directory / "parts") == ["again"]
        assert both.call("bin/say-many", env=QUIET).stdout.startswith("one ")
        assert str(tree(both, "again")) in both.read("bin/say-many")
    finally:
        both.write(text)
        both.run()


def test_the_whole_tree_is_moved(both: Buildout, tmp_path: Path) -> None:
    """The eggs that are in it go with it."""
    link = tree(both, "relative") / "many/one.py"
    assert not os.path.isabs(link.readlink())
    assert os.path.isabs((tree(both) / "many/one.py").readlink())
    before = sees(both, "relative")
    moved = Buildout(tmp_path / "elsewhere" / "deeper")
    moved.directory.rmdir()
    shutil.move(both.directory, moved.directory)
    try:
        assert sees(moved, "relative") == before
        assert str(both.directory) not in moved.read("parts/relative/bin/interpreter")
    finally:
        shutil.move(moved.directory, both.directory)


def test_z3c_autoinclude_keeps_the_eggs_on_the_path(buildout: Buildout) -> None:
    add_eggs(buildout)
    egg(buildout.directory / "develop-eggs", "z3c.autoinclude", {"z3c/__init__.py": EITHER, "z3c/autoinclude.py": ""})
    buildout.write(HEAD.format(parts="instance", version="1.0") + "    z3c.autoinclude\n[instance]\n<= base\n")
    output = buildout.run().stdout
    assert "link-eggs: the eggs stay on the path, since z3c.autoinclude is among them." in output
    assert "z3c.autoinclude" in buildout.read("bin/instance")
    assert not (buildout.part() / "lib").exists()


# --- while it runs ----------------------------------------------------------------------------


def test_a_server_keeps_what_it_has_started_with(buildout: Buildout) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    add_eggs(buildout)

    def build(version: str, more: str = "") -> Path:
        part = f"\n[instance]\n<= base\nhttp-address = 127.0.0.1:{port}\n{more}{ZCML}"
        buildout.write(HEAD.format(parts="instance", version=version) + part)
        buildout.run()
        return buildout.part() if more else tree(buildout, "instance")

    first = build("1.0")
    with serving(buildout, command="console", url=url):
        os.utime(buildout.directory / "var/instance.pid")
        second = build("2.0")
        third = build("3.0")
        assert len({first, second, third}) == 3
        assert (buildout.part() / "lib").resolve() == third
        # Imported now: what it started with is there, two changes later
        assert fetch(f"{url}late").text == "of 1"
        assert sorted(os.listdir(first / "late")) == sorted(
            os.listdir(buildout.directory / f"develop-eggs/late-1.0-py{PYTHON}.egg/late")
        )
        assert (
            "of 3"
            in buildout.call("parts/instance/bin/interpreter", "-c", "import late.answer as a; print(a.TEXT)").stdout
        )
    with serving(buildout, command="console", url=url):
        assert fetch(f"{url}late").text == "of 3"
    # Nobody runs: what was used last stays, the others go
    assert build("1.0") == first
    assert sorted(buildout.part().glob("lib-*")) == sorted([first, third])
    build("1.0", "link-eggs = off\n")
    assert not (buildout.part() / "lib").exists()
    assert f"late-1.0-py{PYTHON}.egg" in buildout.read("bin/instance")


def test_links_that_are_lost_are_made_again(buildout: Buildout) -> None:
    buildout.instance("eggs = Zope\n")
    buildout.run()
    shutil.rmtree(tree(buildout, "instance"))
    buildout.run()
    assert (tree(buildout, "instance") / "zope/interface").is_dir()
    buildout.write("[buildout]\nparts =\n")
    buildout.run()
    assert list((buildout.directory / "parts").iterdir()) == []
