"""Chooses the WSGI server, and checks that it supports the options of the part."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from recipe.common.problems import Problems, shown
from recipe.common.servers import SHARED, WAITRESS, Description
from recipe.common.spelling import nearest
from recipe.describe import storages
from recipe.options import Settings
from recipe.options.declare import options_of
from recipe.options.server import Server

#: Keys of ``[server:main]`` that the recipe writes, so that a setting of a server cannot have these names.
RESERVED = {
    "use",
    "listen",
    "fast-listen",
    "fast_listen",
    "graceful_timeout",
    "workers",
    "warm_up",
    "preload",
    *SHARED,
} - {"backlog"}

SELECT = (
    "with off, waitress uses select(), which can handle file descriptors below 1024 only;"
    " the server opens no others, and clients wait at this limit. Remove the option to use poll()."
)


def check(
    server: Description,
    settings: Settings,
    part: Mapping[str, str],
    servers: Mapping[str, Description],
    problems: Problems,
) -> None:
    """Add an error for each option that `server` does not support; the error names those of `servers` that do."""
    if settings.server.wsgi is not True:
        return  # the file of the user names its own server
    _check_abilities(server, settings.server, part, servers, problems)
    _check_own_options(server, dict(settings.server.own_options), problems)
    if not settings.server.asyncore_use_poll:
        problems.warn(
            "asyncore-use-poll", SELECT if server is WAITRESS else f"does nothing with wsgi-server = {server.name}"
        )
    if settings.server.workers > 1:
        _check_workers(settings, problems)
    if server is not WAITRESS:
        problems.set_idle("asyncore-use-poll", f"does nothing with wsgi-server = {server.name}", warn=False)


def refuse(name: str, names: Collection[str], problems: Problems, doubt: str = "") -> None:
    """Add the error that no server has this name; `names` are the known servers, `doubt` restricts the statement."""
    similar = nearest(name, names)
    hint = f" Did you mean {similar}?" if similar else ""
    problems.error("wsgi-server", f"{shown(name)} is not a known server{doubt}. Allowed: {', '.join(names)}.{hint}")


def _check_workers(settings: Settings, problems: Problems) -> None:
    if settings.layout.zope_conf is None:
        storages.check_workers(settings.storage, settings.zope.additional, problems)
    for name, log in (("event-log", settings.event_log), ("access-log", settings.access_log)):
        if log.max_size:
            message = "does not work with several workers, since each would rotate the log; use logrotate instead"
            problems.error(f"{name}-max-size", message)


#: For each option that not all servers support: when it is used, the field of Description that says whether the server
#: supports it, and this ability in words.
ABILITIES: tuple[tuple[str, Callable[[Server], Any], str, str], ...] = (
    ("threads", lambda server: server.threads > 1, "threads", "use several threads"),
    ("workers", lambda server: server.workers > 1, "workers", "use several processes"),
    (
        "http-header-max-length",
        lambda server: server.max_header_size,
        "header_limit",
        "limit the size of request headers",
    ),
    (
        "http-fast-listen",
        lambda server: not server.fast_listen,
        "late",
        "wait until Zope has started before it listens",
    ),
    (
        "http-address",
        lambda server: len(server.addresses) > 1,
        "several",
        "listen on several addresses",
    ),
    (
        "http-address",
        lambda server: [address.host for address in server.addresses] == ["*"],
        "several",
        "listen on *:port, which is one address for IPv4 and one for IPv6",
    ),
    (
        "http-address",
        lambda server: any(address.path for address in server.addresses),
        "unix",
        "listen on a unix socket",
    ),
    ("wsgi-server-options", lambda server: server.own_options, "own_options", "accept wsgi-server-options"),
)


def _check_abilities(
    server: Description, asked: Server, part: Mapping[str, str], servers: Mapping[str, Description], problems: Problems
) -> None:
    given = {option.name for option in options_of(Server).values() if option.given(part)}
    for option, is_asked, field, ability in ABILITIES:
        if option in given and is_asked(asked) and not getattr(server, field):
            if option == "wsgi-server-options" and server is WAITRESS:
                problems.error(option, "remove it; set waitress-NAME instead, such as waitress-channel-timeout = 60")
                continue
            able = ", ".join(other.name for other in servers.values() if getattr(other, field))
            problems.error(option, f"{server.name} cannot {ability}. Servers that can: {able}.")


def _check_own_options(server: Description, names: Iterable[str], problems: Problems) -> None:
    for name in names:
        option = server.covered.get(name, "")
        if option:
            problems.error("wsgi-server-options", f'remove "{name}"; set the option "{option}" of the part instead')
        elif name in server.covered:
            problems.error("wsgi-server-options", f'remove "{name}"; the recipe sets it itself, or does not support it')
        elif name in RESERVED:
            problems.error("wsgi-server-options", f'remove "{name}"; the recipe sets it from an option of the part')
