"""granian: HTTP in Rust, and threads for Python.

granian starts processes of its own, which this package cannot control. So the code that granian runs in each of these
runs here in threads of this process. It is not a public interface, so the extra has an upper bound.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

from granian import _futures, _loops, wsgi
from granian.http import HTTP1Settings

from recipe.wsgi import casts
from recipe.wsgi.base import WSGIApp
from recipe.wsgi.entries import entry_points
from recipe.wsgi.loop import LoopServer
from recipe.wsgi.sockets import Listener

#: The part in Rust; its type stubs are wrong.
rust: Any = import_module("granian._granian")

HTTP1 = "http1_"

#: Arguments of a worker for which the part has no option: granian's names and granian's defaults.
DEFAULTS: dict[str, Any] = {
    "backpressure": 1024,
    "blocking_threads_idle_timeout": 30,
    "runtime_blocking_threads": 512,
    "runtime_threads": 1,
}

NO_TLS: tuple[Any, ...] = (False, None, None, None, "tls1.3", None, [], False)
NO_METRICS = (None, None)


def setting_errors(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the error of each setting that granian does not accept."""
    return casts.setting_errors(settings, _kinds(), "granian")


def _kinds() -> dict[str, type]:
    http1 = {HTTP1 + field.name: type(field.default) for field in fields(HTTP1Settings)}
    return http1 | {name: type(default) for name, default in DEFAULTS.items()}


class GranianServer(LoopServer):
    """granian with its bound sockets."""

    name = "granian"
    has_workers = True
    accepts_all = True

    def run(self, app: WSGIApp, listener: Listener) -> None:
        """Serve a listener; does not return."""
        socket = rust.SocketHolder(
            os.dup(listener.socket.fileno()), listener.is_unix, self.settings.adjustments.backlog
        )
        over, ended = rust.WorkerSignal(), threading.Event()
        over.add_cb(ended.set)
        worker = self._worker(socket)
        serve = worker.serve_mtr_uds if listener.is_unix else worker.serve_mtr
        callback = wsgi._callback_wrapper(app, {}, None)
        schedule: Any = _futures._new_cbscheduler
        serve(schedule(_loops.loops.get("asyncio"), callback, impl_asyncio=True), None, over)
        ended.wait()

    def _worker(self, socket: Any) -> Any:
        own = casts.cast_all(self.settings.own, _kinds())
        http1 = HTTP1Settings(**{k.removeprefix(HTTP1): v for k, v in own.items() if k.startswith(HTTP1)})
        chosen = DEFAULTS | own
        return rust.WSGIWorker(
            1,
            (None, socket),
            None,
            chosen["runtime_threads"],
            chosen["runtime_blocking_threads"],
            self.settings.adjustments.threads,
            chosen["blocking_threads_idle_timeout"],
            chosen["backpressure"],
            "1",
            http1,
            None,
            None,
            *NO_TLS,
            NO_METRICS,
        )


server_factory, serve, read_settings = entry_points(GranianServer, setting_errors)
