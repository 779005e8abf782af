"""waitress's warnings about queued requests, at most one in a second.

waitress logs each request that finds no idle thread, which is every second request on a busy site. It does so in its
main loop, for which all clients wait.
"""

import logging
import time

#: Seconds in which a warning is not repeated, unless the queue has become longer.
STANDS = 1.0


class QueueLog:
    """A replacement for the logger `waitress.queue` in a ``ThreadedTaskDispatcher``.

    Not thread-safe; the dispatcher calls it while it holds its lock.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._depth = 0
        self._said = 0.0

    def warning(self, message: str, depth: int) -> None:
        """Log the length of the queue, unless it was logged within the last second."""
        now = time.monotonic()
        if now - self._said < STANDS and depth <= self._depth:
            return
        self._said, self._depth = now, depth
        self._logger.warning(message, depth)
