"""Suggests the right word for a misspelt one."""

import difflib
from collections.abc import Iterable


def nearest(text: str, words: Iterable[str]) -> str:
    """Return the word that is most similar to `text`, ignoring case; empty if none is similar enough."""
    by_lower = {word.lower(): word for word in words if len(text.split()) == 1}
    similar = difflib.get_close_matches(text.lower(), by_lower, n=1)
    return by_lower[similar[0]] if similar else ""


def hint(text: str, words: Iterable[str]) -> str:
    """Return the nearest word as a question that ends a message; empty if there is none."""
    word = nearest(text, words)
    return f"; did you mean {word}?" if word else ""
