"""A worker: a process that serves, started and watched by a supervising process.

The supervising process names the application in the environment, and reads the
result from a named pipe. So a worker may be forked, or may be a program of its own.
"""

import fcntl
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple

from recipe.common import databases, pastefile
from recipe.common.errors import StartError, log_end
from recipe.wsgi import collector
from recipe.wsgi.base import WSGIApp

#: The environment variable with the `Order`, as JSON.
VARIABLE = "RECIPE_WSGI_WORKER"

#: The maximum size of a report, in bytes. A pipe writes up to PIPE_BUF bytes at once, so reports do not mix.
MOST_BYTES = 4000

#: The exit status of a worker that cannot load the application.
FAILED = 3

#: Seconds before a worker that cannot load the application ends, if others serve: its successor tries again.
PAUSE = 1.0


class Order(NamedTuple):
    """What a worker has to know."""

    #: the path of the PasteDeploy file
    ini: str
    #: PasteDeploy's global configuration, besides that of the file
    defaults: dict[str, str]
    #: the path of the named pipe
    channel: str

    @property
    def unserved(self) -> str:
        """The path of a file that exists until a worker has served.

        If the system cleans up /tmp and removes it, a worker has served long before.
        """
        return f"{self.channel}-unserved"

    def publish(self) -> None:
        """Write the order to the environment, which the workers inherit."""
        os.environ[VARIABLE] = json.dumps(self._asdict())


def read_order() -> Order:
    """Return the order from the environment."""
    return Order(**json.loads(os.environ[VARIABLE]))


def load_application(paths: Sequence[str] = ()) -> WSGIApp:
    """Set up the logs, load the application, and request `paths` of it.

    If that fails, the process ends as `reporting_failure` describes.
    """
    given = read_order()
    with reporting_failure(), _first_alone(given):
        ini = pastefile.PasteFile(given.ini, given.defaults)
        # The supervising process has done so too, but a handler may have a thread, and threads do not survive a fork
        ini.configure_logging()
        with collector.deferred():
            app: WSGIApp = ini.load()
            if paths:
                from recipe.wsgi.warmup import warm_up

                warm_up(app, paths)
        return app


def with_databases(app: WSGIApp) -> WSGIApp:
    """Open the databases of an application that the supervising process has loaded; return the application."""
    with reporting_failure():
        databases.open_again()
    return app


@contextmanager
def reporting_failure() -> Iterator[None]:
    """If the block fails: log the error, report it to the supervising process, and end this process.

    The exit status is FAILED. If other workers serve already, the process ends after a pause, with 1.
    """
    try:
        yield
        return
    except StartError as error:
        log_end(str(error))
        print(error, file=sys.stderr)
        _report("failed", str(error))
    except Exception:
        log_end("The server ended because of an error", exc_info=True)
        traceback.print_exc()
        _report("failed", traceback.format_exc())
    if not any_has_served():
        sys.exit(FAILED)
    time.sleep(PAUSE)
    sys.exit(1)


@contextmanager
def _first_alone(given: Order) -> Iterator[None]:
    """Let one worker load first: in an empty database it creates what is missing, and two would get into conflict."""
    with ExitStack() as held:
        with suppress(FileNotFoundError):
            lock = held.enter_context(open(given.unserved, "rb"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(given.unserved):
                held.close()
        yield


def any_has_served() -> bool:
    """Whether a worker has served since the supervising process began."""
    return not os.path.exists(read_order().unserved)


def report_ready() -> None:
    """Report that this worker accepts clients."""
    with suppress(OSError):
        os.unlink(read_order().unserved)
    _report("ready", databases.configured("pid_filename") or "")


def _report(what: str, text: str) -> None:
    while len(line := json.dumps({what: text}).encode() + b"\n") > MOST_BYTES:
        text = text[len(text) // 4 + 1 :]  # the end of a traceback names the error
    with suppress(OSError):  # the supervising process has ended
        pipe = os.open(read_order().channel, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(pipe, line)
        finally:
            os.close(pipe)
