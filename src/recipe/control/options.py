"""The command line of ``bin/instance``: options, a command, and the command's arguments."""

import os
from typing import NamedTuple

from recipe.control.errors import CommandError

#: short letter, long name, field; a `=` after the long name: it takes a value
OPTIONS = (
    ("h", "help", "help"),
    ("i", "interactive", "interactive"),
    ("C", "configure=", "zope_conf"),
    ("p", "python=", "interpreter"),
    ("w", "wsgi=", "wsgi_ini"),
    ("R", "no-request", "no_request"),
    ("L", "no-login", "no_login"),
    ("O", "object-path=", "object_path"),
    ("m", "umask=", "umask"),
)

#: Options that may also follow the command, as in ``debug -O Plone``.
SCRIPT_OPTIONS = "RLO"


class Options(NamedTuple):
    """What stands before the command, and the command with its arguments."""

    zope_conf: str = ""
    interpreter: str = ""
    wsgi_ini: str = ""
    umask: str = ""
    object_path: str = ""
    no_request: bool = False
    no_login: bool = False
    help: bool = False
    interactive: bool = False
    args: tuple[str, ...] = ()


def parse(args: list[str]) -> Options:
    """Read a command line.

    Raises CommandError (exit status 2) at an option that does not exist, or lacks its value.
    """
    values, rest = _parse(args, "".join(short for short, _, _ in OPTIONS))
    for key in ("zope_conf", "interpreter", "wsgi_ini"):
        if values.get(key):
            values[key] = os.path.abspath(str(values[key]))
    umask = str(values.get("umask", "0"))
    if not (umask and set(umask) <= set("01234567") and int(umask, 8) <= 0o777):
        raise CommandError(f"--umask {umask} is no octal number up to 777", 2)
    return Options(**values, args=tuple(rest))  # type: ignore[arg-type]


def parse_after_command(options: Options) -> Options:
    """Read the options for scripts also after the command's name."""
    command, *args = options.args
    values, rest = _parse(args, SCRIPT_OPTIONS)
    return options._replace(**values, args=(command, *rest))  # type: ignore[arg-type]


def _parse(args: list[str], letters: str) -> tuple[dict[str, str | bool], list[str]]:
    from getopt import GetoptError, getopt

    table = [one for one in OPTIONS if one[0] in letters]
    short = "".join(letter + ":" * long.endswith("=") for letter, long, _ in table)
    try:
        found, rest = getopt(args, short, [long for _, long, _ in table])
    except GetoptError as error:
        raise CommandError(f"{error}; -h tells the options", 2) from None
    fields = {f"-{letter}": field for letter, _, field in table}
    fields |= {f"--{long.rstrip('=')}": field for _, long, field in table}
    takes_value = {field for _, long, field in table if long.endswith("=")}
    values = {fields[o]: value if fields[o] in takes_value else True for o, value in found}
    return values, rest
