"""Writes ZConfig text: sections, keys and quoting. No other module has to know that ``$`` is special.

The rules are those of ZConfig's manual, chapter "Configuration Syntax", and of its module
``substitution``.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any

from recipe.describe.sections import Section, Wrapped
from recipe.render.place import Place
from recipe.render.provenance import mark

ALWAYS_DEFINED = frozenset({"instancehome", "clienthome"})  # in the first lines of the generated zope.conf

_REFERENCE = re.compile(
    r"""\$(?:
        (?P<dollar>\$)
      | \((?P<environment>[A-Za-z_]\w*)\)
      | \{(?P<braced>[A-Za-z_]\w*)\}
      | (?P<name>[A-Za-z_]\w*)
    )?""",
    re.VERBOSE | re.ASCII,
)
_INCLUDE = re.compile(r"^\s*%include\b", re.MULTILINE)
_DEFINE = re.compile(r"^\s*%define\s+(\w+)", re.MULTILINE | re.ASCII)


class Raw(str):
    """Text in ZConfig syntax, which is written unchanged."""


def quote(text: str, defined: Collection[str] | None = ALWAYS_DEFINED) -> str:
    """Return `text` with every ``$`` doubled that ZConfig would reject.

    ``$$``, ``$(NAME)`` (an environment variable) and references to `defined` names keep their meaning.
    The names are in lower case, as ZConfig compares them; None stands for all names.
    """

    def replacement(match: re.Match[str]) -> str:
        name = match["braced"] or match["name"]
        kept = match["dollar"] or match["environment"] or (name and (defined is None or name.lower() in defined))
        return match[0] if kept else "$" + match[0]

    return _REFERENCE.sub(replacement, text)


class Writer:
    """Writes values and sections as ZConfig text; `place` says how the file refers to the buildout directory."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.defined = set(ALWAYS_DEFINED)
        self.includes = False

    def lines(self, text: str) -> Raw:
        """Return ZConfig text of the user with the ``$`` in it quoted.

        A ``%define`` in it adds a name for all text that is written later. After an ``%include``, every
        name may be defined.
        """
        self.defined |= {name.lower() for name in _DEFINE.findall(text)}
        self.includes = self.includes or bool(_INCLUDE.search(text))
        return Raw("\n".join(self.place.quote(line, self._quote) for line in text.split("\n")))

    def value(self, value: Any) -> str:
        """Return a value as ZConfig text: a boolean as on or off, Raw unchanged, other text quoted."""
        if isinstance(value, Raw):
            return value
        if isinstance(value, bool):
            return "on" if value else "off"
        return self.place.quote(str(value), self._quote)

    def _quote(self, text: str) -> str:
        return quote(text, None if self.includes else self.defined)

    def section(self, section: Section | Wrapped, indent: str = "") -> Raw:
        """Return a section as text, one key on each line, marked with options (see `recipe.render.provenance`)."""
        return Raw("\n".join(self._section_lines(section, indent)))

    def _section_lines(self, section: Section | Wrapped, indent: str) -> Iterator[str]:
        deeper = indent + "  "
        if isinstance(section, Wrapped):
            yield from self._wrapper_lines(section.before, section.option, indent)
            yield from self._section_lines(section.section, deeper)
            yield from self._wrapper_lines(section.after, section.option, indent)
            return
        yield mark(f"{indent}<{' '.join((section.type, section.name)).strip()}>", section.option)
        for key in section.keys:
            if key.value is not None:
                yield mark(f"{deeper}{key.name} {self.value(key.value)}", key.option or section.option)
        for child in section.sections:
            yield from self._section_lines(child, deeper)
        yield mark(f"{indent}</{section.type}>", section.option)

    def _wrapper_lines(self, text: str, option: str, indent: str) -> Iterator[str]:
        yield from (mark(indent + line, option) for line in self.lines(text).split("\n") if line)
