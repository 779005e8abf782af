"""What a misspelt word was probably meant to be."""

import difflib
from collections.abc import Iterable


def nearest(text: str, words: Iterable[str]) -> str:
    """The word that `text` is probably meant to be, in any case; empty where there is none."""
    by_lower = {word.lower(): word for word in words if len(text.split()) == 1}
    found = difflib.get_close_matches(text.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else ""


def hint(text: str, words: Iterable[str]) -> str:
    """The same as the end of a message."""
    meant = nearest(text, words)
    return f"; did you mean {meant}?" if meant else ""
