"""The pid file of the server."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

logger = logging.getLogger("Zope")

#: The path of the file that this process has written, and the process id in it.
_path, _pid = "", ""


@contextmanager
def written(path: str) -> Iterator[None]:
    """Keep the id of this process in the file at `path` while the block runs; do nothing if `path` is empty."""
    global _path, _pid
    _path, _pid = path, str(os.getpid())
    if path:
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write(f"{_pid}\n")
        except OSError as error:
            logger.warning("cannot write the pid file: %s", error)
    try:
        yield
    finally:
        remove()


def remove() -> None:
    """Remove the file that `written` has written; not in a fork, and not if another process has written it since."""
    if _path and _read(_path) == _pid == str(os.getpid()):
        with suppress(OSError):
            os.unlink(_path)


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
