"""The servers that ``[server:main]`` can name, one module each; `recipe.common.servers` lists what each can do.

The module of a server imports the server, and is itself imported only when it is needed. PasteDeploy and
`recipe.wsgi.serve` use these functions of it:

``server_factory(global_conf, **settings)``
    binds the sockets (see `recipe.wsgi.settings`), and returns a `Server` or a `ServerWithWorkers`;
``serve(app, global_conf, **settings)``
    binds the sockets and serves `app`, an application that is loaded already;
``read_settings(global_conf, settings)``
    only reads the settings; raises StartError if one is wrong;
``setting_errors(settings)``
    yields a pair for each of the server's own settings that is wrong: its name, and what is wrong with it.

`recipe.wsgi.entries` makes the first three for a `GracefulServer`.
"""

from recipe.wsgi.base import GracefulServer, Server, ServerWithWorkers, WSGIApp

__all__ = ["GracefulServer", "Server", "ServerWithWorkers", "WSGIApp"]
