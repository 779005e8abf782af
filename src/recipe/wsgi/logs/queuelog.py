"""waitress's word of a queue of requests, said once a second.

waitress writes a line for each request that finds no thread idle, which is one of two on a busy
site: in the loop that all clients wait for, and once to each handler.
"""

import logging
import time

#: Seconds for which a line stands; a longer queue is said at once.
STANDS = 1.0


class QueueLog:
    """In the place of the logger `waitress.queue`, for a ``ThreadedTaskDispatcher``.

    Not safe for threads; the dispatcher calls it with its lock held.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._depth = 0
        self._said = 0.0

    def warning(self, message: str, depth: int) -> None:
        """Say how many requests wait, where it is not just said."""
        now = time.monotonic()
        if now - self._said < STANDS and depth <= self._depth:
            return
        self._said, self._depth = now, depth
        self._logger.warning(message, depth)
