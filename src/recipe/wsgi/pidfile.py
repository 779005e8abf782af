"""The pid file of the server."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

logger = logging.getLogger("Zope")

#: The path of the file, the process id in it, and the process that has written it.
_path, _pid, _writer = "", "", 0


@contextmanager
def written(path: str, process: int) -> Iterator[None]:
    """Keep the id of a process in the file at `path` while the block runs; do nothing if `path` is empty."""
    global _path, _pid, _writer
    _path, _pid, _writer = path, str(process), os.getpid()
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


def path() -> str:
    """Return the path of the file; empty if there is none."""
    return _path


def remove() -> None:
    """Remove the file that `written` has written; not in a fork, and not if another process has written it since."""
    if _path and _writer == os.getpid() and _read(_path) == _pid:
        with suppress(OSError):
            os.unlink(_path)


def leave_to(path: str) -> None:
    """Do not remove the file, if `path` is its path: a successor has the same."""
    global _path
    if _path == path:
        _path = ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
