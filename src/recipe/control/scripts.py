"""Commands that load Zope in this process and run code: run, exec, debug, adduser."""

import os
import sys
import traceback
from types import ModuleType
from typing import Any

from recipe.control import zope
from recipe.control.commandline import parse_after_command
from recipe.control.context import Context
from recipe.control.errors import CommandError


def run(context: Context, args: list[str]) -> int:
    """Run a script as 9.1.0 does: `sys.argv[0]` and `__file__` are the interpreter script."""
    script, code = read_script("run", args)
    return _run(context, script, code, zope.imitate_interpreter(context, args))


def execute(context: Context, args: list[str]) -> int:
    """Run a script as Python does: `sys.argv`, `__file__` and `sys.path[0]` are those of the script."""
    script, code = read_script("exec", args)
    sys.argv = args
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    return _run(context, script, code, zope.main_module(script))


def read_script(command: str, args: list[str]) -> tuple[str, bytes]:
    """Return the path and the source of the script that `command` runs.

    Raises CommandError if the path is missing (exit status 2) or the script cannot be read.
    """
    if not args:
        raise CommandError(f"the script is missing; usage: {command} SCRIPT [ARGS]", 2)
    try:
        with open(args[0], "rb") as file:
            return args[0], file.read()
    except OSError as error:
        raise CommandError(f"cannot read {args[0]}: {error.strerror}") from None


def _run(context: Context, script: str, source: bytes, module: ModuleType) -> int:
    """Run a script in a module; return 0, or 1 if it raises an Exception. SystemExit is not caught."""
    with zope.opened(context) as app:
        vars(module).update(zope.script_globals(context, app))
        try:
            exec(compile(source, script, "exec"), vars(module))
        except Exception as error:
            # Only the frames of the script, not the one of this function
            script_frames = error.__traceback__ and error.__traceback__.tb_next
            traceback.print_exception(type(error), error, script_frames)
            return 1
    return 0


def debug(context: Context, args: list[str]) -> int:
    """Read and run Python statements from stdin."""
    # Plone's documentation has `debug -O Plone`
    options = parse_after_command(context.options._replace(args=("debug", *args)))
    if len(options.args) > 1:
        raise CommandError(f"unexpected argument: {options.args[1]}", 2)
    context = context._replace(options=options)
    import code

    module = zope.imitate_interpreter(context, [])
    del sys.argv[1:]
    with zope.opened(context) as app:
        vars(module).update(zope.script_globals(context, app))
        # Line editing, history and completion, if this Python has them
        if sys.stdin.isatty():
            getattr(sys, "__interactivehook__", lambda: None)()
        _run_startup_file(vars(module))
        objects = "app" + (" and obj" if "obj" in vars(module) else "")
        code.interact(f"Python {sys.version.split()[0]}, with {objects}", None, vars(module), "")
    return 0


def _run_startup_file(namespace: dict[str, Any]) -> None:
    """Run the file at $PYTHONSTARTUP, as Python does for its own prompt."""
    path = os.environ.get("PYTHONSTARTUP", "")
    if not os.path.isfile(path):
        return
    try:
        with open(path, "rb") as file:
            exec(compile(file.read(), path, "exec"), namespace)
    except Exception:
        traceback.print_exc()


def adduser(context: Context, args: list[str]) -> int:
    """Add a user with the role Manager to the user folder of Zope's root; raises CommandError if the name exists."""
    name = user_name(args)
    with zope.opened(context) as app:
        zope.log_in()
        folder = zope.with_request(app).acl_users
        if folder.getUser(name) is not None:
            raise CommandError(f"the user {name!r} exists already; choose another name")
        folder._doAddUser(name, user_password(args), ["Manager"], [])
        if folder.getUser(name) is None:
            raise CommandError(f"the user folder did not add the user {name!r}; add the user in a browser")
        import transaction

        transaction.commit()
    print(f"user {name!r} added")
    return 0


def user_name(args: list[str]) -> str:
    """Return the name of the user to add; raises CommandError (exit status 2) if it is missing or wrong."""
    if not 1 <= len(args) <= 2:
        raise CommandError("usage: adduser NAME [PASSWORD]", 2)
    name = args[0]
    if not name or ":" in name or not name.isprintable():
        raise CommandError(f"{name!r} is not a user name; use one without colons and control characters", 2)
    return name


def user_password(args: list[str]) -> str:
    """Return the password of the user to add; asks for it if it is not in `args`.

    Raises CommandError if it is empty (exit status 2), or not typed the same twice.
    """
    password = args[1] if len(args) == 2 else _ask_password(args[0])
    if not password:
        raise CommandError("the password is empty; give it as the second argument, or as a line on stdin", 2)
    return password


def _ask_password(name: str) -> str:
    """Return a password: typed twice without echo if stdin is a terminal, else the next line of stdin."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    from getpass import getpass

    password = getpass(f"Password for {name}: ")
    if password != getpass("Again: "):
        raise CommandError("the passwords do not match")
    return password
