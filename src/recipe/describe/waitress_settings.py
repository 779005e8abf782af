"""``waitress-NAME``: every setting of waitress that no option of the recipe covers."""

import difflib
from collections.abc import Callable, Mapping

from waitress.adjustments import Adjustments, asbool, aslist, asset

from recipe.common.problems import Problems, shown
from recipe.common.servers import SHARED, WAITRESS, Description
from recipe.options import Settings, idle
from recipe.options.declare import Into
from recipe.options.kinds import BOOLEAN, FALSE, LINE

PREFIX = "waitress-"

# Settings that an option of the recipe gives already, and that option
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
    """The settings of waitress in a part, by waitress's names; checked by waitress's own rules.

    An empty one counts as left out. Another `server` goes by some of them, and by no others.
    """
    given = {key: text.strip() for key, text in part.items() if key.startswith(PREFIX) and text.strip()}
    found = {}
    for key, text in given.items():
        name = key.removeprefix(PREFIX).replace("-", "_")
        if not _check(key, name, text, problems):
            continue
        if isinstance(settings.server.wsgi, str):
            problems.warn(key, idle.not_written(Into.WSGI_INI, "wsgi"))
        elif server is WAITRESS or name in SHARED:
            found[name] = text
        else:
            problems.warn(key, f"does nothing with wsgi-server = {server.name}")
    if found:
        _check_together(found, problems)
    return found


def _check(key: str, name: str, text: str, problems: Problems) -> bool:
    casts = dict(Adjustments._params)
    if name in COVERED:
        problems.error(key, f"is what {COVERED[name]} is for; use that")
    elif name not in casts:
        near = difflib.get_close_matches(name, casts, n=1)
        hint = f"did you mean {PREFIX}{near[0].replace('_', '-')}?" if near else f"it has {_names(casts)}"
        problems.error(key, f"the waitress that is installed has no such setting; {hint}")
    elif allowed := _allowed(casts[name], text):
        problems.error(key, f"{shown(text)} is not what waitress takes. Allowed: {allowed}.")
    else:
        return True
    return False


def _allowed(cast: Callable[[str], object], text: str) -> str:
    """What one of waitress's casts takes, where it is not this text; else empty.

    Two of its casts take anything: any word that is not true is false, and a text may have two lines.
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


def _check_together(found: Mapping[str, str], problems: Problems) -> None:
    keys = ", ".join(f"{PREFIX}{name.replace('_', '-')}" for name in found)
    try:
        # With an address of either family: its default is none where `ipv4` is off
        Adjustments(**({"listen": "*:0"} | dict(found)))
    except ValueError as error:
        problems.error(keys, f"waitress refuses: {error}")


def _names(casts: Mapping[str, object]) -> str:
    return ", ".join(sorted(name.replace("_", "-") for name in casts if name not in COVERED))
