"""Writing to a log in a thread of its own, in batches, so that no request waits for it.

A thread that writes gives up Python's lock and has to wait for it: once a line, that costs a
request far more than the line itself. (On two cores, Zope's front page lost an eighth of its
requests a second to it.)
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

#: Seconds in which lines are collected; what a killed process loses at most.
INTERVAL = 0.05

#: Lines, and seconds, that the thread may be behind. After that the requests write themselves, and
#: wait: where the log is slower than the site, or the server lets no thread run (uWSGI's default).
MOST_BEHIND, LATEST = 10_000, 1.0

EntryT = TypeVar("EntryT")

trouble = logging.getLogger("Zope")

#: Held while a batch is written, by all writers alike: two may share a handler. No process forks then.
_writing = threading.RLock()
os.register_at_fork(before=_writing.acquire, after_in_parent=_writing.release, after_in_child=_writing.release)


class LogWriter(Generic[EntryT]):
    """Makes records of entries, and hands them to `logger`, in the order of the entries.

    `record` makes a record of an entry. The thread begins with the first entry, also after a fork;
    at the end of the process all is written.
    """

    def __init__(self, logger: logging.Logger, record: Callable[[EntryT, logging.Logger], logging.LogRecord]) -> None:
        self._logger = logger
        self._record = record
        self._begin()
        # What a parent has not written yet, it writes itself
        os.register_at_fork(after_in_child=self._begin)
        atexit.register(self._end)

    def _begin(self) -> None:
        self._entries: deque[EntryT] = deque()
        self._some = threading.Event()
        self._thread: threading.Thread | None = None
        self._most_behind = MOST_BEHIND
        self._latest = math.inf

    def _end(self) -> None:
        self._most_behind = 0  # from here on no thread is to be relied on
        self.flush()

    def put(self, entry: EntryT) -> None:
        """Let an entry be written soon."""
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
        """Write all entries that are there when it begins."""
        with _writing, one_flush(self._logger):
            self._some.clear()
            self._latest = math.inf
            for _ in range(len(self._entries)):
                self._write(self._entries.popleft())

    def _write(self, entry: EntryT) -> None:
        try:
            self._logger.handle(self._record(entry, self._logger))
        except Exception:
            # The next ones may be better, and the thread has to live on
            trouble.exception("A line for the log %s could not be written", self._logger.name)

    def _start(self) -> None:
        with _writing:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"log-writer-{self._logger.name}", daemon=True)
                with suppress(RuntimeError):  # at the end of the process
                    self._thread.start()

    def _run(self) -> None:
        while True:
            self._some.wait()
            time.sleep(INTERVAL)
            self.flush()


@contextmanager
def one_flush(logger: logging.Logger) -> Iterator[None]:
    """Let the handlers of `logger` that write to a stream do so once, at the end of the block."""
    with ExitStack() as stack:
        for handler in _handlers(logger):
            if isinstance(handler, logging.StreamHandler) and "flush" not in vars(handler):
                stack.enter_context(_flushed_once(handler))
        yield


def _handlers(logger: logging.Logger | None) -> Iterator[logging.Handler]:
    """The handlers that get a logger's records, as `logging.Logger.callHandlers` finds them."""
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
            # As logging has it for a record: said on stderr, and no harm to anybody
            handler.handleError(logging.makeLogRecord({"name": "wsgi"}))
