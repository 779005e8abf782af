"""The settings of servers that take Python values: the type of a setting's default says what its text must be."""

from collections.abc import Iterator, Mapping
from typing import Any

from waitress.adjustments import asbool

from recipe.common.spelling import hint

WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}

TRUE_OR_FALSE = ("true", "yes", "on", "1", "false", "no", "off", "0")


def cast(text: str, kind: type) -> Any:
    """Return `text` as a value of type `kind`. Raises ValueError."""
    if kind is bool:
        if text.lower() not in TRUE_OR_FALSE:
            raise ValueError(text)
        return asbool(text)
    return kind(text)


def setting_errors(settings: Mapping[str, str], kinds: Mapping[str, type], server: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the error of each setting that is not in `kinds`, or whose text does not fit its type."""
    for name, text in settings.items():
        if name not in kinds:
            allowed = ", ".join(sorted(kinds))
            yield name, f"{server} does not accept this setting{hint(name, kinds) or '.'} Allowed: {allowed}"
            continue
        try:
            cast(text, kinds[name])
        except ValueError:
            yield name, f"{text!r} is not {WORDS[kinds[name]]}"


def cast_all(settings: Mapping[str, str], kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return the values of settings that have no error."""
    return {name: cast(text, kinds[name]) for name, text in settings.items()}
