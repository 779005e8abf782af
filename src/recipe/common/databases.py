"""Zope's databases: closing them, and opening them again in a process that has loaded the application."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger("Zope")


def close_all() -> None:
    """Close every database of Zope; if closing one fails, log that and close the others.

    Does nothing, and imports nothing, in a process that does not run Zope.
    """
    databases: list[Any] = list(getattr(configured("dbtab"), "databases", {}).values())
    for opened in getattr(sys.modules.get("Zope2"), "opened", ()):
        databases += [*opened.databases.values(), opened]
    for database in {id(database): database for database in databases}.values():
        try:
            database.close()
        except Exception:
            logger.exception("cannot close the database %r", database.database_name)


def can_reopen() -> bool:
    """Whether `open_again` can open all databases: zope.conf configures them, and not a ``custom_zodb.py``."""
    return configured("dbtab") is None or "Zope2.custom_zodb" not in sys.modules


def open_again() -> None:
    """Open the databases that `close_all` has closed, in this process or in its parent, and serve from them.

    Raises what opening a database raises. Does nothing in a process that does not run Zope.
    """
    table = configured("dbtab")
    if table is None:
        return
    import Zope2

    # All databases share this dict, and each adds itself
    table.databases.clear()
    root = table.getDatabase("/", is_root=1)
    for path, _ in table.listMountPaths():
        table.getDatabase(path)
    Zope2.DB = root
    Zope2.opened[:] = [root]
    # The object that the publisher calls for each request; it is kept in several places
    Zope2.bobo_application._db = root


def configured(name: str) -> Any:
    """Return a value of Zope's configuration; None if there is no such value, or no Zope."""
    module = sys.modules.get("App.config")
    return getattr(module.getConfiguration(), name, None) if module else None


@contextmanager
def read_only() -> Iterator[list[Any]]:
    """Let Zope open each FileStorage read-only while the block runs, since another process has it open for writing.

    Yields the configurations of those that were opened so; after the block, `open_again` opens them for writing.
    """
    from ZODB.config import FileStorage

    opened: list[Any] = []
    original = FileStorage.open

    def open_read_only(self: Any) -> Any:
        if not self.config.read_only and os.path.exists(self.config.path):
            self.config.read_only = True
            opened.append(self.config)
        return original(self)

    FileStorage.open = open_read_only
    try:
        yield opened
    finally:
        FileStorage.open = original
        for config in opened:
            config.read_only = False
