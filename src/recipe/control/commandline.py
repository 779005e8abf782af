"""The command line of ``bin/instance``: options, a command, and the command's arguments."""

import os

from recipe.control.errors import CommandError
from recipe.control.record import Record


class Option(Record):
    """An option of ``bin/instance``."""

    letter: str
    name: str
    #: the field of `Options` that it sets
    field: str
    #: what stands for its value in the help; empty: the option takes no value
    value: str
    text: str

    def __str__(self) -> str:
        return f"-{self.letter}, --{self.name} {self.value}".rstrip()


OPTIONS = (
    Option("h", "help", "help", "", "print this help"),
    Option("i", "interactive", "interactive", "", "prompt for commands after running COMMAND"),
    Option("C", "configure", "zope_conf", "FILE", "use this zope.conf"),
    Option("p", "python", "interpreter", "FILE", "use this interpreter script"),
    Option("w", "wsgi", "wsgi_ini", "FILE", "use this wsgi.ini"),
    Option("m", "umask", "umask", "OCTAL", "run the server with this umask"),
)

#: Options that may also follow the command, as in ``debug -O Plone``.
SCRIPT_OPTIONS = (
    Option("R", "no-request", "no_request", "", "do not create a request"),
    Option("L", "no-login", "no_login", "", "do not log in as the system user"),
    Option("O", "object-path", "object_path", "PATH", "make the object at PATH available as `obj`"),
)


class Options(Record):
    """The options before the command, and the command with its arguments."""

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
    """Parse a command line.

    Raises CommandError (exit status 2) if an option does not exist, lacks its value, or has a wrong one.
    """
    values, rest = _parse(args, OPTIONS + SCRIPT_OPTIONS)
    for key in ("zope_conf", "interpreter", "wsgi_ini"):
        if values.get(key):
            values[key] = os.path.abspath(str(values[key]))
    umask = str(values.get("umask", "0"))
    if not (umask and set(umask) <= set("01234567") and int(umask, 8) <= 0o777):
        raise CommandError(f"--umask: {umask!r} is not an octal number from 0 to 777", 2)
    return Options(**values, args=tuple(rest))  # type: ignore[arg-type]


def parse_after_command(options: Options) -> Options:
    """Parse the script options that follow the command's name; raises CommandError as `parse` does."""
    command, *args = options.args
    values, rest = _parse(args, SCRIPT_OPTIONS)
    return options._replace(**values, args=(command, *rest))  # type: ignore[arg-type]


def _parse(args: list[str], options: tuple[Option, ...]) -> tuple[dict[str, str | bool], list[str]]:
    """Parse the options before the first other word, as getopt(3) does; return their values and the rest.

    Python's getopt is not used because it imports gettext.
    """
    by_name = {f"--{option.name}": option for option in options}
    by_name |= {f"-{option.letter}": option for option in options}
    values: dict[str, str | bool] = {}
    rest = list(args)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        name, has_value, value = word.partition("=")
        if not word.startswith("--"):
            # -RLOPlone is -R -L -O Plone
            name, value, has_value = word[:2], word[2:], word[2:]
        option = by_name.get(name)
        if option is None:
            raise CommandError(f"unknown option {name}; run `help` to see all options", 2)
        if not option.value:
            if has_value and word.startswith("--"):
                raise CommandError(f"{name} does not take a value; remove ={value}", 2)
            if has_value:
                rest.insert(0, f"-{value}")
            values[option.field] = True
        elif has_value:
            values[option.field] = value
        elif rest:
            values[option.field] = rest.pop(0)
        else:
            raise CommandError(f"{name} needs a value: {option}", 2)
    return values, rest
