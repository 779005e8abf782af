"""A logging handler that no receiver can slow down."""

from logging.handlers import HTTPHandler, QueueHandler, QueueListener
from queue import SimpleQueue


class QueuedHTTPHandler(QueueHandler):
    """Put each record into a queue; a thread sends them to an HTTP server, one after the other.

    Called as HTTPHandler is. What is in the queue when the server ends is sent then.
    """

    def __init__(self, host: str, url: str, method: str = "GET") -> None:
        super().__init__(SimpleQueue())
        self.sender = QueueListener(self.queue, HTTPHandler(host, url, method))
        self.sender.start()

    def close(self) -> None:
        """Send the rest, and end the thread."""
        self.sender.stop()
        super().close()
