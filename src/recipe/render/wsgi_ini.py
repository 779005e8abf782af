"""An instance as the text of its wsgi.ini."""

import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from recipe.common.problems import Problems
from recipe.describe.handlers import Handler
from recipe.describe.instance import Instance
from recipe.render import inifile
from recipe.render.place import Place
from recipe.render.provenance import Traced, numbered, split
from recipe.render.templates import environment


def render(instance: Instance, templates: Mapping[str, str], problems: Problems) -> str:
    """The text of wsgi.ini; `templates` maps the files that options name to their text.

    Mistakes in a template go to `problems`.
    """
    return trace(instance, templates, problems).text


def trace(instance: Instance, templates: Mapping[str, str], problems: Problems) -> Traced:
    """The same, with the numbers of the lines of the template, if there is one (see `provenance.numbered`)."""
    writer = _ini_writer(instance)
    names = template_names(instance, writer)
    server = instance.settings.server

    def filled(option: str, file: str) -> inifile.Raw:
        try:
            return inifile.Raw(numbered(writer.fill(templates[file], names, file)))
        except ValueError as error:
            problems.error(option, str(error))
            return inifile.Raw("")

    if server.ini_template:
        return split(_default_section(instance) + filled("wsgi-ini-template", server.ini_template))
    if server.logging_template:
        logging = filled("wsgi-logging-ini-template", server.logging_template)
    else:
        logging = inifile.Raw(_logging_ini(instance, names, writer))
    text = environment(writer.value).get_template("wsgi.ini").render(
        instance=instance,
        server_main=names["server_main"],
        sentry=asdict(instance.settings.sentry),
        profile=instance.settings.profile,
        logging=logging,
    )  # fmt: skip
    return split(_default_section(instance) + text)


def _ini_writer(instance: Instance) -> inifile.Writer:
    if instance.relative_paths:
        written = f"%(here)s/{os.path.relpath(instance.directory, instance.etc)}"
    else:
        written = instance.directory.replace("%", "%%")
    return inifile.Writer(Place(instance.directory, written, instance.relative_paths))


def _default_section(instance: Instance) -> str:
    """A ``[DEFAULT]`` section if the path holds a ``%``: PasteDeploy interpolates ``here``, so it must be escaped.

    There is none if the tree may be moved, since the file must not name its directory; our server escapes ``here``.
    """
    if "%" not in instance.etc or instance.relative_paths:
        return ""
    here, file = (path.replace("%", "%%") for path in (instance.etc, instance.wsgi_ini))
    return f"[DEFAULT]\nhere = {here}\n__file__ = {file}\n\n"


def _logging_ini(instance: Instance, names: Mapping[str, Any], writer: inifile.Writer) -> str:
    return environment(writer.value).get_template("logging.ini").render(
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
        "asyncore_use_poll": server.asyncore_use_poll or "select",
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
    template = environment(writer.value).get_template("server.ini")
    return inifile.Raw(template.render(instance=instance, server=instance.settings.server))
