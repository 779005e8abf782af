"""Writing ini text. The one place that knows that ``%`` is special.

wsgi.ini is read twice: by PasteDeploy and by logging.config. Both interpolate
as configparser does, with the defaults ``here`` and ``__file__``.
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
    """Text that is ini already."""


class Expression(str):
    """Python text, which logging.config evaluates once it is interpolated."""


def quote(text: str, defined: Collection[str] = DEFAULTS) -> str:
    """`text` with every ``%`` doubled that configparser would stumble over.

    ``%%`` and references to `defined` names keep their meaning. Further lines are
    indented, as a continued value is.
    """

    def replacement(match: re.Match[str]) -> str:
        return match[0] if match["percent"] or match["name"] in defined else "%" + match[0]

    return "\n    ".join(_PERCENT.sub(replacement, text).split("\n"))


class Writer:
    """Writes ini text for a file that refers to the buildout directory as `place` says."""

    def __init__(self, place: Place, defined: Collection[str] = DEFAULTS) -> None:
        self.place = place
        self.defined = defined

    def value(self, thing: Any) -> str:
        """A value as ini text: booleans as true and false, tuples word by word, None as nothing."""
        if isinstance(thing, Raw):
            return thing
        if isinstance(thing, Expression):
            thing = ast.unparse(_Literals(self.place).visit(ast.parse(thing, mode="eval")))
        if thing is None:
            return ""
        if isinstance(thing, bool):
            return "true" if thing else "false"
        text = " ".join(str(item) for item in thing) if isinstance(thing, tuple) else str(thing)
        return self.place.quote(text, partial(quote, defined=self.defined))

    def fill(self, template: str, names: Mapping[str, Any], file: str) -> str:
        """A user's template with its ``%(name)s`` filled in, and ``%%`` made ``%``.

        What is filled in may refer to names of the template's ``[DEFAULT]``.

        Raises ValueError that names the file, the line, and the names there are.
        """
        writer = Writer(self.place, (*DEFAULTS, *_default_names(template)))

        def replacement(match: re.Match[str]) -> str:
            if match["percent"]:
                return "%"
            if match["name"] in names:
                return writer.value(names[match["name"]])
            line = template.count("\n", 0, match.start()) + 1
            if not match["name"]:
                raise ValueError(f"{file}, line {line}: a lone %; write %%")
            meant = nearest(match["name"], names)
            hint = f"did you mean %({meant})s? " if meant else ""
            unknown = f"{file}, line {line}: %({match['name']})s is not known"
            raise ValueError(f"{unknown}; {hint}the names are {', '.join(sorted(names))}")

        return _PERCENT.sub(replacement, template)


class _Literals(ast.NodeTransformer):
    """Writes paths below the buildout directory as literals in which the directory may hold any quote.

    Where the tree may be moved, nobody knows what ``%(here)s`` will hold.
    """

    def __init__(self, place: Place) -> None:
        self.place = place

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """A string that `repr` would spoil becomes a raw one, and is written as it stands here."""
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
    """The names in the ``[DEFAULT]`` of an ini text; none where it does not parse."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(template)
    except configparser.Error:
        return []
    return list(parser.defaults())
