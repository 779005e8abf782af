"""The commands of an instance of ZServer that its own Python runs: ``recipe/zserver/py27.py``.

Each makes the command line and becomes that program.
"""

import os
import sys

from recipe.common.zserver import PROGRAM
from recipe.control.context import Context
from recipe.control.errors import CommandError
from recipe.control.options import parse_after_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import NoReturn

    from recipe.control.zcml import Include

#: Before a command: Python 2.7 shall not find what the variables say of our own Python.
CLEAN = ["/usr/bin/env", "-u", "PYTHONPATH", "-u", "PYTHONHOME"]


def foreground(context: Context, args: list[str]) -> None:
    """Serve in debug mode, until Ctrl-C."""
    _no_arguments(args)
    _become(server(context, "--debug"))


def console(context: Context, args: list[str]) -> None:
    """Serve as zope.conf says; for supervisors and containers, as PID 1 too."""
    _no_arguments(args)
    _become(server(context))


def server(context: Context, *flags: str) -> list[str]:
    """Return the command line of the server, with the options `flags` of `py27.py`."""
    umask = ["--umask", context.umask] if context.umask else []
    return _command(context, "serve", *umask, *flags)


def run(context: Context, args: list[str]) -> None:
    """Run a script: `sys.argv` and `__file__` speak of the interpreter."""
    _become(_script(context, "run", args))


def execute(context: Context, args: list[str]) -> None:
    """Run a script as Python does."""
    _become(_script(context, "exec", args))


def debug(context: Context, args: list[str]) -> None:
    """Read Python from the terminal."""
    options = parse_after_command(context.options._replace(args=("debug", *args)))
    _no_arguments(list(options.args[1:]))
    context = context._replace(options=options)
    _become(_command(context, "debug", *_flags(context)))


def adduser(context: Context, args: list[str]) -> None:
    """Add a Manager to the root's user folder; a name that is there is refused."""
    from recipe.control import scripts

    name, password = scripts.user_name(args), scripts.user_password(args)
    # Not on the command line, which all can read
    reading, writing = os.pipe()
    os.write(writing, f"{password}\n".encode())
    os.close(writing)
    os.dup2(reading, 0)
    _become([*_command(context, "adduser"), name])


def addon(context: Context, name: str, args: list[str]) -> int:
    """Run a command of another package, in the group ``zopectl.command`` of the other Python."""
    _become([*_command(context, "addon", *_flags(context)), name, *args])


def problems(context: Context, zcml: "Iterable[str | Include]") -> "Iterator[str]":
    """Yield what is wrong with zope.conf and the ZCML of the instance, by ZServer's own Python."""
    from recipe.common import zserver

    found = list(zcml)
    yield from (each for each in found if isinstance(each, str))
    python = [context.facts.zserver_python, *filter(None, [context.options.interpreter])]
    packages = [list(each._asdict().values()) for each in found if not isinstance(each, str)]
    if not os.path.isfile(context.zope_conf):
        yield f"{context.zope_conf} does not exist"
        return
    try:
        said = zserver.ask(python, {"zope.conf": (None, context.zope_conf), "packages": packages}, os.environ)
    except (OSError, ValueError) as error:
        yield f"{context.facts.zserver_python}: {error}"
        return
    if said.wrong_version:
        yield f"{context.facts.zserver_python} {said.wrong_version}"
    yield from said.missing
    for finding in said.findings:
        where = f", line {finding.line}" if finding.line else ""
        yield f"{finding.file}{where}: {finding.message}"


def _script(context: Context, command: str, args: list[str]) -> list[str]:
    from recipe.control import scripts

    scripts.read(command, args)
    return [*_command(context, command, *_flags(context)), *args]


def _flags(context: Context) -> list[str]:
    options = context.options
    flags = ["--no-request"] if options.no_request else []
    flags += ["--no-login"] if options.no_login else []
    return [*flags, "--object-path", options.object_path] if options.object_path else flags


def _command(context: Context, command: str, *flags: str) -> list[str]:
    """Return the command line of a command; the files of the instance tell processes apart."""
    interpreter = context.options.interpreter
    python = [context.facts.zserver_python, interpreter] if interpreter else [context.facts.zserver_python]
    names = ["--program", context.program, "--argv0", interpreter or os.path.abspath(sys.argv[0])]
    return [*CLEAN, *python, PROGRAM, *names, *flags, command, context.zope_conf]


def _no_arguments(args: list[str]) -> None:
    if args:
        raise CommandError(f"unexpected argument: {args[0]}", 2)


def _become(line: list[str]) -> "NoReturn":
    sys.stdout.flush()
    # Python 2 takes what it prints into a pipe for ASCII
    environment = {"PYTHONIOENCODING": "utf-8"} | os.environ
    try:
        os.execve(line[0], line, environment)
    except OSError as error:
        raise CommandError(f"cannot run {line[0]}: {error.strerror}") from None
