"""buildout's face: reads the part, lets the rest work, reports what was made."""

import logging
import os
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from zc.buildout import UserError

from recipe import files, judge, render, users
from recipe.control.facts import FILE as FACTS
from recipe.eggs import Eggs, check_initialization, initialization
from recipe.instance import Instance, describe
from recipe.options import Problems, Settings, read
from recipe.options.declare import Context, options_of
from recipe.options.kinds import TRUE
from recipe.options.server import Server

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
        return self._make(self._instance())

    update = install

    def _instance(self) -> Instance:
        """The instance that the part describes. Raises UserError with all that is wrong."""
        self.problems = Problems(self.name)
        context = self._context()
        settings = read(self.options, context, self.problems)
        self._raise_errors()
        self.eggs = Eggs(self.buildout, self.name, self.options)
        self.working_set = self.eggs.working_set(tuple(_extras(settings)))
        instance = describe(
            settings, self.options, context, self.working_set.projects, self.relative_paths, self.problems
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
        # Written last: an instance without it has never been complete, and has no user yet
        if not os.path.exists(f"{instance.etc}/{FACTS}"):
            made = [*self._inituser(instance), *made]
        try:
            files.make_directories(instance.directories, instance.private_directories)
            if any(map(files.is_changed, made)):
                judge.ask(instance, python, made, self.options, self.problems)
            self._tell_warnings()
            scripts = self.eggs.install_scripts(instance)
            for path in files.write(made):
                if path in (instance.control_script, instance.interpreter):
                    self.log.info("Generated script %r.", path)
        except OSError as error:
            raise UserError(f"[{self.name}] cannot write {error.filename}: {error.strerror}") from error
        self.options["zope-conf"] = instance.zope_conf
        return [instance.location, instance.control_script, *scripts]

    def _context(self) -> Context:
        return Context(
            name=self.name,
            directory=self.buildout["buildout"]["directory"],
            location=self.options["location"],
            bin_directory=self.options["bin-directory"],
        )

    def _python(self, instance: Instance) -> render.Python:
        paths = (*self.working_set.paths, *instance.settings.scripts.extra_paths)
        lines = initialization(instance, self.options)
        check_initialization(lines, self.problems)
        return render.Python(sys.executable, paths, lines)

    def _templates(self, instance: Instance) -> dict[str, str]:
        server = instance.settings.server
        named = {"wsgi-ini-template": server.ini_template, "wsgi-logging-ini-template": server.logging_template}
        texts = {}
        for option, file in named.items():
            if file:
                try:
                    texts[file] = Path(file).read_text(encoding="utf-8-sig")
                except (OSError, UnicodeDecodeError) as error:
                    self.problems.error(option, f"{file} cannot be read: {error}")
        self._raise_errors()
        return texts

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
            mistakes = self.problems.errors
            head = [f"{len(mistakes)} mistakes in the part:"] if len(mistakes) > 1 else []
            raise UserError("\n".join([*head, *mistakes]))

    def _tell_warnings(self) -> None:
        for warning in self.problems.warnings:
            self.log.warning(warning)

    def _inituser(self, instance: Instance) -> Iterator[render.File]:
        """The file with the first Manager, where there is to be one."""
        user = instance.settings.scripts.user or users.ask()
        if user is None:
            self.log.warning("No user, and no terminal to ask for one: made without inituser. Add one with adduser.")
        else:
            yield render.File(f"{instance.location}/inituser", users.line(*user), 0o600)


def _extras(settings: Settings) -> Iterator[str]:
    """The extras of our distribution that the options need."""
    if settings.sentry.dsn:
        yield "sentry"
    if settings.profile.enabled:
        yield "profile"
    if settings.event_log.format == "json":
        yield "json"
