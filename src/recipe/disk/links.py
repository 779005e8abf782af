"""One directory of symbolic links in place of the eggs, so that Python looks for a module once, not in each egg.

`plan` only reads; `make` makes the directory, which never changes afterwards: another set of
links is another directory, so that a process keeps the one that it has started with.
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

#: The link for people, to the directory that is in use; those have a digest after it.
NAME = "lib"
_TREE = re.compile(rf"{NAME}-[0-9a-f]{{12}}")
#: What is being made, and what is being removed.
_UNFINISHED = re.compile(rf"\.{NAME}-[0-9a-f]{{12}}\.(?:new|old)")

#: It looks for a distribution's packages beside its metadata, and takes all that it finds there.
UNABLE = "z3c.autoinclude"


def has_unable(projects: Iterable[str]) -> bool:
    """Whether one of these distributions, by their names, does not work with links."""
    return UNABLE in {re.sub(r"[-_.]+", ".", name).lower() for name in projects}


class LinkError(OSError):
    """The file system makes no symbolic links."""


@dataclass(frozen=True)
class Tree:
    """A directory of links. All paths are absolute.

    directory  where it is, or will be
    paths      sys.path: the directory in place of the eggs, between what stays as it is
    eggs       the eggs that it stands for
    links      the links in it: their paths in the directory, and their text
    shadowed   modules that are in several eggs, and these, the one that counts first
    """

    directory: str
    paths: tuple[str, ...]
    eggs: frozenset[str]
    links: dict[str, str]
    shadowed: dict[str, tuple[str, ...]]


def plan(paths: Sequence[str], location: str, inside: str = "") -> Tree | None:
    """The directory, in the part at `location`, for the eggs among these `paths` of sys.path; None without eggs.

    A path is an egg if its name ends with ``.egg`` and it is a directory. An egg stays on the path
    where what lies between would be passed over otherwise. Links to what is in the directory
    `inside` are relative. Raises OSError.
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
        # How deep a link is below the part, no digest changes
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
        {name: tuple(paths[index] for index in found) for name, found in sorted(merge.shadowed.items())},
    )


def _text(target: str, link: str, inside: str) -> str:
    if inside and target.startswith(f"{inside}/"):
        return os.path.relpath(target, os.path.dirname(link))
    return target


def shared(tree: Tree, locations: Iterable[str]) -> Tree:
    """The same directory in the first of other parts that uses it.

    Parts with the same eggs make the same scripts then, and do not take turns in writing them.
    """
    name = os.path.basename(tree.directory)
    for location in locations:
        link = f"{location}/{NAME}"
        if os.path.islink(link) and os.readlink(link) == name:
            return replace(tree, directory=f"{os.path.realpath(location)}/{name}")
    return tree


def make(tree: Tree) -> bool:
    """Make the directory, and compile what is in it; False where it is there.

    Raises OSError; LinkError where there can be no links.
    """
    compile_missing(sorted(tree.eggs))  # first, since compiled files are linked, too
    if os.path.isdir(tree.directory):
        return False
    location, name = os.path.split(tree.directory)
    staged = f"{location}/.{name}.new"
    shutil.rmtree(staged, ignore_errors=True)  # of a run that was killed
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
    """Link the compiled files of a module, too: Python looks for them beside the link."""
    if not path.endswith(".py"):
        return
    directory, name = os.path.split(path)
    cache = f"{directory}/__pycache__"
    os.makedirs(cache, exist_ok=True)  # now, since a directory's time tells when it came into use
    stem = name.removesuffix("py")
    source = f"{os.path.dirname(text)}/__pycache__"
    with suppress(FileNotFoundError):
        for compiled in os.listdir(os.path.join(directory, source)):
            if compiled.startswith(stem) and compiled.endswith(".pyc"):
                relative = source if os.path.isabs(source) else f"../{source}"
                _link(f"{relative}/{compiled}", f"{cache}/{compiled}")


def _sync(directory: str) -> None:
    """Let the system write a directory's links to the disk before a script names it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with suppress(OSError):  # not every file system knows how
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def use(location: str, tree: Tree | None, since: float) -> None:
    """Let ``lib`` in the part lead to what is used now (None: nothing), and remove what nobody uses.

    `since`: when the oldest process was started that may have been running ever since, in seconds
    since the epoch. What it started with stays, and what was used last: there may be others. Raises
    OSError.
    """
    current = os.path.basename(tree.directory) if tree else ""
    link = f"{location}/{NAME}"
    if os.path.islink(link) or not os.path.exists(link):  # else it is the user's
        _lead(link, current)
    for name in _obsolete(location, current, since):
        # By another name first: half a directory must not be taken for a whole one
        os.rename(f"{location}/{name}", f"{location}/.{name}.old")
    for name in _names(location, _UNFINISHED):
        shutil.rmtree(f"{location}/{name}", ignore_errors=True)  # another user's may be in it


def _lead(link: str, target: str) -> None:
    with suppress(OSError):
        if os.readlink(link) == target:
            return
        if not target:
            os.unlink(link)
    if target:
        os.utime(os.path.join(os.path.dirname(link), target))  # tells when it came into use
        with suppress(FileNotFoundError):
            os.unlink(f"{link}.new")
        os.symlink(target, f"{link}.new")
        os.replace(f"{link}.new", link)


def _obsolete(location: str, current: str, since: float) -> Iterator[str]:
    """The directories that no process has been started with that may still run."""
    times = {name: os.stat(f"{location}/{name}").st_mtime for name in _names(location, _TREE) if name != current}
    former = sorted(times, key=times.__getitem__)
    # Each was in use until the next one was
    for name, successor in pairwise(former):
        if times[successor] < since:
            yield name


def _names(location: str, pattern: re.Pattern[str]) -> list[str]:
    with suppress(FileNotFoundError):
        return [name for name in os.listdir(location) if pattern.fullmatch(name)]
    return []


def remove(location: str) -> None:
    """Remove all that this module has made in the part at `location`. Raises OSError."""
    link = f"{location}/{NAME}"
    if os.path.islink(link):
        os.unlink(link)
    for name in (*_names(location, _TREE), *_names(location, _UNFINISHED)):
        shutil.rmtree(f"{location}/{name}")


def running_since(files: Iterable[str], startup: float = 600) -> float:
    """When the oldest process was started that keeps one of these `files`, in seconds since the epoch.

    Such a file is made at most `startup` seconds after the start, and goes when the process ends.
    Infinite where there is none.
    """
    times = [os.stat(file).st_mtime - startup for file in files if os.path.lexists(file)]
    return min(times, default=float("inf"))


def shadows(tree: Tree) -> str:
    """What is to be said of modules that several eggs hold; empty where there are none."""

    def name(path: str) -> str:
        return Path(path).name if path.endswith(".egg") else path

    told = [
        f"{module} in {name(first)}, not in {', '.join(map(name, others))}"
        for module, (first, *others) in tree.shadowed.items()
    ]
    return f"found more than once, and the first on the path counts: {'; '.join(told)}" if told else ""
