"""The eggs of a part, and what they decide: found by buildout once all that can be known without them is in order."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from zc.buildout import UserError

from recipe.buildout import judge
from recipe.buildout.eggs import Eggs, WorkingSet
from recipe.buildout.part import Part
from recipe.common.names import RECIPE
from recipe.common.problems import Problems
from recipe.common.servers import SERVERS, Description
from recipe.describe import wsgi_server
from recipe.describe.bases import base_of
from recipe.options import Settings


@dataclass(frozen=True)
class Resolved:
    """The eggs of a part.

    eggs          makes their scripts
    working_set   what is on the path of the control script, and under WSGI of the server
    projects      the names of the distributions that the server has
    servers       the WSGI servers that the part can name
    is_traceable  whether a fingerprint knows all that the outcome follows from
    """

    eggs: Eggs
    working_set: WorkingSet
    projects: frozenset[str]
    servers: Mapping[str, Description]
    is_traceable: bool = True


def resolve(part: Part, settings: Settings, zserver_projects: frozenset[str], problems: Problems) -> Resolved:
    """Find the eggs of a part. Raises UserError if one cannot be found; other mistakes go to `problems`.

    `zserver_projects` are the names of the distributions that the Python of ZServer has.
    """
    if settings.server.wsgi is False:
        # The part's eggs are for the other Python; ours runs the control script only
        eggs = Eggs(part.buildout, part.name, {**part.options, "eggs": ""})
        return Resolved(eggs, eggs.working_set(), zserver_projects, SERVERS)
    eggs = Eggs(part.buildout, part.name, dict(part.options))
    extras = {extra: option for extra, option in _extras(settings).items() if not problems.is_idle(option)}
    working_set = _working_set(eggs, extras, problems)
    name = settings.server.name
    if name in SERVERS:
        return Resolved(eggs, working_set, working_set.projects, SERVERS)
    if name not in working_set.servers:
        wsgi_server.refuse(name, [*SERVERS, *working_set.servers], problems)
        return Resolved(eggs, working_set, working_set.projects, SERVERS)
    servers = {**SERVERS, name: _describe_server(part, name, working_set, problems)}
    # The other distribution is asked for its description, and may be under development
    return Resolved(eggs, working_set, working_set.projects, servers, is_traceable=False)


def _extras(settings: Settings) -> dict[str, str]:
    """The extras of our distribution that the options need, each with its option."""
    base = base_of(settings.storage)
    needed = {
        "sentry": ("sentry_dsn", bool(settings.sentry.dsn)),
        "profile": ("profile", settings.profile.enabled),
        "json": ("log-format", settings.event_log.format == "json"),
        base.extra: (base.option, bool(base.extra)),
    }
    server = SERVERS.get(settings.server.name)
    if server and settings.server.wsgi is True and settings.server.addresses:
        needed |= {server.extra: ("wsgi-server", bool(server.extra))}
    return {extra: option for extra, (option, is_needed) in needed.items() if is_needed}


def _working_set(eggs: Eggs, extras: Mapping[str, str], problems: Problems) -> WorkingSet:
    """The eggs with those of some extras. Raises UserError, with the option if an extra is to blame."""
    try:
        return eggs.working_set(tuple(extras))
    except UserError:
        eggs.working_set()  # if this fails, too, no extra is to blame
        for extra, option in extras.items():
            _check_extra(eggs, extra, option, problems)
        raise


def _check_extra(eggs: Eggs, extra: str, option: str, problems: Problems) -> None:
    try:
        eggs.working_set((extra,))
    except UserError as error:
        why = " ".join(str(error).split()).rstrip(".")
        problems.error(
            option,
            f"needs {RECIPE}[{extra}], but buildout cannot install it: {why}. "
            "Make its eggs available to buildout, or remove the option.",
        )
        raise UserError(problems.errors[-1]) from None


def _describe_server(part: Part, name: str, working_set: WorkingSet, problems: Problems) -> Description:
    """What another distribution says of its server. Raises UserError."""
    try:
        return judge.server_of(working_set.servers[name], sys.executable, working_set.paths, part.context.directory)
    except ValueError as error:
        problems.error("wsgi-server", f"the egg of {name} does not describe the server: {error}")
        raise UserError(problems.errors[-1]) from None
