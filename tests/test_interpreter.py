"""What the application finds in the interpreter, with 9.1.0 and with ours, and the warnings that ``fg`` prints.

A package in the ZCML of the part, ``packages/probe``, writes down the facts while the application is loaded, and
a script for ``run`` and ``debug`` when it runs. ``compat/interpreter.txt`` lists the facts that differ.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest

from support import CHECKOUT, EGGS, TESTS, Buildout, free_port, running
from waiting import wait_for

SERVERS = ("fg", "console", "start")
SCRIPTS = ("run", "debug")

SCRIPT = "import probe\nprobe.write('script', globals=sorted(globals()), names=[__name__, __file__])\n"

#: Variables that a shell sets, which 9.1.0 starts between the control script and Python.
SHELL = {f"environ {name}" for name in ("_", "OLDPWD", "PWD", "SHLVL")}

REFERENCE = """\
[buildout]
develop-eggs-directory = develop-eggs
[versions]
plone.recipe.zope2instance = 9.1.0
"""


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Buildout:
    """The part, made by 9.1.0."""
    return make(tmp_path_factory.mktemp("reference") / "buildout", REFERENCE)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Buildout:
    """The same part, made by ours."""
    return make(tmp_path_factory.mktemp("ours") / "buildout")


def make(directory: Path, more: str = "", variable: str = "PYTHONDONTWRITEBYTECODE 1") -> Buildout:
    buildout = Buildout(directory)
    buildout.instance(
        f"http-address = 127.0.0.1:{free_port()}\n"
        "eggs = Zope\n"
        f"extra-paths = {TESTS}/packages\n"
        "zcml = probe\n"
        f"environment-vars = {variable}\n"
        f"zodb-temporary-storage = off\n{more}"
    )
    buildout.run()
    buildout.write(SCRIPT, "elsewhere/script.py")
    return buildout


@dataclass
class Run:
    """What a command has left behind."""

    facts: dict[str, object]
    """By name; those that the script has found begin with ``script``."""
    output: str


def run(buildout: Buildout, command: str, **env: str) -> Run:
    """Run a command from another directory; a server is stopped again as soon as it serves."""
    probe = buildout.directory / "probe"
    shutil.rmtree(probe, ignore_errors=True)
    probe.mkdir()
    elsewhere = buildout.directory / "elsewhere"
    program = buildout.directory / "bin/instance"
    arguments = ["script.py", "a", "b c"] if command == "run" else []
    variables = {"PROBE": str(probe), "PYTHONHASHSEED": "7", "PYTHONSTARTUP": "script.py"} | env
    umask = os.umask(0o027)
    try:
        with running(program, command, *arguments, cwd=elsewhere, env=variables) as server:
            os.umask(umask)
            if command in ("fg", "console"):
                server.wait_for_output("Serving on")
            else:
                server.process.wait(60)
            wait_for(lambda: (probe / "application.json").exists(), 30)
    finally:
        os.umask(umask)
        if command == "start":
            subprocess.run([program, "stop"], cwd=elsewhere, capture_output=True, timeout=60)
    facts = {
        f"{file.stem} {name}".removeprefix("application "): plain(value, buildout)
        for file in sorted(probe.glob("*.json"))
        for name, value in json.loads(file.read_text(encoding="utf-8")).items()
        if name not in SHELL
    }
    return Run(facts, server.output)


def plain(value: object, buildout: Buildout) -> object:
    """Return a fact as it is for every buildout."""
    if isinstance(value, str):
        return value.replace(str(buildout.directory), "BD")
    if isinstance(value, list):
        items = [plain(item, buildout) for item in value]
        # Eggs that stand side by side, linked or not, are one item
        groups = groupby(items, is_egg)
        return [item for are_eggs, group in groups for item in (["eggs"] if are_eggs else group)]
    return value


def is_egg(item: object) -> bool:
    return isinstance(item, str) and (
        (item.startswith(str(EGGS)) and item.endswith(".egg"))
        or re.fullmatch(r"BD/parts/instance/lib-\w+", item) is not None
        or item == str(CHECKOUT / "src")
    )


def listed() -> Iterator[tuple[str, str]]:
    """Each command of the list, with each fact that differs."""
    for line in (TESTS / "compat/interpreter.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            commands, _, facts = line.partition(": ")
            yield from ((command, fact) for command in commands.split() for fact in facts.split(", "))


@pytest.mark.parametrize("command", SERVERS + SCRIPTS)
def test_what_differs_from_9_1_0_is_known(reference: Buildout, ours: Buildout, command: str) -> None:
    theirs, own = run(reference, command).facts, run(ours, command).facts
    assert theirs, "the reference has not loaded the application"
    names = [name for name in theirs | own if theirs.get(name) != own.get(name)]
    unknown = set(names) - {name for other, name in listed() if other == command}
    assert not unknown, "\n".join(f"{name}\n- {theirs.get(name)}\n+ {own.get(name)}" for name in sorted(unknown))
    assert [pair for pair in listed() if pair[0] == command and pair[1] not in names] == []


PROBE = TESTS / "packages/probe/__init__.py"

#: The warnings of the probe, of which Python prints the first one three times.
FIRST, SECOND = (
    f"{PROBE}:{number}: DeprecationWarning: old is outdated"
    for number, line in enumerate(PROBE.read_text(encoding="utf-8").splitlines(), 1)
    if line.strip() == "old()"
)


def printed(buildout: Buildout, command: str, **env: str) -> list[str]:
    """Return the warnings of the probe, and the rest of them where they take more than a line."""
    return [line for line in run(buildout, command, **env).output.splitlines() if "old" in line or "outdated" in line]


def test_fg_prints_each_warning_once_in_one_line(ours: Buildout) -> None:
    assert printed(ours, "fg") == [FIRST, SECOND]


@pytest.mark.parametrize("command", ["console", "start", "run"])
def test_other_commands_print_no_warnings(ours: Buildout, command: str) -> None:
    assert printed(ours, command) == []
    assert "outdated" not in ours.read("var/log/instance.log")


@pytest.mark.parametrize(
    ("value", "expected"), [("", []), ("ignore", []), ("default", [FIRST, SECOND]), ("always", [FIRST] * 3 + [SECOND])]
)
def test_fg_heeds_pythonwarnings(ours: Buildout, value: str, expected: list[str]) -> None:
    assert printed(ours, "fg", PYTHONWARNINGS=value) == expected


def test_fg_heeds_the_options(buildout: Buildout) -> None:
    make(buildout.directory, "deprecation-warnings = off\n")
    assert printed(buildout, "fg") == []
    make(buildout.directory, "deprecation-warnings = on\n")
    assert printed(buildout, "fg", PYTHONWARNINGS="ignore") == [FIRST, SECOND]
    make(buildout.directory, variable="PYTHONWARNINGS ignore")
    assert printed(buildout, "fg") == []
