"""buildout's face: what it calls, and whether there is anything to do.

Nothing that takes time is imported before it is needed: buildout runs over every part, and most have not changed.
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

    Options are read in `install` and `update`, not before: other parts append
    to them in between.
    """

    def __init__(self, buildout: Any, name: str, options: MutableMapping[str, str]) -> None:
        self.buildout = buildout
        self.name = name
        self.options = options
        self.log = logging.getLogger(name)
        main = buildout["buildout"]
        options["location"] = os.path.join(main["parts-directory"], name)
        options["bin-directory"] = main["bin-directory"]
        # Other parts read these even where the user leaves them out
        options.setdefault("pipeline", "\n".join(PIPELINE))
        options.setdefault("initialization", "")
        #: The path of the zope.conf that is made, where the user names none
        made = f"{options['location']}/etc/zope.conf"
        # A recipe that calls this one may make it twice, on the same options
        self.made_conf = made if options.get("zope-conf", "").strip() in ("", made) else ""
        if self.made_conf:
            options["zope-conf"] = self.made_conf
        parts[options["location"]] = self
        # Read here, or buildout takes it for an option that nobody uses
        self.relative_paths = main.get("relative-paths", "false")

    def install(self) -> list[str]:
        """Make the instance, or leave the one that is there; raises UserError.

        Returns no paths: buildout would remove them before it calls this for a part that has
        changed, and after an error. `uninstall` removes them.
        """
        from recipe.buildout.part import Part

        self.options["zope-conf"] = Part(self).make()
        return []

    def update(self) -> list[str]:
        """Do what `install` does, unless nothing has changed since: then only the warnings are repeated."""
        location = self.options["location"]
        others = [f"{other}/etc" for other in list(parts) if other != location]
        last = fingerprint.read(f"{location}/etc")
        changed = fingerprint.changes(last, self.buildout, self.options, others) if last else ["all"]
        if not last or changed:
            self.log.debug("Changed since the last run: %s.", ", ".join(changed))
            return Recipe.install(self)
        self.log.debug("Nothing has changed since the last run.")
        for warning in last["warnings"]:
            self.log.warning(warning)
        self.options["zope-conf"] = last["seen"]["zope-conf"][0]
        return []
