"""The end of the process, if threads of other packages do not let it end."""

import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from recipe.common import databases
from recipe.wsgi import pidfile

logger = logging.getLogger("Zope")

#: Seconds to close the databases; a thread may hold a lock of theirs. What is committed is safe without that.
CLOSING = 0.3


def limit_server(seconds: float) -> None:
    """End the process with status 0 if it still runs after `seconds`; return at once."""
    _later(seconds, lambda: _end(seconds, 0, threading.main_thread(), *_others()))


def limit_threads(seconds: float, status: int) -> None:
    """End the process with this exit status if threads still run after `seconds`; return at once.

    Python waits without a limit for threads that are not daemons.
    """
    _later(seconds, lambda: _end(seconds, status, *others) if (others := _others()) else None)


def _later(seconds: float, call: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()


def _others() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()]


def _end(seconds: float, status: int, *running: threading.Thread) -> NoReturn:
    names = ", ".join(thread.name for thread in running)
    logger.warning("Ending the process, since these threads have not ended within %g seconds: %s", seconds, names)
    pidfile.remove()
    closing = threading.Thread(target=databases.close_all, daemon=True)
    closing.start()
    closing.join(CLOSING)
    if writer := sys.modules.get("recipe.wsgi.logs.writer"):
        writer.flush_all()
    os._exit(status)
