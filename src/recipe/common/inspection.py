"""What the instance's own Zope, PasteDeploy and logging say of its configuration.

Runs in a Python that has the instance's path; imports no buildout.
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
from dataclasses import asdict, astuple, dataclass
from importlib.util import find_spec
from io import StringIO
from typing import Any
from xml.sax.saxutils import quoteattr

from recipe.common.spelling import hint


@dataclass(frozen=True)
class Finding:
    """Something that will not work: in which file, on which line (0: unknown), and what.

    handler   the name of the logging handler it is about
    option    the option it is a mistake in, if the line does not say it
    final     only another value of the option can mend it: no edit of the files, and no egg
    """

    file: str
    line: int
    message: str
    handler: str = ""
    option: str = ""
    final: bool = False


def answer(question: Mapping[str, Any]) -> Any:
    """The other side: runs with the instance's path."""
    if "server of" in question:
        module, _, attribute = question["server of"].partition(":")
        return asdict(getattr(importlib.import_module(module), attribute))
    found: list[Finding] = []
    if question["zope.conf"]:
        packages = [package for package, _ in question["imports"]]
        for section in question["storages"]:
            found += storage_keys(section, packages)
        # With a mistake in these, Zope's schema would only say it again
        found = found or list(missing_packages(question["imports"], question["zope.conf"][1]))
        found = found or list(zope_conf(*question["zope.conf"]))
    if question["wsgi.ini"]:
        found += pipeline(*question["wsgi.ini"])
        found += handlers(*question["wsgi.ini"])
        if question["server"]:
            found += server(*question["server"])
    return [astuple(finding) for finding in found]


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
        message = str(error.message or error)
        yield Finding(path, getattr(error, "lineno", 0) or 0, message + _meant_name(options.schema, message))
    except ImportError as error:
        yield Finding(path, 0, str(error))


def missing_packages(imports: Iterable[tuple[str, str]], path: str) -> Iterator[Finding]:
    """Say which packages cannot be found that a zope.conf imports; `imports` has them with their options."""
    for package, option in imports:
        try:
            is_there = find_spec(package) is not None
        except (ImportError, ValueError):
            is_there = False
        if not is_there:
            yield Finding(
                path, 0, f"there is no package {package}: add the distribution that has it to eggs", option=option
            )


def storage_keys(section: Mapping[str, Any], packages: Sequence[str]) -> Iterator[Finding]:
    """Say which keys and sections in a storage's section the schemas of the installed packages do not know.

    `section` is a `Section` as a dict: a key is its name, its value (None: it is not written) and the option that it
    comes from. Nothing is said where a package cannot be loaded: Zope's schema, which imports it too, says so.
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
    """The same for one section and those in it; `outer` are keys that the sections around it know."""
    kind = section["type"]
    known = tuple(key for key, _ in schema.gettype(kind) if key)
    for key, value, key_option in section["keys"]:
        if value is not None and key.lower() not in known and "+" not in known:
            message = f"{kind} has no key {key!r}{hint(key, (*known, *outer))}"
            yield Finding("", 0, message, option=key_option or option, final=True)
    for child in section["sections"]:
        there = schema.gettype("relstorage.adapter").getsubtypenames()
        if kind == "relstorage" and child["type"].lower() not in there:
            near = hint(child["type"], there)
            message = f"{child['type']!r} is none of RelStorage's adapters {', '.join(there)}{near}"
            yield Finding("", 0, message, option=option, final=True)
        else:
            yield from _unknown_keys(schema, child, option, known)


def _meant_name(schema: Any, message: str) -> str:
    """A hint at the key or the section that a name which the schema does not know was meant to be."""
    section = re.match(r"unknown type name: '(.*)'", message)
    if section:
        return hint(section[1], schema.gettypenames())
    key = re.match(r"'(.*)' is not a known key name", message)
    if not key:
        return ""
    types = [schema, *map(schema.gettype, schema.gettypenames())]
    return hint(key[1], (name for each in types if not each.isabstract() for name, _ in each if name))


def place(directory: str) -> Iterator[Finding]:
    """Say where zope.configuration would look elsewhere: in its paths, ``$NAME`` is a variable that is set."""
    if (expanded := os.path.expandvars(directory)) != directory:
        message = f"zope.configuration takes {directory} for {expanded}: move the buildout to a directory without $"
        yield Finding(directory, 0, message)


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
                        yield from _lookup(loadwsgi, kind, name, copy, path, parser.sections())


def _lookup(
    loadwsgi: object, kind: object, name: str, file: str, path: str, sections: Sequence[str]
) -> Iterator[Finding]:
    try:
        context = loadwsgi.loadcontext(kind, f"config:{file}", name=name)  # type: ignore[attr-defined]
    except Exception as error:  # whatever a package raises when it is imported
        message = f"{name} in the pipeline cannot be had: {error}".replace(file, path)
        known = [section.partition(":")[2] for section in sections]
        yield Finding(path, 0, message + (hint(name, known) if name not in known else ""))
        return
    module, extra = EXTRAS.get(getattr(context.object, "__module__", ""), ("", ""))
    if module and find_spec(module) is None:
        message = f"{name} in the pipeline needs {module}: add plone.recipe.zope2instance[{extra}] to eggs"
        yield Finding(path, 0, message)


EXTRAS = {"recipe.wsgi.sentry": ("sentry_sdk", "sentry")}  # modules with a factory: what it imports, of which extra


def server(name: str, module: str, own: Mapping[str, str]) -> Iterator[Finding]:
    """Let a server say which settings of its own it does not take; `module`: see recipe.wsgi.servers."""
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
    """Look up the class of each logging handler in a wsgi.ini, and bind its arguments, as logging.config will.

    Nothing is called, so nothing is opened.
    """
    here, file = (name.replace("%", "%%") for name in (os.path.dirname(path), path))
    parser = configparser.ConfigParser({"here": here, "__file__": file})
    try:
        parser.read_string(text)
        names = [name.strip() for name in parser.get("handlers", "keys", fallback="").split(",")]
        found = {name: parser[f"handler_{name}"] for name in names if parser.has_section(f"handler_{name}")}
        texts = {
            name: [section.get(key, default) for key, default in (("class", ""), ("args", "()"), ("kwargs", "{}"))]
            for name, section in found.items()
        }
    except configparser.Error:
        return  # which others tell
    for name, (class_name, args, kwargs) in texts.items():
        if class_name:
            yield from _handler(path, name, class_name, args, kwargs)


def _handlers() -> Iterator[str]:
    """The names of logging's own handlers, in the ways that logging.config takes."""
    for name in (name for name in dir(logging.handlers) if name.endswith("Handler")):
        yield from (f"handlers.{name}", f"logging.handlers.{name}")
    yield from ("StreamHandler", "FileHandler", "NullHandler", "logging.StreamHandler", "logging.FileHandler")


def _handler(path: str, name: str, class_name: str, *arguments: str) -> Iterator[Finding]:
    try:
        class_ = _class(class_name)
    except Exception as error:  # whatever a module raises when it is imported
        # A name in a package of its own is like none of logging's
        module = class_name.rpartition(".")[0]
        meant = hint(class_name, _handlers()) if module in ("", "handlers") or module.startswith("logging") else ""
        yield Finding(path, 0, f"{class_name} cannot be imported: {error}{meant}", handler=name)
        return
    if why := _misfit(class_, *arguments):
        yield Finding(path, 0, f"are not the arguments that {class_name} takes: {why}", handler=name, final=True)


def _class(name: str) -> Any:
    """The class of that name, in logging or by its module."""
    found: Any = logging
    for attribute in name.split("."):
        found = getattr(found, attribute, None)
    if found is None:
        module, _, attribute = name.rpartition(".")
        found = getattr(importlib.import_module(module), attribute)
    return found


def _misfit(class_: Any, *arguments: str) -> str:
    """Why a class cannot be called with these arguments, a tuple's and a dict's text; empty where it may be."""
    try:
        if any(map(_calls, arguments)):
            return ""  # in a template: it will run when the server starts, not here
        args, kwargs = (eval(text, vars(logging)) for text in arguments)
    except Exception as error:  # a name that logging does not have, a sum of unlike things
        return str(error)
    try:
        signature = inspect.signature(class_)
    except ValueError:
        return ""  # not written in Python: only the call can tell
    except TypeError as error:
        return str(error)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        return f"{error}. It takes {signature}"
    return ""


def _calls(text: str) -> bool:
    return any(isinstance(node, ast.Call) for node in ast.walk(ast.parse(text, mode="eval")))
