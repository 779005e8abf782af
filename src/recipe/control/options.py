"""The command line of ``bin/instance``: options, a command, and the command's arguments."""

import os

from recipe.control.errors import CommandError
from recipe.control.record import Record

#: short letter, long name, field
OPTIONS = (
    ("h", "help", "help"),
    ("i", "interactive", "interactive"),
    ("C", "configure", "zope_conf"),
    ("p", "python", "interpreter"),
    ("w", "wsgi", "wsgi_ini"),
    ("R", "no-request", "no_request"),
    ("L", "no-login", "no_login"),
    ("O", "object-path", "object_path"),
    ("m", "umask", "umask"),
)

#: Fields whose options take a value.
VALUES = ("zope_conf", "interpreter", "wsgi_ini", "object_path", "umask")

#: Options that may also follow the command, as in ``debug -O Plone``.
SCRIPT_OPTIONS = "RLO"


class Options(Record):
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
    """Read the options in front of the first word that is none, as getopt(3) does.

    `letters`: the short ones of those allowed. Written out, since Python's getopt imports much.
    """
    table = [one for one in OPTIONS if one[0] in letters]
    by_name = {f"--{long}": field for _, long, field in table}
    by_name |= {f"-{letter}": field for letter, _, field in table}
    with_value = {field for _, _, field in table if field in VALUES}
    values: dict[str, str | bool] = {}
    rest = list(args)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        name, given, value = word.partition("=")
        if not word.startswith("--"):
            # -RLOPlone is -R -L -O Plone
            name, value, given = word[:2], word[2:], word[2:]
        field = by_name.get(name)
        if field is None:
            raise CommandError(f"unknown option {name}; -h tells those there are", 2)
        if field not in with_value:
            if given and word.startswith("--"):
                raise CommandError(f"{name} takes no value", 2)
            if given:
                rest.insert(0, f"-{value}")
            values[field] = True
        elif given:
            values[field] = value
        elif rest:
            values[field] = rest.pop(0)
        else:
            raise CommandError(f"{name} lacks its value", 2)
    return values, rest
