"""Wraps the lines of the generated pages, so that changes in them can be read."""

import textwrap

WIDTH = 99  # characters of a line


def wrapped(text: str, indent: str, further: str = "") -> list[str]:
    """Return the lines of a paragraph; `further` is the indentation of the lines after the first."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=further or indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
