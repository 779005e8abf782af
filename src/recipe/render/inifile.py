"""Writes ini text. No other module has to know that ``%`` is special.

Two programs read wsgi.ini: PasteDeploy and logging.config. Both interpolate as configparser does,
with the defaults ``here`` and ``__file__``.
"""

import ast
import configparser
import re
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from recipe.common.spelling import nearest
from recipe.render.place import Place

DEFAULTS = ("here", "__file__")

_PERCENT = re.compile(r"%(?:(?P<percent>%)|\((?P<name>[^()%\s]+)\)s)?")


class Raw(str):
    """Text in ini syntax, which is written unchanged."""


class Expression(str):
    """Python text, which logging.config evaluates after the interpolation."""


def quote(text: str, defined: Collection[str] = DEFAULTS) -> str:
    """Return `text` with every ``%`` doubled that configparser would reject.

    ``%%`` and references to `defined` names keep their meaning. Lines after the first are indented,
    as configparser requires it of a value.
    """

    def replacement(match: re.Match[str]) -> str:
        return match[0] if match["percent"] or match["name"] in defined else "%" + match[0]

    return "\n    ".join(_PERCENT.sub(replacement, text).split("\n"))


class Writer:
    """Writes values as ini text; `place` says how the file refers to the buildout directory."""

    def __init__(self, place: Place, defined: Collection[str] = DEFAULTS) -> None:
        self.place = place
        self.defined = defined

    def value(self, value: Any) -> str:
        """Return a value as ini text: a boolean as true or false, a tuple as words, None as the empty text."""
        if isinstance(value, Raw):
            return value
        if isinstance(value, Expression):
            value = ast.unparse(_Literals(self.place).visit(ast.parse(value, mode="eval")))
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        text = " ".join(str(item) for item in value) if isinstance(value, tuple) else str(value)
        return self.place.quote(text, partial(quote, defined=self.defined))

    def fill(self, template: str, names: Mapping[str, Any], file: str) -> list[str]:
        """Return the lines of a user's template, each ``%(name)s`` replaced with its value, and ``%%`` with ``%``.

        The values may refer to names in ``[DEFAULT]`` of the template. Raises ValueError with the file,
        the line and the names that exist.
        """
        writer = Writer(self.place, (*DEFAULTS, *_default_names(template)))

        def replacement(match: re.Match[str]) -> str:
            if match["percent"]:
                return "%"
            if match["name"] in names:
                return writer.value(names[match["name"]])
            if not match["name"]:
                raise ValueError("a single % is not allowed; write %%")
            similar = nearest(match["name"], names)
            hint = f" Did you mean %({similar})s?" if similar else ""
            raise ValueError(f"%({match['name']})s is not known.{hint} Known names: {', '.join(sorted(names))}.")

        lines = []
        for number, line in enumerate(template.split("\n"), start=1):
            try:
                lines.append(_PERCENT.sub(replacement, line))
            except ValueError as error:
                raise ValueError(f"{file}, line {number}: {error}") from None
        return lines


class _Literals(ast.NodeTransformer):
    """Writes paths below the buildout directory as literals in which the directory may contain any quote.

    If the tree may be moved, the value of ``%(here)s`` is not known in advance.
    """

    def __init__(self, place: Place) -> None:
        self.place = place

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Return a path that `repr` would change as a raw string, which is written unchanged."""
        directory = self.place.directory
        if not isinstance(node.value, str) or not node.value.startswith(f"{directory}/"):
            return node
        if directory in repr(node.value) and not self.place.is_relative:
            return node
        rest = node.value.removeprefix(directory)
        if re.fullmatch(r"[\w./-]+", rest):
            return ast.Name(f'r"""{directory}{rest}"""')
        return ast.Name(f'r"""{directory}/""" {rest[1:]!r}')


def _default_names(template: str) -> list[str]:
    """Return the names in ``[DEFAULT]`` of an ini text; none if it does not parse."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(template)
    except configparser.Error:
        return []
    return list(parser.defaults())
