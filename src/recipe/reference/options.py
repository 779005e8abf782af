"""The reference of the options, ``docs/options.rst``, written from their declarations.

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
from recipe.render import inifile, wsgi_ini
from recipe.render.place import Place

HEAD = """\
.. Generated from the declarations in src/recipe/options: do not edit, run ``make options``.

=======
Options
=======

Every option of a part with ``recipe = plone.recipe.zope2instance``.

In the defaults, ``NAME`` is the name of the part, ``VAR`` the option ``var``, ``BD`` the buildout
directory, ``LOC`` the location of the part, and ``CLIENTHOME`` the option ``client-home``. An option
that is given but empty counts as left out, except where its text says otherwise.
"""

WAITRESS = """\
Further settings of waitress
============================

``waitress-NAME``
    Any other setting of waitress, with dashes in its name: ``waitress-channel-timeout = 60`` is waitress's
    ``channel_timeout``. The name and the value are checked by the waitress that is installed.
"""

PLACEHOLDERS = Context("NAME", "BD", "LOC", "BD/bin", "VAR", "CLIENTHOME")


def reference() -> str:
    """The whole page, reStructuredText."""
    return "\n".join([HEAD, *_groups(), WAITRESS, _template_names()])


def _groups() -> Iterator[str]:
    for field in dataclasses.fields(Settings):
        title = field.name.replace("_", " ").capitalize()
        yield f"{title}\n{'=' * len(title)}\n"
        yield f"{inspect.getdoc(field.type)}\n"
        for option in options_of(field.type).values():  # type: ignore[arg-type]
            yield _entry(option)


def _template_names() -> str:
    """The names for wsgi-ini-template, with the values that an empty part gives them."""
    context = Context("NAME", "/BD", "/BD/parts/NAME", "/BD/bin")
    problems = Problems("NAME")
    instance = describe(read({}, context, problems), {}, context, False, problems)
    writer = inifile.Writer(Place("/BD", "BD"))
    names = wsgi_ini.template_names(instance, writer)
    title = "Names for wsgi-ini-template"
    head = f"{title}\n{'=' * len(title)}\n\nWith the values that a part without options gives them.\n\n"
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
        f"    {option.doc}",
        "",
        f"    :Allowed: {_plain(option.kind.allowed)}",
        f"    :Default: {_default(option)}",
    ]
    if option.overridden_by:
        lines.append(f"    :Overridden by: {_names(option.overridden_by)}")
    if option.aliases:
        lines.append(f"    :Also: {_names(option.aliases)}")
    if option.applies is not Applies.BOTH:
        instead = f"; otherwise use {option.instead}" if option.instead else ""
        lines.append(f"    :Applies to: {option.applies.value} only{instead}")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text without markup: a star would open emphasis."""
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
