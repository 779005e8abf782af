"""Commands that run the server in the foreground (fg, console), and the command line of the server."""

import os
import signal
import sys

from recipe.control.context import Context
from recipe.control.errors import CommandError
from recipe.control.facts import Facts
from recipe.control.manager import FOREGROUND, KEEPER

#: The words on the command line of a WSGI server that follow Python, and precede wsgi.ini.
SERVER = ("-m", "recipe.wsgi.serve")

#: The graceful timeout of ``fg``, in seconds.
PATIENCE = "1"


def foreground(context: Context, args: list[str]) -> None:
    """Become the server, in debug mode; it prints Python's warnings, unless $PYTHONWARNINGS is set."""
    environment = context.environment_for_python()
    # An option -W of Python (deprecation-warnings) takes precedence over the variable
    environment.setdefault("PYTHONWARNINGS", "default")
    # A developer who presses Ctrl-C does not want to wait for the timeout of a production site
    command_line = command(context, "--debug", "--graceful-timeout", PATIENCE)
    _become(args, command_line, environment)


def console(context: Context, args: list[str]) -> None:
    """Become the server, or its supervisor if it has workers; also as process 1 of a container."""
    command_line = command(context)
    if context.facts.workers > 1:
        command_line = [*context.python(), "-m", KEEPER, FOREGROUND, *command_line]
    _become(args, command_line, context.environment_for_python())


def identity(context: Context) -> list[str]:
    """Return the words of `command` by which the process of the server is known."""
    if context.facts.zserver_python:
        return ["serve", context.server_file]
    return [*SERVER, context.server_file]


def command(context: Context, *flags: str) -> list[str]:
    """Return the command line of the server; `flags` are options of the server."""
    if context.facts.zserver_python:
        from recipe.control import zserver

        return zserver.server(context, *flags)
    # wsgi.ini comes first, because the interpreter script parses leading options itself
    command_line = [*context.python(), *SERVER, context.wsgi_ini, *flags]
    if "--graceful-timeout" not in flags and context.facts.graceful_timeout != Facts().graceful_timeout:
        command_line += ["--graceful-timeout", f"{context.facts.graceful_timeout:g}"]
    if context.umask:
        command_line += ["--umask", context.umask]
    if context.facts.effective_user:
        command_line += ["--user", context.facts.effective_user]
    return command_line


def background_environment(context: Context) -> dict[str, str]:
    """Return the environment of a server in the background."""
    # 9.1.0 sets the variable for a server that can be started again
    return context.environment_for_python() | {"ZMANAGED": "1"}


def _become(args: list[str], command_line: list[str], environment: dict[str, str]) -> None:
    if args:
        raise CommandError(f"unexpected argument: {args[0]}", 2)
    sys.stdout.flush()
    # Blocked until the server has its handlers: a signal during the start of Python would print a traceback, or kill it
    held = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]
    signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        os.execve(command_line[0], command_line, environment)
    except OSError as error:
        raise CommandError(f"cannot run {command_line[0]}: {error.strerror}") from None
