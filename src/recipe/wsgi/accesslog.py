"""The name that metadata of earlier versions hold for the filter factory of the access log."""

from recipe.wsgi.logs.accesslog import filter_factory

__all__ = ["filter_factory"]
