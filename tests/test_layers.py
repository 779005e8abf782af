"""Which side of the code imports which: the rules of docs/architecture, held."""

from __future__ import annotations

import subprocess
import sys

import pytest

from recipe.wsgi.servers.table import SERVERS

BUILDOUT_SIDE = (
    "zc.buildout",
    "zc.recipe",
    "recipe.buildout",
    "recipe.face",
    "recipe.render",
    "recipe.options",
    "recipe.instance",
    "jinja2",
)
HEAVY = ("Zope2", "ZConfig", "ZODB", "ZEO", "zdaemon", "waitress", "paste.deploy", "sentry_sdk", *BUILDOUT_SIDE)


def imported(statement: str) -> set[str]:
    """The modules that a fresh Python has after a statement."""
    program = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", ["import recipe.control", "import plone.recipe.zope2instance.ctl"])
def test_the_control_script_starts_light(statement: str) -> None:
    found = imported(statement)
    assert not [name for name in HEAVY if name in found]


@pytest.mark.parametrize(
    "module",
    [
        "serve",
        "server",
        "sentry",
        "signals",
        "logreopen",
        "pastefile",
        "settings",
        "guard",
        "worker",
        "master",
        *(each.module.removeprefix("recipe.wsgi.") for each in SERVERS.values()),
    ],
)
def test_the_server_knows_no_buildout(module: str) -> None:
    found = imported(f"import recipe.wsgi.{module}")
    assert not [name for name in BUILDOUT_SIDE if name in found]


def test_the_commands_for_zserver_know_no_buildout() -> None:
    found = imported("import recipe.control.zserver, recipe.zserver.answer")
    assert not [name for name in (*HEAVY, "recipe.zserver.settings") if name in found]


def test_describing_and_rendering_know_no_buildout() -> None:
    found = imported("import recipe.render")
    assert not [name for name in ("zc.buildout", "zc.recipe", "recipe.files", "recipe.buildout") if name in found]


def test_the_facade_keeps_the_old_names() -> None:
    found = imported(
        "from plone.recipe.zope2instance import Recipe, main;"
        "from plone.recipe.zope2instance.recipe import Recipe as same;"
        "from plone.recipe.zope2instance.ctl import main as control;"
        "assert Recipe is same and callable(main) and callable(control)"
    )
    assert "recipe.face" in found
