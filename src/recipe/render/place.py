"""The buildout directory in generated text: escaped, or relative so that the tree can be moved."""

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A directory, and what stands for it in the text of a file.

    The directory is the recipe's to write, not the user's: a ``$`` or ``%`` in its
    name is never an escape. Text around it is. `is_relative` says that `written`
    names it from where the file lies.
    """

    directory: str
    written: str
    is_relative: bool = False

    def quote(self, text: str, quote: Callable[[str], str]) -> str:
        """`text` quoted by `quote`, but for the directory, which becomes what is written for it."""
        pattern = rf"(?<![\w./-]){re.escape(self.directory)}(?=[/'\"\s)]|$)"
        return self.written.join(quote(piece) for piece in re.split(pattern, text))
