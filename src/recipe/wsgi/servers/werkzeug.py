"""Werkzeug's server, for development: a thread for each connection, without a limit."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from werkzeug import serving
from werkzeug.wsgi import get_input_stream

from recipe.wsgi.base import WSGIApp
from recipe.wsgi.entries import entry_points
from recipe.wsgi.loop import LoopServer
from recipe.wsgi.sockets import Listener

#: The variable of the environment with the body of the response.
BODY = "recipe.body"

logger = logging.getLogger("werkzeug")


def setting_errors(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield an error for each setting: Werkzeug's server has none of its own."""
    for name in settings:
        yield name, "werkzeug has no settings of its own; remove this one"


class WerkzeugServer(LoopServer):
    """Werkzeug's server with its bound sockets."""

    name = "werkzeug"

    def __call__(self, app: WSGIApp) -> None:
        """Serve as `LoopServer` does."""
        logger.warning("Werkzeug's server is for development only: it does not limit clients and is not secure")
        super().__call__(app)

    def run(self, app: WSGIApp, listener: Listener) -> None:
        """Serve a listener; does not return."""
        name = listener.socket.getsockname()
        host, port = (f"unix://{name}", 80) if listener.is_unix else name[:2]
        threaded = self.settings.adjustments.threads > 1
        http_server = serving.make_server(
            host, port, _completed(app), threaded=threaded, request_handler=_Handler, fd=listener.socket.fileno()
        )
        http_server.serve_forever()


class _Handler(serving.WSGIRequestHandler):
    """Handles a request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing: the access log has the request."""

    def log_error(self, format: str, *args: Any) -> None:
        """Log a malformed request as information: it is the client's mistake."""
        self.log_message(format, *args)

    def run_wsgi(self) -> None:
        """Answer the request; Werkzeug would not answer a target that Python cannot parse, and alter one not UTF-8."""
        try:
            unquote(urlsplit(self.path).path, errors="strict")
        except ValueError:
            self.send_error(400)
        else:
            try:
                super().run_wsgi()
            finally:
                # Werkzeug does not close it if the client resets the connection; a second call does nothing
                getattr(self.environ.get(BODY), "close", lambda: None)()


def _completed(app: WSGIApp) -> WSGIApp:
    """Limit the body of a request to its length, and keep the body of the response for `_Handler`.

    Werkzeug passes the connection itself to the application.
    """

    def completed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["wsgi.input"] = get_input_stream(environ)
        environ[BODY] = body = app(environ, start_response)
        return body

    return completed


server_factory, serve, read_settings = entry_points(WerkzeugServer, setting_errors)
