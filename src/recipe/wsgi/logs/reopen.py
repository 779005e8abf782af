"""Reopening log files, for logrotate: no line is lost, and the process continues."""

import logging
import logging.handlers
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import TextIOWrapper


def reopen() -> None:
    """Let every file handler of `logging` write to the file that has its name now.

    If a file cannot be opened, that is reported on stderr, and the handler continues with the old file. Call this from
    a thread, not from a signal handler, which may interrupt a log handler while it writes.
    """
    for handler in file_handlers():
        try:
            _reopen(handler)
        except OSError as error:
            print(f"cannot reopen the log: {error}", file=sys.stderr)


def file_handlers() -> Iterator[logging.FileHandler]:
    """Yield each file handler of each logger once, including the targets of MemoryHandlers."""
    loggers: list[object] = [logging.root, *logging.root.manager.loggerDict.values()]
    seen: set[int] = set()
    for logger in loggers:
        for handler in getattr(logger, "handlers", []):
            if isinstance(handler, logging.handlers.MemoryHandler) and handler.target:
                handler = handler.target
            if isinstance(handler, logging.FileHandler) and id(handler) not in seen:
                seen.add(id(handler))
                yield handler


def leave_rotation_to_others() -> None:
    """Let handlers that rotate their file only follow it: if two processes rotated a file, lines would be lost."""
    for handler in file_handlers():
        if isinstance(handler, logging.handlers.BaseRotatingHandler):
            handler.shouldRollover = _follow(handler)  # type: ignore[attr-defined]


def _follow(handler: logging.FileHandler) -> Callable[[logging.LogRecord], bool]:
    def moved(_record: logging.LogRecord) -> bool:
        with suppress(OSError):  # the file is being renamed
            if handler.stream and not os.path.samestat(
                os.fstat(handler.stream.fileno()), os.stat(handler.baseFilename)
            ):
                _reopen(handler)
        return False

    return moved


def _reopen(handler: logging.FileHandler) -> None:
    handler.acquire()
    try:
        old = handler.stream
        if old is None:
            return  # `delay` is set, and nothing has been written yet
        handler.stream = new = _open(handler)
        if isinstance(handler, logging.handlers.WatchedFileHandler):
            # It compares these with those of the file to notice that the file was moved
            status = os.fstat(new.fileno())
            handler.dev, handler.ino = status.st_dev, status.st_ino
        old.close()
    finally:
        handler.release()


def _open(handler: logging.FileHandler) -> TextIOWrapper:
    # Append whatever the mode is: if the file was not rotated, it must not be truncated
    return open(handler.baseFilename, "a", encoding=handler.encoding, errors=handler.errors)
