"""What the server does on a signal.

TERM, HUP and INT end it gracefully; USR1 and USR2 reopen the logs. A signal that the process was
started to ignore (``nohup``, a shell's background job) stays ignored.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from recipe.wsgi import logreopen

STOP = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
REOPEN = (signal.SIGUSR1, signal.SIGUSR2)


@contextmanager
def on_stop(callback: Callable[[], None]) -> Iterator[None]:
    """Call `callback`, in the main thread, on each signal to stop, while the block runs.

    Outside the main thread nothing is done: Python lets no other install handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOP}
    for number in STOP:
        if before[number] != signal.SIG_IGN or number == signal.SIGTERM:
            signal.signal(number, lambda _number, _frame: callback())
    try:
        yield
    finally:
        for number, handler in before.items():
            # None stands for a handler that was not Python's; it cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


class Stopped(SystemExit):
    """The process was asked to stop while it was starting up, or by a server not our own."""


def stop() -> None:
    """End the process by the way of an exception, so that all is tidied up."""
    raise Stopped(0)


_reopening = False


def reopen_logs() -> None:
    """From now on, reopen the logs on USR1 and USR2. A second call does nothing."""
    global _reopening
    if _reopening or threading.current_thread() is not threading.main_thread():
        return
    _reopening = True
    # A thread does the work, woken through a pipe: in the handler it could interrupt a log
    # handler in the midst of a line. The pipe is written by Python's C handler, so this works
    # also while the main thread is in C code (a server's own loop) and runs no handlers.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    threading.Thread(target=_wait, args=(reading,), name="log-reopener", daemon=True).start()
    for number in REOPEN:
        signal.signal(number, lambda _number, _frame: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)


def _wait(pipe: int) -> None:
    while numbers := os.read(pipe, 1024):
        if any(number in REOPEN for number in numbers):
            logreopen.reopen()
