"""The list of files that a part has made, so that a later run can remove those that it no longer makes.

The list is a file in the part itself, so that it is right even if buildout's own records are lost.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from recipe.render.file import File

NAME = "files.json"


def file(etc: str, paths: Iterable[str]) -> File:
    """Return the list of these `paths` as a file in `etc`; the paths in it are relative, since the tree may move."""
    relative = sorted(os.path.relpath(path, etc) for path in paths)
    return File(f"{etc}/{NAME}", json.dumps(relative, indent=1, ensure_ascii=False) + "\n")


def read(etc: str) -> set[str]:
    """Return the absolute paths of the files that the part with this `etc` has made; empty if there is no list."""
    try:
        paths = json.loads(Path(etc, NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    return {os.path.normpath(os.path.join(etc, path)) for path in paths}
