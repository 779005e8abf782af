"""The module that generated wsgi.ini files name: ``class = recipe.wsgi.jsonlog.Formatter``."""

from recipe.wsgi.logs.jsonlog import Formatter

__all__ = ["Formatter"]
