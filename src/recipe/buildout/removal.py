"""Removing a part that the buildout no longer has."""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress

from zc.buildout import UserError

from recipe.buildout.registry import parts
from recipe.common.names import FINGERPRINT, JOURNAL
from recipe.disk import links, manifest


def uninstall(name: str, options: Mapping[str, str]) -> None:
    """Remove the files of a part that the buildout no longer has, as a ``zc.buildout.uninstall`` function.

    buildout also calls it for a changed part before it installs the part anew: these files stay until the new ones
    replace them. The data are in other directories and always stay. Raises UserError.
    """
    location = options["location"]
    if location in parts:
        return
    records = {f"{location}/etc/{name}" for name in (manifest.NAME, FINGERPRINT, JOURNAL)}
    own = {f"{location}/inituser", *records}
    made = manifest.read(f"{location}/etc") | own
    try:
        for path in made - claimed(location):
            with suppress(FileNotFoundError):
                os.unlink(path)
        links.remove(location)
    except OSError as error:
        raise UserError(f"[{name}] cannot remove {error.filename}: {error.strerror}") from error
    for directory, _, _ in os.walk(location, topdown=False):
        with suppress(OSError):
            os.rmdir(directory)
    if os.path.exists(location):
        logging.getLogger(name).warning(
            "%s is not removed, since it holds files that this recipe has not made.", location
        )


def claimed(location: str) -> set[str]:
    """The files that other parts of the buildout have made: two parts may make the same script in ``bin``."""
    return set().union(*(manifest.read(f"{other}/etc") for other in list(parts) if other != location))
