"""Keys of a part that are not options: which of them are probably misspelt."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from recipe.common.spelling import nearest
from recipe.options.settings import declared

# Keys that zc.buildout and zc.recipe.egg set, and others in common use: they are not misspelt options.
FOREIGN = {
    "recipe", "location", "bin-directory", "eggs-directory", "develop-eggs-directory", "buildout-directory",
    "find-links", "index", "executable", "python", "allow-hosts", "environment", "_b", "_d", "_e", "zope2-location",
}  # fmt: skip
LIKENESS = 0.9  # the ratio (difflib) from which a key counts as a misspelt option
_NUMBER = re.compile(r"\d+")


def hints(part: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each key of the part that is probably a misspelt option, and that option."""
    known = {name for option in declared() for name in option.names}
    yield from misspelt((key for key in part if key not in known | FOREIGN), known)


def misspelt(keys: Iterable[str], names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each key that is probably one of the names misspelt, and that name.

    A part may hold keys of the user's own, so only a very similar key counts, and none that differs by a number.
    """
    for key in keys:
        name = nearest(key, names, LIKENESS)
        if name and set(_NUMBER.findall(key)) <= set(_NUMBER.findall(name)):
            yield key, name


def not_an_option(meant: str) -> str:
    """The warning for a key that is probably the option `meant`."""
    return f"is not an option of this recipe; did you mean {meant}?"
