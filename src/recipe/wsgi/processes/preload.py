"""Loading the application once, in a process from which workers are forked."""

import gc
import os
import stat
import threading
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from recipe.common import databases
from recipe.wsgi import collector
from recipe.wsgi.base import WSGIApp
from recipe.wsgi.warmup import warm_up

#: The beginnings of the names of threads that start again in a forked process.
FORK_SAFE = ("log-reopener", "log-writer-", "supervision", "workers", "raven-sentry.", "sentry.")


def load(ini: Any, paths: Sequence[str], sockets: Collection[int]) -> tuple[WSGIApp, list[str]]:
    """Load the application, warm it up, and close its databases; return it, and what would not survive a fork.

    `sockets` are the descriptors of the sockets that a worker may inherit. If there is something that would not
    survive, the process must not be forked. Otherwise each forked process calls `databases.open_again`.
    """
    with collector.deferred():
        app: WSGIApp = ini.load()
        warm_up(app, paths)
    return app, _settle(sockets)


def _settle(sockets: Collection[int]) -> list[str]:
    if not databases.can_reopen():
        return ["a database that custom_zodb.py opens"]
    databases.close_all()
    obstacles = [*_threads(), *_descriptors(sockets)]
    if not obstacles:
        # A collection in a worker would write to all objects, and so copy the memory that it shares
        gc.collect()
        gc.freeze()
    return obstacles


def _threads() -> Iterator[str]:
    """Yield the threads that run, also those that Python does not know (Linux's /proc names them)."""
    known = {thread.native_id: thread.name for thread in threading.enumerate()}
    try:
        tasks = [int(name) for name in os.listdir("/proc/self/task")]
    except OSError:
        tasks = [number for number in known if number is not None]
    for number in tasks:
        name = known.get(number) or _task_name(number)
        if number != os.getpid() and not name.startswith(FORK_SAFE):
            yield f"the thread {name}"


def _task_name(number: int) -> str:
    try:
        with open(f"/proc/self/task/{number}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _descriptors(allowed: Collection[int]) -> Iterator[str]:
    """Yield the sockets that are open, and the files that are open for reading and writing, as databases are."""
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return
    for number in numbers:
        try:
            mode = os.fstat(number).st_mode
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue  # it was the descriptor of the listing
        if stat.S_ISSOCK(mode) and number not in allowed:
            yield f"an open socket (file descriptor {number})"
        elif stat.S_ISREG(mode) and number > 2 and _is_read_and_written(number):
            yield f"the open file {target}"


def _is_read_and_written(number: int) -> bool:
    with open(f"/proc/self/fdinfo/{number}", encoding="ascii") as file:
        flags = int(file.read().partition("flags:")[2].split()[0], 8)
    return flags & os.O_ACCMODE == os.O_RDWR
