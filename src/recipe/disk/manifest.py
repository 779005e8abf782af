"""Which files a part has made: what is to go when it makes them no longer.

The list lies in the part, so that it is true whatever buildout remembers.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from recipe.render.file import File

NAME = "files.json"


def file(etc: str, paths: Iterable[str]) -> File:
    """The list of files by their `paths`, to be kept in the directory `etc`; relative, since the tree may move."""
    relative = sorted(os.path.relpath(path, etc) for path in paths)
    return File(f"{etc}/{NAME}", json.dumps(relative, indent=1, ensure_ascii=False) + "\n")


def read(etc: str) -> set[str]:
    """The absolute paths of the files that the part with this `etc` has made; empty where it tells none."""
    try:
        paths = json.loads(Path(etc, NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    return {os.path.normpath(os.path.join(etc, path)) for path in paths}
