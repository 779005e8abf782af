"""bjoern: one loop in C, one request at a time.

It reads a request as a whole before it calls the application, and sends the answer while it goes on
with others: so slow clients cost nothing but memory.
"""

import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import bjoern

from recipe.wsgi import signals
from recipe.wsgi.processes.supervisor import entry_points
from recipe.wsgi.servers import WSGIApp
from recipe.wsgi.servers.loop import LoopServer
from recipe.wsgi.sockets import Listener

#: Seconds after which its loop has begun for sure.
SETTLED = 0.5


def setting_errors(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the mistake of each setting: bjoern has none."""
    for name in settings:
        yield name, "bjoern has no settings of its own"


class BjoernServer(LoopServer):
    """bjoern with its bound socket."""

    name = "bjoern"
    several_addresses = False
    has_workers = True
    accepts_all = True  # a loop accepts all who wait before it serves one
    _before = b""

    def serve(self, app: WSGIApp, goes_on: Callable[[], bool]) -> None:
        """As `LoopServer`."""
        self._before = signals.c_handler(signal.SIGINT)
        super().serve(app, goes_on)

    def run(self, app: WSGIApp, listener: Listener) -> None:
        """Serve the listener, without end."""
        listener.socket.setblocking(False)
        bjoern.server_run(listener.socket, _iterating(app))

    def wait_for_handlers(self) -> None:
        """Wait until it has taken SIGINT, with which it ends at once. That is a matter of milliseconds."""
        limit = time.monotonic() + SETTLED
        while signals.c_handler(signal.SIGINT) == self._before and time.monotonic() < limit:
            time.sleep(0.001)


def _iterating(app: WSGIApp) -> WSGIApp:
    """Let files be sent like any other answer; what bjoern makes of a file tells nobody when it is through."""

    def iterating(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ.pop("wsgi.file_wrapper", None)
        return app(environ, start_response)

    return iterating


server_factory, serve, read_settings = entry_points(BjoernServer, setting_errors)
