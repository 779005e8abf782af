"""The pipe through which workers report to the supervising process, which keeps the pid file."""

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack

from recipe.common.errors import StartError, describe
from recipe.wsgi import pidfile
from recipe.wsgi.base import ServerWithWorkers
from recipe.wsgi.processes.worker import Order


class WorkerError(Exception):
    """No worker could load the application; the text is the report of the first one, which has logged it."""


def run_workers(server: ServerWithWorkers, ini: str, defaults: dict[str, str], on_ready: Callable[[], None]) -> None:
    """Run a server and its workers until a signal to stop; `on_ready` is called when the first worker serves.

    Raises WorkerError if no worker could load the application.
    """
    channel = WorkerChannel(ini, defaults, on_ready)
    try:
        server.run()
    finally:
        channel.close()
    if channel.failure and os.getpid() == channel.owner:
        raise WorkerError(channel.failure)


class WorkerChannel:
    """A named pipe, and a thread that reads the workers' reports from it."""

    def __init__(self, ini: str, defaults: dict[str, str], on_ready: Callable[[], None]) -> None:
        self._on_ready = on_ready
        #: the report of the first worker that failed, if no worker had served by then
        self.failure = ""
        self.owner = os.getpid()
        self._served = False
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
                if not (self._served or self.failure):
                    self._first(news)

    def _first(self, news: dict[str, str]) -> None:
        if "failed" in news:
            self.failure = news["failed"]
            return
        self._served = True
        self._kept.enter_context(pidfile.written(news["ready"], os.getpid()))
        self._on_ready()

    def close(self) -> None:
        """End the thread and remove the pipe. Does nothing in a worker."""
        if os.getpid() != self.owner:
            return
        self._pipe.write(b'{"end": ""}\n')
        self._thread.join()
        self._pipe.close()
        shutil.rmtree(self._directory, ignore_errors=True)
        self._kept.close()
