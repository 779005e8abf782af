"""Checks the configuration of an instance with its own Zope, PasteDeploy and logging.

This runs in a Python with the eggs of the instance on its path, and does not import zc.buildout.
"""

import ast
import configparser
import importlib
import inspect
import logging
import logging.handlers
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass
from functools import reduce
from importlib.util import find_spec
from io import StringIO
from typing import Any
from xml.sax.saxutils import quoteattr

from recipe.common.spelling import hint, nearest


@dataclass(frozen=True)
class Finding:
    """A mistake in the configuration: its file, its line (0 if unknown), and a message.

    handler   the name of the logging handler with the mistake
    option    the option with the mistake, if the line does not identify it; for a handler, the end of its name
    final     whether only another value of the option can correct it, but no edit of the files, and no egg
    """

    file: str
    line: int
    message: str
    handler: str = ""
    option: str = ""
    final: bool = False


def answer(question: Mapping[str, Any]) -> Any:
    """Answer a question of `recipe.buildout.judge`, as values for JSON."""
    if "server of" in question:
        module, _, attribute = question["server of"].partition(":")
        return asdict(getattr(importlib.import_module(module), attribute))
    findings: list[Finding] = []
    if question["zope.conf"]:
        packages = [package for package, _ in question["imports"]]
        for section in question["storages"]:
            findings += storage_keys(section, packages)
        # Zope's schema would report the same mistakes again
        findings = findings or list(missing_packages(question["imports"], question["zope.conf"][1]))
        findings = findings or list(zope_conf(*question["zope.conf"]))
    if question["wsgi.ini"]:
        findings += pipeline(*question["wsgi.ini"])
        findings += handlers(*question["wsgi.ini"])
        if question["server"]:
            findings += server(*question["server"])
    # Two names in a pipeline may have the same mistake
    return [astuple(finding) for finding in dict.fromkeys(findings)]


def zope_conf(text: str, path: str) -> Iterator[Finding]:
    """Load the text of a zope.conf with the schema of the installed Zope, and yield its mistakes.

    `path` is the path of the file: relative includes and messages refer to it. No database or log is
    opened, but directories must exist if the schema requires it.
    """
    import ZConfig
    from Zope2.Startup.options import ZopeWSGIOptions

    options = ZopeWSGIOptions(path)
    options.load_schema()
    try:
        ZConfig.loadConfigFile(options.schema, StringIO(text), path)
    except ZConfig.SubstitutionReplacementError as error:
        # The environment variable may be set only when the server starts
        if error.source and "$(" in error.source and f"$({error.name}" in error.source:
            return
        yield Finding(path, error.lineno or 0, str(error.message))
    except ZConfig.ConfigurationError as error:
        message = str(error.message or error)
        yield Finding(path, getattr(error, "lineno", 0) or 0, message + _name_hint(options.schema, message))
    except ImportError as error:
        yield Finding(path, 0, str(error))


def missing_packages(imports: Iterable[tuple[str, str]], path: str) -> Iterator[Finding]:
    """Yield the packages that a zope.conf imports and that do not exist; `imports` has each package with its option."""
    for package, option in imports:
        try:
            is_there = find_spec(package) is not None
        except (ImportError, ValueError):
            is_there = False
        if not is_there:
            yield Finding(path, 0, f"the package {package} does not exist: add its distribution to eggs", option=option)


def storage_keys(section: Mapping[str, Any], packages: Sequence[str]) -> Iterator[Finding]:
    """Yield the keys and sections of a storage that the schemas of the installed packages do not know.

    `section` is a `Section` as a dict: a key has its name, its value (None: the key is not written) and its option. If
    a package cannot be loaded, nothing is yielded: Zope's schema, which imports it as well, reports that.
    """
    import ZConfig

    imports = "".join(f"<import package={quoteattr(package)}/>" for package in ("ZODB", *packages))
    storage = '<section type="ZODB.storage" name="*" attribute="storage"/>'
    try:
        schema = ZConfig.loadSchemaFile(StringIO(f"<schema>{imports}{storage}</schema>"))
    except (ZConfig.SchemaError, ImportError):
        return
    yield from _unknown_keys(schema, section, section["option"], ())


def _unknown_keys(schema: Any, section: Mapping[str, Any], option: str, outer: tuple[str, ...]) -> Iterator[Finding]:
    """Yield them for one section and the sections in it; `outer` are the keys that the sections around it know."""
    kind = section["type"]
    if kind not in schema.gettypenames():
        yield Finding("", 0, f"no installed package knows a storage {kind}", option=option, final=True)
        return
    keys = tuple(key for key, _ in schema.gettype(kind) if key)
    for key, value, key_option in section["keys"]:
        if value is not None and key.lower() not in keys and "+" not in keys:
            message = f"{kind} has no key {key!r}{hint(key, (*keys, *outer))}"
            yield Finding("", 0, message, option=key_option or option, final=True)
    for child in section["sections"]:
        adapters = schema.gettype("relstorage.adapter").getsubtypenames() if kind == "relstorage" else ()
        if adapters and child["type"].lower() not in adapters:
            suggestion = hint(child["type"], adapters)
            message = f"{child['type']!r} is not an adapter of RelStorage ({', '.join(adapters)}){suggestion}"
            yield Finding("", 0, message, option=option, final=True)
        else:
            yield from _unknown_keys(schema, child, option, keys)


def _name_hint(schema: Any, message: str) -> str:
    """Return a hint at a similar key or section, if the message is about a name that the schema does not know."""
    section = re.match(r"unknown type name: '(.*)'", message)
    if section:
        return hint(section[1], schema.gettypenames())
    key = re.match(r"'(.*)' is not a known key name", message)
    if not key:
        return ""
    types = [schema, *map(schema.gettype, schema.gettypenames())]
    return hint(key[1], (name for type_ in types if not type_.isabstract() for name, _ in type_ if name))


def place(directory: str) -> Iterator[Finding]:
    """Yield a mistake if zope.configuration reads the path of `directory` as another one: it replaces ``$NAME``."""
    if (expanded := os.path.expandvars(directory)) != directory:
        message = f"zope.configuration reads {directory} as {expanded}: move the buildout to a directory without $"
        yield Finding(directory, 0, message)


def pipeline(text: str, path: str) -> Iterator[Finding]:
    """Look up every name of the pipelines in a wsgi.ini, as PasteDeploy does, and yield the mistakes."""
    from paste.deploy import loadwsgi

    parser = configparser.RawConfigParser()
    parser.read_string(text)
    # PasteDeploy reads files only; in the copy, `here` must be the directory of the real file
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
                        yield from _lookup(loadwsgi, kind, name, copy, path, parser.sections())


def _lookup(
    loadwsgi: object, kind: object, name: str, file: str, path: str, sections: Sequence[str]
) -> Iterator[Finding]:
    try:
        context = loadwsgi.loadcontext(kind, f"config:{file}", name=name)  # type: ignore[attr-defined]
    except Exception as error:  # whatever a package raises when it is imported
        message = f"{name} in the pipeline cannot be loaded: {error}".replace(file, path)
        names = [section.partition(":")[2] for section in sections]
        yield Finding(path, 0, message + (hint(name, names) if name not in names else ""))
        return
    module, extra = EXTRAS.get(getattr(context.object, "__module__", ""), ("", ""))
    if module and find_spec(module) is None:
        message = f"{name} in the pipeline needs {module}: add plone.recipe.zope2instance[{extra}] to eggs"
        yield Finding(path, 0, message)


#: The modules of factories, each with the package that it imports, and the extra that requires the package.
EXTRAS = {"recipe.wsgi.sentry": ("sentry_sdk", "sentry")}


def server(name: str, module: str, own: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the settings that a server does not accept; for `module`, see recipe.wsgi.servers."""
    try:
        loaded = importlib.import_module(module)
    except Exception as error:  # whatever a package raises when it is imported
        yield Finding("", 0, f"{name} cannot be imported: {error}", option="wsgi-server", final=True)
        return
    # Other distributions may use the former name, `wrong`
    setting_errors = getattr(loaded, "setting_errors", None) or getattr(loaded, "wrong", None)
    for key, mistake in setting_errors(own) if setting_errors else ():
        yield Finding("", 0, f"{key}: {mistake}", option="wsgi-server-options", final=True)


def handlers(text: str, path: str) -> Iterator[Finding]:
    """Look up the class of each logging handler in a wsgi.ini, and yield those that do not accept their arguments.

    The classes are not called, so no file or socket is opened.
    """
    here, file = (name.replace("%", "%%") for name in (os.path.dirname(path), path))
    parser = configparser.ConfigParser({"here": here, "__file__": file})
    try:
        parser.read_string(text)
        names = [name.strip() for name in parser.get("handlers", "keys", fallback="").split(",")]
        sections = {name: parser[f"handler_{name}"] for name in names if parser.has_section(f"handler_{name}")}
        texts = {
            name: [section.get(key, default) for key, default in (("class", ""), ("args", "()"), ("kwargs", "{}"))]
            for name, section in sections.items()
        }
    except configparser.Error:
        return  # other checks report that
    for name, (class_name, args, kwargs) in texts.items():
        if class_name:
            yield from _handler(path, name, class_name, args, kwargs)


def _handlers() -> Iterator[str]:
    """Yield the names of logging's own handlers, in the forms that logging.config accepts."""
    for name in (name for name in dir(logging.handlers) if name.endswith("Handler")):
        yield from (f"handlers.{name}", f"logging.handlers.{name}")
    yield from ("StreamHandler", "FileHandler", "NullHandler", "logging.StreamHandler", "logging.FileHandler")


def _handler(path: str, name: str, class_name: str, *arguments: str) -> Iterator[Finding]:
    try:
        class_ = _class(class_name)
        if not callable(class_) or (isinstance(class_, type) and not hasattr(class_, "setLevel")):
            raise _NoClassError(f"{class_name} is not a log handler")
    except _NoClassError as error:
        yield Finding(path, 0, str(error), handler=name, option="handler", final=True)
        return
    except Exception as error:  # whatever a module raises when it is imported
        yield Finding(path, 0, f"{class_name} cannot be imported: {error}", handler=name)
        return
    if reason := _misfit(class_, *arguments):
        yield Finding(path, 0, f"{class_name} does not accept these arguments: {reason}", handler=name, final=True)


class _NoClassError(Exception):
    """There is no such class of a handler, and no other egg can bring it, since its module is there."""


def _class(name: str) -> Any:
    """Return the class with this name, as logging.config finds it: from logging, or else from its module.

    Raises `_NoClassError`, and whatever a module raises when it is imported.
    """
    words = name.split(".")
    with suppress(AttributeError):
        return reduce(getattr, words, logging)
    owner: Any = None
    for number, word in enumerate(words, start=1):
        # A module may make its attributes only when they are asked for
        if number == 1 or not hasattr(owner, word):
            module = _imported(owner, ".".join(words[:number]), name)
        owner = module if number == 1 else getattr(owner, word)
    return owner


def _imported(owner: Any, path: str, name: str) -> Any:
    """Import the module `path`, which the class `name` needs; `owner` is the module around it, or None."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        module, _, word = name.rpartition(".")
        is_of_logging = not module or module.split(".")[0] in ("logging", *vars(logging))
        # Eggs can add modules to a package, and anything to a namespace package, which has no file
        is_open = path != name or (hasattr(owner, "__path__") and not getattr(owner, "__file__", None))
        # The module may exist, and import another one that is missing
        if not f"{path}.".startswith(f"{error.name}.") or (is_open and not is_of_logging):
            raise
        meant = nearest(name, _handlers()) if is_of_logging else nearest(word, dir(owner))
        if meant and not is_of_logging:
            meant = f"{module}.{meant}"
        raise _NoClassError(f"there is no class {name}" + (f"; did you mean {meant}?" if meant else "")) from None


def _misfit(class_: Any, *arguments: str) -> str:
    """Return why a class does not accept these arguments (the text of a tuple and of a dict); empty if it may."""
    try:
        if any(map(_calls, arguments)):
            return ""  # code in a template: it runs when the server starts, not here
        args, kwargs = (eval(text, vars(logging)) for text in arguments)
    except Exception as error:  # a name that logging does not have, a sum of unlike types
        return str(error)
    try:
        signature = inspect.signature(class_)
    except ValueError:
        return ""  # not written in Python: only a call would show it
    except TypeError as error:
        return str(error)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        return f"{error}. Its signature is {signature}"
    return ""


def _calls(text: str) -> bool:
    return any(isinstance(node, ast.Call) for node in ast.walk(ast.parse(text, mode="eval")))
