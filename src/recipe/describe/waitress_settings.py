"""Reads the options ``waitress-NAME``: all settings of waitress that no other option of the recipe covers."""

import difflib
from collections.abc import Callable, Mapping

from waitress.adjustments import Adjustments, asbool, aslist, asset

from recipe.common.problems import Problems, shown
from recipe.common.servers import SHARED, WAITRESS, Description
from recipe.options import Settings, idle
from recipe.options.declare import Into
from recipe.options.kinds import BOOLEAN, FALSE, LINE
from recipe.options.unknown import misspelt, not_an_option

PREFIX = "waitress-"

#: Why an option of the server has no effect if there is no server.
NO_SERVER = "does nothing, since http-address is empty"

# The settings that an option of the recipe covers, with this option
COVERED = {
    "host": "http-address",
    "port": "http-address",
    "listen": "http-address",
    "unix_socket": "http-address",
    "sockets": "http-address",
    "threads": "threads",
    "max_request_body_size": "max-request-body-size",
    "max_request_header_size": "http-header-max-length",
    "clear_untrusted_proxy_headers": "clear-untrusted-proxy-headers",
    "asyncore_use_poll": "asyncore-use-poll",
}


def settings(part: Mapping[str, str], settings: Settings, server: Description, problems: Problems) -> dict[str, str]:
    """Return the settings of waitress in a part, by waitress's names, checked by waitress's own rules.

    An empty option counts as left out. If `server` is not waitress, it uses only those in SHARED.
    """
    options = {key: text.strip() for key, text in part.items() if key.startswith(PREFIX) and text.strip()}
    names = {PREFIX + name.replace("_", "-") for name, _ in Adjustments._params if name not in COVERED}
    for key, meant in misspelt((key for key in part if not key.startswith(PREFIX)), names):
        problems.warn(key, not_an_option(meant))
    values = {}
    for key, text in options.items():
        name = key.removeprefix(PREFIX).replace("-", "_")
        if isinstance(settings.server.wsgi, str):
            problems.set_idle(key, idle.not_written(Into.WSGI_INI, "wsgi"))
        elif not settings.server.is_configured:
            problems.set_idle(key, NO_SERVER)
        elif server is not WAITRESS and name not in SHARED:
            problems.set_idle(key, f"does nothing with wsgi-server = {server.name}")
        elif _check(key, name, text, problems):
            values[name] = text
    if values:
        _check_together(values, problems)
    return values


def _check(key: str, name: str, text: str, problems: Problems) -> bool:
    casts = dict(Adjustments._params)
    if name in COVERED:
        problems.error(key, f'remove it; set the option "{COVERED[name]}" instead')
    elif name not in casts:
        similar = difflib.get_close_matches(name, casts, n=1)
        hint = f"; did you mean {PREFIX}{similar[0].replace('_', '-')}?" if similar else f". Allowed: {_names(casts)}"
        problems.error(key, f"is not a setting of the installed waitress{hint}")
    elif allowed := _allowed(casts[name], text):
        problems.error(key, f"waitress does not accept {shown(text)}. Allowed: {allowed}.")
    else:
        return True
    return False


def _allowed(cast: Callable[[str], object], text: str) -> str:
    """Return what one of waitress's casts accepts, if it does not accept this text; else the empty text.

    Two casts accept too much: one reads any word that is not true as false, the other accepts several
    lines.
    """
    try:
        cast(text)
    except ValueError:
        return {"int": "a whole number", "asoctal": "an octal number"}.get(cast.__name__, "another value")
    if cast is asbool and not asbool(text) and text.lower() not in FALSE:
        return BOOLEAN.allowed
    if "\n" in text and cast not in (aslist, asset):
        return LINE.allowed
    return ""


def _check_together(values: Mapping[str, str], problems: Problems) -> None:
    keys = ", ".join(f"{PREFIX}{name.replace('_', '-')}" for name in values)
    try:
        # With an address of each family: waitress has no default address if `ipv4` is off
        Adjustments(**({"listen": "*:0"} | dict(values)))
    except ValueError as error:
        problems.error(keys, f"waitress does not accept this: {error}")


def _names(casts: Mapping[str, object]) -> str:
    return ", ".join(sorted(name.replace("_", "-") for name in casts if name not in COVERED))
