"""Which option each line of a generated file comes from.

While a file is rendered, text that comes from an option stands between marks, which `split` takes out again. A mark
holds NUL, which no option can (see `recipe.options.reading`).
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from jinja2.ext import Extension

from recipe.common.confidential import holds_secret
from recipe.options.declare import options_of
from recipe.options.settings import GROUPS

_MARK = re.compile("\0([^\0]*)\0")

#: In a template: a field of a group of options, and a comment with the name of an option.
_FIELD = re.compile(r"\b(\w+)\.(\w+)\b")
_COMMENT = re.compile(r"[ \t]*\{#\s*([\w-]+)\s*#\}")


class Traced(NamedTuple):
    """A text, and the options that its lines come from, by the numbers of these lines (from 1)."""

    text: str
    options: Mapping[int, str]


def mark(text: str, option: str) -> str:
    """The text as one that comes from an option; the text as it is if either is empty."""
    return f"\0{option}\0{text}\0\0" if option and text else text


def numbered(lines: Iterable[str]) -> str:
    """The text of several lines, each of which may have become more than one, marked with their numbers (from 1)."""
    return "\n".join(mark(line, str(number)) for number, line in enumerate(lines, start=1))


def source_of(traced: Traced, line: int, source: str) -> tuple[int, str]:
    """The number and the text of the line of `source` that a `numbered` line comes from; a secret is left out."""
    number = int(traced.options.get(line, "1"))
    text = source.split("\n")[number - 1].strip()
    return number, "(it may hold a secret)" if holds_secret(text) else text


def split(marked: str) -> Traced:
    """The text without its marks. A line within several marks comes from the option of the innermost one."""
    options: dict[int, str] = {}
    stack: list[str] = []
    pieces: list[str] = []
    line = 1
    for index, piece in enumerate(_MARK.split(marked)):
        if index % 2:
            stack = [*stack, piece] if piece else stack[:-1]
            continue
        if stack:
            options |= {line + offset: stack[-1] for offset, text in enumerate(piece.split("\n")) if text}
        line += piece.count("\n")
        pieces.append(piece)
    return Traced("".join(pieces), options)


class TracedTemplates(Extension):
    """Marks each line of a template that fills in one option: ``{{ zope.debug_mode }}``.

    A line whose values do not stand for one field names its option in a comment: ``{# environment-vars #}``.
    """

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Add the marks to the source of a template."""
        return "\n".join(map(_marked, source.split("\n")))


def _marked(line: str) -> str:
    comment = _COMMENT.search(line)
    if comment:
        return mark(_COMMENT.sub("", line), comment[1])
    return mark(line, _option(line)) if "{{" in line else line


def _option(line: str) -> str:
    for group, field in _FIELD.findall(line):
        if group in GROUPS and (option := options_of(GROUPS[group]).get(field)):
            return option.name
    return ""
