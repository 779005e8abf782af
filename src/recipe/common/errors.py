"""Errors that prevent the server from starting, and that the user can correct."""

import errno
import logging
import sys
from urllib.parse import unquote

#: Errors of the operating system, for which a message in one line is sufficient.
MACHINE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)

#: How the message ends if another process has opened a database that only one can open.
LOCKED = "another process has the database open"


class StartError(SystemExit):
    """The server cannot start; the text says why, in one line.

    It is a SystemExit, so that any program that loads this package, such as Zope's ``runwsgi``, prints the line and
    exits with 1, without a traceback.
    """

    def __init__(self, text: str) -> None:
        super().__init__(" ".join(text.split()))


def describe(error: OSError) -> str:
    """Return the system's message for `error`, without its number and the name of the file."""
    return error.strerror or str(error)


def explain(error: Exception) -> str | None:
    """Return a message for the user about an error that Zope raised when it started.

    Returns None if the user cannot correct the error; its traceback is useful then.
    """
    if isinstance(error, _class("ZConfig", "ConfigurationError")):
        return f"Zope refuses its configuration: {place_of(error)}"
    if isinstance(error, _class("zc.lockfile", "LockError")):
        return f"{error}: {LOCKED}"
    if isinstance(error, _class("ZEO.Exceptions", "ClientDisconnected")):
        return f"no ZEO server accepts this client ({error}); see the event log for the messages of the servers"
    if _is_unreachable_database(error):
        return f"cannot open the database: {error.args[-1] if error.args else error!r}"
    if isinstance(error, OSError) and error.errno in MACHINE and error.filename:
        return f"cannot open {error.filename}: {describe(error)}"
    return None


def _is_unreachable_database(error: Exception) -> bool:
    """Whether a driver could not connect to Zope's own database, or log in.

    Each driver has an OperationalError (PEP 249). For the database of another package the traceback is needed.
    """
    opened = getattr(sys.modules.get("Zope2"), "DB", None)
    return opened is None and any(base.__name__ == "OperationalError" for base in type(error).__mro__)


def place_of(error: Exception) -> str:
    """Return the message of a ZConfig error, with file and line if the error has them."""
    message, url = getattr(error, "message", ""), getattr(error, "url", "")
    line = getattr(error, "lineno", None) or 0
    if not (message and url and line > 0):
        return str(error)
    return f"{unquote(url.removeprefix('file://'))}, line {line}: {message}"


def _class(module: str, name: str) -> type | tuple[()]:
    """Return the class of an exception if its module has been imported; otherwise an empty tuple."""
    class_: type | tuple[()] = getattr(sys.modules.get(module), name, ())
    return class_


def log_end(text: str, exc_info: bool = False) -> None:
    """Write a message to the event log, but not to the console, where the caller prints it."""
    record = logging.getLogger("Zope").makeRecord(
        "Zope", logging.CRITICAL, __file__, 0, text, (), sys.exc_info() if exc_info else None
    )
    for handler in logging.getLogger().handlers:
        if getattr(handler, "stream", None) not in (sys.stderr, sys.stdout):
            handler.handle(record)
