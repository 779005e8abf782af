"""Changing the disk: first what no script names yet (links, directories), then all files at once."""

import logging
import os
from collections.abc import Iterator, Sequence
from itertools import takewhile

from recipe.buildout import fingerprint, users
from recipe.buildout.eggs import WorkingSet
from recipe.buildout.part import Part
from recipe.buildout.plan import Plan, Trees, named_files
from recipe.buildout.registry import parts
from recipe.buildout.resolution import Resolved
from recipe.common import journal, privileges
from recipe.common.errors import StartError
from recipe.common.names import FACTS, FINGERPRINT, JOURNAL, SOCKET
from recipe.common.problems import Problem, Problems
from recipe.describe import storages
from recipe.describe.instance import Instance
from recipe.disk import links, writer
from recipe.render.file import PRIVATE, File


def prepare(instance: Instance, working_set: WorkingSet, problems: Problems) -> Trees:
    """Finish what a run that was killed has begun, and make links and directories. Raises OSError.

    They are on the disk before all files, since these are judged with them; no script names the links yet.
    """
    trees = _link(instance, working_set, problems)
    journal.finish(f"{instance.etc}/{JOURNAL}")
    writer.make_directories(instance.directories, instance.private_directories)
    return trees


def _link(instance: Instance, working_set: WorkingSet, problems: Problems) -> Trees:
    if instance.is_zserver or not instance.settings.scripts.link_eggs:
        return Trees()
    log = logging.getLogger(instance.name)
    if links.has_unable(working_set.projects):
        log.info("link-eggs: the eggs stay on the path, since %s is among them.", links.UNABLE)
        return Trees()
    inside = instance.directory if instance.relative_paths else ""
    tree = links.plan(working_set.paths, instance.location, inside)
    if tree is None:
        return Trees()
    try:
        if links.make(tree) and (shadows := links.shadows(tree)):
            log.warning("[%s] link-eggs: %s", instance.name, shadows)  # once, not on every run
    except links.LinkError as error:
        problems.warn("link-eggs", f"cannot create links in {instance.location}, so the eggs stay on the path: {error}")
        return Trees(is_lasting=False)
    earlier = takewhile(lambda location: location != instance.location, parts)
    return Trees(tree, links.shared(tree, earlier))


def has_changes(plan: Plan) -> bool:
    """Whether a file is not on the disk as it is planned."""
    return any(map(writer.is_changed, plan.made))


def write(
    part: Part, instance: Instance, plan: Plan, eggs: Resolved, trees: Trees, warnings: Sequence[Problem]
) -> None:
    """Write the files, all or nothing, and let the links that are in use be known. Raises OSError."""
    etc = instance.etc
    # An instance without it has never been complete, and has no user yet
    first = [] if os.path.exists(f"{etc}/{FACTS}") else list(_inituser(instance))
    last = _fingerprint(part, instance, plan, eggs, trees, warnings)
    scripts = {file.path for file in plan.made if file.mode & 0o111}
    made = (*plan.made, *first, *last)
    for path in writer.write(made, plan.obsolete, f"{etc}/{JOURNAL}", _owner(instance)):
        if path in scripts:
            logging.getLogger(instance.name).info("Generated script %r.", path)
    # What runs without the manager keeps the one, the manager the other
    running = (f"{instance.settings.layout.client_home}/{SOCKET}", instance.settings.layout.pid_file)
    links.use(instance.location, trees.instance, links.running_since(running))


def _inituser(instance: Instance) -> Iterator[File]:
    """The file with the first Manager, if there is to be one, and Zope can add it to its database."""
    if storages.read_only(instance.settings.storage):
        return
    user = instance.settings.scripts.user or users.ask()
    if user is None:
        logging.getLogger(instance.name).warning(
            "The part has no option user, and there is no terminal to ask for one: the instance is made without a "
            "Manager. Add one with %s adduser NAME.",
            instance.control_script,
        )
    else:
        scheme = users.SALTED if instance.is_zserver else ""
        yield File(f"{instance.location}/inituser", users.line(*user, scheme), PRIVATE)


def _fingerprint(
    part: Part, instance: Instance, plan: Plan, eggs: Resolved, trees: Trees, warnings: Sequence[Problem]
) -> list[File]:
    """The file by which the next run recognizes that nothing has changed.

    None under ZServer, whose Python is not ours to know, and if the outcome follows from something else that it does
    not know. `warnings` are those that do not come from looking at the files.
    """
    if instance.is_zserver or not (eggs.is_traceable and trees.is_lasting):
        return []
    server = instance.settings.server
    linked = [tree.directory for tree in (trees.instance, trees.scripts) if tree]
    seen = {
        "eggs": list(eggs.working_set.locations),
        "metadata": list(eggs.working_set.metadata),
        "read": [file for file in (server.ini_template, server.logging_template) if file],
        "named": [path for _, path in named_files(instance)],
        "directories": [*instance.directories, *instance.private_directories, *linked],
        "zope-conf": [instance.zope_conf],
    }
    text = fingerprint.record(
        instance.etc,
        part.buildout,
        part.options,
        seen,
        [(file.path, file.text.encode(), writer.mode(file)) for file in plan.made],
        unpinned=eggs.working_set.unpinned,
        warnings=warnings,
    )
    return [File(f"{instance.etc}/{FINGERPRINT}", text, PRIVATE)]


def _owner(instance: Instance) -> writer.Owner | None:
    """The user that the server becomes: who else could read its secrets? None where this machine has none such."""
    user = instance.settings.process.effective_user
    try:
        entry = privileges.lookup(user) if user else None
    except StartError:
        return None
    return entry and (entry.pw_uid, entry.pw_gid)
