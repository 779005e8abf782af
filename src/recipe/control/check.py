"""``check``: what is wrong with the configuration, and where, before a server finds out."""

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
    """Tell what is wrong; 1 where something is."""
    if args:
        raise CommandError(f"unexpected argument: {args[0]}", 2)
    if report(context):
        return 1
    print("the configuration is in order")
    return 0


def report(context: Context) -> int:
    """Print each problem in a line on stderr; return how many there are."""
    found = [" ".join(text.split()) for text in problems(context)]
    for text in found:
        print(text, file=sys.stderr)
    return len(found)


def problems(context: Context) -> Iterator[str]:
    """Yield what is wrong with wsgi.ini, zope.conf and the ZCML of the instance."""
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
        yield f"{context.wsgi_ini} does not exist, so there is nothing to serve by"
    for conf in dict.fromkeys(confs):
        yield from _zope_conf(conf)
    for found in zcml.includes(etc):
        yield from [found] if isinstance(found, str) else _missing(found)


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
        if module.startswith("recipe.wsgi."):  # one of ours, which says itself what is wrong with its settings
            sys.modules[module].read_settings(context.global_conf, context.local_conf)
    except StartError as error:
        yield _in(path, error)
    except ImportError as error:
        yield f"{path}: [server:main]: {error}"
    # Each name of a pipeline, not only the first that cannot be had
    found = [finding.message for finding in inspection.pipeline(Path(path).read_text(encoding="utf-8"), path)]
    yield from (f"{path}: {message}" for message in found)
    if not found:
        yield from _application(ini)
    yield from _logging(path)


def _application(ini: Any) -> Iterator[str]:
    from paste.deploy.loadwsgi import APP

    try:
        ini.context(APP)
    except StartError as error:
        yield _in(ini.path, error)
    except ImportError as error:
        yield f"{ini.path}: {error}"


def _in(path: str, error: StartError) -> str:
    return str(error) if path in str(error) else f"{path}: {error}"


def _parser(path: str) -> RawConfigParser:
    """Return what is in an ini file; nothing where it is none, which `_wsgi_ini` tells."""
    parser = RawConfigParser()
    with suppress(ConfigParserError, UnicodeDecodeError):
        parser.read(path, encoding="utf-8")
    return parser


def _zope_confs(path: str) -> list[str]:
    """Return the zope.conf files that applications in a wsgi.ini name."""
    from recipe.common.pastefile import PasteFile

    with suppress(StartError):
        return PasteFile(path, {}).zope_confs()
    return []


def _logging(path: str) -> Iterator[str]:
    """Yield the names in the logging half that no section goes with."""
    parser = _parser(path)
    for kind in ("logger", "handler", "formatter"):
        for name in _words(parser, f"{kind}s", "keys"):
            if not parser.has_section(f"{kind}_{name}"):
                yield f"{path}: [{kind}s] names {name!r}, and there is no [{kind}_{name}]"
    handlers = _words(parser, "handlers", "keys")
    for finding in inspection.handlers(Path(path).read_text(encoding="utf-8"), path):
        yield f"{path}: [handler_{finding.handler}]: {finding.message}"
    for logger in _words(parser, "loggers", "keys"):
        for name in _words(parser, f"logger_{logger}", "handlers"):
            if name not in handlers:
                yield f"{path}: [logger_{logger}] names the handler {name!r}, which is none"


def _words(parser: RawConfigParser, section: str, option: str) -> list[str]:
    text = parser.get(section, option, fallback="")
    return [word.strip() for word in text.split(",") if word.strip()]


def _zope_conf(path: str) -> Iterator[str]:
    from ZConfig import ConfigurationError
    from Zope2.Startup.options import ZopeWSGIOptions

    if not Path(path).is_file():
        yield f"{path} does not exist"
        return
    try:
        ZopeWSGIOptions(configfile=path)()
    except ConfigurationError as error:
        yield _in(path, StartError(place_of(error)))
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
        # The import of its parent runs code; whatever fails there.
        yield f"{path}: the package {package} cannot be imported: {error!r}"
        return
    if spec is None:
        yield f"{path}: there is no package {package}"
        return
    places = list(spec.submodule_search_locations or [])
    if places and not any((Path(place) / name).is_file() for place in places):
        yield f"{path}: the package {package} has no {name}"
