"""Suggests the right word for a misspelt one."""

import difflib
from collections.abc import Iterable


def nearest(text: str, words: Iterable[str], likeness: float = 0.6) -> str:
    """Return the word that is most similar to `text`; empty if none is similar enough.

    Case does not count, nor the difference between a dash and an underscore. `likeness` is the least ratio of difflib.
    """
    by_plain = {_plain(word): word for word in words if len(text.split()) == 1}
    similar = difflib.get_close_matches(_plain(text), by_plain, n=1, cutoff=likeness)
    return by_plain[similar[0]] if similar else ""


def _plain(text: str) -> str:
    return text.lower().replace("_", "-")


def hint(text: str, words: Iterable[str]) -> str:
    """Return the nearest word as a question that ends a message; empty if there is none."""
    word = nearest(text, words)
    return f"; did you mean {word}?" if word else ""
