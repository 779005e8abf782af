"""Parts as text, described without a buildout."""

from __future__ import annotations

import configparser

from recipe import render
from recipe.instance import Instance, describe
from recipe.options import Problems
from recipe.options.declare import Context

BD = "/bd"


def part(text: str) -> dict[str, str]:
    """The options of a part, as buildout hands them over."""
    parser = configparser.RawConfigParser(allow_no_value=True, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string("[part]\n" + text)
    return {key: value or "" for key, value in parser.items("part")}


def description(
    text: str | dict[str, str], projects: tuple[str, ...] = (), directory: str = BD
) -> tuple[Instance, Problems]:
    """The instance of a part `instance` in `directory`, and what is wrong with it."""
    problems = Problems("instance")
    context = Context("instance", directory, f"{directory}/parts/instance", f"{directory}/bin")
    options = part(text) if isinstance(text, str) else text
    return describe(options, context, projects, False, problems), problems


def zope_conf(text: str | dict[str, str], **more: str) -> str:
    """The zope.conf of a part without errors."""
    instance, problems = description(text, **more)  # type: ignore[arg-type]
    assert not problems.errors
    return render.zope_conf(instance)


def wsgi_ini(text: str | dict[str, str], templates: dict[str, str] | None = None, **more: str) -> str:
    """The wsgi.ini of a part without errors."""
    instance, problems = description(text, **more)  # type: ignore[arg-type]
    result = render.wsgi_ini(instance, templates or {}, problems)
    assert not problems.errors
    return result


def ini(text: str) -> configparser.ConfigParser:
    """A wsgi.ini, parsed with the defaults that PasteDeploy gives it."""
    etc = f"{BD}/parts/instance/etc"
    parser = configparser.ConfigParser({"here": etc, "__file__": f"{etc}/wsgi.ini"})
    parser.read_string(text)
    return parser
