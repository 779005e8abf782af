"""``waitress-NAME``: every setting of waitress that no option of the recipe covers."""

import difflib
from collections.abc import Mapping

from recipe.options import Problems

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


def settings(part: Mapping[str, str], problems: Problems) -> dict[str, str]:
    """The settings of waitress in a part, by waitress's names; checked by waitress's own rules.

    An empty one counts as left out.
    """
    given = {key: text.strip() for key, text in part.items() if key.startswith(PREFIX) and text.strip()}
    found = {}
    for key, text in given.items():
        name = key.removeprefix(PREFIX).replace("-", "_")
        if _check(key, name, text, problems):
            found[name] = text
    if found:
        _check_together(found, problems)
    return found


def _check(key: str, name: str, text: str, problems: Problems) -> bool:
    from waitress.adjustments import Adjustments

    casts = dict(Adjustments._params)
    if name in COVERED:
        problems.error(key, f"is what {COVERED[name]} is for; use that")
    elif name not in casts:
        near = difflib.get_close_matches(name, casts, n=1)
        hint = f"did you mean {PREFIX}{near[0].replace('_', '-')}?" if near else f"it has {_names(casts)}"
        problems.error(key, f"the waitress that is installed has no such setting; {hint}")
    else:
        try:
            casts[name](text)
        except ValueError:
            kind = {"int": "a whole number", "asoctal": "an octal number"}.get(casts[name].__name__, "another value")
            problems.error(key, f"{text!r} is not what waitress takes. Allowed: {kind}.")
            return False
        return True
    return False


def _check_together(found: Mapping[str, str], problems: Problems) -> None:
    from waitress.adjustments import Adjustments

    try:
        Adjustments(**found)
    except ValueError as error:
        problems.error(f"{PREFIX}*", f"waitress refuses the settings together: {error}")


def _names(casts: Mapping[str, object]) -> str:
    return ", ".join(sorted(name.replace("_", "-") for name in casts if name not in COVERED))
