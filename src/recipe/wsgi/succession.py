"""Loading the application while another server of the instance still serves, and taking its place."""

from collections.abc import Callable, Sequence
from typing import Any

from ZODB.POSException import ReadOnlyError

from recipe.common import databases
from recipe.common.errors import StartError
from recipe.wsgi import collector
from recipe.wsgi.base import WSGIApp
from recipe.wsgi.processes.preload import foreign_threads
from recipe.wsgi.supervised import Supervision
from recipe.wsgi.warmup import warm_up


def load(ini: Any, supervision: Supervision, paths: Sequence[str], listen: Callable[[], None]) -> WSGIApp:
    """Load the application and warm it up; return it when it may serve.

    A FileStorage, which one process alone can write to, is opened read-only first. `listen` is called before the other
    server lets go of it: clients wait from then on. Raises StartError if only a restart is possible.
    """
    try:
        with databases.read_only() as opened, collector.deferred():
            app: WSGIApp = ini.load()
            warm_up(app, paths)
    except ReadOnlyError:
        raise _refusal(supervision, "the application writes to its database while it is loaded") from None
    if opened:
        _close_databases(supervision)
    pid_file = databases.configured("pid_filename") or ""
    supervision.warm(bool(opened), pid_file, listen)
    if opened:
        databases.open_again()
    return app


def _close_databases(supervision: Supervision) -> None:
    """Close the databases, so that they can be opened for writing. Raises StartError if something keeps them."""
    if not databases.can_reopen():
        raise _refusal(supervision, "custom_zodb.py opens a database")
    databases.close_all()
    if threads := list(foreign_threads()):
        raise _refusal(supervision, f"these threads may keep its database: {', '.join(threads)}")
    collector.collect()


def _refusal(supervision: Supervision, why: str) -> StartError:
    """Report, and return as an error, why this server cannot take the place of another one."""
    supervision.unable(why)
    return StartError(why)
