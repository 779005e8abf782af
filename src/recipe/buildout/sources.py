"""Where the text of an option stands: by the annotations that buildout keeps (``buildout annotate``)."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from recipe.common.problems import Problems


def problems_of(buildout: Any, name: str) -> Problems:
    """Return the problems of a part, none yet; their lines name the files and the lines of the options."""
    return Problems(name, partial(place_of, buildout, name))


def place_of(buildout: Any, section: str, option: str) -> str:
    """Return the file and the line of an option, such as ``buildout.cfg, line 14``; empty if they are not known.

    The file is relative to the buildout directory if it is below it. buildout knows the file; the line is that of the
    option in its section, or in a section that this one takes over by ``<=``.
    """
    # The annotations are private to buildout: if they differ from what is expected, there is no place
    with suppress(AttributeError, KeyError, TypeError, OSError):
        for name in _with_macros(buildout, section):
            items = [
                annotation.history[-1]
                for key, annotation in _annotations(buildout, name).items()
                # A section with a macro keeps ``zcml += a`` as the key ``zcml +``
                if key.rstrip(" +-") == option
            ]
            if items:
                return _place(items[-1], name, option, buildout["buildout"]["directory"])
    return ""


def _annotations(buildout: Any, section: str) -> Any:
    return buildout._annotated.get(section, {})


def _with_macros(buildout: Any, section: str) -> Iterator[str]:
    """Yield a section and those that it takes over, in the order in which buildout looks an option up."""
    waiting, seen = [section], set()
    while waiting:
        name = waiting.pop(0)
        if name not in seen:
            seen.add(name)
            yield name
            macro = _annotations(buildout, name).get("<")
            waiting[:0] = reversed(macro.value.split()) if macro else []


def _place(item: Any, section: str, option: str, directory: str) -> str:
    """Return the place of an item of an annotation's history; empty if it is not from a file."""
    if not os.path.isfile(item.source):
        return ""  # the command line, a URL, a default
    path = os.path.abspath(item.source)
    line = _line(path, section, option, item.value)
    inside = os.path.relpath(path, directory)
    return f"{path if inside.startswith('..') else inside}, line {line}" if line else ""


def _line(file: str, section: str, option: str, value: str) -> int:
    """Return the number of the line that sets the option to the value, the last one of several; 0 if there is none."""
    header = re.compile(r"\[\s*([^\s:\]]+)")
    assignment = re.compile(rf"{re.escape(option)}\s*[+-]?=\s*(.*)")
    first = (value.strip().splitlines() or [""])[0].strip()
    current, numbers, exact = "", [0], [0]
    with open(file, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if match := header.match(line):
                current = match[1]
            elif current == section and (match := assignment.match(line)):
                numbers.append(number)
                # A section may stand several times, with a condition
                exact += [number] if match[1].strip() in (first, "") else []
    return max(exact) or max(numbers)
