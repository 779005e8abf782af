"""Loading wsgi.ini: its logging, its server and its application.

This does what Zope's ``runwsgi`` does, but reports a mistake in the file in one line, and accepts a directory with
``%`` in its name.
"""

import configparser
import logging.config
import os
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError
from types import TracebackType
from typing import Any

from paste.deploy.loadwsgi import APP, SERVER, ConfigLoader

from recipe.common.errors import StartError, describe, explain

#: The modules whose errors are about the file, and not about code that the file names.
READERS = ("paste.deploy", "configparser", "importlib.metadata")


class PasteFile:
    """A wsgi.ini at `path`, with `defaults` for its ``[DEFAULT]``."""

    def __init__(self, path: str, defaults: Mapping[str, str]) -> None:
        self.path = os.path.abspath(path)
        self.defaults = dict(defaults)
        # PasteDeploy and fileConfig interpolate the values of `here` and `__file__`
        self._places = {
            "here": os.path.dirname(self.path).replace("%", "%%"),
            "__file__": self.path.replace("%", "%%"),
        }
        try:
            self._loader = ConfigLoader(self.path)
        except OSError as error:
            raise StartError(f"cannot read {self.path}: {describe(error)}") from None
        except (configparser.Error, UnicodeDecodeError) as error:
            raise StartError(f"{self.path} is not an ini file: {error}") from None
        self._loader.update_defaults(self._places)
        self._loader.update_defaults(self.defaults, overwrite=False)

    def configure_logging(self) -> None:
        """Set up logging if the file configures it; existing loggers stay enabled."""
        if not self._loader.parser.has_section("loggers"):
            return
        try:
            logging.config.fileConfig(self.path, self._places | self.defaults, disable_existing_loggers=False)
        except Exception as error:
            # Any exception: the values are Python expressions that the user wrote
            if isinstance(error, OSError):
                why = f"{describe(error)}: {error.filename}" if error.filename else str(error)
            else:
                why = f"{type(error).__name__}: {error}"
            raise StartError(f"cannot set up the logs of {self.path}: {why}") from None

    def server(self) -> Any:
        """Return the server of ``[server:main]``, to be called with the application."""
        self.require_server()
        return self.context(SERVER).create()

    def require_server(self) -> None:
        """Raise StartError if the file has no server."""
        if not any(map(self._loader.parser.has_section, ("server:main", "server"))):
            raise StartError(
                f"{self.path} has no section [server:main], so it cannot be served;"
                " set http-address in the part, or use an external WSGI server"
            )

    def app(self) -> Any:
        """Return the application, or the pipeline in front of it."""
        return self.context(APP).create()

    def zope_confs(self) -> list[str]:
        """Return the paths of the zope.conf files that the applications in the file use."""
        parser = self._loader.parser
        paths = []
        for section in parser.sections():
            with suppress(configparser.Error):
                if parser.has_option(section, "zope_conf"):
                    paths.append(parser.get(section, "zope_conf"))
        return list(dict.fromkeys(paths))

    def load(self) -> Any:
        """Load the application. Raises StartError if the user can correct the error."""
        try:
            return self.app()
        except Exception as error:
            if why := explain(error):
                raise StartError(why) from None
            raise

    def context(self, kind: Any) -> Any:
        """Return PasteDeploy's context for an object. Raises StartError if there is a mistake in the file."""
        try:
            return self._loader.get_context(kind, global_conf=self.defaults)
        except PackageNotFoundError as error:
            raise StartError(f"{self.path}: {error.name} is not among the eggs") from None
        except (LookupError, configparser.Error) as error:
            if not _raised_by_reader(error.__traceback__):
                raise
            raise StartError(f"{self.path}: {error.args[0]}") from None


def _raised_by_reader(traceback: TracebackType | None) -> bool:
    module = ""
    while traceback is not None:
        module = traceback.tb_frame.f_globals.get("__name__", "")
        traceback = traceback.tb_next
    return module.startswith(READERS)
