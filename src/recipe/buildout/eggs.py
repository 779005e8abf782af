"""The working set of a part, and the scripts of its eggs: zc.recipe.egg does the work."""

import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zc.buildout import UserError, easy_install
from zc.recipe.egg import Scripts

from recipe.buildout import fingerprint
from recipe.common.names import DIRECTORY_VARIABLE, RECIPE
from recipe.common.problems import Problems
from recipe.describe.instance import Instance
from recipe.disk.links import Tree
from recipe.render.file import File
from recipe.render.provenance import Traced, numbered, source_of, split
from recipe.render.scripts import header

INSTANCE = "instance"  # the extra of our distribution with what an instance runs with
#: The group of entry points by which other distributions bring WSGI servers (see recipe.common.servers).
SERVERS = f"{RECIPE}.wsgi_server"


@dataclass(frozen=True)
class WorkingSet:
    """The distributions of a part.

    projects   their names
    paths      the entries that they add to sys.path, in order
    locations  their directories
    metadata   the directories with their metadata
    servers    the WSGI servers that they provide, by name: ``module:attribute`` of a description
    unpinned   the names of those whose version the buildout does not pin
    """

    projects: frozenset[str]
    paths: tuple[str, ...]
    locations: tuple[str, ...]
    metadata: tuple[str, ...]
    servers: Mapping[str, str]
    unpinned: tuple[str, ...]


class Eggs:
    """zc.recipe.egg on a copy of the part, since it would write defaults into the part."""

    def __init__(self, buildout: Any, name: str, part: MutableMapping[str, str]) -> None:
        self.buildout = buildout
        self.name = name
        self.options = dict(part)
        # Without it zc.recipe.egg takes the part's name for an egg
        self.options.setdefault("eggs", "")
        self.own = RECIPE

    def working_set(self, extras: tuple[str, ...] = ()) -> WorkingSet:
        """The eggs of the part and the recipe's own distribution, with what they require.

        `extras` are the extras of this distribution that the part needs besides ``instance``.
        Raises zc.buildout.UserError if buildout cannot find one of the distributions.
        """
        self.own = f"{RECIPE}[{','.join((INSTANCE, *extras))}]"
        try:
            _, distributions = self._scripts({"relative-paths": "false"}).working_set([self.own])
        except ValueError as error:  # of the packaging library: not a requirement
            raise UserError(f"[{self.name}] eggs: {error}") from None
        paths: list[str] = []
        servers: dict[str, str] = {}
        for dist in distributions:
            paths += _locations(dist)
            for name, point in dist.get_entry_map(SERVERS).items():
                servers[name] = f"{point.module_name}:{'.'.join(point.attrs)}"
        return WorkingSet(
            frozenset(dist.project_name for dist in distributions),
            tuple(dict.fromkeys(paths)),
            tuple(dist.location for dist in distributions),
            tuple(dist.egg_info for dist in distributions if dist.egg_info),
            servers,
            tuple(fingerprint.unpinned(distributions)),
        )

    def scripts(self, instance: Instance, tree: Tree | None) -> list[File]:
        """The scripts of the eggs, as files to write; `tree` stands in place of eggs on their path."""
        settings = instance.settings.scripts
        if settings.scripts == "":
            return []
        overrides = {
            "extra-paths": "\n".join(settings.extra_paths),
            "initialization": initialization(instance, self.options),
            "relative-paths": "true" if instance.relative_paths else "false",
            "dependent-scripts": "true" if settings.dependent_scripts else "false",
        }
        if instance.relative_paths:
            overrides["initialization"] = f"os.environ[{DIRECTORY_VARIABLE!r}] = base\n" + overrides["initialization"]
        if not settings.dependent_scripts:
            # wsgi.ini names our distribution, so runwsgi needs it; it has no scripts of its own
            # The same text as in `working_set`: zc.recipe.egg caches the working set by it
            overrides["eggs"] = f"{self.options['eggs']}\n{self.own}"
        scripts = self._scripts(overrides)
        scripts.tree = tree
        return list(_staged(scripts, instance))

    def _scripts(self, overrides: Mapping[str, str]) -> "_LinkedScripts":
        return _LinkedScripts(self.buildout, self.name, {**self.options, **overrides})


class _LinkedScripts(Scripts):  # type: ignore[misc]  # zc.recipe.egg is not typed
    """Scripts with a directory of links on their path."""

    tree: Tree | None = None

    def working_set(self, extra: Sequence[str] = ()) -> tuple[list[str], Any]:
        requirements, working_set = super().working_set(extra)
        return requirements, _Linked(working_set, self.tree) if self.tree else working_set


@dataclass(frozen=True)
class _Linked:
    """The part of a working set's interface that scripts are made from; the eggs lie in a directory of links."""

    working_set: Any
    tree: Tree

    def __iter__(self) -> Iterator[Any]:
        for dist in self.working_set:
            linked = easy_install.realpath(dist.location) in self.tree.eggs
            yield dist.clone(location=self.tree.directory) if linked else dist

    def find(self, requirement: Any) -> Any:
        """The distribution itself, with its metadata."""
        return self.working_set.find(requirement)


def _staged(scripts: _LinkedScripts, instance: Instance) -> Iterator[File]:
    """The scripts that zc.recipe.egg would write to ``bin``. It writes at once, so it gets a temporary directory.

    This directory is beside ``bin``, so that relative paths in the scripts have the same number of steps.
    """
    parent, name = os.path.split(instance.bin_directory)
    directory = os.path.join(parent, f".{name}-{instance.name}")
    shutil.rmtree(directory, ignore_errors=True)  # of a run that was killed
    os.mkdir(directory)
    logger = logging.getLogger("zc.buildout.easy_install")
    before = logger.level
    logger.setLevel(logging.WARNING)  # it would log the scripts in that directory
    try:
        scripts.options["bin-directory"] = directory
        for path in scripts.install():
            script = f"{instance.bin_directory}/{os.path.basename(path)}"
            yield File(script, _with_header(Path(path).read_text(encoding="utf-8"), script, instance), 0o755)
    finally:
        logger.setLevel(before)
        shutil.rmtree(directory)


def _with_header(text: str, script: str, instance: Instance) -> str:
    """Let a script find a Python that moves with the tree; zc.buildout writes an absolute path."""
    absolute = f"#!{sys.executable}\n"
    wanted = header(sys.executable, script, instance) + "\n"
    return wanted + text.removeprefix(absolute) if text.startswith(absolute) else text


def _locations(dist: Any) -> list[str]:
    """The entries that a distribution adds to sys.path: its location, and the paths in its .pth files."""
    # zc.buildout 5 and later: an editable install is a directory with a .pth file
    find = getattr(easy_install, "get_pth_paths", None)
    return [easy_install.realpath(path) for path in (dist.location, *(find(dist.location) if find else ()))]


_OPTION = re.compile(r"%(?:(?P<percent>%)|\((?P<name>[^)]+)\)s)")


def check_initialization(instance: Instance, part: Mapping[str, str], problems: Problems) -> None:
    """Note a syntax error in the lines of the option."""
    traced = _initialization(instance, part)
    source = instance.settings.scripts.initialization
    try:
        # As in a script, where other lines precede it: an import from __future__ is a mistake there
        compile(f"pass\n{traced.text}", "initialization", "exec")
    except (SyntaxError, ValueError) as error:
        line = (getattr(error, "lineno", None) or 2) - 1
        number, text = source_of(traced, line, source)
        # Python names other lines as well, such as that of the statement which needs an indented block
        reason = re.sub(
            r"line (\d+)",
            lambda match: f"line {source_of(traced, int(match[1]) - 1, source)[0]}",
            str(getattr(error, "msg", error)),
        )
        problems.error("initialization", f"is not Python: {reason}, line {number}: {text}")


def initialization(instance: Instance, part: Mapping[str, str]) -> str:
    """The Python lines of the option, with ``%(option)s`` filled in from the part and ``%%`` made ``%``.

    Anything else is left as it is: a ``%`` is an operator in Python.
    """
    return _initialization(instance, part).text


def _initialization(instance: Instance, part: Mapping[str, str]) -> Traced:

    def replacement(match: re.Match[str]) -> str:
        return "%" if match["percent"] else part.get(match["name"], match[0])

    lines = instance.settings.scripts.initialization.split("\n")
    return split(numbered(_OPTION.sub(replacement, line) for line in lines))
