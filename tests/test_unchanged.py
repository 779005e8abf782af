"""A part that has not changed costs a look; whatever could change it is noticed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import CHECKOUT, EGGS, PYTHON, Buildout, toolchain

#: The eggs are the buildout's own, so that a test may change them, and there is no index to get others from.
CONFIGURATION = """
[buildout]
parts = instance
develop-eggs-directory = develop-eggs
eggs-directory = eggs
index = file:///nowhere
newest = true

[versions]
unrelated = 1

[instance]
recipe = plone.recipe.zope2instance
user = admin:admin
eggs = Zope
wsgi-ini-template = wsgi.ini.in
zope-conf = own.conf
shared-blob = off
"""

TEMPLATE = "[server:main]\nuse = egg:waitress#main\nthreads = %(threads)s\n"

WARNING = "instance: [instance] shared-blob: is not written to zope.conf, since the option zope-conf replaces it"
UNCHANGED = "instance: Nothing has changed since the last run."


def said(output: str) -> list[str]:
    """What the part says has changed, each by its name; [] where it says that nothing has."""
    found = re.findall(r"^instance: (?:Changed since the last run: (.+)|Nothing .+)\.$", output, re.MULTILINE)
    assert len(found) == 1, output
    return found[0].split(", ") if found[0] else []


def link(source: str, target: str) -> None:
    """A hard link, which costs nothing; a copy on another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Buildout:
    """A buildout with eggs and a develop egg of its own."""
    buildout = Buildout(tmp_path_factory.mktemp("unchanged"))
    buildout.instance("eggs = Zope\n")
    buildout.run()
    for place in seen(buildout, "eggs"):
        if place.is_relative_to(EGGS):
            target = buildout.directory / "eggs" / place.relative_to(EGGS)
            shutil.copytree(place, target, copy_function=link)
    shutil.copytree(CHECKOUT / "src", buildout.directory / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(toolchain().develop_eggs, buildout.directory / "develop-eggs")
    for path in (buildout.directory / "develop-eggs").glob("*.*"):
        if path.is_file():
            path.write_text(path.read_text().replace(str(CHECKOUT), str(buildout.directory)))
    buildout.write(TEMPLATE, "wsgi.ini.in")
    buildout.write("", "own.conf")
    buildout.write(CONFIGURATION)
    buildout.run()
    assert str(buildout.directory / "src") in buildout.read("parts/instance/bin/interpreter")
    return buildout


@pytest.fixture
def unchanged(built: Buildout) -> Buildout:
    """The same after a run that had nothing to do: the first one, or after a test's changes the second one."""
    built.write(CONFIGURATION)
    if UNCHANGED not in built.run("-v").stdout:
        assert said(built.run("-v").stdout) == []
    return built


def recorded(buildout: Buildout) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(buildout.read("parts/instance/etc/fingerprint.json"))
    return found


def seen(buildout: Buildout, kind: str) -> list[Path]:
    etc = buildout.part() / "etc"
    return [Path(os.path.normpath(etc / path)) for path in recorded(buildout)["seen"][kind]]


def own_egg(buildout: Buildout, name: str) -> Path:
    return next(path for path in (buildout.directory / "eggs").rglob(f"{name}-*.egg") if path.is_dir())


def metadata(egg: Path) -> Path:
    return next(path for name in ("METADATA", "PKG-INFO") for path in sorted(egg.glob(f"*/{name}")))


# --- nothing has changed ---------------------------------------------------------------------

#: Tells of each file that is opened, and of each module that is imported:
#: https://docs.python.org/3/library/audit_events.html
SITECUSTOMIZE = """
import sys

def hook(event, arguments):
    if event in ("open", "import", "subprocess.Popen"):
        print("audit", event, arguments[0], flush=True)

if sys.argv[0].endswith("buildout"):
    sys.addaudithook(hook)
"""


def test_nothing_is_resolved_where_nothing_has_changed(unchanged: Buildout, tmp_path: Path) -> None:
    """Newer eggs might be there, but all are pinned. So the eggs of Zope are not even looked into."""
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    done = unchanged.run("-v", env={"PYTHONPATH": str(tmp_path)})
    before, _, after = done.stdout.partition("Updating instance.")
    audited = [line for line in after.splitlines() if line.startswith("audit ")]
    assert audited
    assert not [line for line in audited if ".egg/" in line]
    assert not [line for line in audited if line.startswith("audit subprocess.Popen")]
    assert "Installing 'Zope'" not in done.stdout
    # What buildout itself resolves is little, too
    assert "'Zope" not in before
    assert "Getting required 'ZODB" not in before
    for module in (
        "jinja2",
        "zc.recipe.egg",
        "recipe.options",
        "recipe.buildout.part",
        "AuthEncoding",
        "ZConfig",
        "waitress",
    ):
        assert f"audit import {module}" not in done.stdout, module
    assert UNCHANGED in after


def test_the_working_set_is_resolved_once_where_something_has(unchanged: Buildout) -> None:
    (unchanged.directory / "bin/instance").unlink()
    output = unchanged.run("-v").stdout
    assert said(output) == ["files"]
    assert output.count("Installing 'Zope', 'plone.recipe.zope2instance[instance]'") == 1
    assert len(re.findall("^Getting required 'ZODB", output, re.MULTILINE)) == 1


def test_warnings_are_repeated(unchanged: Buildout) -> None:
    output = unchanged.run("-v").stdout
    assert UNCHANGED in output
    assert WARNING in output


def test_other_parts_read_where_it_is_all_the_same(unchanged: Buildout) -> None:
    reader = """
        [reader]
        recipe = plone.recipe.zope2instance
        user = admin:admin
        eggs = ${instance:eggs}
        extra-paths = elsewhere
        zope-conf = ${instance:zope-conf}
        """
    text = CONFIGURATION.replace("parts = instance", "parts = instance reader")
    unchanged.write(text + "\n".join(line.strip() for line in reader.splitlines()))
    unchanged.run()
    output = unchanged.run("-v").stdout
    assert UNCHANGED in output
    assert UNCHANGED.replace("instance: ", "reader: ") in output
    assert str(unchanged.directory / "own.conf") in unchanged.read("bin/reader")
    # Both make scripts of the same names, and the last one's stay, for as long as it is there
    assert "/elsewhere'" in unchanged.read("bin/runwsgi")
    unchanged.write(CONFIGURATION)
    assert said(unchanged.run("-v").stdout) == ["files"]
    assert "/elsewhere'" not in unchanged.read("bin/runwsgi")


# --- what is noticed -------------------------------------------------------------------------


def new_egg(buildout: Buildout) -> None:
    (own_egg(buildout, "Zope").parent / f"unrelated-1.0-py{PYTHON}.egg").mkdir()


def other_metadata(buildout: Buildout) -> None:
    path = metadata(own_egg(buildout, "WebOb"))
    text = path.read_text()
    path.unlink()  # it is a hard link
    path.write_text(text)


def new_develop_egg(buildout: Buildout) -> None:
    buildout.write(f"{buildout.directory}\n.", "develop-eggs/unrelated.egg-link")


def code(buildout: Buildout) -> None:
    os.utime(buildout.directory / "src/recipe/buildout/eggs.py")


def template(buildout: Buildout) -> None:
    buildout.write(f"{TEMPLATE}channel_timeout = 90\n", "wsgi.ini.in")


def named_file(buildout: Buildout) -> None:
    (buildout.directory / "own.conf").unlink()


def directory(buildout: Buildout) -> None:
    (buildout.directory / "var/instance/import").rmdir()


def linked(buildout: Buildout) -> None:
    shutil.rmtree((buildout.part() / "lib").resolve())


def pin(buildout: Buildout) -> None:
    buildout.write(CONFIGURATION.replace("unrelated = 1", "unrelated = 2"))


def edited(buildout: Buildout) -> None:
    with (buildout.part() / "etc/site.zcml").open("a") as file:
        file.write("<!-- edited -->")


def removed(buildout: Buildout) -> None:
    (buildout.directory / "bin/runwsgi").unlink()


def mode(buildout: Buildout) -> None:
    (buildout.directory / "bin/instance").chmod(0o700)


def pending(buildout: Buildout) -> None:
    buildout.write("[]", "parts/instance/etc/.journal.json")


def no_record(buildout: Buildout) -> None:
    (buildout.part() / "etc/fingerprint.json").unlink()


def other_record(buildout: Buildout) -> None:
    buildout.write("{}", "parts/instance/etc/fingerprint.json")


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (new_egg, ["eggs"]),
        (other_metadata, ["eggs"]),
        (new_develop_egg, ["develop-eggs"]),
        (code, ["recipe"]),
        (template, ["read"]),
        (named_file, ["named"]),
        (directory, ["directories"]),
        (linked, ["directories"]),
        (pin, ["pins"]),
        (edited, ["files"]),
        (removed, ["files"]),
        (mode, ["files"]),
        (pending, ["all"]),
        (no_record, ["all"]),
        (other_record, ["all"]),
    ],
)
def test_a_change_is_noticed(unchanged: Buildout, change: Callable[[Buildout], None], names: list[str]) -> None:
    def files() -> dict[Path, tuple[bytes, int]]:
        etc = unchanged.part() / "etc"
        made = [etc / path for path in recorded(unchanged)["made"] if path != "wsgi.ini"]
        return {path: (path.read_bytes(), path.stat().st_mode) for path in made}

    before = files()
    change(unchanged)
    assert said(unchanged.run("-v").stdout) == names
    assert files() == before


@pytest.mark.parametrize("option", ["newest=false", "prefer-final=false", "allow-hosts=example.org"])
def test_an_option_of_buildout_is_noticed(unchanged: Buildout, option: str) -> None:
    assert said(unchanged.run("-v", f"buildout:{option}").stdout) == ["buildout"]


def test_another_umask_is_noticed(unchanged: Buildout) -> None:
    command = f"umask 027; {toolchain().bin}/buildout -v"
    output = unchanged.call("/bin/sh", "-c", command, env={"BUILDOUT_HOME": str(toolchain().home)}).stdout
    assert said(output) == ["python"]
    assert (unchanged.directory / "bin/instance").stat().st_mode & 0o777 == 0o750


def test_what_is_on_buildout_s_own_path_is_noticed(unchanged: Buildout, tmp_path: Path) -> None:
    """By buildout itself, in the version that hashes what it imports from there."""
    site = next(toolchain().bin.parent.glob("lib/python*/site-packages"))
    for path in site.glob("packaging*"):
        shutil.copytree(path, tmp_path / path.name)
    output = unchanged.run("-v", env={"PYTHONPATH": str(tmp_path)}).stdout
    assert "Installing instance." in output or said(output) == ["path"]


def test_an_egg_that_has_disappeared_is_an_error(unchanged: Buildout, tmp_path: Path) -> None:
    egg = own_egg(unchanged, "WebOb")
    shutil.move(egg, tmp_path / egg.name)
    try:
        done = unchanged.run("-v", check=False)
    finally:
        shutil.move(tmp_path / egg.name, egg)
    assert said(done.stdout) == ["eggs"]
    assert done.returncode != 0
    assert "Couldn't find a distribution for 'webob" in done.stdout


def test_an_egg_without_a_pin_is_looked_for_again(unchanged: Buildout) -> None:
    """Unless buildout was told not to look, and then it is found in the eggs directory, whose names tell."""
    text = CONFIGURATION.replace("newest = true", "newest = true\nallow-picked-versions = true")
    unchanged.write(text.replace("unrelated = 1", "WebOb ="))
    unchanged.run()
    assert recorded(unchanged)["unpinned"] == ["WebOb"]
    output = unchanged.run("-v").stdout
    assert said(output) == ["unpinned"]
    assert "Installing 'Zope'" in output
    unchanged.run("-N")
    assert said(unchanged.run("-Nv").stdout) == []
    unchanged.run("-N", "buildout:show-picked-versions=true")
    assert said(unchanged.run("-Nv", "buildout:show-picked-versions=true").stdout) == ["unpinned"]


def test_a_newer_egg_that_somebody_else_has_installed_is_taken(unchanged: Buildout) -> None:
    text = CONFIGURATION.replace("newest = true", "newest = false\nallow-picked-versions = true")
    unchanged.write(text.replace("unrelated = 1", "WebOb ="))
    unchanged.run()
    egg = own_egg(unchanged, "WebOb")
    newer = egg.with_name(re.sub(r"-[\d.]+-", "-99.0-", egg.name))
    shutil.copytree(egg, newer)
    path = metadata(newer)
    path.write_text(re.sub(r"(?m)^Version: .+", "Version: 99.0", path.read_text()))
    try:
        assert said(unchanged.run("-v").stdout) == ["eggs"]
        assert (unchanged.part() / "lib/webob").resolve() == newer / "webob"
    finally:
        shutil.rmtree(newer)


def test_options_of_a_run_that_was_never_finished_are_noticed(unchanged: Buildout) -> None:
    """It was killed after the part was made, before it could write down that it was."""
    installed = unchanged.read(".installed.cfg")
    unchanged.write(f"{CONFIGURATION}threads = 7\n")
    unchanged.run()
    assert "threads = 7" in unchanged.read("parts/instance/etc/wsgi.ini")
    (unchanged.directory / ".installed.cfg").write_text(installed)
    unchanged.write(CONFIGURATION)
    assert said(unchanged.run("-v").stdout) == ["options"]
    assert "threads = 4" in unchanged.read("parts/instance/etc/wsgi.ini")


def test_the_record_is_its_owner_s_alone(built: Buildout) -> None:
    assert (built.part() / "etc/fingerprint.json").stat().st_mode & 0o777 == 0o600


def test_an_empty_run_says_nothing_more(unchanged: Buildout) -> None:
    """Without -v, a run says what it always has."""
    done = subprocess.run(
        [toolchain().bin / "buildout"],
        cwd=unchanged.directory,
        env={**os.environ, "BUILDOUT_HOME": str(toolchain().home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "since the last run" not in done.stdout + done.stderr
