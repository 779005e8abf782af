"""What the instance's own Zope, PasteDeploy and logging say of its configuration.

Runs in a Python that has the instance's path; imports no buildout.
"""

import configparser
import importlib
import logging
import logging.handlers
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO


@dataclass(frozen=True)
class Finding:
    """Something that will not work: in which file, on which line (0: unknown), and what."""

    file: str
    line: int
    message: str


def zope_conf(text: str, path: str) -> Iterator[Finding]:
    """Load the text of a zope.conf with the schema of the Zope that is installed.

    `path` is where it will lie: relative includes and messages refer to it.
    Nothing is opened; directories that the schema wants to exist must be there.
    """
    import ZConfig
    from Zope2.Startup.options import ZopeWSGIOptions

    options = ZopeWSGIOptions(path)
    options.load_schema()
    try:
        ZConfig.loadConfigFile(options.schema, StringIO(text), path)
    except ZConfig.SubstitutionReplacementError as error:
        # An environment variable may be there only when the server starts
        if error.source and "$(" in error.source and f"$({error.name}" in error.source:
            return
        yield Finding(path, error.lineno or 0, str(error.message))
    except ZConfig.ConfigurationError as error:
        yield Finding(path, getattr(error, "lineno", 0) or 0, str(error.message or error))
    except ImportError as error:
        yield Finding(path, 0, str(error))


def pipeline(text: str, path: str) -> Iterator[Finding]:
    """Look up every name of the pipelines in a wsgi.ini, as PasteDeploy will."""
    from paste.deploy import loadwsgi

    parser = configparser.RawConfigParser()
    parser.read_string(text)
    # PasteDeploy reads files only; in another place, `here` must be that of the real one
    here, file = (name.replace("%", "%%") for name in (os.path.dirname(path), path))
    with tempfile.TemporaryDirectory() as directory:
        copy = os.path.join(directory, "wsgi.ini")
        with open(copy, "w", encoding="utf-8") as stream:
            if "here" not in parser.defaults():
                stream.write(f"[DEFAULT]\nhere = {here}\n__file__ = {file}\n\n")
            stream.write(text)
        for section in parser.sections():
            if section.startswith("pipeline:") and parser.has_option(section, "pipeline"):
                *filters, app = parser.get(section, "pipeline").split() or [""]
                for kind, names in ((loadwsgi.FILTER, filters), (loadwsgi.APP, [app])):
                    for name in names:
                        yield from _lookup(loadwsgi, kind, name, copy, path)


def _lookup(loadwsgi: object, kind: object, name: str, file: str, path: str) -> Iterator[Finding]:
    try:
        loadwsgi.loadcontext(kind, f"config:{file}", name=name)  # type: ignore[attr-defined]
    except Exception as error:  # whatever a package raises when it is imported
        message = f"{name} in the pipeline cannot be had: {error}".replace(file, path)
        yield Finding(path, 0, message)


def handler(name: str) -> Iterator[Finding]:
    """Look up the class of a logging handler, as logging.config will."""
    if _in_logging(name):
        return
    module, _, attribute = name.rpartition(".")
    try:
        getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        yield Finding("", 0, f"{name} cannot be imported: {error}")


def _in_logging(name: str) -> bool:
    found: object = logging
    for attribute in name.split("."):
        found = getattr(found, attribute, None)
    return found is not None
