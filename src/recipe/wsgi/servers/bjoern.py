"""bjoern: an event loop in C, which handles one request at a time.

It reads a whole request before it calls the application, and sends the response while it handles other requests. So
slow clients cost nothing but memory.
"""

import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import bjoern

from recipe.wsgi import signals
from recipe.wsgi.base import WSGIApp
from recipe.wsgi.entries import entry_points
from recipe.wsgi.loop import LoopServer
from recipe.wsgi.sockets import Listener

#: Seconds after which its loop is certain to have begun.
SETTLED = 0.5


def setting_errors(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield an error for each setting: bjoern has no settings."""
    for name in settings:
        yield name, "bjoern has no settings of its own; remove this one"


class BjoernServer(LoopServer):
    """bjoern with its bound socket."""

    name = "bjoern"
    several_addresses = False
    has_workers = True
    accepts_all = True  # the loop accepts all waiting clients before it answers one
    _before = b""

    def serve(self, app: WSGIApp, goes_on: Callable[[], bool]) -> None:
        """Serve as `LoopServer` does."""
        self._before = signals.c_handler(signal.SIGINT)
        super().serve(app, goes_on)

    def run(self, app: WSGIApp, listener: Listener) -> None:
        """Serve the listener; does not return."""
        listener.socket.setblocking(False)
        bjoern.server_run(listener.socket, _iterating(app))

    def wait_for_handlers(self) -> None:
        """Wait until bjoern has installed its handler for SIGINT, which ends it immediately: a few milliseconds."""
        limit = time.monotonic() + SETTLED
        while signals.c_handler(signal.SIGINT) == self._before and time.monotonic() < limit:
            time.sleep(0.001)


def _iterating(app: WSGIApp) -> WSGIApp:
    """Hide the file wrapper: bjoern's own does not close the file, so the end of the response would not be noticed."""

    def iterating(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ.pop("wsgi.file_wrapper", None)
        return app(environ, start_response)

    return iterating


server_factory, serve, read_settings = entry_points(BjoernServer, setting_errors)
