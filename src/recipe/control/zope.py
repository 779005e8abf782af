"""Zope in this process, for scripts and prompts."""

import builtins
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from types import ModuleType
from typing import Any

from recipe.control.context import Context
from recipe.control.errors import CommandError

#: Seconds that a command waits for a ZEO server; the same as the default of ZEO's client.
PATIENCE = 30


@contextmanager
def opened(context: Context) -> Iterator[Any]:
    """Configure Zope, open its database and yield the root, as `Zope2.app()` returns it.

    At the end, the transaction is aborted and the databases are closed. Raises CommandError if the
    configuration is wrong or the database cannot be opened.
    """
    from recipe.common import databases
    from recipe.common.errors import StartError, explain

    os.environ.update(context.environment())
    _set_warnings(context.facts.python_flags)
    try:
        try:
            _wait_for_databases(context)
            app = _open(context.zope_conf)
        except StartError as error:
            raise CommandError(str(error)) from None
        except Exception as error:
            if explanation := explain(error):
                raise CommandError(explanation) from None
            raise
        yield app
    finally:
        if transaction := sys.modules.get("transaction"):
            transaction.abort()
        databases.close_all()


def _wait_for_databases(context: Context) -> None:
    """Wait for the ZEO servers of the instance; raises CommandError after PATIENCE seconds."""
    from recipe.common import zeo

    has_reported = False
    for missing in zeo.wait_for_servers([context.zope_conf]):
        if missing.seconds > PATIENCE:
            raise CommandError(f"gave up after {PATIENCE} seconds of {missing.text}")
        if not has_reported:
            print(f"{context.program}: {missing.text}", file=sys.stderr)
        has_reported = True


def _open(zope_conf: str) -> Any:
    from Zope2.Startup.run import configure_wsgi

    configure_wsgi(zope_conf)
    import Zope2

    return Zope2.app()


def _set_warnings(flags: tuple[str, ...]) -> None:
    """Filter warnings as Python does with these flags; flags other than ``-W FILTER`` are ignored."""
    import warnings

    for flag, text in pairwise(flags):
        if flag == "-W":
            action, message, category, module, line = (text.split(":") + [""] * 5)[:5]
            warnings.filterwarnings(
                action,  # type: ignore[arg-type]
                re.escape(message),
                getattr(builtins, category, Warning),
                re.escape(module) + r"\Z" if module else "",
                int(line or 0),
            )


def with_request(app: Any) -> Any:
    """Return the root with a request, which is also set in `zope.globalrequest`."""
    # Imported late: the import sets Zope's configuration if there is none yet
    from Testing.makerequest import makerequest
    from zope.globalrequest import setRequest

    app = makerequest(app)
    app.REQUEST["PARENTS"] = [app]
    setRequest(app.REQUEST)
    return app


def log_in() -> None:
    """Log in Zope's system user, who has all permissions."""
    from AccessControl.SecurityManagement import newSecurityManager
    from AccessControl.users import system

    newSecurityManager(None, system)


def script_globals(context: Context, app: Any) -> dict[str, Any]:
    """Return the globals of a script: `app`, `obj` if there is an object path, and the names that 9.1.0 defines.

    Creates a request and logs in the system user, unless the options say otherwise. Raises
    CommandError if there is no object at the path.
    """
    path = context.options.object_path
    names: dict[str, Any] = {"sys": sys, "Zope2": sys.modules["Zope2"]}
    names |= _imported("Zope2.Startup.run:configure_wsgi")
    if not context.options.no_request:
        app = with_request(app)
        names |= _imported("Testing.makerequest:makerequest", "zope.globalrequest:setRequest")
        if path:
            traverse(app, path)
    if not context.options.no_login:
        log_in()
        names |= _imported("AccessControl.SecurityManagement:newSecurityManager", "AccessControl.users:system")
        names["user"] = names.pop("system")
    names["app"] = app
    if path:
        with _explained(path):
            names["obj"] = app.restrictedTraverse(path)
    return names


def _imported(*references: str) -> dict[str, Any]:
    """Return the object of each reference ``module:name``, by name; the modules must be imported already."""
    pairs = [reference.split(":") for reference in references]
    return {name: getattr(sys.modules[module], name) for module, name in pairs}


def traverse(app: Any, path: str) -> None:
    """Let the request traverse the path, as a browser's request does: a site on it becomes the current site."""
    from zExceptions import NotFound, Unauthorized  # type: ignore[import-untyped]

    # No user is logged in yet. The caller traverses again as the system user, and reports errors then
    with suppress(KeyError, AttributeError, NotFound, Unauthorized):
        app.REQUEST.traverse(path)


@contextmanager
def _explained(path: str) -> Iterator[None]:
    """Raise CommandError if a traversal of `path` in this context fails."""
    from zExceptions import NotFound, Unauthorized

    try:
        yield
    except (KeyError, AttributeError, NotFound, Unauthorized) as error:
        raise CommandError(f"there is no object at {path}: {error!r}") from None


def main_module(file: str) -> ModuleType:
    """Create a module ``__main__`` of this file, and register it in `sys.modules`."""
    module = ModuleType("__main__")
    module.__file__ = file
    sys.modules["__main__"] = module
    return module


def imitate_interpreter(context: Context, words: list[str]) -> ModuleType:
    """Set `sys.argv` and `sys.path` as they are in the interpreter script in all releases; return its ``__main__``.

    `sys.argv` is that of ``python -c``, which scripts slice: the interpreter script, ``-c``, and `words`, which are
    the script or command with its arguments. `sys.path` has the directory of the interpreter script.
    """
    script = os.path.abspath(sys.argv[0])
    file = context.options.interpreter or script
    directories = {os.path.dirname(os.path.realpath(script)): os.path.dirname(file)}
    sys.path[:] = [directories.get(path, path) for path in sys.path]
    sys.argv = [file, "-c", *words]
    return main_module(file)
