"""Settings of a server that has no rules for text: the type of a default says what a text must be."""

from collections.abc import Iterator, Mapping
from typing import Any

from waitress.adjustments import asbool

from recipe.common.spelling import hint

WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}

TRUE_OR_FALSE = ("true", "yes", "on", "1", "false", "no", "off", "0")


def cast(text: str, kind: type) -> Any:
    """Return the value of `text`. Raises ValueError."""
    if kind is bool:
        if text.lower() not in TRUE_OR_FALSE:
            raise ValueError(text)
        return asbool(text)
    return kind(text)


def setting_errors(settings: Mapping[str, str], kinds: Mapping[str, type], server: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the mistake of each setting that is none of `kinds`, or of another type."""
    for name, text in settings.items():
        if name not in kinds:
            yield name, f"{server} has no such setting here{hint(name, kinds)}. Allowed: {', '.join(sorted(kinds))}"
            continue
        try:
            cast(text, kinds[name])
        except ValueError:
            yield name, f"{text!r} is not {WORDS[kinds[name]]}"


def cast_all(settings: Mapping[str, str], kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return the values of settings that are right."""
    return {name: cast(text, kinds[name]) for name, text in settings.items()}
