"""What is to be on the disk in the end. Reads what is there, and changes nothing but a directory for scripts."""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from recipe.buildout.eggs import initialization
from recipe.buildout.part import Part
from recipe.buildout.removal import claimed
from recipe.buildout.resolution import Resolved
from recipe.common.problems import Problems
from recipe.describe.instance import Instance
from recipe.disk import manifest
from recipe.disk.links import Tree
from recipe.render import files
from recipe.render.file import File
from recipe.render.scripts import Python


@dataclass(frozen=True)
class Trees:
    """The directories of links in place of eggs: that of the instance, and that on the path of its eggs' scripts.

    `is_lasting` is False if the links could not be made, which the next run tries again.
    """

    instance: Tree | None = None
    scripts: Tree | None = None
    is_lasting: bool = True


@dataclass(frozen=True)
class Plan:
    """The files of a part.

    made      all that it makes, with the list of them
    obsolete  paths of those that it made before, and makes no longer
    python    what the server runs with
    """

    made: tuple[File, ...]
    obsolete: frozenset[str]
    python: Python


def plan(
    part: Part, instance: Instance, templates: Mapping[str, str], eggs: Resolved, trees: Trees, problems: Problems
) -> Plan:
    """Render the files of the instance and the scripts of its eggs. Raises OSError."""
    python, inner = _pythons(part, instance, eggs, trees)
    made = [*files.render(instance, python, templates, problems, inner), *eggs.eggs.scripts(instance, trees.scripts)]
    _check_given_files(instance, problems)
    paths = {file.path for file in made}
    before = manifest.read(instance.etc)
    kept = _kept(instance, before)
    listed = manifest.file(instance.etc, paths | kept)
    return Plan((*made, listed), frozenset(before - paths - kept - claimed(instance.location)), inner)


def _pythons(part: Part, instance: Instance, eggs: Resolved, trees: Trees) -> tuple[Python, Python]:
    """That of the control script, and that of the server."""
    extra_paths = instance.settings.scripts.extra_paths
    lines = initialization(instance, part.options)
    if instance.is_zserver:
        python = Python(sys.executable, eggs.working_set.paths, "")
        return python, Python(instance.settings.zserver.python or "", extra_paths, lines)
    paths = trees.instance.paths if trees.instance else eggs.working_set.paths
    python = Python(sys.executable, (*paths, *extra_paths), lines)
    return python, python


def _kept(instance: Instance, before: set[str]) -> set[str]:
    """The slugs of former runs that ``*`` keeps."""
    slugs = {path for path in before if path.startswith(f"{instance.etc}/package-includes/")}
    return slugs if "*" in instance.settings.zcml.slugs else set()


def _check_given_files(instance: Instance, problems: Problems) -> None:
    for option, path in named_files(instance):
        if not os.path.exists(path):
            problems.warn(option, f"{path} does not exist yet; the server needs it")


def named_files(instance: Instance) -> Iterator[tuple[str, str]]:
    """The files of the user's own that the server reads, each with its option."""
    for option, path in (("wsgi", instance.settings.server.wsgi), ("zope-conf", instance.settings.layout.zope_conf)):
        if isinstance(path, str):
            yield option, path
