"""The end of the process, if threads of other packages do not let it end."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable

from recipe.common import databases
from recipe.wsgi import pidfile

logger = logging.getLogger("Zope")

#: Seconds to close the databases; a thread may hold a lock of theirs. What is committed is safe without that.
CLOSING = 0.3


def limit_server(seconds: float) -> None:
    """End the process with status 0 if it still runs after `seconds`; return at once."""
    _end_after(seconds, 0, lambda: [threading.main_thread(), *_others()])


def limit_threads(seconds: float, status: int) -> None:
    """End the process with this exit status if threads still run after `seconds`; return at once.

    Python waits without a limit for threads that are not daemons.
    """
    _end_after(seconds, status, _others)


def _others() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()]


def _end_after(seconds: float, status: int, running: Callable[[], list[threading.Thread]]) -> None:
    # Both threads now: later, when Python waits for the others, it starts no more
    late, closed = threading.Event(), threading.Event()
    threading.Thread(target=_close, args=(late, closed), name="close", daemon=True).start()

    def end() -> None:
        time.sleep(seconds)
        if names := ", ".join(thread.name for thread in running()):
            logger.warning(
                "Ending the process, since these threads have not ended within %g seconds: %s", seconds, names
            )
            late.set()
            closed.wait(CLOSING)
            os._exit(status)

    threading.Thread(target=end, name="end", daemon=True).start()


def _close(late: threading.Event, closed: threading.Event) -> None:
    late.wait()
    pidfile.remove()
    if writer := sys.modules.get("recipe.wsgi.logs.writer"):
        writer.flush_all()
    databases.close_all()
    closed.set()
