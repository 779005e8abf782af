"""The pipe through which workers report to the supervising process, which keeps the pid file."""

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

from recipe.common.errors import StartError, describe
from recipe.wsgi import pidfile
from recipe.wsgi.base import ServerWithWorkers
from recipe.wsgi.processes.worker import Order


class WorkerError(Exception):
    """No worker could load the application; the text is the report of the first one, which has logged it."""


class Readiness(NamedTuple):
    """What happens when the workers serve."""

    #: called when so many workers serve
    on_ready: Callable[[], None]
    workers: int = 1
    #: the process id in the pid file
    instance: int = 0


def run_workers(server: ServerWithWorkers, ini: str, defaults: dict[str, str], readiness: Readiness) -> None:
    """Run a server and its workers until a signal to stop.

    Raises WorkerError if no worker could load the application.
    """
    channel = WorkerChannel(ini, defaults, readiness)
    try:
        server.run()
    finally:
        channel.close()
    if channel.failure and os.getpid() == channel.owner:
        raise WorkerError(channel.failure)


class WorkerChannel:
    """A named pipe, and a thread that reads the workers' reports from it."""

    def __init__(self, ini: str, defaults: dict[str, str], readiness: Readiness) -> None:
        self._readiness = readiness
        #: the report of the first worker that failed, if no worker had served by then
        self.failure = ""
        self.owner = os.getpid()
        self._served = 0  # number of workers that have reported that they serve
        self._kept = ExitStack()
        try:
            self._directory = tempfile.mkdtemp(prefix="zope-workers-")
        except OSError as error:
            raise StartError(f"cannot make a pipe for the workers: {describe(error)}") from None
        path = os.path.join(self._directory, "channel")
        os.mkfifo(path, 0o600)
        # O_RDWR, so that the pipe does not end when one writer closes it
        self._pipe = os.fdopen(os.open(path, os.O_RDWR), "r+b", buffering=0)
        order = Order(os.path.abspath(ini), defaults, path)
        with open(order.unserved, "wb"):
            order.publish()
        self._thread = threading.Thread(target=self._listen, name="workers", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with os.fdopen(os.dup(self._pipe.fileno()), "rb") as lines:
            for line in lines:
                news = json.loads(line)
                if "end" in news:
                    return
                if not self.failure:
                    self._take(news)

    def _take(self, news: dict[str, str]) -> None:
        if "failed" in news:
            self.failure = "" if self._served else news["failed"]
            return
        self._served += 1
        if self._served == 1:
            self._kept.enter_context(pidfile.written(news["ready"], self._readiness.instance or os.getpid()))
        if self._served == self._readiness.workers:
            self._readiness.on_ready()

    def close(self) -> None:
        """End the thread and remove the pipe. Does nothing in a worker."""
        if os.getpid() != self.owner:
            return
        self._pipe.write(b'{"end": ""}\n')
        self._thread.join()
        self._pipe.close()
        shutil.rmtree(self._directory, ignore_errors=True)
        self._kept.close()
