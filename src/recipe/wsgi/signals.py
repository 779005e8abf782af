"""The signals of the server.

TERM, HUP and INT stop it gracefully; USR1 and USR2 reopen the logs. A signal that the process ignored when it was
started (``nohup``, a background job of a shell) stays ignored, except TERM. When the server has ended, all are ignored:
the default action of a late signal would end the process as if it had crashed.
"""

import fcntl
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from recipe.wsgi import ending
from recipe.wsgi.logs import reopen

STOP = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
REOPEN = (signal.SIGUSR1, signal.SIGUSR2)

#: Seconds in which several signals to stop count as one.
TOGETHER = 0.5

#: The signals to stop that have arrived.
_arrived: list[int] = []

#: The handlers that this module has installed.
_handlers: list[Callable[[int, FrameType | None], None]] = []


def install(callback: Callable[[int], None]) -> None:
    """Call `callback` with the number of each signal to stop, in the main thread."""

    def handler(number: int, _frame: FrameType | None) -> None:
        _arrived.append(number)
        callback(number)

    _handlers.append(handler)
    for number in STOP:
        if signal.getsignal(number) != signal.SIG_IGN or number == signal.SIGTERM:
            signal.signal(number, handler)


@contextmanager
def on_stop(callback: Callable[[], None]) -> Iterator[None]:
    """Call `callback`, in the main thread, on each signal to stop, while the block runs.

    Does nothing outside the main thread, where Python cannot install handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[float] = []  # when (`time.monotonic()`)
    before = {number: signal.getsignal(number) for number in STOP}

    def handle(number: int) -> None:
        now = time.monotonic()
        # systemd sends a signal to all processes of a unit, and the supervisor passes it on to them
        is_same = received and now - received[-1] < TOGETHER
        if not is_same:
            received.append(now)
            callback()

    install(handle)
    try:
        yield
    finally:
        for number, previous in before.items():
            # The process ends if it has been stopped; this is not known of another program that runs the server
            ends = received and previous in _handlers
            # None stands for a handler that Python did not install, and cannot install again
            signal.signal(number, signal.SIG_IGN if ends else signal.SIG_DFL if previous is None else previous)


class Stopped(KeyboardInterrupt):
    """A signal to stop arrived while the process was starting, or under a server of another package.

    Such servers handle it as Ctrl-C, and stop their threads.
    """


def raise_stopped(_number: int) -> None:
    """Raise `Stopped`, so that all context managers are left.

    If the exception was raised a moment ago, and no server of another package runs, this does nothing: the context
    managers are being left.
    """
    global _raised
    now = time.monotonic()
    if _insist or now - _raised > ON_ITS_WAY:
        _raised = now
        raise Stopped


def raise_if_stopped() -> None:
    """Raise `Stopped` if a signal to stop has arrived: code that the application imports may have dropped it."""
    if _raised > -math.inf:
        raise Stopped


def has_arrived() -> bool:
    """Whether a signal to stop has arrived."""
    return bool(_arrived)


def ignore() -> None:
    """Ignore all signals that this module handles: the process ends, and its exit status will say how."""
    for number in (*STOP, *REOPEN):
        signal.signal(number, signal.SIG_IGN)


#: Seconds in which an exception that was raised by a signal reaches the end of the program; after that, it may have
#: been dropped by code that catches all exceptions.
ON_ITS_WAY = 1.0

#: Seconds after which a signal to stop counts as lost: if Python's handler has not run, because the server is in C
#: code, and if it has run, but the server may have dropped the exception.
DEAF, SWALLOWED = 0.5, 5.0

#: Seconds in which a server of another package installs handlers in C, and between two looks at them.
INSTALLING, LOOK = 5.0, 0.2

#: The lowest file descriptor that no convention assigns.
HIGH = 10

_reopening = False
#: when `Stopped` was last raised (`time.monotonic()`)
_raised = -math.inf
#: called in a thread after a signal to stop, while a server of another package runs
_insist: Callable[[], None] | None = None


@contextmanager
def insisting(seconds: float) -> Iterator[None]:
    """Repeat a signal to stop as SIGINT, while the block runs, and end the process at most `seconds` after it.

    Servers in C may not let Python's handlers run (pyruvate), or may drop the exception that a handler raises (bjoern);
    they handle SIGINT themselves. Others wait for their threads, which wait for the next request on a connection.
    """
    global _insist
    begin = time.monotonic()

    def insist() -> None:
        ending.limit_server(seconds)
        time.sleep(min(DEAF, seconds / 2))
        if _raised < begin:
            _interrupt()
        time.sleep(min(SWALLOWED, seconds) / 2)
        _interrupt()

    _insist = insist
    threading.Thread(target=_watch_c_handler, name="insist", daemon=True).start()
    try:
        yield
    finally:
        _insist = None


def _watch_c_handler() -> None:
    """Insist when a server's handler in C has received SIGINT, which Python is not told of then.

    libev's handler (bjoern) restores the default action after the first one, and waits for connections without a limit.
    """
    before = c_handler(signal.SIGINT)
    limit = time.monotonic() + INSTALLING
    while c_handler(signal.SIGINT) == before:
        if not _insist or time.monotonic() > limit:
            return
        time.sleep(LOOK)
    while _insist and not _is_default(signal.SIGINT):
        time.sleep(LOOK)
    if insist := _insist:
        insist()


def _interrupt() -> None:
    # The default action would end the process as if it had crashed
    if _insist and not _is_default(signal.SIGINT):
        os.kill(os.getpid(), signal.SIGINT)


def _is_default(number: int) -> bool:
    handler = c_handler(number)
    return bool(handler) and not any(handler)


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
    insists = False
    while numbers := os.read(pipe, 1024):
        if any(number in REOPEN for number in numbers):
            reopen.reopen()
        if _insist and not insists and any(map(_is_ours, numbers)):
            insists = True
            threading.Thread(target=_insist, name="insist", daemon=True).start()


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
