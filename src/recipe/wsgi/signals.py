"""The signals of the server.

TERM, HUP and INT stop it gracefully; USR1 and USR2 reopen the logs. A signal that the process ignored when it was
started (``nohup``, a background job of a shell) stays ignored, except TERM.
"""

import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from recipe.wsgi.logs import reopen

STOP = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
REOPEN = (signal.SIGUSR1, signal.SIGUSR2)

#: The handlers that this module has installed.
_handlers: list[Callable[[int, FrameType | None], None]] = []


@contextmanager
def on_stop(callback: Callable[[], None]) -> Iterator[None]:
    """Call `callback`, in the main thread, on each signal to stop, while the block runs.

    Does nothing outside the main thread, where Python cannot install handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOP}
    for number in STOP:
        if before[number] != signal.SIG_IGN or number == signal.SIGTERM:
            handler = _handler(callback)
            _handlers.append(handler)
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, previous in before.items():
            # None stands for a handler that Python did not install, and cannot install again
            signal.signal(number, signal.SIG_DFL if previous is None else previous)


def _handler(callback: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
    return lambda _number, _frame: callback()


class Stopped(KeyboardInterrupt):
    """A signal to stop arrived while the process was starting, or under a server of another package.

    Such servers handle it as Ctrl-C, and stop their threads.
    """


def raise_stopped() -> None:
    """Raise `Stopped`, so that all context managers are left."""
    global _noticed
    _noticed = True
    raise Stopped


#: Seconds after which a signal to stop counts as lost: if Python's handler has not run, because the server is in C
#: code, and if it has run, but the server may have dropped the exception.
DEAF, SWALLOWED = 0.5, 5.0

#: The lowest file descriptor that no convention assigns.
HIGH = 10

_reopening = False
_repeating = False
_noticed = False


@contextmanager
def repeating_stop() -> Iterator[None]:
    """Repeat a signal to stop as SIGINT, while the block runs, if the server does not react to it.

    Servers in C may not let Python's handlers run (pyruvate), or may drop the exception that a handler raises (bjoern);
    they handle SIGINT themselves.
    """
    global _repeating, _noticed
    _repeating, _noticed = True, False
    try:
        yield
    finally:
        _repeating = False


def reopen_logs() -> None:
    """Reopen the logs on USR1 and USR2 from now on. A second call does nothing."""
    global _reopening
    if _reopening or threading.current_thread() is not threading.main_thread():
        return
    _reopening = True
    # A thread reopens the logs, since a signal handler may interrupt a log handler while it writes. Python's handler
    # in C wakes the thread through a pipe, which works even while the main thread executes C code, such as a server's
    # loop, and runs no handlers in Python.
    reading, writing = _pipe()
    os.set_blocking(writing, False)
    threading.Thread(target=_wait, args=(reading,), name="log-reopener", daemon=True).start()
    for number in REOPEN:
        signal.signal(number, lambda _number, _frame: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)


def _pipe() -> tuple[int, int]:
    """Return the ends of a pipe; the lowest file descriptors are left to inherited sockets (sd_listen_fds(3))."""
    low = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, HIGH) for end in low]
    for end in low:
        os.close(end)
    return high[0], high[1]


def reset_after_fork() -> None:
    """Let `reopen_logs` start its thread again, in a forked process: threads do not survive a fork."""
    global _reopening
    _reopening = False


def _wait(pipe: int) -> None:
    while numbers := os.read(pipe, 1024):
        if any(number in REOPEN for number in numbers):
            reopen.reopen()
        if _repeating and any(map(_is_ours, numbers)):
            time.sleep(DEAF)
            if _noticed:
                time.sleep(SWALLOWED - DEAF)
            if _repeating:
                os.kill(os.getpid(), signal.SIGINT)


def _is_ours(number: int) -> bool:
    """Whether a signal to stop still has a handler of this module, and not one of the server's own."""
    return number in STOP and signal.getsignal(number) in _handlers


def c_handler(number: int) -> bytes:
    """Return the address of a signal's handler in C (the first field of struct sigaction); empty if it is unknown."""
    try:
        import ctypes

        action = ctypes.create_string_buffer(1024)
        ctypes.CDLL(None).sigaction(number, None, action)
    except (ImportError, OSError, AttributeError):
        return b""
    return action.raw[: ctypes.sizeof(ctypes.c_void_p)]
