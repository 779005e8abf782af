"""The classes that all servers have in common: a server with its sockets, and one with workers."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence

from recipe.common import databases
from recipe.wsgi.settings import Settings
from recipe.wsgi.sockets import Listener

#: Seconds in which a client that has begun to connect to a server is certain to be in its backlog.
HANDOVER = 1.0

WSGIApp = Callable[..., Iterable[bytes]]


class Server:
    """A server with its bound sockets; called with an application, it serves it in this process."""

    def __init__(self, listeners: list[Listener]) -> None:
        self.listeners = listeners
        #: called when the server accepts requests
        self.on_ready: Callable[[], None] = lambda: None

    def __call__(self, app: WSGIApp) -> None:
        """Serve `app` until TERM, HUP or INT; return when the last request has been answered.

        The listeners that are not `early` begin to listen.
        """
        raise NotImplementedError

    def block_new_clients(self) -> None:
        """Block new clients on all listeners."""
        for listener in self.listeners:
            listener.block_new_clients()

    def close(self) -> None:
        """Close all sockets. A second call does nothing."""
        for listener in self.listeners:
            listener.close()


class ReplaceableServer(Server):
    """A server of this package, which a successor can replace while it serves (see `recipe.wsgi.supervised`)."""

    def __init__(self, settings: Settings, listeners: list[Listener]) -> None:
        super().__init__(listeners)
        self.settings = settings

    def stop(self) -> None:
        """Stop gracefully; stop immediately if called again. Signal handlers and threads may call this."""
        raise NotImplementedError

    def retire(self) -> None:
        """Stop gracefully; a successor listens on the same addresses, so that new clients are not blocked."""
        raise NotImplementedError

    def alone(self) -> None:
        """Take note that the sockets of the server before this one have been closed."""

    def listen(self) -> None:
        """Begin to listen on all sockets, so that clients wait. Raises StartError."""
        for listener in self.listeners:
            listener.listen(self.settings.adjustments.backlog)


class GracefulServer(ReplaceableServer):
    """A server of this package, which stops gracefully; it may be one of several workers.

    `recipe.wsgi.processes.pool` runs it in a worker with `serve`, after it has replaced `on_ready` and the
    attributes after it.
    """

    #: the name of its logger and of its threads
    name = ""
    #: whether a pool of workers can run it in several processes
    has_workers = False
    #: whether a worker accepts all waiting clients at once, so that each worker needs its own socket
    accepts_all = False

    def __init__(self, settings: Settings, listeners: list[Listener]) -> None:
        super().__init__(settings, listeners)
        #: called before the server waits for the requests that are in progress
        self.on_drain: Callable[[], None] = self.block_new_clients
        #: seconds after `on_drain` in which new clients may still connect
        self.handover = 0.0
        #: called often by a server that has a `silence_limit`, as long as it is able to serve
        self.on_beat: Callable[[], None] = lambda: None
        #: seconds without `on_beat` after which a worker is killed and replaced; 0: no limit
        self.silence_limit = 0.0
        self._stops = 0  # number of signals to stop

    @classmethod
    def needs_pool(cls, settings: Settings) -> bool:
        """Whether the server runs in processes that a pool replaces, not in this one."""
        return settings.workers > 1

    def __call__(self, app: WSGIApp) -> None:
        """Serve `app` as `Server` does."""
        try:
            self.serve(app, lambda: True)
        finally:
            self.close()

    def serve(self, app: WSGIApp, goes_on: Callable[[], bool]) -> None:
        """Serve `app` until a signal, or until `goes_on` is False; return when the last request has been answered.

        The sockets may belong to other workers, too: only the descriptors of this process may be closed.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Stop as `ReplaceableServer` does."""
        self._stops += 1

    def retire(self) -> None:
        """Stop as `ReplaceableServer` does."""
        self.on_drain = lambda: None
        self.handover = HANDOVER
        self.stop()


class ServerWithWorkers(ReplaceableServer):
    """A server whose workers are processes; each worker loads the application itself.

    Each worker calls `load_application` of `recipe.wsgi.processes.worker`, and `report_ready` when it accepts requests.
    """

    def be_supervised(self, paths: Sequence[str]) -> None:
        """Leave the sockets to another process; each worker requests `paths` before it serves."""
        raise NotImplementedError

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
