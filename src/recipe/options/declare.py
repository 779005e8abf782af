"""How an option is declared: once, as a typed field of the group it belongs to.

    threads: int = option("threads", kinds.COUNT, default="4", doc="Worker threads.")

From the declaration follow parsing, validation, the warnings and hints, and the
option's place in the reference.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Applies(Enum):
    """The kind of instance an option has a meaning for."""

    BOTH = "WSGI and ZServer"
    WSGI = "WSGI"
    ZSERVER = "ZServer"


@dataclass(frozen=True)
class Context:
    """What the text of an option may refer to: the part's name and its directories (absolute)."""

    name: str
    directory: str
    location: str
    bin_directory: str
    var: str = ""
    client_home: str = ""

    def expand(self, text: str) -> str:
        """Fill in the placeholders of a default, such as ``{var}/log/{name}.log``."""
        return text.format(**dataclasses.asdict(self))


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of value.

    `allowed` completes "allowed is …"; `parse` turns the text of an option,
    stripped of outer white space, into the value, or raises ValueError. `words`
    are those it takes, among which the nearest to a misspelt one is.
    """

    name: str
    allowed: str
    parse: Callable[[str, Context], T]
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Option:
    """The declaration of one option.

    name           how it is written in the part
    overridden_by  another name, which wins where both are given
    aliases        other names, which are looked up after `name`
    kind           how its text is read
    default        the text that stands for it when it is not given; None: there is none.
                   `{var}` and the other fields of Context are filled in
    applies        the kind of instance it has a meaning for
    doc            its text in the reference, reStructuredText
    instead        what to use in the other kind of instance, completes "Use …"
    keep_empty     an empty value is a value, not an option left out
    secret         its value is never printed
    zserver_default the default under ZServer, where it is another one
    """

    name: str
    kind: Kind[Any]
    default: str | None
    doc: str
    applies: Applies = Applies.BOTH
    overridden_by: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    instead: str = ""
    keep_empty: bool = False
    secret: bool = False
    zserver_default: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the order in which they are looked up."""
        return (*self.overridden_by, self.name, *self.aliases)

    def given(self, part: Mapping[str, str]) -> tuple[str, str] | None:
        """The name and stripped text under which the part gives this option, or None."""
        for name in self.names:
            text = part.get(name)
            if text is not None and (text.strip() or self.keep_empty):
                return name, text.strip()
        return None


def option(name: str, kind: Kind[Any], doc: str, default: str | None = None, **more: Any) -> Any:
    """Declare a field of a group dataclass as an option; `more` as in Option."""
    declared = Option(name=name, kind=kind, doc=doc, default=default, **more)
    return field(metadata={"option": declared})


def options_of(group: type) -> dict[str, Option]:
    """The options of a group dataclass, by the name of their field."""
    return {f.name: f.metadata["option"] for f in dataclasses.fields(group)}
