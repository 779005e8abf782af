"""Parts as text, described without a buildout."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from io import StringIO

from zc.buildout.configparser import parse

from recipe.common.problems import Problems
from recipe.common.servers import SERVERS, Description
from recipe.describe.instance import Instance, describe, with_eggs
from recipe.options import read
from recipe.options.declare import Context
from recipe.render import wsgi_ini as wsgi_ini_
from recipe.render import zope_conf as zope_conf_

BD = "/bd"


def part(text: str) -> dict[str, str]:
    """The options of a part, as buildout hands them over."""
    sections = parse(StringIO(f"[part]\n{text}\n"), "part.cfg")
    return dict(sections["part"])


def description(
    text: str | dict[str, str],
    projects: tuple[str, ...] = (),
    directory: str = BD,
    name: str = "instance",
    servers: Mapping[str, Description] = SERVERS,
) -> tuple[Instance, Problems]:
    """The instance of a part of that name in `directory`, and what is wrong with it."""
    problems = Problems(name)
    context = Context(name, directory, f"{directory}/parts/{name}", f"{directory}/bin")
    options = part(text) if isinstance(text, str) else text
    settings = read(options, context, problems)
    instance = describe(settings, options, context, False, problems)
    return with_eggs(instance, options, projects, servers, problems), problems


def zope_conf(text: str | dict[str, str], **more: str) -> str:
    """The zope.conf of a part without errors."""
    instance, problems = description(text, **more)  # type: ignore[arg-type]
    assert not problems.errors
    return zope_conf_.render(instance).text


def wsgi_ini(text: str | dict[str, str], templates: dict[str, str] | None = None, **more: str) -> str:
    """The wsgi.ini of a part without errors."""
    instance, problems = description(text, **more)  # type: ignore[arg-type]
    result = wsgi_ini_.render(instance, templates or {}, problems)
    assert not problems.errors
    return result


def ini(text: str) -> configparser.ConfigParser:
    """A wsgi.ini, parsed with the defaults that PasteDeploy gives it."""
    etc = f"{BD}/parts/instance/etc"
    parser = configparser.ConfigParser({"here": etc, "__file__": f"{etc}/wsgi.ini"})
    parser.read_string(text)
    return parser
