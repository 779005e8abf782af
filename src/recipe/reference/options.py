"""Generates the reference of the options, ``docs/options.rst``, from their declarations.

python -m recipe.reference.options > docs/options.rst
"""

import dataclasses
import inspect
from collections.abc import Iterator

from recipe.common.problems import Problems
from recipe.describe.instance import describe
from recipe.options import read
from recipe.options.declare import Applies, Context, Option, options_of
from recipe.options.settings import Settings
from recipe.reference.paragraph import wrapped
from recipe.render import inifile, wsgi_ini
from recipe.render.place import Place

HEAD = """\
.. Generated from the declarations in src/recipe/options: do not edit, run ``make options``.

=======
Options
=======

This page lists all options of a part with ``recipe = plone.recipe.zope2instance``.

The texts and the defaults use these short names:

``NAME``
    the name of the part
``VAR``
    the value of the option ``var``
``BD``
    the buildout directory
``LOC``
    the location of the part, ``parts/NAME``
``CLIENTHOME``
    the value of the option ``client-home``

An option with an empty value counts as left out, unless its text says what an empty value means.
"""

WAITRESS = """\
Further settings of waitress
============================

``waitress-NAME``
    Any other setting of waitress, with dashes in its name: ``waitress-channel-timeout = 60`` sets
    ``channel_timeout``. The installed waitress checks the name and the value.
"""


PLACEHOLDERS = Context("NAME", "BD", "LOC", "BD/bin", "VAR", "CLIENTHOME")


def reference() -> str:
    """Return the whole page as reStructuredText."""
    return "\n".join([HEAD, *_groups(), WAITRESS, _template_names()])


def _groups() -> Iterator[str]:
    for field in dataclasses.fields(Settings):
        title = {"zserver": "ZServer", "zcml": "ZCML"}.get(field.name, field.name.replace("_", " ").capitalize())
        yield f"{title}\n{'=' * len(title)}\n"
        yield f"{inspect.getdoc(field.type)}\n"
        for option in options_of(field.type).values():  # type: ignore[arg-type]
            yield _entry(option)


def _template_names() -> str:
    """Return the names for wsgi-ini-template, with the values that they have in a part without options."""
    context = Context("NAME", "/BD", "/BD/parts/NAME", "/BD/bin")
    problems = Problems("NAME")
    instance = describe(read({}, context, problems), {}, context, False, problems)
    writer = inifile.Writer(Place("/BD", "BD"))
    names = wsgi_ini.template_names(instance, writer)
    title = "Names for wsgi-ini-template"
    head = f"{title}\n{'=' * len(title)}\n\nThe values are those of a part without options.\n\n"
    rows = (f"``%({name})s``\n    {_example(writer.value(value))}\n" for name, value in names.items())
    return head + "\n".join(rows)


def _example(value: str) -> str:
    lines = value.splitlines()
    if len(lines) > 1:
        return "::\n\n" + "\n".join(f"        {line}" for line in lines)
    return f"``{value}``" if value else "empty"


def _entry(option: Option) -> str:
    lines = [f".. _option-{option.name.replace('_', '-')}:", "", f"``{option.name}``"]
    lines += [
        *wrapped(option.doc, "    "),
        "",
        *_field("Allowed", _plain(option.kind.allowed)),
        *_field("Default", _default(option)),
    ]
    if option.overridden_by:
        lines += _field("Overridden by", _names(option.overridden_by))
    if option.aliases:
        lines += _field("Other names", _names(option.aliases))
    if option.applies is not Applies.BOTH:
        instead = f"; otherwise use {option.instead}" if option.instead else ""
        lines += _field("Applies to", f"{option.applies.value} only{instead}")
    if option.into:
        lines += _field("Written to", _names(tuple(file.value for file in option.into)))
    return "\n".join(lines) + "\n"


def _field(name: str, text: str) -> list[str]:
    """Return a field of an option, as lines."""
    return wrapped(f":{name}: {text}", "    ", "        ")


def _plain(text: str) -> str:
    """Return text without markup: a star would begin emphasis."""
    return text.replace("*", r"\*")


def _default(option: Option) -> str:
    default = _text(option.default)
    return f"{default} (ZServer: {_text(option.zserver_default)})" if option.zserver_default else default


def _text(default: str | None) -> str:
    return f"``{PLACEHOLDERS.expand(default)}``" if default else "none"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"``{name}``" for name in names)


if __name__ == "__main__":
    print(reference(), end="")
