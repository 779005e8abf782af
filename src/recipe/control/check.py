"""The command ``check``: finds errors in the configuration without starting the server."""

import sys
from collections.abc import Iterator
from configparser import Error as ConfigParserError
from configparser import RawConfigParser
from contextlib import suppress
from pathlib import Path
from typing import Any

from recipe.common import inspection
from recipe.common.errors import StartError, place_of
from recipe.control import zcml
from recipe.control.context import Context
from recipe.control.errors import CommandError


def check(context: Context, args: list[str]) -> int:
    """Print each error in the configuration; return 1 if there is one."""
    if args:
        raise CommandError(f"unexpected argument: {args[0]}", 2)
    if report(context):
        return 1
    print("the configuration is in order")
    return 0


def report(context: Context) -> int:
    """Print each error in a line on stderr; return the number of errors."""
    messages = [" ".join(message.split()) for message in problems(context)]
    for message in messages:
        print(message, file=sys.stderr)
    return len(messages)


def problems(context: Context) -> Iterator[str]:
    """Yield a message for each error in wsgi.ini, zope.conf and the ZCML of the instance."""
    etc = Path(context.facts.instance_home) / "etc"
    if context.facts.zserver_python:
        from recipe.control import zserver

        yield from zserver.problems(context, zcml.includes(etc))
        return
    confs = [context.zope_conf]
    if Path(context.wsgi_ini).is_file():
        yield from _wsgi_ini(context.wsgi_ini)
        confs += _zope_confs(context.wsgi_ini)
    else:
        yield f"{context.wsgi_ini} does not exist; run buildout to create it"
    for conf in dict.fromkeys(confs):
        yield from _zope_conf(conf)
    for item in zcml.includes(etc):
        yield from [item] if isinstance(item, str) else _missing(item)


def _wsgi_ini(path: str) -> Iterator[str]:
    from paste.deploy.loadwsgi import SERVER

    from recipe.common.pastefile import PasteFile

    try:
        ini = PasteFile(path, {})
    except StartError as error:
        yield str(error)
        return
    try:
        ini.require_server()
        context = ini.context(SERVER)
        module = context.object.__module__
        if module.startswith("recipe.wsgi."):  # a server of this package has a function that checks its settings
            sys.modules[module].read_settings(context.global_conf, context.local_conf)
    except StartError as error:
        yield _with_path(path, error)
    except ImportError as error:
        yield f"{path}: [server:main]: {error}"
    # PasteDeploy stops at the first name in a pipeline that it cannot load
    messages = [finding.message for finding in inspection.pipeline(Path(path).read_text(encoding="utf-8"), path)]
    yield from (f"{path}: {message}" for message in messages)
    if not messages:
        yield from _application(ini)
    yield from _logging(path)


def _application(ini: Any) -> Iterator[str]:
    from paste.deploy.loadwsgi import APP

    try:
        ini.context(APP)
    except StartError as error:
        yield _with_path(ini.path, error)
    except ImportError as error:
        yield f"{ini.path}: {error}"


def _with_path(path: str, error: StartError) -> str:
    """Return the text of the error, preceded by the path if the text does not contain it."""
    return str(error) if path in str(error) else f"{path}: {error}"


def _parser(path: str) -> RawConfigParser:
    """Parse an ini file; return an empty parser if it is malformed, which `_wsgi_ini` reports."""
    parser = RawConfigParser()
    with suppress(ConfigParserError, UnicodeDecodeError):
        parser.read(path, encoding="utf-8")
    return parser


def _zope_confs(path: str) -> list[str]:
    """Return the zope.conf files of the applications in a wsgi.ini."""
    from recipe.common.pastefile import PasteFile

    with suppress(StartError):
        return PasteFile(path, {}).zope_confs()
    return []


def _logging(path: str) -> Iterator[str]:
    """Yield a message for each logger, handler and formatter in a wsgi.ini that has no section, or does not work."""
    parser = _parser(path)
    for kind in ("logger", "handler", "formatter"):
        for name in _words(parser, f"{kind}s", "keys"):
            if not parser.has_section(f"{kind}_{name}"):
                yield f"{path}: [{kind}s] lists {name!r}, but the section [{kind}_{name}] is missing"
    handlers = _words(parser, "handlers", "keys")
    for finding in inspection.handlers(Path(path).read_text(encoding="utf-8"), path):
        yield f"{path}: [handler_{finding.handler}]: {finding.message}"
    for logger in _words(parser, "loggers", "keys"):
        for name in _words(parser, f"logger_{logger}", "handlers"):
            if name not in handlers:
                yield f"{path}: [logger_{logger}] uses the handler {name!r}, which [handlers] does not list"


def _words(parser: RawConfigParser, section: str, option: str) -> list[str]:
    text = parser.get(section, option, fallback="")
    return [word.strip() for word in text.split(",") if word.strip()]


def _zope_conf(path: str) -> Iterator[str]:
    from ZConfig import ConfigurationError
    from Zope2.Startup.options import ZopeWSGIOptions

    if not Path(path).is_file():
        yield f"{path} does not exist; run buildout to create it"
        return
    try:
        ZopeWSGIOptions(configfile=path)()
    except ConfigurationError as error:
        yield _with_path(path, StartError(place_of(error)))
    except ImportError as error:
        yield f"{path}: {error}"


def _missing(include: zcml.Include) -> Iterator[str]:
    from importlib.util import find_spec

    path, package, name = include.path, include.package, include.file
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    except Exception as error:
        # find_spec imports the parent package, which may raise anything
        yield f"{path}: the package {package} cannot be imported: {error!r}"
        return
    if spec is None:
        yield f"{path}: the package {package} is not installed"
        return
    directories = list(spec.submodule_search_locations or [])
    if directories and not any((Path(directory) / name).is_file() for directory in directories):
        yield f"{path}: the package {package} does not contain {name}"
