"""Writing to a log in a thread, in batches, so that requests do not wait for it.

A thread that writes to a file releases Python's global lock and has to wait for it again: for a request this takes
much longer than the line itself. (With a write for each line, Zope's front page had an eighth fewer requests per second
on two cores.)
"""

import atexit
import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Generic, TypeVar

#: Seconds in which lines are collected; if the process is killed, at most these are lost.
INTERVAL = 0.05

#: The number of lines, and of seconds, that the thread may lag behind. Then the requests write, and wait: the log is
#: slower than the site, or the server does not run threads (uWSGI's default).
MOST_BEHIND, LATEST = 10_000, 1.0

EntryT = TypeVar("EntryT")

trouble = logging.getLogger("Zope")

#: Held by each writer while it writes a batch, since several may share a handler, and during a fork.
_writing = threading.RLock()
os.register_at_fork(before=_writing.acquire, after_in_parent=_writing.release, after_in_child=_writing.release)


class LogWriter(Generic[EntryT]):
    """A queue of entries, which a thread makes into log records and passes to `logger` in order.

    `record` makes a record from an entry. The thread starts with the first entry, also after a fork. All entries are
    written before the process ends.
    """

    def __init__(self, logger: logging.Logger, record: Callable[[EntryT, logging.Logger], logging.LogRecord]) -> None:
        self._logger = logger
        self._record = record
        self._begin()
        # The parent writes the entries that it has queued
        os.register_at_fork(after_in_child=self._begin)
        _writers.append(self)

    def _begin(self) -> None:
        self._entries: deque[EntryT] = deque()
        self._some = threading.Event()
        self._thread: threading.Thread | None = None
        self._most_behind = MOST_BEHIND
        self._latest = math.inf

    def end(self) -> None:
        """Write all entries; entries that are queued later are written immediately."""
        self._most_behind = 0  # threads are not reliable while the process ends
        self.flush()

    def put(self, entry: EntryT) -> None:
        """Queue an entry, which is written soon."""
        self._entries.append(entry)
        if not self._some.is_set():
            self._latest = time.monotonic() + LATEST
            self._some.set()
            if self._thread is None:
                self._start()
        if len(self._entries) > self._most_behind:
            self.flush()
        elif time.monotonic() > self._latest and _writing.acquire(blocking=False):
            try:
                self.flush()
            finally:
                _writing.release()

    def flush(self) -> None:
        """Write all entries that are queued now."""
        with _writing, one_flush(self._logger):
            self._some.clear()
            self._latest = math.inf
            for _ in range(len(self._entries)):
                self._write(self._entries.popleft())

    def _write(self, entry: EntryT) -> None:
        try:
            self._logger.handle(self._record(entry, self._logger))
        except Exception:
            # The following entries may succeed, and the thread must continue
            trouble.exception("Cannot write a line to the log %s", self._logger.name)

    def _start(self) -> None:
        with _writing:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"log-writer-{self._logger.name}", daemon=True)
                with suppress(RuntimeError):  # the process is ending
                    self._thread.start()

    def _run(self) -> None:
        while True:
            self._some.wait()
            time.sleep(INTERVAL)
            self.flush()


_writers: list[LogWriter[Any]] = []


@atexit.register
def flush_all() -> None:
    """Write all entries of all writers."""
    for writer in _writers:
        writer.end()


@contextmanager
def one_flush(logger: logging.Logger) -> Iterator[None]:
    """Let the handlers of `logger` that write to a stream flush only once, at the end of the block."""
    with ExitStack() as stack:
        for handler in _handlers(logger):
            if isinstance(handler, logging.StreamHandler) and "flush" not in vars(handler):
                stack.enter_context(_flushed_once(handler))
        yield


def _handlers(logger: logging.Logger | None) -> Iterator[logging.Handler]:
    """Yield the handlers that get a logger's records, as `logging.Logger.callHandlers` finds them."""
    while logger:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


@contextmanager
def _flushed_once(handler: "logging.StreamHandler[Any]") -> Iterator[None]:
    handler.flush = lambda: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        del handler.flush
        try:
            handler.flush()
        except Exception:
            # As for a record in logging: the error is printed on stderr and ignored
            handler.handleError(logging.makeLogRecord({"name": "wsgi"}))
