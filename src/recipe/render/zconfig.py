"""Writing ZConfig text: sections, keys and quoting. The one place that knows that ``$`` is special.

The rules are those of ZConfig's manual, chapter "Configuration Syntax", and of
its ``substitution`` module.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any

from recipe.describe.sections import Section, Wrapped
from recipe.render.place import Place
from recipe.render.provenance import mark

ALWAYS_DEFINED = frozenset({"instancehome", "clienthome"})  # by our zope.conf, in its first lines

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
    """Text that is ZConfig already."""


def quote(text: str, defined: Collection[str] | None = ALWAYS_DEFINED) -> str:
    """`text` with every ``$`` doubled that ZConfig would stumble over.

    ``$$``, ``$(NAME)`` (environment) and references to `defined` names (in lower
    case, as ZConfig compares them; None: of any name) keep their meaning.
    """

    def replacement(match: re.Match[str]) -> str:
        name = match["braced"] or match["name"]
        kept = match["dollar"] or match["environment"] or (name and (defined is None or name.lower() in defined))
        return match[0] if kept else "$" + match[0]

    return _REFERENCE.sub(replacement, text)


class Writer:
    """Writes ZConfig text for a file that refers to the buildout directory as `place` says."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.defined = set(ALWAYS_DEFINED)
        self.includes = False

    def lines(self, text: str) -> Raw:
        """Lines of ZConfig that a user wrote, with the ``$`` in them quoted.

        A ``%define`` adds names for all that is written later; after an ``%include``
        nobody knows which there are.
        """
        self.defined |= {name.lower() for name in _DEFINE.findall(text)}
        self.includes = self.includes or bool(_INCLUDE.search(text))
        return Raw("\n".join(self.place.quote(line, self._quote) for line in text.split("\n")))

    def value(self, thing: Any) -> str:
        """A value as ZConfig text: booleans as on and off, text quoted, Raw as it is."""
        if isinstance(thing, Raw):
            return thing
        if isinstance(thing, bool):
            return "on" if thing else "off"
        return self.place.quote(str(thing), self._quote)

    def _quote(self, text: str) -> str:
        return quote(text, None if self.includes else self.defined)

    def section(self, section: Section | Wrapped, indent: str = "") -> Raw:
        """The text of a section and all it holds, one key a line, marked with options (`recipe.render.provenance`)."""
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
