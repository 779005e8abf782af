"""The end of the process, if threads of other packages do not let it end."""

import logging
import os
import sys
import threading
import time
from typing import NoReturn

from recipe.common import databases
from recipe.wsgi import pidfile

logger = logging.getLogger("Zope")

#: Seconds to close the databases; a thread may hold a lock of theirs. What is committed is safe without that.
CLOSING = 0.3


def at_latest(seconds: float, status: int = 0) -> None:
    """End the process with this exit status if it still runs after `seconds`; return at once.

    Python waits without a limit for threads that are not daemons.
    """
    threading.Thread(target=_end, args=(seconds, status), name="end", daemon=True).start()


def _end(seconds: float, status: int) -> NoReturn:
    time.sleep(seconds)
    main = threading.main_thread()
    others = [thread.name for thread in threading.enumerate() if not thread.daemon and thread is not main]
    names = ", ".join(others or [main.name])  # the main thread waits for the others
    logger.warning("Ending the process, since these threads have not ended within %g seconds: %s", seconds, names)
    pidfile.remove()
    closing = threading.Thread(target=databases.close_all, daemon=True)
    closing.start()
    closing.join(CLOSING)
    if writer := sys.modules.get("recipe.wsgi.logs.writer"):
        writer.flush_all()
    os._exit(status)
