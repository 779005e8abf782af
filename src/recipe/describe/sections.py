"""Sections of ZConfig as values, and the syntax of the lines that a user writes."""

import re
from dataclasses import dataclass
from io import StringIO
from typing import Any, NamedTuple


class Key(NamedTuple):
    """A key, its value (None: the key is left out), and the option of the part that the value comes from."""

    name: str
    value: Any
    option: str = ""


@dataclass(frozen=True)
class Section:
    """``<type name> keys, sections </type>``; `option` is what it comes from, and its keys that name no other one."""

    type: str
    keys: tuple[Key, ...] = ()
    sections: "tuple[Section | Wrapped, ...]" = ()
    name: str = ""
    option: str = ""


@dataclass(frozen=True)
class Wrapped:
    """A section with a user's ZConfig text before and after it."""

    before: str
    section: "Section | Wrapped"
    after: str
    option: str = ""


class _AnySection:
    """Takes what ZConfig's parser finds, without a schema."""

    def addValue(self, key: str, value: str, position: object) -> None: ...  # noqa: N802


class _AnyContext:
    """ZConfig's parser calls these; sections of every type may nest."""

    def startSection(self, section: object, type_: str, name: str) -> _AnySection:  # noqa: N802
        return _AnySection()

    def endSection(self, parent: object, type_: str, name: str, section: object) -> None: ...  # noqa: N802

    def importSchemaComponent(self, package: str) -> None: ...  # noqa: N802

    def includeConfiguration(self, section: object, url: str, defines: object) -> None: ...  # noqa: N802


def check_syntax(text: str) -> None:
    """Let ZConfig's own parser read the lines of an option, without a schema.

    Raises ValueError with the line and what is wrong. What only a schema or the
    environment can tell is not looked at.
    """
    import ZConfig.cfgparser

    # Names and variables are not known here, so what refers to them is made plain text
    resource = _Resource(re.sub(r"\$", "$$", text))
    parser = ZConfig.cfgparser.ZConfigParser(resource, _AnyContext())
    try:
        parser.parse(_AnySection())
    except ZConfig.ConfigurationError as error:
        line = getattr(error, "lineno", None) or parser.lineno
        shown = text.split("\n")[line - 1].strip()
        # Others may hold a password
        markup = f": {shown}" if shown.startswith(("<", "%")) else ""
        raise ValueError(f"is not ZConfig text: {error.message}, line {line}{markup}") from error


class _Resource:
    url = ""

    def __init__(self, text: str) -> None:
        self.file = StringIO(text)
