"""Where the text of an option stands: by the annotations that buildout keeps (``buildout annotate``)."""

import os
import re
from collections.abc import Iterator
from typing import Any


def place_of(buildout: Any, section: str, option: str) -> str:
    """The file and the line of an option, such as ``buildout.cfg, line 14``; empty if they are not known.

    The file is relative to the buildout directory if it is below it. buildout knows the files; the line is that of
    the option in the section, or in one that the section takes over by ``<=``.
    """
    for name in _with_macros(buildout, section):
        for file in _files(buildout, name, option):
            if line := _line(file, name, option):
                inside = os.path.relpath(file, buildout["buildout"]["directory"])
                return f"{file if inside.startswith('..') else inside}, line {line}"
    return ""


def _annotations(buildout: Any, section: str) -> Any:
    # Private, so it may be gone one day: then there are no places
    return getattr(buildout, "_annotated", {}).get(section, {})


def _with_macros(buildout: Any, section: str) -> Iterator[str]:
    """A section, and those that it takes over, the nearest first."""
    waiting, seen = [section], set()
    while waiting:
        name = waiting.pop(0)
        if name not in seen:
            seen.add(name)
            yield name
            macro = _annotations(buildout, name).get("<")
            waiting += reversed(macro.value.split()) if macro else []


def _files(buildout: Any, section: str, option: str) -> Iterator[str]:
    """The files that set the option or add to it, the last one first."""
    annotation = _annotations(buildout, section).get(option)
    for item in reversed(annotation.history if annotation else []):
        if os.path.isfile(item.source):
            yield os.path.abspath(item.source)


def _line(file: str, section: str, option: str) -> int:
    """The number of the last line in the section that begins with the option; 0 if there is none."""
    header = re.compile(r"\[\s*([^\s:\]]+)")
    assignment = re.compile(rf"{re.escape(option)}\s*[+-]?=")
    current, number = "", 0
    with open(file, encoding="utf-8", errors="replace") as lines:
        for index, line in enumerate(lines, start=1):
            if match := header.match(line):
                current = match[1]
            elif current == section and assignment.match(line):
                number = index
    return number
