"""The class that buildout calls, and the decision whether there is anything to do.

Modules are imported when they are needed: buildout runs over every part, and most parts have not changed.
"""

import logging
import os
from collections.abc import MutableMapping
from typing import Any

from recipe.buildout import fingerprint
from recipe.buildout.registry import parts
from recipe.common.names import PIPELINE


class Recipe:
    """A part of a buildout, as zc.buildout calls it.

    It reads the options in `install` and `update`, not earlier, since other parts may append to them until then.
    """

    def __init__(self, buildout: Any, name: str, options: MutableMapping[str, str]) -> None:
        self.buildout = buildout
        self.name = name
        self.options = options
        self.log = logging.getLogger(name)
        main = buildout["buildout"]
        options["location"] = os.path.join(main["parts-directory"], name)
        options["bin-directory"] = main["bin-directory"]
        # Other parts read these, also if the user leaves them out
        options.setdefault("pipeline", "\n".join(PIPELINE))
        options.setdefault("initialization", "")
        #: The path of the zope.conf that the recipe makes; empty if the user names one
        made = f"{options['location']}/etc/zope.conf"
        # A recipe that calls this one may do so twice with the same options
        self.made_conf = made if options.get("zope-conf", "").strip() in ("", made) else ""
        if self.made_conf:
            options["zope-conf"] = self.made_conf
        parts[options["location"]] = self
        # Read here, or buildout reports it as an unused option
        self.relative_paths = main.get("relative-paths", "false")

    def install(self) -> list[str]:
        """Make the instance, or leave it if nothing has changed. Raises UserError.

        Returns no paths, since buildout would remove them before it installs a changed part, and after an error.
        `recipe.buildout.removal.uninstall` removes the files.
        """
        from recipe.buildout.make import make

        self.options["zope-conf"] = make(self)
        return []

    def update(self) -> list[str]:
        """Do what `install` does; if nothing has changed since the last run, only repeat the warnings."""
        location = self.options["location"]
        others = [f"{other}/etc" for other in list(parts) if other != location]
        last = fingerprint.read(f"{location}/etc")
        changed = fingerprint.changes(last, self.buildout, self.options, others) if last else ["all"]
        if not last or changed:
            self.log.debug("Changed since the last run: %s.", ", ".join(changed))
            return Recipe.install(self)
        self.log.debug("Nothing has changed since the last run.")
        self._repeat(last["warnings"])
        self.options["zope-conf"] = last["seen"]["zope-conf"][0]
        return []

    def _repeat(self, warnings: list[tuple[str, str]]) -> None:
        """Log warnings of the last run again; the lines of options may have moved since."""
        if not warnings:
            return
        from recipe.buildout.sources import problems_of

        problems = problems_of(self.buildout, self.name)
        for option, message in warnings:
            problems.warn(option, message)
        for warning in problems.warnings:
            self.log.warning(warning)
