"""Reading a part: text in, typed and validated groups out."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from recipe.common.confidential import holds_secret
from recipe.common.problems import Problems, shown
from recipe.common.spelling import nearest
from recipe.options import idle
from recipe.options.declare import Context, Option, options_of
from recipe.options.instance import Layout
from recipe.options.kinds import FALSE
from recipe.options.settings import Settings
from recipe.options.unknown import hints, not_an_option

G = TypeVar("G")


def read(part: Mapping[str, str], context: Context, problems: Problems) -> Settings:
    """Read all options of a part; mistakes go to `problems`.

    An option with a mistake gets its default in the result, so that the other options can be checked as well: use
    the result only if there are no errors.
    """
    zserver = _is_zserver(part)
    context = _with_directories(part, context, problems)
    groups = {
        group.name: _read_group(group.type, part, context, zserver, problems)  # type: ignore[arg-type]
        for group in dataclasses.fields(Settings)
    }
    settings = Settings(**groups)
    idle.note(part, settings, problems)
    for key, meant in hints(part):
        problems.warn(key, not_an_option(meant))
    return settings


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
    options = options_of(group)  # type: ignore[arg-type]
    return group(**{field: _read_option(options[field], part, context, zserver, problems) for field in options})


def _read_option(option: Option, part: Mapping[str, str], context: Context, zserver: bool, problems: Problems) -> Any:
    given = option.given(part)
    if given and option.applies_to(zserver):
        name, text = given
        try:
            _check_characters(text)
            return option.kind.parse(text, context)
        except ValueError as error:
            meant = nearest(text, option.kind.words)
            hint = f" Did you mean {meant}?" if meant else ""
            problems.error(name, f"{_reason(error, option, text)} Allowed: {option.kind.allowed}.{hint}")
    default = option.zserver_default if zserver and option.zserver_default else option.default
    return None if default is None else option.kind.parse(context.expand(default), context)


# NUL ends a string in C, and half of a surrogate pair cannot be encoded in UTF-8
_IN_NO_FILE = re.compile("[\0\ud800-\udfff]")


def _check_characters(text: str) -> None:
    if character := _IN_NO_FILE.search(text):
        raise ValueError(f"contains {character[0]!r}, which a file cannot contain")


def _without_credentials(text: str) -> str:
    """The text without the inner tuples of a tuple: an SMTPHandler has its user and password in one."""
    return text[:1] + re.sub(r"\(.*", "(…", text[1:], flags=re.DOTALL) if text.startswith("(") else text


def _reason(error: ValueError, option: Option, text: str) -> str:
    reason = str(error) if str(error).endswith("?") else f"{error}."
    # A parser of several values names the wrong one in its message
    if reason.startswith(("'", '"')):
        return reason
    return f"{'the value' if option.secret or holds_secret(text) else shown(_without_credentials(text))} {reason}"
