"""What ends the server for a reason that is the user's."""

import errno
import logging
import sys
from urllib.parse import unquote

#: Errors of the machine, not of the code: one line says it all.
MACHINE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


class StartError(SystemExit):
    """The server cannot start, and the text says why, in one line.

    A SystemExit, so that any program that loads us (Zope's ``runwsgi``, say) prints the line
    and exits with 1, without a traceback.
    """

    def __init__(self, text: str) -> None:
        super().__init__(" ".join(text.split()))


def describe(error: OSError) -> str:
    """Return the system's words for `error`, without number and file name."""
    return error.strerror or str(error)


def explain(error: Exception) -> str | None:
    """Return what to tell the user about an error that Zope raised when it started.

    None where the error is no mistake of the user's: then its traceback is of use.
    """
    if isinstance(error, _class("ZConfig", "ConfigurationError")):
        return f"Zope refuses its configuration: {place_of(error)}"
    if isinstance(error, _class("zc.lockfile", "LockError")):
        return f"{error}: another process has the database open"
    if isinstance(error, _class("ZEO.Exceptions", "ClientDisconnected")):
        return f"no ZEO server takes this client ({error}); the event log has what they said"
    if _is_unreachable_database(error):
        return f"cannot open the database: {error.args[-1] if error.args else error!r}"
    if isinstance(error, OSError) and error.errno in MACHINE and error.filename:
        return f"cannot open {error.filename}: {describe(error)}"
    return None


def _is_unreachable_database(error: Exception) -> bool:
    """Whether a driver could not connect or log in, for the database of Zope's own.

    Each has an OperationalError (PEP 249). Of another database it is some package's, which the traceback tells.
    """
    opened = getattr(sys.modules.get("Zope2"), "DB", None)
    return opened is None and any(base.__name__ == "OperationalError" for base in type(error).__mro__)


def place_of(error: Exception) -> str:
    """Return the text of an error of ZConfig's, with the file and the line, where it has them."""
    message, url = getattr(error, "message", ""), getattr(error, "url", "")
    line = getattr(error, "lineno", None) or 0
    if not (message and url and line > 0):
        return str(error)
    return f"{unquote(url.removeprefix('file://'))}, line {line}: {message}"


def _class(module: str, name: str) -> type | tuple[()]:
    """Return an exception's class where its module has been imported at all."""
    class_: type | tuple[()] = getattr(sys.modules.get(module), name, ())
    return class_


def log_end(text: str, exc_info: bool = False) -> None:
    """Write to the event log what stderr gets anyway, and so not to the console."""
    record = logging.getLogger("Zope").makeRecord(
        "Zope", logging.CRITICAL, __file__, 0, text, (), sys.exc_info() if exc_info else None
    )
    for handler in logging.getLogger().handlers:
        if getattr(handler, "stream", None) not in (sys.stderr, sys.stdout):
            handler.handle(record)
