"""Parses the option ``environment-vars``, in all forms in which it is written."""

import re

from recipe.common.confidential import is_secret
from recipe.common.problems import Problems

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\s*=\s*(.*)")
OPTION = "environment-vars"
ALLOWED = "a name of ASCII letters, digits and underscores that does not begin with a digit"


def variables(text: str, problems: Problems) -> dict[str, str]:
    """Return the values by name: one ``NAME value`` or ``NAME=value`` on each line, or all on one line.

    On a single line, names and values alternate. An odd number of words is one variable with a value
    of several words.
    """
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line and not line.startswith("#")]
    values = _parse(lines, problems)
    for name in values:
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            problems.error(OPTION, f"{name!r} is not a name that Zope accepts. Allowed: {ALLOWED}.")
    return values


def _parse(lines: list[str], problems: Problems) -> dict[str, str]:
    if len(lines) == 1:
        return _parse_single_line(lines[0], problems)
    values = dict(_pair(line) for line in lines)
    if any(map(_ASSIGNMENT.fullmatch, lines)):
        _warn_of_ambiguity(values, problems)
    return values


def _pair(line: str) -> tuple[str, str]:
    assignment = _ASSIGNMENT.fullmatch(line)
    if assignment:
        return assignment[1], assignment[2]
    name, *value = line.split(None, 1)
    return name, "".join(value)


def _parse_single_line(line: str, problems: Problems) -> dict[str, str]:
    assignments = re.sub(r"\s*=\s*", "=", line).split()
    words = line.split()
    if all(map(_ASSIGNMENT.fullmatch, assignments)):
        values = dict(map(_pair, assignments))
    elif _ASSIGNMENT.fullmatch(line) or len(words) % 2 or len(words) == 2:
        values = dict([_pair(line)])
    else:
        values = dict(zip(words[::2], words[1::2], strict=True))
    if len(words) != 2 or "=" in words[0]:
        _warn_of_ambiguity(values, problems)
    return values


def _warn_of_ambiguity(values: dict[str, str], problems: Problems) -> None:
    """Add a warning that shows how the recipe has read a text that can be read in several ways."""
    shown = ", ".join(f"{name} = {'***' if is_secret(name) else repr(value)}" for name, value in values.items())
    problems.warn(OPTION, f"is read as {shown}; to be clear, write one NAME value on each line")
