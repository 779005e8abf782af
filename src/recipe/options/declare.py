"""How an option is declared: once, as a typed field of the group it belongs to.

    threads: int = option("threads", kinds.COUNT, default="4", doc="Worker threads.")

From the declaration follow parsing, validation, warnings, hints, and the entry in the reference.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Applies(Enum):
    """The kind of instance in which an option has an effect."""

    BOTH = "WSGI and ZServer"
    WSGI = "WSGI"
    ZSERVER = "ZServer"


class Into(Enum):
    """A generated file that an option is written to."""

    ZOPE_CONF = "zope.conf"
    WSGI_INI = "wsgi.ini"
    SITE_ZCML = "site.zcml"
    #: what ``bin/NAME`` reads
    FACTS = "instance.json"
    SCRIPTS = "bin"


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

    `allowed` says in words which values are allowed. `parse` turns the text of an option, without outer white space,
    into the value, or raises ValueError. `words` are the words that it accepts, for a hint at a misspelt one.
    """

    name: str
    allowed: str
    parse: Callable[[str, Context], T]
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Option:
    """The declaration of one option.

    name           its name in the part
    overridden_by  another name, which wins if the part gives both
    aliases        other names, which are looked up after `name`
    kind           the kind of its value
    default        the text that is read if the part does not give the option; None: there is no default.
                   `{var}` and the other fields of Context are filled in
    applies        the kind of instance in which it has an effect
    doc            its description in the reference, reStructuredText
    into           the generated files that it is written to. Under ZServer, zope.conf also has what goes into wsgi.ini.
                   A group of options names the files once, in ``INTO``; an option that differs names its own
    zserver_into   the same for an option that differs under ZServer
    instead        what to use in the other kind of instance; completes "use …"
    keep_empty     whether an empty value is a value; otherwise it counts as left out
    secret         whether its value is a secret, which no message shows
    zserver_default the default under ZServer, if that differs
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
    into: tuple[Into, ...] | None = None
    zserver_into: tuple[Into, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the order in which they are looked up."""
        return (*self.overridden_by, self.name, *self.aliases)

    def applies_to(self, zserver: bool) -> bool:
        """Whether it has an effect in an instance of ZServer; if `zserver` is False, in one of WSGI."""
        return self.applies is not (Applies.WSGI if zserver else Applies.ZSERVER)

    def is_changed(self, part: Mapping[str, str], zserver: bool = False) -> bool:
        """Whether the part gives this option, and another value than its default."""
        given = self.given(part)
        default = (self.zserver_default if zserver else None) or self.default or ""
        # A doubled brace stands for a single one, as in `Context.expand`
        return given is not None and given[1].split() != default.replace("{{", "{").replace("}}", "}").split()

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


@cache
def options_of(group: type) -> Mapping[str, Option]:
    """The options of a group dataclass, by the name of their field."""
    into: tuple[Into, ...] = getattr(group, "INTO", ())
    options = {field.name: field.metadata["option"] for field in dataclasses.fields(group)}
    return {name: replace(option, into=into) if option.into is None else option for name, option in options.items()}
