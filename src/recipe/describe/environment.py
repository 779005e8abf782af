"""The option ``environment-vars``, in all the ways people write it."""

import re

from recipe.common.confidential import is_secret
from recipe.common.problems import Problems

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\s*=\s*(.*)")
OPTION = "environment-vars"


def variables(text: str, problems: Problems) -> dict[str, str]:
    """Names and values: one ``KEY value`` or ``KEY=value`` a line, or all on one line.

    On one line words alternate: name, value, name, value. An odd number of words
    cannot, and is one variable with a value of several words.
    """
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line and not line.startswith("#")]
    found = _read(lines, problems)
    for name in found:
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            problems.error(OPTION, f"{name!r} is no name that Zope takes. Allowed: letters, digits and underscores.")
    return found


def _read(lines: list[str], problems: Problems) -> dict[str, str]:
    if len(lines) == 1:
        return _one_line(lines[0], problems)
    found = dict(_pair(line) for line in lines)
    if any(map(_ASSIGNMENT.fullmatch, lines)):
        _tell(found, problems)
    return found


def _pair(line: str) -> tuple[str, str]:
    assignment = _ASSIGNMENT.fullmatch(line)
    if assignment:
        return assignment[1], assignment[2]
    name, *value = line.split(None, 1)
    return name, "".join(value)


def _one_line(line: str, problems: Problems) -> dict[str, str]:
    assignments = re.sub(r"\s*=\s*", "=", line).split()
    words = line.split()
    if all(map(_ASSIGNMENT.fullmatch, assignments)):
        found = dict(map(_pair, assignments))
    elif _ASSIGNMENT.fullmatch(line) or len(words) % 2 or len(words) == 2:
        found = dict([_pair(line)])
    else:
        found = dict(zip(words[::2], words[1::2], strict=True))
    if len(words) != 2 or "=" in words[0]:
        _tell(found, problems)
    return found


def _tell(found: dict[str, str], problems: Problems) -> None:
    """Show how it was read what can be read in several ways."""
    read = ", ".join(f"{name} = {'***' if is_secret(name) else repr(value)}" for name, value in found.items())
    problems.warn(OPTION, f"is read as {read}; to be sure, write one NAME value a line")
