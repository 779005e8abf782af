"""buildout's face: reads the part, lets the rest work, reports what was made."""

import logging
import os
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from zc.buildout import UserError

from recipe import files, judge, render, users
from recipe.eggs import Eggs, WorkingSet, initialization
from recipe.instance import Instance, describe
from recipe.options import Problems, declared
from recipe.options.declare import Context
from recipe.options.kinds import TRUE

MADE = ".made"  # the files that the last run made, one a line


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
        defaults = {option.name: option.default or "" for option in declared()}
        for key in ("pipeline", "initialization"):
            options.setdefault(key, defaults[key])

    def install(self) -> list[str]:
        """Make the instance; returns the files and directories that buildout may remove with the part."""
        first = not os.path.exists(self.options["location"])
        instance = self._make()
        if first:
            self._make_user(instance)
        return self.made

    def update(self) -> list[str]:
        """Bring the instance up to date with the part."""
        self._make()
        return self.made

    def _make(self) -> Instance:
        problems = Problems(self.name)
        eggs = Eggs(self.buildout, self.name, self.options)
        working_set = eggs.working_set(tuple(self._extras()))
        instance = describe(self.options, self._context(), working_set.projects, self._relative_paths(), problems)
        python = self._python(instance, working_set)
        templates = self._templates(instance)
        made = list(render.files(instance, python, templates, problems))
        self._check_ini(instance, made, problems)
        self._check_given_files(instance, problems)
        self._raise_errors(problems)
        files.make_directories(instance.directories, instance.storages.private)
        if any(not os.path.exists(f.path) or Path(f.path).read_text() != f.text for f in made):
            judge.ask(instance, python, made, self.options, problems)
        self._tell_warnings(problems)
        self._clean_slugs(instance, made)
        files.write(made)
        self.options["zope-conf"] = instance.zope_conf
        self.made = [instance.location, instance.control_script, *eggs.install_scripts(instance)]
        return instance

    def _context(self) -> Context:
        return Context(
            name=self.name,
            directory=self.buildout["buildout"]["directory"],
            location=self.options["location"],
            bin_directory=self.options["bin-directory"],
        )

    def _relative_paths(self) -> bool:
        return self.buildout["buildout"].get("relative-paths", "false").lower() in TRUE

    def _extras(self) -> Iterator[str]:
        """The extras of our distribution that the part needs."""
        if self.options.get("sentry_dsn", "").strip():
            yield "sentry"
        if self.options.get("profile", "").strip().lower() in TRUE:
            yield "profile"

    def _python(self, instance: Instance, working_set: WorkingSet) -> render.Python:
        paths = (*working_set.paths, *instance.settings.scripts.extra_paths)
        return render.Python(sys.executable, paths, initialization(instance, self.options))

    def _templates(self, instance: Instance) -> dict[str, str]:
        server = instance.settings.server
        named = (server.ini_template, server.logging_template)
        return {file: Path(file).read_text() for file in named if file}

    def _check_ini(self, instance: Instance, made: list[render.File], problems: Problems) -> None:
        server = instance.settings.server
        option = "wsgi-ini-template" if server.ini_template else "wsgi-logging-ini-template"
        for file in made:
            if file.path == instance.wsgi_ini and (server.ini_template or server.logging_template):
                judge.check_ini(file.text, option, problems)

    def _check_given_files(self, instance: Instance, problems: Problems) -> None:
        given = {"wsgi": instance.settings.server.wsgi, "zope-conf": instance.settings.layout.zope_conf}
        for option, path in given.items():
            if isinstance(path, str) and not os.path.exists(path):
                problems.warn(option, f"{path} is not there yet; the server needs it")

    def _raise_errors(self, problems: Problems) -> None:
        if problems.errors:
            self._tell_warnings(problems)
            raise UserError("\n".join(problems.errors))

    def _tell_warnings(self, problems: Problems) -> None:
        for warning in problems.warnings:
            self.log.warning(warning)

    def _clean_slugs(self, instance: Instance, made: list[render.File]) -> None:
        """Drop the slugs of an earlier run, but none that the user put there."""
        record = Path(instance.etc, MADE)
        includes = f"{instance.etc}/package-includes"
        names = [f.path for f in made if os.path.dirname(f.path) == includes]
        if "*" not in instance.settings.zcml.slugs and record.exists():
            files.remove_stale(includes, names, (f"{includes}/{name}" for name in record.read_text().splitlines()))
        made.append(render.File(str(record), "".join(f"{os.path.basename(name)}\n" for name in names)))

    def _make_user(self, instance: Instance) -> None:
        user = instance.settings.scripts.user or users.ask()
        if user is None:
            self.log.warning("No user, and no terminal to ask for one: made without inituser. Add one with adduser.")
            return
        files.write([render.File(f"{instance.location}/inituser", users.line(*user), 0o600)])
