"""Makes one directory of symbolic links to the eggs, so that Python looks for a module once, not in each egg.

`plan` only reads; `make` makes the directory, which never changes afterwards. Another set of links
gets another directory, so that a process keeps the directory with which it has started.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from recipe.disk.bytecode import compile_missing
from recipe.disk.merge import Merge

#: The name of the link to the directory that is in use; the name of a directory has a digest after it.
NAME = "lib"
_TREE = re.compile(rf"{NAME}-[0-9a-f]{{12}}")
#: Directories that are being made or removed.
_UNFINISHED = re.compile(rf"\.{NAME}-[0-9a-f]{{12}}\.(?:new|old)")

#: The distribution that does not work with links: it takes every package beside its metadata for its own.
UNABLE = "z3c.autoinclude"


def has_unable(projects: Iterable[str]) -> bool:
    """Return whether one of these distributions, given by name, does not work with links."""
    return UNABLE in {re.sub(r"[-_.]+", ".", name).lower() for name in projects}


class LinkError(OSError):
    """The file system does not support symbolic links."""


@dataclass(frozen=True)
class Tree:
    """A directory of links. All paths are absolute.

    directory  its path, also before it exists
    paths      sys.path, with the directory in place of the eggs
    eggs       the eggs that the directory replaces
    links      the links in the directory: their paths in it, and the texts of the links
    shadowed   modules that several eggs contain, with these eggs; Python imports the module of the first
    """

    directory: str
    paths: tuple[str, ...]
    eggs: frozenset[str]
    links: dict[str, str]
    shadowed: dict[str, tuple[str, ...]]


def plan(paths: Sequence[str], location: str, inside: str = "") -> Tree | None:
    """Plan the directory, in the part at `location`, for the eggs among these `paths` of sys.path.

    Returns None if there are no eggs. A path is an egg if its name ends with ``.egg`` and it is a
    directory. An egg stays on the path if Python would otherwise import another module than without
    links. Links to files in the directory `inside` are relative. Raises OSError.
    """
    eggs = {index for index, path in enumerate(paths) if path.endswith(".egg") and os.path.isdir(path)}
    while eggs:
        merge = Merge(paths, eggs)
        if not merge.unsafe:
            return _tree(paths, merge, os.path.realpath(location), inside)
        eggs -= merge.unsafe
    return None


def _tree(paths: Sequence[str], merge: Merge, location: str, inside: str) -> Tree:
    links = {
        # A relative link depends on the depth of the directory only, which any name after the dash keeps
        link: _text(target, f"{location}/{NAME}/{link}", inside)
        for link, target in sorted(merge.links.items())
    }
    digest = hashlib.sha256(json.dumps(list(links.items())).encode()).hexdigest()[:12]
    directory = f"{location}/{NAME}-{digest}"
    return Tree(
        directory,
        tuple(dict.fromkeys(directory if index in merge.eggs else path for index, path in enumerate(paths))),
        frozenset(paths[index] for index in merge.eggs),
        links,
        {name: tuple(paths[index] for index in indexes) for name, indexes in sorted(merge.shadowed.items())},
    )


def _text(target: str, link: str, inside: str) -> str:
    if inside and target.startswith(f"{inside}/"):
        return os.path.relpath(target, os.path.dirname(link))
    return target


def shared(tree: Tree, locations: Iterable[str]) -> Tree:
    """Return the tree with the directory of the first other part that uses the same; else unchanged.

    So parts with the same eggs make the same scripts, and do not overwrite each other's.
    """
    name = os.path.basename(tree.directory)
    for location in locations:
        link = f"{location}/{NAME}"
        if os.path.islink(link) and os.readlink(link) == name:
            return replace(tree, directory=f"{os.path.realpath(location)}/{name}")
    return tree


def make(tree: Tree) -> bool:
    """Make the directory, and compile its modules; return False if the directory exists already.

    Raises OSError, or LinkError if the file system does not support links.
    """
    compile_missing(sorted(tree.eggs))  # before linking, since compiled files are linked as well
    if os.path.isdir(tree.directory):
        return False
    location, name = os.path.split(tree.directory)
    staged = f"{location}/.{name}.new"
    shutil.rmtree(staged, ignore_errors=True)  # left by a run that was killed
    os.makedirs(staged)
    try:
        for link, text in tree.links.items():
            path = f"{staged}/{link}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _link(text, path)
            _link_bytecode(text, path)
        for directory, _, _ in os.walk(staged):
            _sync(directory)
        os.rename(staged, tree.directory)
        _sync(location)
        return True
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise


def _link(text: str, path: str) -> None:
    try:
        os.symlink(text, path)
    except OSError as error:
        raise LinkError(error.errno, error.strerror, path) from None


def _link_bytecode(text: str, path: str) -> None:
    """Link the compiled files of a module as well: Python looks for them beside the link."""
    if not path.endswith(".py"):
        return
    directory, name = os.path.split(path)
    cache = f"{directory}/__pycache__"
    os.makedirs(cache, exist_ok=True)  # now, since the modification time of a directory says when it came into use
    stem = name.removesuffix("py")
    source = f"{os.path.dirname(text)}/__pycache__"
    with suppress(FileNotFoundError):
        for compiled in os.listdir(os.path.join(directory, source)):
            if compiled.startswith(stem) and compiled.endswith(".pyc"):
                relative = source if os.path.isabs(source) else f"../{source}"
                _link(f"{relative}/{compiled}", f"{cache}/{compiled}")


def _sync(directory: str) -> None:
    """Sync a directory to the disk (fsync(2)), before a script refers to it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with suppress(OSError):  # not every file system supports it
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def use(location: str, tree: Tree | None, since: float) -> None:
    """Point ``lib`` in the part to the directory that is used now (None: none), and remove unused directories.

    `since` is when the oldest process was started that may still run, in seconds since the epoch. The
    directory with which it was started stays, and the one that was used last, since other processes
    may use it. Raises OSError.
    """
    current = os.path.basename(tree.directory) if tree else ""
    link = f"{location}/{NAME}"
    if os.path.islink(link) or not os.path.exists(link):  # else it is a file of the user
        _point(link, current)
    for name in _obsolete(location, current, since):
        # Renamed first: a directory that is removed only in part must not look complete
        os.rename(f"{location}/{name}", f"{location}/.{name}.old")
    for name in _names(location, _UNFINISHED):
        shutil.rmtree(f"{location}/{name}", ignore_errors=True)  # it may contain files of another user


def _point(link: str, target: str) -> None:
    with suppress(OSError):
        if os.readlink(link) == target:
            return
        if not target:
            os.unlink(link)
    if target:
        os.utime(os.path.join(os.path.dirname(link), target))  # says when it came into use
        with suppress(FileNotFoundError):
            os.unlink(f"{link}.new")
        os.symlink(target, f"{link}.new")
        os.replace(f"{link}.new", link)


def _obsolete(location: str, current: str, since: float) -> Iterator[str]:
    """Yield the directories that no process uses which may still run."""
    times = {name: os.stat(f"{location}/{name}").st_mtime for name in _names(location, _TREE) if name != current}
    former = sorted(times, key=times.__getitem__)
    # Each was in use until the next one came into use
    for name, successor in pairwise(former):
        if times[successor] < since:
            yield name


def _names(location: str, pattern: re.Pattern[str]) -> list[str]:
    with suppress(FileNotFoundError):
        return [name for name in os.listdir(location) if pattern.fullmatch(name)]
    return []


def remove(location: str) -> None:
    """Remove everything that this module has made in the part at `location`. Raises OSError."""
    link = f"{location}/{NAME}"
    if os.path.islink(link):
        os.unlink(link)
    for name in (*_names(location, _TREE), *_names(location, _UNFINISHED)):
        shutil.rmtree(f"{location}/{name}")


def running_since(files: Iterable[str], startup: float = 600) -> float:
    """Return when the oldest process was started that keeps one of these `files`, in seconds since the epoch.

    A process makes such a file at most `startup` seconds after its start, and removes it when it ends.
    Infinite if no file exists.
    """
    times = [os.stat(file).st_mtime - startup for file in files if os.path.lexists(file)]
    return min(times, default=float("inf"))


def shadows(tree: Tree) -> str:
    """Return a message about the modules that several eggs contain; empty if there are none."""

    def name(path: str) -> str:
        return Path(path).name if path.endswith(".egg") else path

    modules = [
        f"{module} from {name(first)}, not from {', '.join(map(name, eggs))}"
        for module, (first, *eggs) in tree.shadowed.items()
    ]
    return f"several eggs contain the same module; Python imports {'; '.join(modules)}" if modules else ""
