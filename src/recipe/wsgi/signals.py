"""What the server does on a signal.

TERM, HUP and INT end it gracefully; USR1 and USR2 reopen the logs. A signal that the process was
started to ignore (``nohup``, a shell's background job) stays ignored.
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

#: Handlers that are ours, and not a server's own.
_handlers: list[Callable[[int, FrameType | None], None]] = []


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
            handler = _handler(callback)
            _handlers.append(handler)
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, previous in before.items():
            # None stands for a handler that was not Python's; it cannot be put back.
            signal.signal(number, signal.SIG_DFL if previous is None else previous)


def _handler(callback: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
    return lambda _number, _frame: callback()


class Stopped(KeyboardInterrupt):
    """The process was asked to stop while it was starting up, or under a server not our own.

    To those it looks like Ctrl-C, for which they stop their threads.
    """


def raise_stopped() -> None:
    """End the process by the way of an exception, so that all is tidied up."""
    global _noticed
    _noticed = True
    raise Stopped


#: Seconds after which a server is taken to be deaf to the signal: one in whose C code no handler
#: of Python's ran, and one where it ran, and the exception may have been swallowed.
DEAF, SWALLOWED = 0.5, 5.0

#: The least number of a file descriptor that is nobody else's by convention.
HIGH = 10

_reopening = False
_repeating = False
_noticed = False


@contextmanager
def repeating_stop() -> Iterator[None]:
    """Repeat a signal to stop as SIGINT, while the block runs, where nothing comes of it.

    Servers in C let no handler of Python's run (pyruvate), or drop the exception that it raises
    (bjoern); SIGINT they handle themselves.
    """
    global _repeating, _noticed
    _repeating, _noticed = True, False
    try:
        yield
    finally:
        _repeating = False


def reopen_logs() -> None:
    """From now on, reopen the logs on USR1 and USR2. A second call does nothing."""
    global _reopening
    if _reopening or threading.current_thread() is not threading.main_thread():
        return
    _reopening = True
    # A thread does the work, woken through a pipe: in the handler it could interrupt a log
    # handler in the midst of a line. The pipe is written by Python's C handler, so this works
    # also while the main thread is in C code (a server's own loop) and runs no handlers.
    reading, writing = _pipe()
    os.set_blocking(writing, False)
    threading.Thread(target=_wait, args=(reading,), name="log-reopener", daemon=True).start()
    for number in REOPEN:
        signal.signal(number, lambda _number, _frame: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)


def _pipe() -> tuple[int, int]:
    """Return the ends of a pipe; the first file descriptors are left to sockets (sd_listen_fds(3))."""
    low = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, HIGH) for end in low]
    for end in low:
        os.close(end)
    return high[0], high[1]


def reset_after_fork() -> None:
    """In a process forked off: `reopen_logs` is to be called again, since no thread came along."""
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
    """Whether a signal to stop still has our handler, and no server's own."""
    return number in STOP and signal.getsignal(number) in _handlers


def c_handler(number: int) -> bytes:
    """Return what a signal calls in C, the first field of struct sigaction; nothing, where that cannot be told."""
    try:
        import ctypes

        action = ctypes.create_string_buffer(1024)
        ctypes.CDLL(None).sigaction(number, None, action)
    except (ImportError, OSError, AttributeError):
        return b""
    return action.raw[: ctypes.sizeof(ctypes.c_void_p)]
