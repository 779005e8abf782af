"""The functions that the module of a server has for PasteDeploy (see `recipe.wsgi.servers`)."""

from collections.abc import Callable, Iterable, Mapping

from recipe.common.errors import StartError
from recipe.wsgi.base import GracefulServer, Server, WSGIApp
from recipe.wsgi.settings import Settings, bind_all, read_section

EntryPoints = tuple[Callable[..., Server], Callable[..., None], Callable[..., Settings]]


def entry_points(
    server: type[GracefulServer],
    setting_errors: Callable[[Mapping[str, str]], Iterable[tuple[str, str]]],
    read: Callable[[Mapping[str, str], Mapping[str, str]], Settings] = read_section,
) -> EntryPoints:
    """Return ``server_factory``, ``serve`` and ``read_settings`` of a server's module.

    `read` reads ``[server:main]``; `setting_errors` checks the settings that only this server has.
    """

    def read_settings(global_conf: Mapping[str, str], settings: Mapping[str, str]) -> Settings:
        section = read(global_conf, settings)
        if section.workers > 1 and not server.has_workers:
            raise StartError(f"[server:main] workers: {server.name} can only run in one process; remove the setting")
        for name, mistake in setting_errors(section.own):
            raise StartError(f"[server:main] {name}: {mistake}")
        return section

    def server_factory(global_conf: Mapping[str, str], **settings: str) -> Server:
        section = read_settings(global_conf, settings)
        listeners = bind_all(section)
        if not server.needs_pool(section):
            return server(section, listeners)
        from recipe.wsgi.processes.pool import WorkerPool

        return WorkerPool(section, listeners, server)

    def serve(app: WSGIApp, global_conf: Mapping[str, str], **settings: str) -> None:
        server_factory(global_conf, **settings)(app)

    entries = server_factory, serve, read_settings
    for entry in entries:  # `bin/NAME check` looks up `read_settings` in the module of the entry point
        entry.__module__ = server.__module__
    return entries
