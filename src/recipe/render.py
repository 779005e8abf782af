"""An instance as the text of its files: pure functions over the templates in ``templates/``."""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from xml.sax.saxutils import quoteattr

import jinja2

from recipe import inifile, zconfig
from recipe.confidential import holds_secret
from recipe.control.facts import FILE as FACTS
from recipe.instance import TEMPORARY, Handler, Instance
from recipe.options import Problems, kinds
from recipe.place import Place

DIRECTORY_VARIABLE = "BUILDOUT_DIRECTORY"
PRIVATE = 0o600  # the mode of a file that holds a secret
CODING = "# -*- coding: utf-8 -*-"  # Python 2.7, which runs the interpreter of ZServer, wants to be told
SHEBANG_LIMIT = 127  # bytes, in Linux before 5.1 and in other systems


@dataclass(frozen=True)
class File:
    """A file to write: its absolute path, its text and its mode."""

    path: str
    text: str
    mode: int = 0o644


def _as_it_is(value: Any) -> str:
    return str(value)


def _templates(writer: Callable[[Any], str]) -> jinja2.Environment:
    """The templates, with every value that is filled in written by `writer`."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("recipe"),
        finalize=writer,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def zope_conf(instance: Instance) -> str:
    """zope.conf."""
    written = f"$({DIRECTORY_VARIABLE})" if instance.relative_paths else instance.directory.replace("$", "$$")
    writer = zconfig.Writer(Place(instance.directory, written))
    zope = instance.settings.zope
    imports = dict.fromkeys((*zope.imports, *instance.storages.imports))
    temporary = instance.temporary
    if instance.is_zserver:
        template, more = "zserver.conf", _zserver(instance, writer)
    else:
        template, more = "zope.conf", {}
    return _templates(writer.value).get_template(template).render(
        more,
        instance=instance,
        layout=instance.settings.layout,
        zope=zope,
        imports=tuple(imports),
        main_database=writer.section(instance.main_database),
        temporary=temporary and (zconfig.Raw(TEMPORARY) if temporary is TEMPORARY else writer.lines(temporary)),
        additional=writer.lines(zope.additional),
    )  # fmt: skip


def _zserver(instance: Instance, writer: zconfig.Writer) -> dict[str, Any]:
    """What the zope.conf of ZServer has besides: its servers and its logs."""
    settings = instance.settings
    names: dict[str, Any] = {"server": settings.server, "zserver": settings.zserver}
    for name in ("mailinglogger", "event_log_custom", "access_log_custom"):
        names[name] = writer.lines(getattr(settings.zserver, name) or "")
    for name in ("event_log", "access_log"):
        log = names[name] = getattr(settings, name)
        # ZConfig's names of the streams
        names[f"{name}_path"] = log.file.upper() if log.file in kinds.STREAMS else log.file
    return names


def wsgi_ini(instance: Instance, templates: Mapping[str, str], problems: Problems) -> str:
    """wsgi.ini; `templates` maps the files that options name to their text.

    A template's mistakes go to `problems`.
    """
    writer = _ini_writer(instance)
    names = template_names(instance, writer)
    server = instance.settings.server

    def filled(option: str, file: str) -> inifile.Raw:
        try:
            return inifile.Raw(writer.fill(templates[file], names, file))
        except ValueError as error:
            problems.error(option, str(error))
            return inifile.Raw("")

    if server.ini_template:
        return _default_section(instance) + filled("wsgi-ini-template", server.ini_template)
    if server.logging_template:
        logging = filled("wsgi-logging-ini-template", server.logging_template)
    else:
        logging = inifile.Raw(_logging_ini(instance, names, writer))
    text = _templates(writer.value).get_template("wsgi.ini").render(
        instance=instance,
        server_main=names["server_main"],
        sentry=asdict(instance.settings.sentry),
        profile=instance.settings.profile,
        logging=logging,
    )  # fmt: skip
    return _default_section(instance) + text


def _ini_writer(instance: Instance) -> inifile.Writer:
    if instance.relative_paths:
        written = f"%(here)s/{os.path.relpath(instance.directory, instance.etc)}"
    else:
        written = instance.directory.replace("%", "%%")
    return inifile.Writer(Place(instance.directory, written, instance.relative_paths))


def _default_section(instance: Instance) -> str:
    """PasteDeploy interpolates its own ``here``, so a ``%`` in it must be escaped for it.

    Not where the tree may be moved: nothing here may name its place. Our server escapes it by itself.
    """
    if "%" not in instance.etc or instance.relative_paths:
        return ""
    here, file = (path.replace("%", "%%") for path in (instance.etc, instance.wsgi_ini))
    return f"[DEFAULT]\nhere = {here}\n__file__ = {file}\n\n"


def _logging_ini(instance: Instance, names: Mapping[str, Any], writer: inifile.Writer) -> str:
    return _templates(writer.value).get_template("logging.ini").render(
        eventlog=_evaluated(instance.event_log),
        accesslog=_evaluated(instance.access_log),
        root_handlers=names["root_handlers"],
        event_handlers=names["event_handlers"],
        json=instance.settings.event_log.format == "json",
    )  # fmt: skip


def _evaluated(handler: Handler) -> Handler:
    return replace(handler, args=inifile.Expression(handler.args), kwargs=inifile.Expression(handler.kwargs))


def template_names(instance: Instance, writer: inifile.Writer) -> dict[str, Any]:
    """The names that a user's wsgi.ini template may use, with their values."""
    server, sentry, profile = instance.settings.server, instance.settings.sentry, instance.settings.profile
    names: dict[str, Any] = {
        "http_address": instance.addresses,
        "fast-listen": "fast-" if server.fast_listen else "",
        "threads": server.threads,
        "server_main": _server_main(instance, writer),
        "max_request_body_size": server.max_request_body_size,
        "clear_untrusted_proxy_headers": server.clear_untrusted_proxy_headers,
        "asyncore_use_poll": server.asyncore_use_poll,
        "location": instance.location,
        "pipeline": "\n".join(instance.pipeline),
        "root_handlers": _root_handlers(instance.event_log),
        "event_handlers": "" if instance.event_log.disabled else "eventlog",
    }
    for prefix, handler in (("accesslog", instance.access_log), ("eventlog", instance.event_log)):
        names[f"{prefix}_name"] = handler.file or "disable"
        names |= {f"{prefix}_{key}": getattr(_evaluated(handler), key) for key in ("args", "kwargs", "level")}
        names[f"{prefix}_handler"] = handler.class_
    for key in ("dsn", "level", "event_level", "ignore", "max_value_length"):
        names[f"sentry_{key}"] = getattr(sentry, key)
    for key in ("log_filename", "cachegrind_filename", "discard_first_request", "path", "flush_at_shutdown", "unwind"):
        names[f"profile_{key}"] = getattr(profile, key)
    return names


def _root_handlers(event_log: Handler) -> str:
    if event_log.disabled:
        return "console"
    return "eventlog" if event_log.is_console else "console, eventlog"


def _server_main(instance: Instance, writer: inifile.Writer) -> inifile.Raw:
    if not instance.addresses:
        return inifile.Raw("")
    template = _templates(writer.value).get_template("server.ini")
    return inifile.Raw(template.render(instance=instance, server=instance.settings.server))


def facts(instance: Instance) -> str:
    """What the control script must know, as JSON; with relative paths, relative to the file itself."""
    settings = instance.settings

    def path(text: str, mark: str = "$") -> str | None:
        if kinds.has_reference(text.removeprefix(instance.directory)):
            return ""  # only the server can tell
        text = instance.meaning(text, mark)
        inside = (text + "/").startswith(instance.directory + "/")
        return os.path.relpath(text, instance.etc) if inside and instance.relative_paths else text or None

    warnings = "" if instance.is_zserver else settings.zope.deprecation_warnings
    known: dict[str, Any] = {
        "name": instance.name,
        "directory": path(instance.directory),
        "zope_conf": path(instance.zope_conf),
        "instance_home": path(instance.location),
        "client_home": path(settings.layout.client_home),
        "event_log": path(instance.event_log.file, instance.log_mark),
        "access_log": path(instance.access_log.file, instance.log_mark),
        "pid_file": path(settings.layout.pid_file),
        "effective_user": settings.process.effective_user,
        "python_flags": ["-W", f"{warnings}::DeprecationWarning"] if warnings else [],
        "listen": _listen(instance),
    }
    if instance.is_zserver:
        known["zserver_python"] = path(settings.zserver.python or "")
    if settings.server.wsgi is True and not settings.server.ini_template and instance.server.workers:
        known["workers"] = settings.server.workers
    if settings.process.graceful_timeout is not None:
        known["graceful_timeout"] = settings.process.graceful_timeout
    return json.dumps(known, indent=2, ensure_ascii=False) + "\n"


def _listen(instance: Instance) -> list[str]:
    """Where the server is known to listen: not where a file of the user's says it, nor in a tree that may move."""
    server = instance.settings.server
    if isinstance(server.wsgi, str) or server.ini_template:
        return []
    return [str(address) for address in instance.addresses if not (address.path and instance.relative_paths)]


def zcml(instance: Instance) -> Iterator[File]:
    """site.zcml and the files it includes."""
    options = instance.settings.zcml
    includes = f"{instance.etc}/package-includes"
    if options.site is not None:
        yield File(f"{instance.etc}/site.zcml", options.site + "\n")
        return
    yield File(f"{instance.etc}/site.zcml", _render("site.zcml"))
    if options.locales:
        yield File(f"{includes}/001-locales-configure.zcml", _directory_zcml("locales.zcml", options.locales, instance))
    slugs = [slug for slug in options.slugs if slug != "*"]
    for number, slug in enumerate(slugs, start=2):
        yield _slug(slug, number, includes)
    if options.resources:
        text = _directory_zcml("resources.zcml", options.resources, instance)
        yield File(f"{includes}/998-resources-configure.zcml", text)
    if options.additional is not None:
        text = _render("additional.zcml", statements=options.additional)
        yield File(f"{includes}/999-additional-overrides.zcml", text)


def _render(template: str, **values: Any) -> str:
    return _templates(_as_it_is).get_template(template).render(**values)


def _directory_zcml(template: str, directory: str, instance: Instance) -> str:
    if instance.relative_paths:
        directory = os.path.relpath(directory, f"{instance.etc}/package-includes")
    return _render(template, directory=quoteattr(directory))


def _slug(slug: str, number: int, directory: str) -> File:
    match = kinds.SLUG.fullmatch(slug)
    assert match  # kinds.slugs has seen to it
    kind = match["kind"] or "configure"
    file = match["file"] or f"{kind}.zcml"
    text = _render("slug.zcml", package=quoteattr(match["package"]), file=quoteattr(file))
    return File(f"{directory}/{number:03}-{match['package']}-{kind}.zcml", text)


@dataclass(frozen=True)
class Python:
    """What a generated script runs with: the interpreter, sys.path, and lines run first."""

    executable: str
    paths: tuple[str, ...]
    initialization: str


def control_script(instance: Instance, python: Python) -> File:
    """``bin/NAME``."""
    arguments = ["-C", instance.zope_conf, "-p", instance.interpreter]
    if not instance.is_zserver:
        arguments += ["-w", instance.wsgi_ini]
    if instance.settings.process.umask:
        arguments += ["--umask", instance.settings.process.umask]
    path = instance.control_script
    write = _path_writer(instance, path)
    body = _render("control_body.py", arguments=[write(argument) for argument in arguments])
    return File(path, _script(instance, python, path, body), 0o755)


def interpreter(instance: Instance, python: Python) -> File:
    """``LOC/bin/interpreter``: Python with the instance's path."""
    path = instance.interpreter
    return File(path, _script(instance, python, path, _render("interpreter_body.py")), 0o755)


def _script(instance: Instance, python: Python, path: str, body: str) -> str:
    write = _path_writer(instance, path)
    first, *rest = header(python.executable, path, instance).splitlines()
    return _render(
        "script.py",
        header="\n".join((first, CODING, *rest)),
        levels=_levels(instance, path) if instance.relative_paths else 0,
        variable=repr(DIRECTORY_VARIABLE),
        paths=[write(item) for item in python.paths],
        initialization=python.initialization,
        body=body.rstrip("\n"),
    )


def _levels(instance: Instance, path: str) -> int:
    """How far below the buildout directory a file is."""
    return len(os.path.relpath(path, instance.directory).split(os.sep))


def _path_writer(instance: Instance, script: str) -> Callable[[str], str]:
    """Writes a text as Python; a path below the buildout, relative to it where that is asked for."""

    def write(text: str) -> str:
        if instance.relative_paths and (text + "/").startswith(instance.directory + "/"):
            return f"os.path.join(base, {os.path.relpath(text, instance.directory)!r})"
        return repr(text)

    return write


def header(executable: str, path: str, instance: Instance) -> str:
    """The line that names the interpreter.

    The kernel takes neither blanks nor long paths there; then, and where the
    tree may move with the interpreter in it, a shell line starts it, which
    Python reads as a string.
    """
    inside = instance.relative_paths and executable.startswith(instance.directory + "/")
    if not inside and len(os.fsencode(executable)) < SHEBANG_LIMIT - 2 and not any(map(str.isspace, executable)):
        return f"#!{executable}"
    if inside:
        relative = os.path.relpath(executable, os.path.dirname(path))
        quoted = f'"$(dirname "$(readlink -f "$0")")"/{_shell_quoted(relative)}'
    else:
        quoted = _shell_quoted(executable)
    return f"#!/bin/sh\n'''exec' {quoted} \"$0\" \"$@\"\n' '''"


def _configuration(path: str, text: str, secret: bool) -> File:
    return File(path, text, PRIVATE if secret else 0o644)


def _shell_quoted(text: str) -> str:
    """A word of the shell's that is no escape to Python, in whose string it stands."""
    return "'" + re.sub(r"['\\]", lambda match: "'\"" + match[0].replace("\\", r"\\") + "\"'", text) + "'"


def files(
    instance: Instance,
    python: Python,
    templates: Mapping[str, str],
    problems: Problems,
    inner: Python | None = None,
) -> Iterable[File]:
    """All files of an instance, but ``inituser`` and the scripts of its eggs.

    `python` is that of the control script, `inner` that of the server where it is another one: under ZServer.
    """
    if instance.settings.layout.zope_conf is None:
        text = zope_conf(instance)
        yield _configuration(instance.zope_conf, text, holds_secret(text))
    if instance.settings.server.wsgi is True:
        text = wsgi_ini(instance, templates, problems)
        credentials = instance.event_log.has_credentials or instance.access_log.has_credentials
        yield _configuration(instance.wsgi_ini, text, credentials or holds_secret(text))
    yield from (_configuration(file.path, file.text, holds_secret(file.text)) for file in zcml(instance))
    yield interpreter(instance, inner or python)
    yield control_script(instance, python)
    # What marks a complete instance
    yield File(f"{instance.etc}/{FACTS}", facts(instance))
