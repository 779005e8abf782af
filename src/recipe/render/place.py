"""Writes the buildout directory in generated text: escaped, or relative so that the tree can be moved."""

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A directory, and the text `written` that stands for it in a file.

    The recipe writes the directory, not the user. So a ``$`` or ``%`` in its name is never an escape,
    but in the text around it, it may be one. `is_relative` says that `written` is relative to the file.
    """

    directory: str
    written: str
    is_relative: bool = False

    def quote(self, text: str, quote: Callable[[str], str]) -> str:
        """Return `text` quoted by `quote`, with `written` in place of the directory."""
        pattern = rf"(?<![\w./-]){re.escape(self.directory)}(?=[/'\"\s)]|$)"
        return self.written.join(quote(piece) for piece in re.split(pattern, text))
