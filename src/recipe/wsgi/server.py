"""The former module of waitress's server factory, which the metadata of earlier versions name."""

from recipe.wsgi.servers.waitress import serve, server_factory

__all__ = ["serve", "server_factory"]
