"""The name that metadata of earlier versions hold for the server factory of waitress."""

from recipe.wsgi.servers.waitress import serve, server_factory

__all__ = ["serve", "server_factory"]
