"""The servers that ``[server:main]`` can name, one module each; `table` says what each can do.

A module of a server has, for the use of PasteDeploy and of `recipe.wsgi.serve`:

``server_factory(global_conf, **settings)``
    binds (see `recipe.wsgi.settings`), and returns a `Server` or a `ServerWithWorkers`;
``serve(app, global_conf, **settings)``
    the same, and serves an application that is there already;
``read_settings(global_conf, settings)``
    reads the settings and does nothing yet; raises StartError where one is wrong;
``setting_errors(settings)``
    yields name and mistake of each setting of the server's own that it does not take.

It imports the server. Nobody imports the module before it is needed.
"""

import os
import sys
from collections.abc import Callable, Iterable

from recipe.common import databases
from recipe.common.errors import StartError
from recipe.wsgi.processes.shared_sockets import SharedSockets
from recipe.wsgi.settings import Settings, bind_all
from recipe.wsgi.sockets import Listener

WSGIApp = Callable[..., Iterable[bytes]]


class Server:
    """A server with its bound sockets; called with an application, it serves it in this process."""

    def __init__(self, listeners: list[Listener]) -> None:
        self.listeners = listeners
        #: to be called once clients are served
        self.on_ready: Callable[[], None] = lambda: None

    def __call__(self, app: WSGIApp) -> None:
        """Serve `app` until TERM, HUP or INT; return when the last request has its answer.

        The listeners that are not `early` listen from now on.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close all sockets. May be called again."""
        for listener in self.listeners:
            listener.close()


class ServerWithWorkers(Server):
    """A server whose workers are processes of their own; each loads the application by itself.

    In each worker it calls `load_application` of `recipe.wsgi.processes.worker`, and `report_ready` once clients are
    served.
    """

    def __init__(self, settings: Settings) -> None:
        """Bind the addresses. Raises StartError where one cannot be had; then none is left behind."""
        super().__init__(bind_all(settings))
        self.settings = settings

    def share_sockets(self, sockets: type[SharedSockets]) -> None:
        """Make the sockets of the workers; to be called once. Raises StartError; then none is left behind."""
        try:
            self.sockets = sockets(self.listeners, self.settings.workers, self.settings.adjustments.backlog)
        except StartError:
            self.close()
            raise
        self.listeners = self.sockets.listeners

    def run(self) -> None:
        """Serve until a signal ends it, in this process and its workers; return when the last of these is gone."""
        raise NotImplementedError

    def __call__(self, app: WSGIApp) -> None:
        """Serve, though somebody else (``runwsgi``) has loaded the application already.

        Its database is open, and cannot be shared by a fork: so this process starts anew.
        """
        databases.close_all()
        self.close()
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        os.execv(sys.executable, [sys.executable, "-m", "recipe.wsgi.serve", self.settings.file])
