"""Which room of ``src/recipe`` imports which, held by prefix (see docs/architecture)."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipe.common.servers import SERVERS
from support import CHECKOUT

SOURCE = CHECKOUT / "src/recipe"

#: What each room may import of the others. A room that is not here is a mistake.
ROOMS = {
    "common": set(),
    "options": {"common"},
    "describe": {"common", "options"},
    "render": {"common", "options", "describe"},
    "disk": {"common", "render"},
    "reference": {"common", "options", "describe", "render"},
    "buildout": {"common", "options", "describe", "render", "disk"},
    "control": {"common"},
    "wsgi": {"common"},
    "zserver": set(),
}

#: Rooms whose functions take values and return values.
PURE = ("describe", "render")

#: What a pure room may use of the module `os`: all of it works on text.
PURE_OS = {
    "os.fsencode", "os.path.basename", "os.path.dirname", "os.path.join", "os.path.normpath", "os.path.relpath",
    "os.sep",
}  # fmt: skip

#: Modules that read or write files, or run programs.
IMPURE = {"glob", "io.open", "pathlib", "shutil", "socket", "subprocess", "tempfile"}

HEAVY = (
    "Zope2", "ZConfig", "ZODB", "ZEO", "waitress", "paste.deploy", "sentry_sdk", "zc.buildout", "zc.recipe",
    "jinja2", "recipe.buildout", "recipe.options",
)  # fmt: skip


def modules(room: str) -> list[Path]:
    return sorted((SOURCE / room).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it, and the names that it imports from modules."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_all_rooms_are_known() -> None:
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms - {"templates"} == set(ROOMS)
    assert [path.name for path in SOURCE.glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    allowed = {room, *ROOMS[room]}
    wrong = [
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in modules(room)
        for name in imports(path)
        if name.startswith("recipe.") and name.split(".")[1] not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("room", sorted(set(ROOMS) - {"buildout"}))
def test_only_one_room_knows_buildout(room: str) -> None:
    wrong = [f"{path.relative_to(SOURCE)} imports {name}" for path in modules(room) for name in imports(path)]
    assert [each for each in wrong if " zc.buildout" in each or " zc.recipe" in each] == []


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_touch_no_disk(room: str) -> None:
    wrong = []
    for path in modules(room):
        names = set(imports(path)) & IMPURE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "open":
                names.add("open")
            if isinstance(node, ast.Attribute):
                name = ast.unparse(node)
                is_of_os = re.fullmatch(r"os(\.\w+)+", name) and name != "os.path"
                names |= {name} if is_of_os and name not in PURE_OS else set()
        wrong += [f"{path.relative_to(SOURCE)} uses {name}" for name in sorted(names)]
    assert wrong == []


def imported(statement: str) -> set[str]:
    """The modules that a statement brings into a fresh Python; nspkg.pth files of eggs make some before that."""
    program = f"import sys; before = {{*sys.modules}}; {statement}; print('\\n'.join({{*sys.modules}} - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import recipe.control",
        "import plone.recipe.zope2instance.ctl",
        "import recipe.control.zserver, recipe.common.zserver",
    ],
)
def test_the_control_script_starts_light(statement: str) -> None:
    names = imported(statement)
    assert not [name for name in HEAVY if name in names]


@pytest.mark.parametrize("server", SERVERS.values(), ids=list(SERVERS))
def test_a_server_brings_no_other_room_along(server: object) -> None:
    names = imported(f"import recipe.wsgi.serve, {server.module}")  # type: ignore[attr-defined]
    rooms = {name.split(".")[1] for name in names if name.startswith("recipe.")}
    assert rooms == {"common", "wsgi"}
    assert not [name for name in ("zc.buildout", "zc.recipe", "jinja2") if name in names]
    # Only a server with workers needs it
    assert "recipe.wsgi.processes" not in names


#: Names that generated files, running processes or other distributions hold: each leads to the same thing as ever.
HELD = (
    "plone.recipe.zope2instance:Recipe",
    "plone.recipe.zope2instance:main",
    "plone.recipe.zope2instance.recipe:Recipe",
    "plone.recipe.zope2instance.ctl:main",
    "recipe:Recipe",
    "recipe.buildout:uninstall",
    "recipe.control.keeper:main",
    "recipe.wsgi.accesslog:filter_factory",
    "recipe.wsgi.jsonlog:Formatter",
    "recipe.wsgi.sentry:filter_factory",
    "recipe.wsgi.serve:main",
    "recipe.wsgi.server:serve",
    "recipe.wsgi.server:server_factory",
    "recipe.wsgi.servers.table:Description",
    *(f"recipe.wsgi.servers.{name}:{role}" for name in SERVERS for role in ("server_factory", "serve")),
)


@pytest.mark.parametrize("name", HELD)
def test_names_that_others_hold_work(name: str) -> None:
    module, _, attribute = name.partition(":")
    assert callable(getattr(importlib.import_module(module), attribute))


def test_the_facade_is_the_recipe() -> None:
    names = imported(
        "from plone.recipe.zope2instance import Recipe;"
        "from plone.recipe.zope2instance.recipe import Recipe as same;"
        "assert Recipe is same"
    )
    assert "recipe.buildout.recipe" in names
