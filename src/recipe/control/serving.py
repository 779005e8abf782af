"""``fg`` and ``console``: this process becomes the server."""

import os
import signal
import sys

from recipe.control.context import Context
from recipe.control.errors import CommandError
from recipe.control.facts import Facts

#: Seconds that requests under way get when ``fg`` is ended.
PATIENCE = "1"


def foreground(context: Context, args: list[str]) -> None:
    """Serve in debug mode, until Ctrl-C."""
    # Who presses Ctrl-C wants it to end: not the timeout of a site that serves
    _become_server(context, args, "--debug", "--graceful-timeout", PATIENCE)


def console(context: Context, args: list[str]) -> None:
    """Serve as zope.conf says; for supervisors and containers, as PID 1 too."""
    _become_server(context, args)


def command(context: Context, *flags: str) -> list[str]:
    """Return the command line of the server, with the server's options `flags`."""
    if context.facts.zserver_python:
        from recipe.control import zserver

        return zserver.server(context, *flags)
    # wsgi.ini comes first: the interpreter script would take options for its own.
    line = [*context.python(), "-m", "recipe.wsgi.serve", context.wsgi_ini, *flags]
    if "--graceful-timeout" not in flags and context.facts.graceful_timeout != Facts().graceful_timeout:
        line += ["--graceful-timeout", f"{context.facts.graceful_timeout:g}"]
    if context.umask:
        line += ["--umask", context.umask]
    if context.facts.effective_user:
        line += ["--user", context.facts.effective_user]
    return line


def _become_server(context: Context, args: list[str], *flags: str) -> None:
    if args:
        raise CommandError(f"unexpected argument: {args[0]}", 2)
    line = command(context, *flags)
    sys.stdout.flush()
    # A signal while Python starts up there would end it with a traceback: it waits for the handlers
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    try:
        os.execve(line[0], line, context.environment_for_python())
    except OSError as error:
        raise CommandError(f"cannot run {line[0]}: {error.strerror}") from None
