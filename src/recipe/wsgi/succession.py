"""Loading the application while another server of the instance still serves, and taking its place."""

from collections.abc import Callable, Sequence
from typing import Any

from recipe.common import databases
from recipe.common.errors import StartError
from recipe.wsgi import collector
from recipe.wsgi.base import WSGIApp
from recipe.wsgi.supervised import Supervision
from recipe.wsgi.warmup import warm_up


def load(ini: Any, supervision: Supervision, paths: Sequence[str], listen: Callable[[], None]) -> WSGIApp:
    """Load the application and warm it up; return it when it may serve.

    A FileStorage, which one process alone can write to, is opened read-only first. `listen` is called before the other
    server lets go of it: clients wait from then on.
    """
    with databases.read_only() as opened, collector.deferred():
        app: WSGIApp = ini.load()
        warm_up(app, paths)
    if opened and not databases.can_reopen():
        text = "custom_zodb.py opens the databases, which cannot be opened again"
        supervision.unable(text)
        raise StartError(text)
    if opened:
        databases.close_all()
    pid_file = databases.configured("pid_filename") or ""
    supervision.warm(bool(opened), pid_file, listen)
    if opened:
        databases.open_again()
    return app
