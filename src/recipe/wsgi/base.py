"""The classes that all servers have in common: a server with its sockets, and one with workers."""

import os
import sys
from collections.abc import Callable, Iterable

from recipe.common import databases
from recipe.common.errors import StartError
from recipe.wsgi.settings import Settings, bind_all
from recipe.wsgi.shared_sockets import SharedSockets
from recipe.wsgi.sockets import Listener

#: Seconds in which a client that has begun to connect to a server is certain to be in its backlog.
HANDOVER = 0.3

WSGIApp = Callable[..., Iterable[bytes]]


class Server:
    """A server with its bound sockets; called with an application, it serves it in this process."""

    def __init__(self, listeners: list[Listener], backlog: int) -> None:
        self.listeners = listeners
        #: how many clients wait on each socket
        self.backlog = backlog
        #: called when the server accepts requests
        self.on_ready: Callable[[], None] = lambda: None
        #: called before the server waits for the requests that are in progress
        self.on_drain: Callable[[], None] = self.block_new_clients
        #: seconds after `on_drain` in which new clients may still connect
        self.handover = 0.0

    def __call__(self, app: WSGIApp) -> None:
        """Serve `app` until TERM, HUP or INT; return when the last request has been answered.

        The listeners that are not `early` begin to listen.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Stop gracefully; stop immediately if called again. Signal handlers may call this."""
        raise NotImplementedError

    def retire(self) -> None:
        """Stop gracefully; a successor listens on the same addresses, so that new clients are not blocked."""
        self.on_drain = lambda: None
        self.handover = HANDOVER
        self.stop()

    def listen(self) -> None:
        """Begin to listen on all sockets, so that clients wait. Raises StartError."""
        for listener in self.listeners:
            listener.listen(self.backlog)

    def block_new_clients(self) -> None:
        """Block new clients on all listeners."""
        for listener in self.listeners:
            listener.block_new_clients()

    def close(self) -> None:
        """Close all sockets. A second call does nothing."""
        for listener in self.listeners:
            listener.close()


class ServerWithWorkers(Server):
    """A server whose workers are processes; each worker loads the application itself.

    Each worker calls `load_application` of `recipe.wsgi.processes.worker`, and `report_ready` when it accepts requests.
    """

    def __init__(self, settings: Settings) -> None:
        """Bind the addresses. Raises StartError if one cannot be bound; no socket is left open then."""
        super().__init__(bind_all(settings), settings.adjustments.backlog)
        self.settings = settings

    def share_sockets(self, sockets: type[SharedSockets]) -> None:
        """Make the sockets of the workers; called once. Raises StartError; no socket is left open then."""
        try:
            self.sockets = sockets(self.listeners, self.settings.workers, self.settings.adjustments.backlog)
        except StartError:
            self.close()
            raise
        self.listeners = self.sockets.listeners

    def run(self) -> None:
        """Serve, in this process and its workers, until a signal; return when the last worker has ended."""
        raise NotImplementedError

    def __call__(self, app: WSGIApp) -> None:
        """Serve, although another program (``runwsgi``) has loaded the application into this process.

        The application has opened its database, which a fork must not share. So this process executes itself anew.
        """
        databases.close_all()
        self.close()
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        os.execv(sys.executable, [sys.executable, "-m", "recipe.wsgi.serve", self.settings.file])
