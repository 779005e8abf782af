"""Log lines as JSON objects, one object in each line.

The formatter for the logging package uses python-json-logger (the extra ``json``).
"""

import logging
from datetime import datetime, timezone
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from recipe.wsgi.logs.accessline import RECORD_ATTRIBUTE


class Formatter(JsonFormatter):
    """Format records as objects with ``time``, ``level``, ``logger`` and ``message``, and the parts of a request.

    The parts are ``method``, ``path`` (with the query), ``status``, ``bytes`` (of the body), ``duration`` (seconds),
    ``client``, ``user``, ``user_agent`` and ``referrer``; a missing part is null. An exception is text in ``exc_info``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("%(message)s")

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Put the fields of this formatter first, then the other attributes of the record."""
        log_data["time"] = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        log_data["level"] = record.levelname
        log_data["logger"] = record.name
        super().add_fields(log_data, record, message_dict)
        request = log_data.pop(RECORD_ATTRIBUTE, None)
        if isinstance(request, dict):
            log_data |= request
