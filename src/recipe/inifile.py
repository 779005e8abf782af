"""Writing ini text. The one place that knows that ``%`` is special.

wsgi.ini is read twice: by PasteDeploy and by logging.config. Both interpolate
as configparser does, with the defaults ``here`` and ``__file__``.
"""

import re
from collections.abc import Mapping
from typing import Any

from recipe.place import Place

DEFAULTS = ("here", "__file__")

_PERCENT = re.compile(r"%(?:(?P<percent>%)|\((?P<name>[^)\s]+)\)s)?")


class Raw(str):
    """Text that is ini already."""


def quote(text: str) -> str:
    """`text` with every ``%`` doubled that configparser would stumble over.

    ``%%``, ``%(here)s`` and ``%(__file__)s`` keep their meaning. Further lines are
    indented, as a continued value is.
    """

    def replacement(match: re.Match[str]) -> str:
        return match[0] if match["percent"] or match["name"] in DEFAULTS else "%" + match[0]

    return "\n    ".join(_PERCENT.sub(replacement, text).split("\n"))


class Writer:
    """Writes ini text for a file that refers to the buildout directory as `place` says."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def value(self, thing: Any) -> str:
        """A value as ini text: booleans as true and false, tuples word by word, None as nothing."""
        if isinstance(thing, Raw):
            return thing
        if thing is None:
            return ""
        if isinstance(thing, bool):
            return "true" if thing else "false"
        text = " ".join(str(item) for item in thing) if isinstance(thing, tuple) else str(thing)
        return self.place.quote(text, quote)

    def fill(self, template: str, names: Mapping[str, Any], file: str) -> str:
        """A user's template with its ``%(name)s`` filled in, and ``%%`` made ``%``.

        Raises ValueError that names the file, the line, and the names there are.
        """

        def replacement(match: re.Match[str]) -> str:
            if match["percent"]:
                return "%"
            if match["name"] in names:
                return self.value(names[match["name"]])
            line = template.count("\n", 0, match.start()) + 1
            what = f"%({match['name']})s is not known" if match["name"] else "a lone % (write %%)"
            raise ValueError(f"{file}, line {line}: {what}; the names are {', '.join(sorted(names))}")

        return _PERCENT.sub(replacement, template)
