"""The pid file of the server."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

logger = logging.getLogger("Zope")


@contextmanager
def written(path: str) -> Iterator[None]:
    """Keep the id of this process in the file at `path` while the block runs; do nothing if `path` is empty."""
    pid = str(os.getpid())
    if path:
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write(f"{pid}\n")
        except OSError as error:
            logger.warning("cannot write the pid file: %s", error)
    try:
        yield
    finally:
        if path and _read(path) == pid == str(os.getpid()):
            with suppress(OSError):
                os.unlink(path)


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
