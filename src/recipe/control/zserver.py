"""The commands that run in ZServer's Python, if the instance is one of ZServer.

Each makes a command line of ``recipe/zserver/py27.py`` and becomes that program.
"""

import os
import sys

from recipe.common.zserver import PROGRAM
from recipe.control.commandline import parse_after_command
from recipe.control.context import Context
from recipe.control.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import NoReturn

    from recipe.control.zcml import Include

#: Removes the variables that would lead Python 2.7 to packages of this Python.
CLEAN = ["/usr/bin/env", "-u", "PYTHONPATH", "-u", "PYTHONHOME"]


def foreground(context: Context, args: list[str]) -> None:
    """Become the server, in debug mode."""
    _no_arguments(args)
    _become(server(context, "--debug"))


def console(context: Context, args: list[str]) -> None:
    """Become the server, with the debug mode in zope.conf; also as process 1 of a container."""
    _no_arguments(args)
    _become(server(context))


def server(context: Context, *flags: str) -> list[str]:
    """Return the command line of the server; `flags` are options of `py27.py`."""
    umask = ["--umask", context.umask] if context.umask else []
    return _command(context, "serve", *umask, *flags)


def run(context: Context, args: list[str]) -> None:
    """Run a script as 9.1.0 does: `sys.argv[0]` and `__file__` are the interpreter script."""
    _become(_script(context, "run", args))


def execute(context: Context, args: list[str]) -> None:
    """Run a script as Python does: `sys.argv`, `__file__` and `sys.path[0]` are those of the script."""
    _become(_script(context, "exec", args))


def debug(context: Context, args: list[str]) -> None:
    """Read and run Python statements from stdin."""
    options = parse_after_command(context.options._replace(args=("debug", *args)))
    _no_arguments(list(options.args[1:]))
    context = context._replace(options=options)
    _become(_command(context, "debug", *_flags(context)))


def adduser(context: Context, args: list[str]) -> None:
    """Add a user with the role Manager to the user folder of Zope's root."""
    from recipe.control import scripts

    name, password = scripts.user_name(args), scripts.user_password(args)
    # In a pipe, because every user can read command lines
    reading, writing = os.pipe()
    os.write(writing, f"{password}\n".encode())
    os.close(writing)
    os.dup2(reading, 0)
    _become([*_command(context, "adduser"), name])


def addon(context: Context, name: str, args: list[str]) -> int:
    """Run a command of another package: an entry point of ``zopectl.command`` in ZServer's Python."""
    _become([*_command(context, "addon", *_flags(context)), name, *args])


def problems(context: Context, zcml: "Iterable[str | Include]") -> "Iterator[str]":
    """Yield the errors that ZServer's Python finds in zope.conf and the ZCML of the instance.

    `zcml`: errors, which are passed on, and includes, whose packages are looked for.
    """
    from recipe.common import zserver

    packages = []
    for item in zcml:
        if isinstance(item, str):
            yield item
        else:
            packages.append(list(item._asdict().values()))
    python = [context.facts.zserver_python, *filter(None, [context.options.interpreter])]
    if not os.path.isfile(context.zope_conf):
        yield f"{context.zope_conf} does not exist; run buildout to create it"
        return
    try:
        answer = zserver.ask(python, {"zope.conf": (None, context.zope_conf), "packages": packages}, os.environ)
    except (OSError, ValueError) as error:
        yield f"{context.facts.zserver_python}: {error}"
        return
    if answer.wrong_version:
        yield f"{context.facts.zserver_python} {answer.wrong_version}"
    yield from answer.missing
    for finding in answer.findings:
        where = f", line {finding.line}" if finding.line else ""
        yield f"{finding.file}{where}: {finding.message}"


def _script(context: Context, command: str, args: list[str]) -> list[str]:
    from recipe.control import scripts

    scripts.read_script(command, args)
    return [*_command(context, command, *_flags(context)), *args]


def _flags(context: Context) -> list[str]:
    options = context.options
    flags = ["--no-request"] if options.no_request else []
    flags += ["--no-login"] if options.no_login else []
    return [*flags, "--object-path", options.object_path] if options.object_path else flags


def _command(context: Context, command: str, *flags: str) -> list[str]:
    """Return the command line of a command of `py27.py`; zope.conf on it identifies the instance of the process."""
    interpreter = context.options.interpreter
    python = [context.facts.zserver_python, interpreter] if interpreter else [context.facts.zserver_python]
    names = ["--program", context.program, "--argv0", interpreter or os.path.abspath(sys.argv[0])]
    return [*CLEAN, *python, PROGRAM, *names, *flags, command, context.zope_conf]


def _no_arguments(args: list[str]) -> None:
    if args:
        raise CommandError(f"unexpected argument: {args[0]}", 2)


def _become(command_line: list[str]) -> "NoReturn":
    sys.stdout.flush()
    # Python 2 encodes output to a pipe as ASCII by default
    environment = {"PYTHONIOENCODING": "utf-8"} | os.environ
    try:
        os.execve(command_line[0], command_line, environment)
    except OSError as error:
        raise CommandError(f"cannot run {command_line[0]}: {error.strerror}") from None
