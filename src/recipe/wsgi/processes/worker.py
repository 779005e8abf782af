"""What a worker does: a process that serves for another one, which started it, the master.

The master says in the environment what is to be loaded, and hears through a pipe with a name
what came of it. So it is all the same whether a worker was forked or is a program of its own.
"""

import fcntl
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple

from recipe.common import databases, pastefile
from recipe.common.errors import StartError, log_end
from recipe.wsgi import collector, guard, settings
from recipe.wsgi.servers import WSGIApp

#: The variable with the `Order`, as JSON.
VARIABLE = "RECIPE_WSGI_WORKER"

#: Bytes that a pipe takes as a whole (PIPE_BUF); a line of many workers is not torn then.
MOST_BYTES = 4000

#: The exit status of a worker that cannot load the application; gunicorn gives up at this one.
FAILED = 3

#: Seconds before a worker that cannot load the application ends, where others serve: the next one tries again.
PAUSE = 1.0


class Order(NamedTuple):
    """What a worker must know."""

    #: the PasteDeploy file
    ini: str
    #: PasteDeploy's global configuration, beside the file's own
    defaults: dict[str, str]
    #: the path of the master's pipe
    channel: str

    @property
    def unserved(self) -> str:
        """The path of a file that is there until a worker has served; where /tmp is tidied up, one has, long since."""
        return f"{self.channel}-unserved"

    def publish(self) -> None:
        """Leave it in the environment, for the workers to come."""
        os.environ[VARIABLE] = json.dumps(self._asdict())


def read_order() -> Order:
    """Return what the master says."""
    return Order(**json.loads(os.environ[VARIABLE]))


def load_application() -> WSGIApp:
    """Set up the logs, and load the application with what the server leaves to us around it.

    Where that fails, see `reporting_failure`.
    """
    given = read_order()
    with reporting_failure(), _first_alone(given):
        ini = pastefile.PasteFile(given.ini, given.defaults)
        # Also where the master has done so: a handler may have a thread, which no fork takes along
        ini.configure_logging()
        with collector.deferred():
            app = ini.load()
        return guard.around(app, settings.read_section(*ini.server_settings()))


@contextmanager
def reporting_failure() -> Iterator[None]:
    """Where the block fails, it is logged, the master hears of it, and the process ends.

    The exit status is FAILED, unless others serve already; then the end is put off for a second.
    """
    try:
        yield
        return
    except StartError as error:
        log_end(str(error))
        print(error, file=sys.stderr)
        _report("failed", str(error))
    except Exception:
        log_end("The server ended by an error", exc_info=True)
        traceback.print_exc()
        _report("failed", traceback.format_exc())
    if not any_has_served():
        sys.exit(FAILED)
    time.sleep(PAUSE)
    sys.exit(1)


@contextmanager
def _first_alone(given: Order) -> Iterator[None]:
    """Let one worker go first: it makes what is missing in an empty database, where two would get into conflict."""
    with ExitStack() as held:
        with suppress(FileNotFoundError):
            lock = held.enter_context(open(given.unserved, "rb"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(given.unserved):
                held.close()
        yield


def any_has_served() -> bool:
    """Whether clients have been let in since the master began."""
    return not os.path.exists(read_order().unserved)


def report_ready() -> None:
    """Tell the master that clients are let in."""
    with suppress(OSError):
        os.unlink(read_order().unserved)
    _report("ready", databases.configured("pid_filename") or "")


def _report(what: str, text: str) -> None:
    while len(line := json.dumps({what: text}).encode() + b"\n") > MOST_BYTES:
        text = text[len(text) // 4 + 1 :]  # the end of a traceback says what it was
    with suppress(OSError):  # there is no master any more
        pipe = os.open(read_order().channel, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(pipe, line)
        finally:
            os.close(pipe)
