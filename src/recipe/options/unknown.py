"""Keys of a part that are not options: which of them are probably misspelt."""

import difflib
import re
from collections.abc import Iterator, Mapping

from recipe.options.settings import declared

# Keys that zc.buildout and zc.recipe.egg set, and others in common use: they are not misspelt options.
FOREIGN = {
    "recipe", "location", "bin-directory", "eggs-directory", "develop-eggs-directory", "buildout-directory",
    "find-links", "index", "executable", "python", "allow-hosts", "environment", "_b", "_d", "_e", "zope2-location",
}  # fmt: skip
LIKENESS = 0.9  # the ratio (difflib) from which a key counts as a misspelt option


def hints(part: Mapping[str, str], zserver: bool = False) -> Iterator[tuple[str, str]]:
    """Yield each key of the part that is probably a misspelt option, and that option.

    A part may hold keys of the user's own, so only a very similar key counts, and none that differs by a number.
    """
    known = {name for option in declared() for name in option.names}
    meant = {name for option in declared() if option.applies_to(zserver) for name in option.names}
    for key in part:
        if key in known or key in FOREIGN:
            continue
        for name in difflib.get_close_matches(key.lower(), meant, n=1, cutoff=LIKENESS):
            if re.sub(r"[-_]?\d+", "", key) != name:
                yield key, name
