"""Closing the databases that Zope has opened."""

import logging
import sys
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


def configured(name: str) -> Any:
    """Return a value of Zope's configuration; None if there is no such value, or no Zope."""
    module = sys.modules.get("App.config")
    return getattr(module.getConfiguration(), name, None) if module else None
