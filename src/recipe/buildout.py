"""buildout's face: reads the part, lets the rest work, reports what was made."""

import logging
import os
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from zc.buildout import UserError

from recipe import files, judge, render, users
from recipe.eggs import Eggs, initialization
from recipe.instance import Instance, describe
from recipe.options import Problems
from recipe.options.declare import Context, options_of
from recipe.options.kinds import TRUE
from recipe.options.server import Server

MADE = ".slugs"  # a file with the names of the slugs that the last run made
DEFAULT_PIPELINE = (options_of(Server)["pipeline"].default or "").split()


class Recipe:
    """A part of a buildout, as zc.buildout calls it.

    Options are read in `install` and `update`, not before: other parts append
    to them in between.
    """

    def __init__(self, buildout: Any, name: str, options: MutableMapping[str, str]) -> None:
        self.buildout = buildout
        self.name = name
        self.options = options
        self.log = logging.getLogger(name)
        main = buildout["buildout"]
        options["location"] = os.path.join(main["parts-directory"], name)
        options["bin-directory"] = main["bin-directory"]
        # Other parts read these two even where the user leaves them out
        options.setdefault("pipeline", "\n".join(DEFAULT_PIPELINE))
        options.setdefault("initialization", "")
        # Read here, or buildout takes it for an option that nobody uses
        self.relative_paths = main.get("relative-paths", "false").lower() in TRUE

    def install(self) -> list[str]:
        """Make the instance; returns the files and directories that buildout may remove with the part."""
        first = not os.path.exists(self.options["location"])
        instance = self._instance()
        made = self._make(instance)
        if first:
            self._make_user(instance)
        return made

    def update(self) -> list[str]:
        """Bring the instance up to date with the part."""
        return self._make(self._instance())

    def _instance(self) -> Instance:
        """The instance that the part describes. Raises UserError with all that is wrong."""
        self.problems = Problems(self.name)
        self.eggs = Eggs(self.buildout, self.name, self.options)
        self.working_set = self.eggs.working_set(tuple(self._extras()))
        instance = describe(
            self.options, self._context(), self.working_set.projects, self.relative_paths, self.problems
        )
        self._raise_errors()
        return instance

    def _make(self, instance: Instance) -> list[str]:
        """Render the files, have them judged, and write them; returns what belongs to the part."""
        python = self._python(instance)
        made = list(render.files(instance, python, self._templates(instance), self.problems))
        self._check_ini(instance, made)
        self._check_given_files(instance)
        self._raise_errors()
        files.make_directories(instance.directories, instance.storages.private)
        if any(map(files.is_changed, made)):
            judge.ask(instance, python, made, self.options, self.problems)
        self._tell_warnings()
        files.write([*made, self._clean_slugs(instance, made)])
        scripts = self.eggs.install_scripts(instance)
        self.options["zope-conf"] = instance.zope_conf
        return [instance.location, instance.control_script, *scripts]

    def _context(self) -> Context:
        return Context(
            name=self.name,
            directory=self.buildout["buildout"]["directory"],
            location=self.options["location"],
            bin_directory=self.options["bin-directory"],
        )

    def _extras(self) -> Iterator[str]:
        """The extras of our distribution that the part needs."""
        if self.options.get("sentry_dsn", "").strip():
            yield "sentry"
        if self.options.get("profile", "").strip().lower() in TRUE:
            yield "profile"
        if self.options.get("log-format", "").strip().lower() == "json":
            yield "json"

    def _python(self, instance: Instance) -> render.Python:
        paths = (*self.working_set.paths, *instance.settings.scripts.extra_paths)
        return render.Python(sys.executable, paths, initialization(instance, self.options))

    def _templates(self, instance: Instance) -> dict[str, str]:
        server = instance.settings.server
        named = (server.ini_template, server.logging_template)
        return {file: Path(file).read_text(encoding="utf-8") for file in named if file}

    def _check_ini(self, instance: Instance, made: list[render.File]) -> None:
        server = instance.settings.server
        option = "wsgi-ini-template" if server.ini_template else "wsgi-logging-ini-template"
        for file in made:
            if file.path == instance.wsgi_ini and (server.ini_template or server.logging_template):
                judge.check_ini(file.text, option, self.problems)

    def _check_given_files(self, instance: Instance) -> None:
        given = {"wsgi": instance.settings.server.wsgi, "zope-conf": instance.settings.layout.zope_conf}
        for option, path in given.items():
            if isinstance(path, str) and not os.path.exists(path):
                self.problems.warn(option, f"{path} is not there yet; the server needs it")

    def _raise_errors(self) -> None:
        if self.problems.errors:
            self._tell_warnings()
            raise UserError("\n".join(self.problems.errors))

    def _tell_warnings(self) -> None:
        for warning in self.problems.warnings:
            self.log.warning(warning)

    def _clean_slugs(self, instance: Instance, made: list[render.File]) -> render.File:
        """Drop the slugs of an earlier run, but none that the user put there; returns the new record."""
        record = Path(instance.etc, MADE)
        includes = f"{instance.etc}/package-includes"
        paths = [file.path for file in made if os.path.dirname(file.path) == includes]
        if "*" not in instance.settings.zcml.slugs and record.exists():
            earlier = record.read_text(encoding="utf-8").splitlines()
            files.remove_stale(paths, [f"{includes}/{name}" for name in earlier])
        return render.File(str(record), "".join(f"{os.path.basename(path)}\n" for path in paths))

    def _make_user(self, instance: Instance) -> None:
        user = instance.settings.scripts.user or users.ask()
        if user is None:
            self.log.warning("No user, and no terminal to ask for one: made without inituser. Add one with adduser.")
            return
        files.write([render.File(f"{instance.location}/inituser", users.line(*user), 0o600)])
