"""pyruvate: HTTP in Rust, and threads for Python; each connection is closed after one request.

This module makes up for its faults: it never closes the body of a response, and drops the end of a response that the
client reads slowly. It cannot read a body in chunks, so such a request is refused.
"""

import fcntl
import logging
import os
import signal
import socket
import sys
import time
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pyruvate

from recipe.common.errors import StartError
from recipe.wsgi import casts, guard, signals
from recipe.wsgi.base import WSGIApp
from recipe.wsgi.entries import entry_points
from recipe.wsgi.logs.mistakes import ClientMistakes
from recipe.wsgi.loop import LoopServer
from recipe.wsgi.requests import FAULT, RequestCounter, has_connected_client
from recipe.wsgi.settings import Settings
from recipe.wsgi.sockets import Listener

logger = logging.getLogger("pyruvate")
logger.addFilter(ClientMistakes("Could not parse request"))

#: The file descriptor at which it accepts a bound socket: the first one of sd_listen_fds(3), and no other.
DESCRIPTOR = 3

#: The environment variables that announce this socket.
ACTIVATION = ("LISTEN_FDS", "LISTEN_PID")

#: Settings that have another default here. pyruvate's own are 32 header fields in a request, and 60 seconds for the
#: client to read a response; it allows 255 at most.
DEFAULTS: dict[str, Any] = {
    "async_logging": True,
    "max_number_headers": 100,
    "qmon_warn_threshold": 0,
    "send_timeout": 255,
}

#: The minimum and the maximum of each number.
BOUNDS = {"max_number_headers": (1, 65535), "qmon_warn_threshold": (0, 65535), "send_timeout": (1, 255)}

#: The last block of a response: pyruvate asks for the next block only when it has sent all earlier ones.
END = b""

#: Seconds after which it is certain to have its socket.
SETTLED = 60.0


def setting_errors(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the error of each setting that pyruvate does not accept."""
    kinds = _kinds()
    faults = dict(casts.setting_errors(settings, kinds, "pyruvate"))
    for name, (least, most) in BOUNDS.items():
        if name in settings and name not in faults and not least <= int(settings[name]) <= most:
            faults[name] = f"{settings[name]!r} is not between {least} and {most}"
    yield from faults.items()


def _kinds() -> dict[str, type]:
    return {name: type(default) for name, default in DEFAULTS.items()}


class PyruvateServer(LoopServer):
    """pyruvate with its bound socket."""

    name = "pyruvate"
    several_addresses = False
    has_workers = True
    accepts_all = True

    def __init__(self, settings: Settings, listeners: list[Listener]) -> None:
        """Raise StartError also if the file descriptor that pyruvate needs is in use."""
        super().__init__(settings, listeners)
        if sys.platform != "linux":
            self.close()
            raise StartError("[server:main]: pyruvate can use a bound socket on Linux only; choose another server")
        #: the responses that are being sent
        self._answers: weakref.WeakSet[Generator[bytes, None, None]] = weakref.WeakSet()
        try:
            _reserve(listeners)
        except StartError:
            self.close()
            raise

    def start(self, app: WSGIApp) -> None:
        """Begin to serve as `LoopServer` does."""
        self._sigint = signals.c_handler(signal.SIGINT)
        self._environment = {name: os.environ.get(name) for name in ACTIVATION}
        os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
        super().start(app)

    def run(self, app: WSGIApp, listener: Listener) -> None:
        """Serve the listener; does not return."""
        chosen = DEFAULTS | casts.cast_all(self.settings.own, _kinds())
        chosen["qmon_warn_threshold"] = chosen["qmon_warn_threshold"] or None
        os.dup2(listener.socket.fileno(), DESCRIPTOR, inheritable=False)
        pyruvate.serve(self._completed(app, listener), None, self.settings.adjustments.threads, **chosen)

    def wait_for_handlers(self) -> None:
        """Wait until pyruvate has installed its handler for SIGINT, which ends it; it has its socket by then."""
        limit = time.monotonic() + SETTLED
        while signals.c_handler(signal.SIGINT) == self._sigint and not self._loop_ended:
            if time.monotonic() > limit:
                break
            time.sleep(0.001)
        for name, text in self._environment.items():
            os.environ.pop(name)
            if text is not None:
                os.environ[name] = text

    def _completed(self, app: WSGIApp, listener: Listener) -> WSGIApp:
        """Return `app` with what pyruvate lacks."""
        name = ("unix", 80) if listener.is_unix else listener.socket.getsockname()
        facts = {
            "SERVER_NAME": name[0],
            "SERVER_PORT": str(name[1]),
            "wsgi.multithread": self.settings.adjustments.threads > 1,
            "wsgi.multiprocess": self.settings.workers > 1,
        }

        def completed(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            # pyruvate's own file wrapper does not close the file, so the end of the response would not be noticed
            environ.pop("wsgi.file_wrapper", None)
            environ.update(facts)
            environ["CONTENT_LENGTH"] = str(environ.get("CONTENT_LENGTH", ""))  # pyruvate sets an int
            answer = Answer(environ, start_response)
            if "HTTP_TRANSFER_ENCODING" in environ:
                # pyruvate has not read all of it; it closes the connection with the rest
                why = "The body of the request has no Content-Length."
                return answer.at_once(guard.refusal(answer.start, "411 Length Required", why))
            body = app(environ, answer.start)
            if isinstance(body, list):
                return answer.at_once(body)
            blocks = answer.blocks(body)
            self._answers.add(blocks)
            return blocks

        return completed

    def _is_drained(self, requests: RequestCounter, start: float) -> bool:
        # A call of pyruvate's frees the responses that its threads have dropped
        pyruvate.FileWrapper(None)
        if requests.under_way and not has_connected_client(self.listeners):
            for blocks in list(self._answers):
                with suppress(ValueError):  # it is being executed
                    blocks.close()
        return super()._is_drained(requests, start)


class Answer:
    """A response that is being sent to a client."""

    __slots__ = ("_in_chunks", "_method", "_path", "_protocol", "_start_response")

    def __init__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> None:
        # The application may change these variables
        self._method = environ["REQUEST_METHOD"]
        self._path = environ.get("PATH_INFO")
        self._protocol = environ["SERVER_PROTOCOL"]
        self._start_response = start_response
        self._in_chunks = False

    def start(self, status: str, headers: Sequence[tuple[str, str]], *_exc_info: object) -> None:
        """Start the response as PEP 3333's start_response does.

        If pyruvate knows the length of a response, it drops the response before the last block has been sent. So the
        length is hidden in the status, which pyruvate sends unchanged. pyruvate adds ``Connection: close`` itself.
        """
        kept = []
        length = ""
        for field in headers:
            name = field[0].lower()
            if name == "content-length":
                length = f"\r\nContent-Length: {field[1]}"
            elif name != "connection":
                kept.append(field)
        self._in_chunks = not length and self._takes_chunks(status)
        if self._in_chunks:
            kept.append(("Transfer-Encoding", "chunked"))
        self._start_response(status + length, kept)

    def _takes_chunks(self, status: str) -> bool:
        return self._method != "HEAD" and self._protocol == "HTTP/1.1" and status[:3] not in ("204", "304")

    def at_once(self, body: Iterable[bytes]) -> list[bytes]:
        """Return the blocks to send for a body that is complete and need not be closed."""
        if self._in_chunks:
            body = self._framed(body)
        return [b"".join(body), END]

    def blocks(self, body: Iterable[bytes]) -> Generator[bytes, None, None]:
        """Yield the blocks to send; close the body at its end, or when pyruvate drops the response."""
        begun = False
        try:
            for block in self._framed(body):
                begun = True
                yield block
            yield END
        except Exception:
            logger.exception("Exception while serving %s", self._path)
            if not begun:
                self.start("500 Internal Server Error", [("Content-Length", str(len(FAULT)))])
                yield FAULT
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    def _framed(self, body: Iterable[bytes]) -> Iterator[bytes]:
        for block in body:
            if block:
                yield b"%x\r\n%b\r\n" % (len(block), block) if self._in_chunks else block
        if self._in_chunks:
            yield b"0\r\n\r\n"


def _reserve(listeners: Sequence[Listener]) -> None:
    """Reserve the file descriptor for the socket. Raises StartError if this process uses it for something else.

    A file that was opened before this program began is inheritable (PEP 446), and nothing here refers to it by its
    number: it is moved to another number, and stays open.
    """
    for listener in listeners:
        if listener.socket.fileno() == DESCRIPTOR:
            moved = fcntl.fcntl(DESCRIPTOR, fcntl.F_DUPFD_CLOEXEC, DESCRIPTOR + 1)
            os.close(listener.socket.detach())
            listener.socket = socket.socket(fileno=moved)
    with suppress(OSError):  # it is not open
        if fcntl.fcntl(DESCRIPTOR, fcntl.F_GETFD) & fcntl.FD_CLOEXEC:
            raise StartError(
                f"[server:main]: pyruvate needs file descriptor {DESCRIPTOR} for its socket, but it is in use for "
                f"{os.readlink(f'/proc/self/fd/{DESCRIPTOR}')}; start the server with bin/NAME, which leaves it free"
            )
        fcntl.fcntl(DESCRIPTOR, fcntl.F_DUPFD, DESCRIPTOR + 1)
    placeholder = os.open(os.devnull, os.O_RDONLY)
    if placeholder != DESCRIPTOR:
        os.dup2(placeholder, DESCRIPTOR, inheritable=False)
        os.close(placeholder)


server_factory, serve, read_settings = entry_points(PyruvateServer, setting_errors)
