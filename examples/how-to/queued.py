"""A logging handler for slow receivers: requests do not wait for it."""

from logging.handlers import HTTPHandler, QueueHandler, QueueListener
from queue import SimpleQueue


class QueuedHTTPHandler(QueueHandler):
    """Put each record into a queue. A thread sends the records to an HTTP server, one after the other.

    The arguments are those of HTTPHandler. Records in the queue are sent before the server ends.
    """

    def __init__(self, host: str, url: str, method: str = "GET") -> None:
        super().__init__(SimpleQueue())
        self.sender = QueueListener(self.queue, HTTPHandler(host, url, method))
        self.sender.start()

    def close(self) -> None:
        """Send the remaining records and end the thread."""
        self.sender.stop()
        super().close()
