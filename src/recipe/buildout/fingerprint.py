"""Whether anything that a part depends on has changed since it was made.

If nothing has changed, there is nothing to do, and above all no eggs are resolved. The part holds the hashes of all
ingredients. Everything that could change the outcome of a run must be an ingredient; an ingredient that does not
change the outcome costs only an unnecessary run. This module imports nothing that takes time.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from zc.buildout import easy_install

from recipe.common.names import FINGERPRINT, JOURNAL

#: The keys of a record: hashes of the ingredients, the paths that they come from, and what an unchanged run needs.
KEYS = {"ingredients", "seen", "made", "unpinned", "warnings"}
SEEN = {"eggs", "metadata", "read", "named", "directories", "zope-conf"}

#: Options of the section ``buildout`` that decide which eggs are found and where files are written.
OPTIONS = (
    "abi-tag-eggs", "allow-hosts", "allow-picked-versions", "allow-unknown-extras", "bin-directory",
    "develop-eggs-directory", "directory", "download-cache", "eggs-directory", "executable", "extensions", "find-links",
    "index", "install-from-cache", "newest", "offline", "parts-directory", "prefer-final", "relative-paths",
    "show-picked-versions", "unzip", "update-versions-file", "use-dependency-links",
)  # fmt: skip

EGG = ".egg"  # the ending of all names in an eggs directory, also of installed wheels

#: The files that say what a distribution requires, which scripts it has, and whether it shares a namespace.
METADATA = ("METADATA", "PKG-INFO", "requires.txt", "entry_points.txt", "namespace_packages.txt")

Record = dict[str, Any]
Seen = Mapping[str, list[str]]
MadeFile = tuple[str, bytes, int]  # path, content, mode


def record(
    etc: str, buildout: Any, part: Mapping[str, str], seen: Seen, made: Sequence[MadeFile], **more: Sequence[Any]
) -> str:
    """Return the record of the part that is made now, as JSON for a file in its directory `etc`.

    `part` are the options as they were given. `seen` lists absolute paths: the ``eggs`` and the ``metadata`` of the
    working set, the files that were ``read``, those that are only ``named``, the ``directories`` that must exist, and
    the ``zope-conf``. `made` are the files of the part. `more` is stored as it is: the ``unpinned`` eggs, and the
    ``warnings``.
    """
    # Relative paths, since the tree may be moved
    relative = {kind: [os.path.relpath(path, etc) for path in seen[kind]] for kind in seen}
    hashes = {
        "ingredients": _ingredients(buildout, part, _all_absolute(relative, etc)),
        "seen": relative,
        "made": {os.path.relpath(path, etc): _state(content, mode) for path, content, mode in made},
    }
    return json.dumps({**hashes, **more}, indent=1, ensure_ascii=False) + "\n"


def _absolute(path: str, etc: str) -> str:
    return os.path.normpath(os.path.join(etc, path))


def _all_absolute(seen: Seen, etc: str) -> Seen:
    return {kind: [_absolute(path, etc) for path in seen[kind]] for kind in seen}


def read(etc: str) -> Record | None:
    """Return the record that the last run wrote; None if there is none, or if that run did not finish."""
    if os.path.exists(f"{etc}/{JOURNAL}"):
        return None
    try:
        with open(f"{etc}/{FINGERPRINT}", encoding="utf-8") as file:
            record = json.load(file)
    except (OSError, ValueError):
        return None
    # Another version of this module may have written it
    if not isinstance(record, dict) or set(record) != KEYS or set(record["seen"]) != SEEN:
        return None
    made = {_absolute(path, etc): state for path, state in record["made"].items()}
    return {**record, "seen": _all_absolute(record["seen"], etc), "made": made}


def changes(last: Record, buildout: Any, part: Mapping[str, str], others: Sequence[str]) -> list[str]:
    """Return the names of the ingredients that have changed since the `last` run.

    `others` are the directories ``etc`` of the buildout's other parts.
    """
    ingredients = _ingredients(buildout, part, last["seen"])
    before = last["ingredients"]
    changed = [name for name in ingredients if ingredients[name] != before.get(name)]
    if _is_edited(last["made"], others):
        changed.append("files")
    if last["unpinned"] and _looks_for_newer(buildout["buildout"]):
        changed.append("unpinned")
    return changed


def _is_edited(made: Mapping[str, str], others: Sequence[str]) -> bool:
    """Whether a file is not as this part has made it, nor as another part has made the same script in ``bin``."""
    edited = [path for path, state in made.items() if _on_disk(path) != state]
    theirs = [record["made"] for etc in others if (record := read(etc))] if edited else []
    return any(all(_on_disk(path) != states.get(path) for states in theirs) for path in edited)


def unpinned(distributions: Iterable[Any]) -> list[str]:
    """Return the names of the distributions that ``[versions]`` does not pin.

    Only eggs count: buildout never looks for a newer version of a develop egg, or of a distribution of its own.
    """
    pins = {_canonical(name): text for name, text in easy_install.default_versions().items()}
    return [
        dist.project_name
        for dist in distributions
        if dist.location.endswith(EGG) and pins.get(_canonical(dist.project_name), "<")[:1] in "<>"
    ]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _looks_for_newer(main: Mapping[str, str]) -> bool:
    """Whether a run looks for newer eggs, or reports which versions it has picked."""
    newest = main.get("newest") == "true" and main.get("offline") != "true"
    reports = main.get("show-picked-versions") == "true" or main.get("update-versions-file") or main.get("extensions")
    return bool(newest or reports)


def _ingredients(buildout: Any, part: Mapping[str, str], seen: Seen) -> dict[str, str]:
    main = buildout["buildout"]
    return {
        "options": _hash(sorted(part.items())),
        "buildout": _hash((option, main.get(option)) for option in OPTIONS),
        "pins": _hash(sorted(easy_install.default_versions().items())),
        "python": _hash([sys.executable, sys.version, _umask()]),
        "recipe": _hash([*_tools(part.get("recipe", "")), *_code()]),
        "eggs": _hash([*_listing(main["eggs-directory"]), *_distributions(seen)]),
        "path": _hash(map(_listing, sorted(easy_install.buildout_and_setuptools_path))),
        "develop-eggs": _hash(_contents(main["develop-eggs-directory"])),
        "read": _hash((path, _content(path)) for path in seen["read"]),
        "named": _hash((path, os.path.exists(path)) for path in seen["named"]),
        "directories": _hash((path, os.path.isdir(path)) for path in seen["directories"]),
    }


def _hash(values: Iterable[Any]) -> str:
    return hashlib.sha256(repr(list(values)).encode("utf-8", "surrogateescape")).hexdigest()


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _tools(recipe: str) -> Iterator[str]:
    """The distributions that buildout has loaded for the recipe, with their versions."""
    resources = easy_install.pkg_resources
    requirements = resources.parse_requirements(recipe.partition(":")[0])
    for dist in sorted(resources.working_set.resolve(requirements)):
        yield f"{dist} {dist.location}"


def _code() -> Iterator[tuple[str, int, int]]:
    """The files of this package: a checkout may change without a new version."""
    for directory, _, names in sorted(os.walk(os.path.dirname(os.path.dirname(__file__)))):
        if not directory.endswith("__pycache__"):
            for name in sorted(names):
                status = os.stat(os.path.join(directory, name))
                yield os.path.join(directory, name), status.st_mtime_ns, status.st_size


def _listing(directory: str) -> list[str]:
    """The real path of a directory, and the names in it: the name of an egg holds its version."""
    try:
        names = os.listdir(directory)
    except OSError:
        names = []
    return [os.path.realpath(directory), *sorted(name for name in names if name != "__pycache__")]


def _distributions(seen: Seen) -> Iterator[Any]:
    """The distributions of the working set.

    An egg is installed once, so its modification time is enough. Other distributions may be made again on each run
    (buildout's ``develop``), so their content counts.
    """
    yield from ((path, _stamp(path)) for path in seen["eggs"])
    for directory in seen["metadata"]:
        look = _stamp if os.path.dirname(directory).endswith(EGG) else _content
        yield from ((directory, look(os.path.join(directory, name))) for name in METADATA)


def _stamp(path: str) -> tuple[int, int] | bool:
    """The modification time (ns) and the size (bytes) of a file; for anything else, whether it exists."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return (status.st_mtime_ns, status.st_size) if status.st_mode & 0o170000 == 0o100000 else True


def _contents(directory: str) -> Iterator[tuple[str, str | None]]:
    """All files below a directory."""
    for place, _, names in sorted(os.walk(directory)):
        if not place.endswith("__pycache__"):
            yield from ((os.path.join(place, name), _content(os.path.join(place, name))) for name in sorted(names))


def _content(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return None


def _on_disk(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return _state(file.read(), os.fstat(file.fileno()).st_mode & 0o777)
    except OSError:
        return "missing"


def _state(content: bytes, mode: int) -> str:
    return f"{mode:o} {hashlib.sha256(content).hexdigest()}"
