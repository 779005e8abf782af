"""The option ``environment-vars``, in all the ways people write it."""

import re

from recipe.options.problems import Problems

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\s*=\s*(.*)")
OPTION = "environment-vars"


def variables(text: str, problems: Problems) -> dict[str, str]:
    """Names and values: one ``KEY value`` or ``KEY=value`` a line, or all on one line.

    On one line words alternate: name, value, name, value. An odd number of words
    cannot, and is one variable with a value of several words.
    """
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(lines) == 1:
        return _one_line(lines[0], problems)
    return dict(_pair(line) for line in lines)


def _pair(line: str) -> tuple[str, str]:
    assignment = _ASSIGNMENT.fullmatch(line)
    if assignment:
        return assignment[1], assignment[2]
    name, _, value = line.partition(" ") if " " in line else line.partition("\t")
    return name, value.strip()


def _one_line(line: str, problems: Problems) -> dict[str, str]:
    words = line.split()
    if all(_ASSIGNMENT.fullmatch(word) for word in words):
        return dict(_pair(word) for word in words)
    if _ASSIGNMENT.fullmatch(line) or len(words) % 2 or len(words) == 2:
        return dict([_pair(line)])
    pairs = list(zip(words[::2], words[1::2], strict=True))
    read = ", ".join(f"{name}={value}" for name, value in pairs)
    problems.warn(OPTION, f"one line of several words is read as {read}; write one variable a line")
    return dict(pairs)
