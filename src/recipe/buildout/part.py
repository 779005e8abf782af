"""The thread on which the steps hang: reads the part, lets the rest work, reports what was made."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

from zc.buildout import UserError

from recipe.buildout import checks, fingerprint, judge, users, zserver
from recipe.buildout.eggs import Eggs, WorkingSet, initialization
from recipe.buildout.registry import Given, parts
from recipe.buildout.removal import claimed
from recipe.common import journal, privileges
from recipe.common.errors import StartError
from recipe.common.names import FACTS, FINGERPRINT, JOURNAL, RECIPE, SOCKET
from recipe.common.servers import SERVERS, Description
from recipe.describe import storages, wsgi_server
from recipe.describe.instance import Instance, describe
from recipe.disk import links, manifest, writer
from recipe.options import Problems, Settings
from recipe.options.declare import Context
from recipe.options.kinds import TRUE
from recipe.render import files, scripts
from recipe.render.file import PRIVATE, File


class Part:
    """A part that is made, or made anew."""

    def __init__(self, recipe: Given) -> None:
        self.buildout = recipe.buildout
        self.name = recipe.name
        self.options = recipe.options
        self.log = recipe.log
        self.made_conf = recipe.made_conf
        self.relative_paths = recipe.relative_paths.lower() in TRUE
        #: Whether a fingerprint knows all that the outcome follows from
        self.is_traceable = True

    def make(self) -> str:
        """Make the instance, or leave the one that is there; returns the path of its zope.conf. Raises UserError."""
        given = dict(self.options)
        instance = self._instance()
        try:
            self.tree = self._linked(instance)
            self._write(instance, self._files(instance), given)
        except OSError as error:
            raise UserError(
                f"[{self.name}] cannot write {error.filename or instance.location}: {error.strerror}"
            ) from error
        return instance.zope_conf

    def _given(self) -> dict[str, str]:
        """The options of the part, without the path of a zope.conf that is to be made."""
        given = dict(self.options)
        if given.get("zope-conf") == self.made_conf:
            del given["zope-conf"]
        return given

    def _instance(self) -> Instance:
        """The instance that the part describes. Raises UserError with all that is wrong."""
        self.problems = Problems(self.name)
        context = self._context()
        given = self._given()
        settings, self.templates = checks.check(given, context, self.relative_paths, self.problems)
        self._raise_errors()
        if settings.server.wsgi is False:
            # The part's eggs are for the other Python; ours runs the control script only
            projects = zserver.examine(settings, self.problems)
            self._raise_errors()
            self.eggs = Eggs(self.buildout, self.name, {**self.options, "eggs": ""})
            self.working_set = self.eggs.working_set()
        else:
            self.eggs = Eggs(self.buildout, self.name, self.options)
            self.working_set = self._working_set(_extras(settings))
            projects = self.working_set.projects
        servers = self._servers(settings.server.name)
        instance = describe(settings, given, context, projects, self.relative_paths, self.problems, servers)
        self._raise_errors()
        return instance

    def _working_set(self, extras: Mapping[str, str]) -> WorkingSet:
        """The part's eggs with those of some extras. Raises UserError, with the option where an extra is to blame."""
        try:
            return self.eggs.working_set(tuple(extras))
        except UserError:
            self.eggs.working_set()  # where this fails, too, no extra is to blame
            for extra, option in extras.items():
                self._check_extra(extra, option)
            raise

    def _servers(self, wanted: str) -> Mapping[str, Description]:
        """The WSGI servers of which something is known: ours, and the one that is wanted, where an egg brings it."""
        others = self.working_set.servers
        if wanted in SERVERS:
            return SERVERS
        if wanted not in others:
            wsgi_server.refuse(wanted, [*SERVERS, *others], self.problems)
            return SERVERS
        try:
            directory = self.buildout["buildout"]["directory"]
            self.is_traceable = False  # it is asked for what it says, and may be under development
            found = judge.server_of(others[wanted], sys.executable, self.working_set.paths, directory)
        except ValueError as error:
            raise UserError(f"[{self.name}] wsgi-server: {wanted} does not say what it can do: {error}") from None
        return {**SERVERS, wanted: found}

    def _check_extra(self, extra: str, option: str) -> None:
        try:
            self.eggs.working_set((extra,))
        except UserError as error:
            why = " ".join(str(error).split()).rstrip(".")
            raise UserError(
                f"[{self.name}] {option}: needs {RECIPE}[{extra}], and an egg of it cannot be had: {why}. "
                "Let buildout get it, or leave the option out."
            ) from None

    def _linked(self, instance: Instance) -> links.Tree | None:
        """The directory of links to the eggs, made where it is missing; None where there is to be none. Raises OSError.

        It is on the disk before all other files, since these are judged with it; no script names it yet.
        """
        if instance.is_zserver or not instance.settings.scripts.link_eggs:
            return None
        if links.has_unable(self.working_set.projects):
            self.log.info("link-eggs: the eggs stay on the path, since %s is among them.", links.UNABLE)
            return None
        inside = instance.directory if instance.relative_paths else ""
        tree = links.plan(self.working_set.paths, instance.location, inside)
        try:
            if tree and links.make(tree) and (shadows := links.shadows(tree)):
                self.log.warning("[%s] link-eggs: %s", self.name, shadows)  # once, not on every run
        except links.LinkError as error:
            self.is_traceable = False  # the next run tries again
            self.problems.warn("link-eggs", f"the eggs stay on the path: no links in {instance.location}: {error}")
            return None
        return tree

    def _files(self, instance: Instance) -> list[File]:
        """All files of the instance, rendered."""
        python, self.inner = self._pythons(instance)
        made = list(files.render(instance, python, self.templates, self.problems, self.inner))
        self._check_given_files(instance)
        return made

    def _write(self, instance: Instance, made: list[File], given: Mapping[str, str]) -> None:
        """Let the files be judged, and write them, with the scripts of the eggs; raises OSError."""
        etc = instance.etc
        log = f"{etc}/{JOURNAL}"
        journal.finish(log)
        before_this = takewhile(lambda location: location != instance.location, parts)
        self.scripts_tree = self.tree and links.shared(self.tree, before_this)
        made += self.eggs.scripts(instance, self.scripts_tree)
        paths = {file.path for file in made}
        before = manifest.read(etc)
        kept = self._kept(instance, before)
        obsolete = before - paths - kept - claimed(instance.location)
        made.append(manifest.file(etc, paths | kept))
        # An instance without it has never been complete, and has no user yet
        first = [] if os.path.exists(f"{etc}/{FACTS}") else list(self._inituser(instance))
        writer.make_directories(instance.directories, instance.private_directories)
        last = self._fingerprint(instance, made, given)
        if any(map(writer.is_changed, made)):
            ask = zserver.judge_files if instance.is_zserver else judge.ask
            ask(instance, self.inner, made, self.options, self.problems)
        self._raise_errors()
        self._tell_warnings()
        made += [*first, *last]
        scripts = {file.path for file in made if file.mode & 0o111}
        for path in writer.write(made, obsolete, log, _owner(instance)):
            if path in scripts:
                self.log.info("Generated script %r.", path)
        # What runs without the manager keeps the one, the manager the other
        running = (f"{instance.settings.layout.client_home}/{SOCKET}", instance.settings.layout.pid_file)
        links.use(instance.location, self.tree, links.running_since(running))

    def _fingerprint(self, instance: Instance, made: Sequence[File], given: Mapping[str, str]) -> list[File]:
        """By what the next run tells that nothing has changed.

        None under ZServer, whose Python is not ours to know, and where the outcome hangs on something else that it
        does not know. The warnings in it are those that do not come from looking at the files.
        """
        if instance.is_zserver or not self.is_traceable:
            return []
        linked = [tree.directory for tree in (self.tree, self.scripts_tree) if tree]
        seen = {
            "eggs": list(self.working_set.locations),
            "metadata": list(self.working_set.metadata),
            "read": list(self.templates),
            "named": list(self._named_files(instance).values()),
            "directories": [*instance.directories, *instance.private_directories, *linked],
            "zope-conf": [instance.zope_conf],
        }
        text = fingerprint.record(
            instance.etc,
            self.buildout,
            given,
            seen,
            [(file.path, file.text.encode(), writer.mode(file)) for file in made],
            unpinned=self.working_set.unpinned,
            warnings=self.problems.warnings,
        )
        return [File(f"{instance.etc}/{FINGERPRINT}", text, PRIVATE)]

    def _kept(self, instance: Instance, before: set[str]) -> set[str]:
        """The slugs of former runs that ``*`` keeps."""
        slugs = {path for path in before if path.startswith(f"{instance.etc}/package-includes/")}
        return slugs if "*" in instance.settings.zcml.slugs else set()

    def _context(self) -> Context:
        return Context(
            name=self.name,
            directory=self.buildout["buildout"]["directory"],
            location=self.options["location"],
            bin_directory=self.options["bin-directory"],
        )

    def _pythons(self, instance: Instance) -> tuple[scripts.Python, scripts.Python]:
        """That of the control script, and that of the server."""
        extra_paths = instance.settings.scripts.extra_paths
        lines = initialization(instance, self.options)
        if instance.is_zserver:
            python = scripts.Python(sys.executable, self.working_set.paths, "")
            return python, scripts.Python(instance.settings.zserver.python or "", extra_paths, lines)
        paths = self.tree.paths if self.tree else self.working_set.paths
        python = scripts.Python(sys.executable, (*paths, *extra_paths), lines)
        return python, python

    def _check_given_files(self, instance: Instance) -> None:
        for option, path in self._named_files(instance).items():
            if not os.path.exists(path):
                self.problems.warn(option, f"{path} is not there yet; the server needs it")

    def _named_files(self, instance: Instance) -> dict[str, str]:
        """The files of the user's own that the server reads, by their options."""
        given = {"wsgi": instance.settings.server.wsgi, "zope-conf": instance.settings.layout.zope_conf}
        return {option: path for option, path in given.items() if isinstance(path, str)}

    def _raise_errors(self) -> None:
        if self.problems.errors:
            self._tell_warnings()
            mistakes = self.problems.errors
            head = [f"{len(mistakes)} mistakes in the part:"] if len(mistakes) > 1 else []
            raise UserError("\n".join([*head, *mistakes]))

    def _tell_warnings(self) -> None:
        for warning in self.problems.warnings:
            self.log.warning(warning)

    def _inituser(self, instance: Instance) -> Iterator[File]:
        """The file with the first Manager, where there is to be one, and Zope can add it to its database."""
        if storages.read_only(instance.settings.storage):
            return
        user = instance.settings.scripts.user or users.ask()
        if user is None:
            self.log.warning("No user, and no terminal to ask for one: made without inituser. Add one with adduser.")
        else:
            scheme = users.SALTED if instance.is_zserver else ""
            yield File(f"{instance.location}/inituser", users.line(*user, scheme), PRIVATE)


def _owner(instance: Instance) -> writer.Owner | None:
    """The user that the server becomes: who else could read its secrets? None where this machine has none such."""
    user = instance.settings.process.effective_user
    try:
        entry = privileges.lookup(user) if user else None
    except StartError:
        return None
    return entry and (entry.pw_uid, entry.pw_gid)


def _extras(settings: Settings) -> dict[str, str]:
    """The extras of our distribution that the options need, each with its option."""
    needed = {
        "sentry": ("sentry_dsn", bool(settings.sentry.dsn)),
        "profile": ("profile", settings.profile.enabled),
        "json": ("log-format", settings.event_log.format == "json"),
        "relstorage": ("rel-storage", bool(settings.storage.rel_storage)),
    }
    server = SERVERS.get(settings.server.name)
    if server and settings.server.wsgi is True and settings.server.addresses:
        needed |= {server.extra: ("wsgi-server", bool(server.extra))}
    return {extra: option for extra, (option, on) in needed.items() if on}
