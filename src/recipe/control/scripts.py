"""Commands that run code with Zope in this process: run, exec, debug, adduser."""

import os
import sys
import traceback
from types import TracebackType
from typing import Any

from recipe.control import zope
from recipe.control.context import Context
from recipe.control.errors import CommandError
from recipe.control.options import parse_after_command


def run(context: Context, args: list[str]) -> int:
    """Run a script as 9.1.0 did: `sys.argv` and `__file__` speak of the interpreter."""
    script, code = read("run", args)
    sys.argv = zope.legacy_argv(context, args)
    return _run(context, script, code, sys.argv[0])


def execute(context: Context, args: list[str]) -> int:
    """Run a script as Python does: `sys.argv`, `__file__` and the path speak of the script."""
    script, code = read("exec", args)
    sys.argv = args
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    return _run(context, script, code, script)


def read(command: str, args: list[str]) -> tuple[str, bytes]:
    """Return the path and the text of the script that a command shall run.

    Raises CommandError where there is none, or it cannot be read.
    """
    if not args:
        raise CommandError(f"which script? {command} SCRIPT [ARGS]", 2)
    try:
        with open(args[0], "rb") as file:
            return args[0], file.read()
    except OSError as error:
        raise CommandError(f"cannot read {args[0]}: {error.strerror}") from None


def _run(context: Context, script: str, source: bytes, file: str) -> int:
    """Run a script; 1 when it raises an error. SystemExit passes, and its status with it."""
    with zope.opened(context) as app:
        module = zope.main_module(file, zope.names(context, app))
        try:
            exec(compile(source, script, "exec"), vars(module))
        except Exception as error:
            # From the script's first line on; how we came there is of no interest.
            _show(error, error.__traceback__ and error.__traceback__.tb_next)
            return 1
    return 0


def _show(error: Exception, from_here: TracebackType | None) -> None:
    traceback.print_exception(type(error), error, from_here)


def debug(context: Context, args: list[str]) -> int:
    """Read Python from the terminal."""
    # A manual says `debug -O Plone`.
    options = parse_after_command(context.options._replace(args=("debug", *args)))
    if len(options.args) > 1:
        raise CommandError(f"unexpected argument: {options.args[1]}", 2)
    context = context._replace(options=options)
    import code

    sys.argv = zope.legacy_argv(context, [])[:1]
    with zope.opened(context) as app:
        module = zope.main_module(sys.argv[0], zope.names(context, app))
        # Line editing, history and completion, where Python has them.
        if sys.stdin.isatty():
            getattr(sys, "__interactivehook__", lambda: None)()
        _run_startup_file(vars(module))
        known = "app" + (" and obj" if "obj" in vars(module) else "")
        code.interact(f"Python {sys.version.split()[0]}, with {known}", None, vars(module), "")
    return 0


def _run_startup_file(names: dict[str, Any]) -> None:
    """Run what $PYTHONSTARTUP names, as Python does at its own prompt."""
    path = os.environ.get("PYTHONSTARTUP", "")
    if not os.path.isfile(path):
        return
    try:
        with open(path, "rb") as file:
            exec(compile(file.read(), path, "exec"), names)
    except Exception:
        traceback.print_exc()


def adduser(context: Context, args: list[str]) -> int:
    """Add a Manager to the root's user folder; a name that is there is refused."""
    name = user_name(args)
    with zope.opened(context) as app:
        zope.log_in()
        folder = zope.with_request(app).acl_users
        if folder.getUser(name) is not None:
            raise CommandError(f"there is a user {name!r} already")
        folder._doAddUser(name, user_password(args), ["Manager"], [])
        if folder.getUser(name) is None:
            raise CommandError(f"the user folder did not take the user {name!r}")
        import transaction

        transaction.commit()
    print(f"user {name!r} added")
    return 0


def user_name(args: list[str]) -> str:
    """Return the name of the user to add."""
    if not 1 <= len(args) <= 2:
        raise CommandError("usage: adduser NAME [PASSWORD]", 2)
    name = args[0]
    if not name or ":" in name or not name.isprintable():
        raise CommandError(f"{name!r} is no name one could log in by: it has a colon, a line's end, or nothing", 2)
    return name


def user_password(args: list[str]) -> str:
    """Return the password of the user to add, which is asked for where it is not given."""
    password = args[1] if len(args) == 2 else _ask_password(args[0])
    if not password:
        raise CommandError("no password; it is the second argument, or a line of the input", 2)
    return password


def _ask_password(name: str) -> str:
    """Return a password from the terminal, typed twice without echo; else a line of stdin."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    from getpass import getpass

    password = getpass(f"Password for {name}: ")
    if password != getpass("Again: "):
        raise CommandError("these were two passwords")
    return password
