"""Reading a part: text in, typed and validated groups out."""

import dataclasses
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from recipe.common.confidential import holds_secret
from recipe.common.spelling import nearest
from recipe.options.declare import Applies, Context, Option, options_of
from recipe.options.instance import Layout, Process, Scripts, Zope
from recipe.options.kinds import FALSE
from recipe.options.logs import AccessLog, EventLog, Profile, Sentry
from recipe.options.problems import Problems, shown
from recipe.options.server import Server, ZServer
from recipe.options.storage import Storage
from recipe.options.zcml import Zcml

G = TypeVar("G")

# Set by zc.buildout and zc.recipe.egg, or long established beside the options: never misspelt.
FOREIGN = {
    "recipe", "location", "bin-directory", "eggs-directory", "develop-eggs-directory", "buildout-directory",
    "find-links", "index", "executable", "python", "allow-hosts", "environment", "_b", "_d", "_e", "zope2-location",
}  # fmt: skip
LIKENESS = 0.9  # of two names, from which on one is taken for the other misspelt


@dataclass(frozen=True)
class Settings:
    """All options of a part, parsed, with their defaults."""

    layout: Layout
    zope: Zope
    scripts: Scripts
    process: Process
    server: Server
    zserver: ZServer
    event_log: EventLog
    access_log: AccessLog
    sentry: Sentry
    profile: Profile
    storage: Storage
    zcml: Zcml


def declared() -> Iterator[Option]:
    """All options, group by group."""
    for group in dataclasses.fields(Settings):
        yield from options_of(group.type).values()  # type: ignore[arg-type]


def read(part: Mapping[str, str], context: Context, problems: Problems) -> Settings:
    """Read all options of a part; what is wrong goes to `problems`.

    An option that cannot be read has its default in the result, so that the
    others can be looked at too: use the result only if there are no errors.
    """
    zserver = _is_zserver(part)
    context = _with_directories(part, context, problems)
    groups = {
        group.name: _read_group(group.type, part, context, zserver, problems)  # type: ignore[arg-type]
        for group in dataclasses.fields(Settings)
    }
    _warn_of_idle_options(part, zserver, problems)
    for key, meant in hints(part, zserver):
        problems.warn(key, f"is no option of this recipe; did you mean {meant}?")
    return Settings(**groups)


def _is_zserver(part: Mapping[str, str]) -> bool:
    return part.get("wsgi", "").strip().lower() in FALSE


def _with_directories(part: Mapping[str, str], context: Context, problems: Problems) -> Context:
    """The context with the directories that defaults of other options refer to."""
    layout = options_of(Layout)
    for field in ("var", "client_home"):
        value = _read_option(layout[field], part, context, False, Problems(problems.name))
        context = dataclasses.replace(context, **{field: value})
    return context


def _read_group(group: type[G], part: Mapping[str, str], context: Context, zserver: bool, problems: Problems) -> G:
    options = options_of(group)
    return group(**{field: _read_option(o, part, context, zserver, problems) for field, o in options.items()})


def _read_option(o: Option, part: Mapping[str, str], context: Context, zserver: bool, problems: Problems) -> Any:
    given = o.given(part)
    if given and _applies(o, zserver):
        name, text = given
        try:
            _check_characters(text)
            return o.kind.parse(text, context)
        except ValueError as error:
            meant = nearest(text, o.kind.words)
            hint = f" Did you mean {meant}?" if meant else ""
            problems.error(name, f"{_reason(error, o, text)} Allowed: {o.kind.allowed}.{hint}")
    default = o.zserver_default if zserver and o.zserver_default else o.default
    return None if default is None else o.kind.parse(context.expand(default), context)


# NUL ends a string of the operating system's, and half a surrogate pair has no UTF-8
_IN_NO_FILE = re.compile("[\0\ud800-\udfff]")


def _check_characters(text: str) -> None:
    found = _IN_NO_FILE.search(text)
    if found:
        raise ValueError(f"holds {found[0]!r}, which no file can")


def _without_credentials(text: str) -> str:
    """The text without the tuples in a tuple: the user and the password of a handler that mails are one."""
    return text[:1] + re.sub(r"\(.*", "(…", text[1:], flags=re.DOTALL) if text.startswith("(") else text


def _reason(error: ValueError, o: Option, text: str) -> str:
    reason = str(error) if str(error).endswith("?") else f"{error}."
    # A parser that reads several values names the one that is wrong itself
    if reason.startswith(("'", '"')):
        return reason
    return f"{'the value' if o.secret or holds_secret(text) else shown(_without_credentials(text))} {reason}"


def _applies(o: Option, zserver: bool) -> bool:
    return o.applies is not (Applies.WSGI if zserver else Applies.ZSERVER)


def _warn_of_idle_options(part: Mapping[str, str], zserver: bool, problems: Problems) -> None:
    for o in declared():
        given = o.given(part)
        is_default = given and given[1].split() == (o.default or "").split()
        if given and not is_default and not _applies(o, zserver):
            mode = "ZServer" if zserver else "WSGI"
            remedy = f"; use {o.instead}" if o.instead else ""
            problems.warn(given[0], f"does nothing under {mode}{remedy}")


def hints(part: Mapping[str, str], zserver: bool = False) -> Iterator[tuple[str, str]]:
    """Pairs of an unknown key of the part and the option it looks like.

    Keys of the user's own are left alone: only a near miss is taken for one,
    and not a key that tells itself apart by a number.
    """
    known = {name for o in declared() for name in o.names}
    meant = {name for o in declared() if _applies(o, zserver) for name in o.names}
    for key in part:
        if key in known or key in FOREIGN:
            continue
        for name in difflib.get_close_matches(key.lower(), meant, n=1, cutoff=LIKENESS):
            if re.sub(r"[-_]?\d+", "", key) != name:
                yield key, name
