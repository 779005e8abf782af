"""The former module of the access log's filter factory, which the metadata of earlier versions name."""

from recipe.wsgi.logs.accesslog import filter_factory

__all__ = ["filter_factory"]
