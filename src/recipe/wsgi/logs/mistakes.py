"""The level of a server's messages about malformed requests."""

import logging


class ClientMistakes(logging.Filter):
    """A filter for a server's logger that makes INFO of each message that begins with `beginning`.

    The clients of a public site send malformed requests all the time, and nobody at the site can do anything about it.
    """

    def __init__(self, beginning: str) -> None:
        super().__init__()
        self._beginning = beginning

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged; change its level if it is about a malformed request."""
        if not record.getMessage().startswith(self._beginning):
            return True
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return logging.getLogger(record.name).isEnabledFor(logging.INFO)
