"""``wsgi-server``: which server, and whether it can do what the part asks of it."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from recipe.common.problems import Problems, shown
from recipe.common.servers import SHARED, WAITRESS, Description
from recipe.common.spelling import nearest
from recipe.describe import storages
from recipe.options import Settings
from recipe.options.declare import options_of
from recipe.options.server import Server

#: Keys of ``[server:main]`` that are not for a server's own settings.
RESERVED = {"use", "listen", "fast-listen", "fast_listen", "graceful_timeout", "workers", *SHARED} - {"backlog"}


def check(
    server: Description,
    settings: Settings,
    part: Mapping[str, str],
    servers: Mapping[str, Description],
    problems: Problems,
) -> None:
    """Note what the part asks of its server that this one cannot do, with those of `servers` that can."""
    if settings.server.wsgi is not True:
        return  # a file of the user's names its own
    _check_asked(server, settings.server, part, servers, problems)
    _check_own(server, dict(settings.server.own_options), problems)
    if settings.server.asyncore_use_poll and server is not WAITRESS:
        problems.warn("asyncore-use-poll", f"does nothing with wsgi-server = {server.name}")
    if settings.server.workers > 1:
        _check_workers(settings, problems)


def refuse(name: str, names: Collection[str], problems: Problems, doubt: str = "") -> None:
    """Note that there is no server of that name; `names` are those that there are, `doubt` is when there may be one."""
    meant = nearest(name, names)
    hint = f" Did you mean {meant}?" if meant else ""
    problems.error("wsgi-server", f"{shown(name)} is not a server{doubt}. Allowed: {', '.join(names)}.{hint}")


def _check_workers(settings: Settings, problems: Problems) -> None:
    if settings.layout.zope_conf is None:
        storages.check_workers(settings.storage, settings.zope.additional, problems)
    for name, log in (("event-log", settings.event_log), ("access-log", settings.access_log)):
        if log.max_size:
            problems.error(f"{name}-max-size", "not with several workers: each would rotate the log; use logrotate")


#: What an option asks of a server: when, the field that says whether it can, and what in words.
ASKED: tuple[tuple[str, Callable[[Server], Any], str, str], ...] = (
    ("threads", lambda server: server.threads > 1, "threads", "use several threads"),
    ("workers", lambda server: server.workers > 1, "workers", "run in several processes"),
    ("http-header-max-length", lambda server: server.max_header_size, "header_limit", "limit the head of a request"),
    ("http-fast-listen", lambda server: not server.fast_listen, "late", "bind now and listen later"),
    (
        "http-address",
        lambda server: len(server.addresses) > 1 or any(a.host == "*" for a in server.addresses),
        "several",
        "listen on several addresses",
    ),
    ("http-address", lambda server: any(a.path for a in server.addresses), "unix", "listen on a unix socket"),
    ("wsgi-server-options", lambda server: server.own_options, "own_options", "take settings of its own"),
)


def _check_asked(
    server: Description, asked: Server, part: Mapping[str, str], servers: Mapping[str, Description], problems: Problems
) -> None:
    given = {option.name for option in options_of(Server).values() if option.given(part)}
    for option, is_asked, field, what in ASKED:
        if option in given and is_asked(asked) and not getattr(server, field):
            if option == "wsgi-server-options" and server is WAITRESS:
                problems.error(option, "waitress's are options: waitress-channel-timeout is its channel_timeout")
                continue
            able = ", ".join(each.name for each in servers.values() if getattr(each, field))
            problems.error(option, f"{server.name} cannot {what}. Those that can: {able}.")


def _check_own(server: Description, own: Mapping[str, str], problems: Problems) -> None:
    for name in own:
        if name in server.covered:
            better = server.covered[name]
            problems.error(
                "wsgi-server-options", f"{name} is {f'what {better} is for; use that' if better else 'ours to set'}"
            )
        elif name in RESERVED:
            problems.error(
                "wsgi-server-options", f"{name} is ours, and no setting of {server.name}'s; there is an option for it"
            )
