"""uWSGI: HTTP in C, and threads for Python.

Its own processes know nothing of ours, and its signals lose requests: so it runs without a master, in
a thread of this process, as its ``http-socket``, which takes one request per connection.
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
from recipe.wsgi.processes.supervisor import entry_points
from recipe.wsgi.servers import WSGIApp
from recipe.wsgi.servers.loop import LoopServer, naming_unix_clients

#: What it gets where ``[server:main]`` does not say otherwise. Its defaults are four seconds for a client
#: that is silent, and four kilobytes for a head; more than 64 it cannot.
DEFAULTS = {"socket-timeout": "120", "buffer-size": "65535", "chunked-input-timeout": "120"}

#: The largest chunk of a body, which it has in memory as a whole.
CHUNK = 16 * 2**20

#: What has to be so.
FIXED = {
    "module": __name__,
    "callable": "application",
    "single-interpreter": "true",
    "enable-threads": "true",
    "need-app": "true",
    "disable-logging": "true",
    "honour-stdin": "true",
    # Python ends as in any other program
    "skip-atexit": "true",
    "chunked-input-limit": str(CHUNK),
}

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

#: Seconds that it gets to print what settings it has.
PATIENCE = 60

#: What it calls, by this name.
application: WSGIApp | None = None


def setting_errors(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the mistake of each setting that uWSGI does not take."""
    for name in settings:
        if name not in setting_names():
            yield name, f"uWSGI has no such setting{hint(name, setting_names())}"


@cache
def setting_names() -> frozenset[str]:
    """The names of all settings of uWSGI, which it prints and then ends the process."""
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
        """Begin to serve: one loop for all listeners."""
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
            os.close(ready)  # nobody waits for what will not be

    def _lines(self, ready: int) -> Iterator[tuple[str, str]]:
        for listener in self.listeners:
            yield "http-socket", f"fd://{listener.socket.fileno()}"
        yield "threads", str(self.settings.adjustments.threads)
        # It closes a connection after each answer, and does not say so
        yield "add-header", "Connection: close"
        # It has taken the signals by then, and accepts nobody until they are ours again
        yield "hook-accepting1", f"write:/dev/fd/{ready} ready"
        # Opening it takes until somebody reads it
        yield "hook-accepting1", f"write:{self._gate} go"
        yield from (FIXED | DEFAULTS | dict(self.settings.own)).items()

    def wait_for_handlers(self) -> None:
        """Wait until it is about to accept, and take back what it has taken: signals, the path and the arguments."""
        if not os.read(self._ready, 1):
            return  # it has failed
        for number in (*signals.STOP, *signals.REOPEN):
            signal.signal(number, signal.getsignal(number))
        sys.path[:], sys.argv[:] = self._path
        with open(self._gate, "rb") as gate:
            gate.read()
        self._files.cleanup()


def _of_unix(app: WSGIApp) -> WSGIApp:
    """Name whoever comes by a unix socket, which has no address; this is what uWSGI makes of none."""
    named = naming_unix_clients(app)

    def chosen(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        is_unix = environ.get("REMOTE_ADDR", "") in ("", "0.0.0.0")
        return (named if is_unix else app)(environ, start_response)

    return chosen


def _completed(app: WSGIApp, header_size: int | None) -> WSGIApp:
    """Do for `app` what uWSGI does not: limit the head, decode a body in chunks, say 100 Continue.

    And an answer to an error: it sends none where it hears of the error.
    """

    def whole(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if header_size is not None and _head(environ) > header_size:
            why = "The head of the request exceeds max_request_header_size."
            return guard.refusal(start_response, "431 Request Header Fields Too Large", why)
        # Answers are counted, which its own way with files would bypass
        del environ["wsgi.file_wrapper"]
        # It believes what anybody forwards
        environ["wsgi.url_scheme"] = "http"
        if "HTTP_TRANSFER_ENCODING" in environ or "HTTP_EXPECT" in environ:
            environ["wsgi.input"] = _input(environ)
        return app(environ, lambda status, headers, _=None: start_response(status, headers))

    return whole


def _head(environ: Mapping[str, Any]) -> int:
    """Return the size of a request's head, to within a few bytes."""
    fields = [(name, text) for name, text in environ.items() if name.startswith(("HTTP_", "CONTENT_", "REQUEST_"))]
    return sum(len(name.removeprefix("HTTP_")) + len(text) + len(": \r\n") for name, text in fields)


def _input(environ: Mapping[str, Any]) -> Any:
    body = environ["wsgi.input"]
    chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
    asks = environ.get("HTTP_EXPECT", "").lower() == "100-continue" and environ["SERVER_PROTOCOL"] != "HTTP/1.0"
    if not (chunked or asks):
        return body
    import uwsgi  # there is one once it runs

    take = (lambda _size: uwsgi.chunked_read()) if chunked else body.read
    return io.BufferedReader(_RequestBody(take, uwsgi.connection_fd() if asks else None), 65536)


class _RequestBody(io.RawIOBase):
    """The body of a request. The client of the connection `asking` waits to be told to send it."""

    def __init__(self, take: Callable[[int], bytes], asking: int | None) -> None:
        self._take = take
        self._asking = asking
        self._rest = b""

    def readable(self) -> bool:
        """As any file that is to be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there, at most what `buffer` takes."""
        if self._asking is not None:
            asking, self._asking = self._asking, None
            with suppress(OSError):  # it has gone
                os.write(asking, CONTINUE)
        self._rest = self._rest or self._take(len(buffer))
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


server_factory, serve, read_settings = entry_points(UwsgiServer, setting_errors)
