"""Zope in this very process, for scripts and prompts."""

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

#: Seconds that a command waits for a database that is not there: what ZEO's own client takes.
PATIENCE = 30


@contextmanager
def opened(context: Context) -> Iterator[Any]:
    """Configure Zope, open its database and yield the root, as `Zope2.app()` returns it.

    At the end, what was not committed is dropped, and the databases are closed. Raises
    CommandError where the configuration is wrong or the database cannot be opened.
    """
    from recipe.common import databases
    from recipe.common.errors import StartError, explain

    _set_warnings(context.facts.python_flags)
    try:
        try:
            _wait_for_databases(context)
            app = _open(context.zope_conf)
        except StartError as error:
            raise CommandError(str(error)) from None
        except Exception as error:
            if why := explain(error):
                raise CommandError(why) from None
            raise
        yield app
    finally:
        if transaction := sys.modules.get("transaction"):
            transaction.abort()
        databases.close_all()


def _wait_for_databases(context: Context) -> None:
    """Wait for the ZEO servers of the instance, not for ever: nothing starts a command again, or stops it."""
    from recipe.common import zeo

    told = False
    for missing in zeo.wait_for_servers([context.zope_conf]):
        if missing.seconds > PATIENCE:
            raise CommandError(f"gave up after {PATIENCE} seconds of {missing.text}")
        if not told:
            print(f"{context.program}: {missing.text}", file=sys.stderr)
        told = True


def _open(zope_conf: str) -> Any:
    from Zope2.Startup.run import configure_wsgi

    configure_wsgi(zope_conf)
    import Zope2

    return Zope2.app()


def _set_warnings(flags: tuple[str, ...]) -> None:
    """Filter warnings as Python would with these flags, of which ``-W FILTER`` are heeded."""
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
    """Return the root with a request, which `zope.globalrequest` knows too."""
    # Late: the import changes Zope's configuration, unless there is one by now.
    from Testing.makerequest import makerequest
    from zope.globalrequest import setRequest

    app = makerequest(app)
    app.REQUEST["PARENTS"] = [app]
    setRequest(app.REQUEST)
    return app


def log_in() -> None:
    """Let the code that follows do all that Zope's own system user may."""
    from AccessControl.SecurityManagement import newSecurityManager
    from AccessControl.users import system

    newSecurityManager(None, system)


def names(context: Context, app: Any) -> dict[str, Any]:
    """Return what scripts find: `app`, `obj` where an object path is given, and what 9.1.0 left there besides.

    A request and the system user are set up, unless the options say no. Raises CommandError
    where there is no object at the path.
    """
    path = context.options.object_path
    found: dict[str, Any] = {"sys": sys, "Zope2": sys.modules["Zope2"]}
    if not context.options.no_request:
        app = with_request(app)
        found |= _imported("Testing.makerequest:makerequest", "zope.globalrequest:setRequest")
        if path:
            traverse(app, path)
    if not context.options.no_login:
        log_in()
        found |= _imported("AccessControl.SecurityManagement:newSecurityManager", "AccessControl.users:system")
        found["user"] = found.pop("system")
    found["app"] = app
    if path:
        with _told(path):
            found["obj"] = app.restrictedTraverse(path)
    return found


def _imported(*places: str) -> dict[str, Any]:
    """Return what is at each ``module:name``, by its name; the modules have been imported."""
    pairs = [place.split(":") for place in places]
    return {name: getattr(sys.modules[module], name) for module, name in pairs}


def traverse(app: Any, path: str) -> None:
    """Lead the request along the path, as a browser's would be: so a site on it becomes the current one."""
    from zExceptions import NotFound, Unauthorized  # type: ignore[import-untyped]

    # Nobody is logged in yet; what is not there for the system user either is told afterwards
    with suppress(KeyError, AttributeError, NotFound, Unauthorized):
        app.REQUEST.traverse(path)


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Raise CommandError where there is no object at the path."""
    from zExceptions import NotFound, Unauthorized

    try:
        yield
    except (KeyError, AttributeError, NotFound, Unauthorized) as error:
        raise CommandError(f"no object at {path}: {error!r}") from None


def main_module(file: str, values: dict[str, Any]) -> ModuleType:
    """Make a new ``__main__`` with these names, and let it be known by that name."""
    module = ModuleType("__main__")
    module.__file__ = file
    vars(module).update(values)
    sys.modules["__main__"] = module
    return module


def legacy_argv(context: Context, words: list[str]) -> list[str]:
    """Return the `sys.argv` that scripts have found since there was ``python -c``.

    The interpreter script, ``-c``, and the script or command with its arguments: they slice it.
    """
    return [context.options.interpreter or os.path.abspath(sys.argv[0]), "-c", *words]
