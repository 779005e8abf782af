"""uWSGI: HTTP in C, and threads for Python.

Its master and workers cannot be controlled by this package, and its signal handlers lose requests. So it runs without
a master in a thread of this process, with an ``http-socket``, which closes each connection after one request.
"""

import io
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import pyuwsgi

from recipe.common.spelling import hint
from recipe.wsgi import guard, signals
from recipe.wsgi.base import WSGIApp
from recipe.wsgi.entries import entry_points
from recipe.wsgi.loop import LoopServer, naming_unix_clients

#: Settings that have another default here. uWSGI's own are four seconds for a silent client, and four kilobytes for
#: the head of a request; it allows 64 at most.
DEFAULTS = {"socket-timeout": "120", "buffer-size": "65535", "chunked-input-timeout": "120"}

#: The maximum size of a chunk of a body, in bytes; uWSGI holds a whole chunk in memory.
CHUNK = 16 * 2**20

#: Settings that cannot be changed.
FIXED = {
    "module": __name__,
    "callable": "application",
    "single-interpreter": "true",
    "enable-threads": "true",
    "need-app": "true",
    "disable-logging": "true",
    "honour-stdin": "true",
    # Python runs its exit handlers, as in any other program
    "skip-atexit": "true",
    "chunked-input-limit": str(CHUNK),
}

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

#: Seconds that uWSGI gets to print its settings.
PATIENCE = 60

#: The application; uWSGI looks it up by this name.
application: WSGIApp | None = None


def setting_errors(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the error of each setting that uWSGI does not accept."""
    for name in settings:
        if name not in setting_names():
            yield name, f"is not a setting of uWSGI{hint(name, setting_names())}"


@cache
def setting_names() -> frozenset[str]:
    """Return the names of all settings, which uWSGI prints in a process of its own; it ends that process then."""
    program = "import pyuwsgi; pyuwsgi.run(['--help'])"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    return frozenset(re.findall(r"^\s+(?:-\S\|)?--([\w-]+)", done.stdout, re.MULTILINE))


class UwsgiServer(LoopServer):
    """uWSGI with its bound sockets."""

    name = "uwsgi"
    has_workers = True

    def start(self, app: WSGIApp) -> None:
        """Begin to serve: one loop serves all listeners."""
        global application
        application = _completed(app, self.settings.header_size)
        if any(listener.is_unix for listener in self.listeners):
            application = _of_unix(application)
        for listener in self.listeners:
            listener.socket.setblocking(False)
        self._ready, ready = os.pipe()
        self._path = list(sys.path), list(sys.argv)
        self._files = tempfile.TemporaryDirectory(prefix="zope-uwsgi-")
        os.mkfifo(self._gate)
        self.run_in_thread(lambda: self._loop(ready))

    @property
    def _gate(self) -> str:
        return os.path.join(self._files.name, "gate")

    def _loop(self, ready: int) -> None:
        try:
            path = os.path.join(self._files.name, "uwsgi.ini")
            with open(path, "w", encoding="utf-8") as file:
                file.write("[uwsgi]\n")
                file.writelines(f"{name} = {value}\n" for name, value in self._lines(ready))
            # It does not return
            pyuwsgi.run(["--ini", path])
        finally:
            os.close(ready)  # ends the wait in `wait_for_handlers`

    def _lines(self, ready: int) -> Iterator[tuple[str, str]]:
        for listener in self.listeners:
            yield "http-socket", f"fd://{listener.socket.fileno()}"
        yield "threads", str(self.settings.adjustments.threads)
        # uWSGI closes a connection after each response without saying so
        yield "add-header", "Connection: close"
        # uWSGI has installed its signal handlers here; it must not accept before they are replaced
        yield "hook-accepting1", f"write:/dev/fd/{ready} ready"
        # Opening the pipe blocks until it is opened for reading
        yield "hook-accepting1", f"write:{self._gate} go"
        yield from (FIXED | DEFAULTS | dict(self.settings.own)).items()

    def wait_for_handlers(self) -> None:
        """Wait until uWSGI is about to accept; restore the signal handlers, `sys.path` and `sys.argv`."""
        if not os.read(self._ready, 1):
            return  # uWSGI has failed
        for number in (*signals.STOP, *signals.REOPEN):
            signal.signal(number, signal.getsignal(number))
        sys.path[:], sys.argv[:] = self._path
        with open(self._gate, "rb") as gate:
            gate.read()
        self._files.cleanup()


def _of_unix(app: WSGIApp) -> WSGIApp:
    """Set the variables of requests over a unix socket; uWSGI gives the client's address as empty or 0.0.0.0."""
    named = naming_unix_clients(app)

    def chosen(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        is_unix = environ.get("REMOTE_ADDR", "") in ("", "0.0.0.0")
        return (named if is_unix else app)(environ, start_response)

    return chosen


def _completed(app: WSGIApp, header_size: int | None) -> WSGIApp:
    """Return `app` with what uWSGI lacks: a limit for the head, bodies in chunks, and 100 Continue.

    Also hide `exc_info` from uWSGI: it sends no response if it gets one.
    """

    def whole(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if header_size is not None and _head(environ) > header_size:
            why = "The head of the request exceeds max_request_header_size."
            return guard.refusal(start_response, "431 Request Header Fields Too Large", why)
        # uWSGI's file wrapper does not close the file, so the end of the response would not be noticed
        del environ["wsgi.file_wrapper"]
        # uWSGI takes the scheme from a header that any client can send
        environ["wsgi.url_scheme"] = "http"
        if "HTTP_TRANSFER_ENCODING" in environ or "HTTP_EXPECT" in environ:
            environ["wsgi.input"] = _input(environ)
        return app(environ, lambda status, headers, _=None: start_response(status, headers))

    return whole


def _head(environ: Mapping[str, Any]) -> int:
    """Return the approximate size of a request's head, in bytes."""
    fields = [(name, text) for name, text in environ.items() if name.startswith(("HTTP_", "CONTENT_", "REQUEST_"))]
    return sum(len(name.removeprefix("HTTP_")) + len(text) + len(": \r\n") for name, text in fields)


def _input(environ: Mapping[str, Any]) -> Any:
    body = environ["wsgi.input"]
    chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
    asks = environ.get("HTTP_EXPECT", "").lower() == "100-continue" and environ["SERVER_PROTOCOL"] != "HTTP/1.0"
    if not (chunked or asks):
        return body
    import uwsgi  # exists in a process that runs uWSGI

    take = (lambda _size: uwsgi.chunked_read()) if chunked else body.read
    return io.BufferedReader(_RequestBody(take, uwsgi.connection_fd() if asks else None), 65536)


class _RequestBody(io.RawIOBase):
    """The body of a request; the client of the connection `asking` waits for 100 Continue before it sends it."""

    def __init__(self, take: Callable[[int], bytes], asking: int | None) -> None:
        self._take = take
        self._asking = asking
        self._rest = b""

    def readable(self) -> bool:
        """Return True: the file can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the data that is available, at most as much as `buffer` takes."""
        if self._asking is not None:
            asking, self._asking = self._asking, None
            with suppress(OSError):  # the client has disconnected
                os.write(asking, CONTINUE)
        self._rest = self._rest or self._take(len(buffer))
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


server_factory, serve, read_settings = entry_points(UwsgiServer, setting_errors)
