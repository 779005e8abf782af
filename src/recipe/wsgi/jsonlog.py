"""The name that generated wsgi.ini files hold: ``class = recipe.wsgi.jsonlog.Formatter``."""

from recipe.wsgi.logs.jsonlog import Formatter

__all__ = ["Formatter"]
