"""Loading the application once, in a process from which workers are forked."""

import os
import stat
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any

from recipe.common import databases
from recipe.wsgi import collector
from recipe.wsgi.base import WSGIApp
from recipe.wsgi.warmup import warm_up

#: The names of threads that start again in a forked process, or the beginnings of their names.
FORK_SAFE = ("log-reopener", "supervision")
FORK_SAFE_BEGINNINGS = ("log-writer-", "raven-sentry.", "sentry.")

#: Seconds that threads and descriptors get to disappear when the databases have been closed.
ENDING = 1.0


def load(ini: Any, paths: Sequence[str], sockets: Collection[int]) -> tuple[WSGIApp, list[str]]:
    """Load the application, warm it up, and close its databases; return it, and what would not survive a fork.

    `sockets` are the descriptors of the sockets that a worker may inherit. If there is something that would not
    survive, the process must not be forked. Otherwise each forked process calls `databases.open_again`.
    """
    before = {number for number, _, _ in _descriptors()}
    with collector.deferred():
        app: WSGIApp = ini.load()
        warm_up(app, paths)
    return app, _settle(sockets, before)


def _settle(sockets: Collection[int], before: Collection[int]) -> list[str]:
    if not databases.can_reopen():
        return ["a database that custom_zodb.py opens"]
    databases.close_all()
    # A thread of a database that has been closed may still be about to end
    limit = time.monotonic() + ENDING
    while (obstacles := [*_threads(), *_children(), *_open(sockets, before)]) and time.monotonic() < limit:
        time.sleep(0.05)
    if not obstacles:
        collector.collect()
    return obstacles


def foreign_threads() -> Iterator[str]:
    """Yield the names of the threads, other than this one, that the application has started."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not _is_fork_safe(thread.name):
            yield thread.name


def _is_fork_safe(name: str) -> bool:
    return name in FORK_SAFE or name.startswith(FORK_SAFE_BEGINNINGS)


def _children() -> Iterator[str]:
    with suppress(ChildProcessError):  # there is none
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        yield "a child process"


def _threads() -> Iterator[str]:
    """Yield the threads that run, also those that Python does not know (Linux's /proc names them)."""
    known = {thread.native_id: thread.name for thread in threading.enumerate()}
    try:
        tasks = [int(name) for name in os.listdir("/proc/self/task")]
    except OSError:
        tasks = [number for number in known if number is not None]
    for number in tasks:
        name = known.get(number) or _task_name(number)
        if number != os.getpid() and not _is_fork_safe(name):
            yield f"the thread {name}"


def _task_name(number: int) -> str:
    try:
        with open(f"/proc/self/task/{number}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _open(sockets: Collection[int], before: Collection[int]) -> Iterator[str]:
    """Yield what is open and cannot be shared: sockets, pipes, and files that are read and written, as databases are.

    `sockets` are allowed, and so are the pipes that were open `before`.
    """
    for number, mode, target in _descriptors():
        if stat.S_ISSOCK(mode) and number not in sockets:
            yield f"an open socket (file descriptor {number})"
        elif stat.S_ISREG(mode) and number > 2 and _is_read_and_written(number):
            yield f"the open file {target}"
        elif number not in before and (stat.S_ISFIFO(mode) or target.startswith("anon_inode:")):
            yield f"{target} (file descriptor {number})"


def _descriptors() -> Iterator[tuple[int, int, str]]:
    """Yield the file descriptors of this process, with mode and target (Linux's /proc lists them)."""
    with suppress(OSError):
        for number in map(int, os.listdir("/proc/self/fd")):
            with suppress(OSError):  # it was the descriptor of the listing
                yield number, os.fstat(number).st_mode, os.readlink(f"/proc/self/fd/{number}")


def _is_read_and_written(number: int) -> bool:
    with open(f"/proc/self/fdinfo/{number}", encoding="ascii") as file:
        flags = int(file.read().partition("flags:")[2].split()[0], 8)
    return flags & os.O_ACCMODE == os.O_RDWR
