"""Merges several directories of sys.path into one tree of links in which Python finds the same modules.

The rules are those of the import system. In one directory, a package precedes a module, and a module
precedes a directory without ``__init__``, which is a portion of a namespace (PEP 420). Along the
path, the first package or module counts, and portions only if there is neither. A package whose
``__init__`` calls ``pkgutil.extend_path`` or ``pkg_resources.declare_namespace`` also contains the
modules of the packages of the same name that follow.
"""

import os
import re
import sysconfig
import zipfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from importlib.machinery import all_suffixes
from pathlib import Path

Place = Path | zipfile.Path


class Kind(Enum):
    """What Python takes a name in one directory for."""

    DATA = 0
    PORTION = 1
    MODULE = 2
    PACKAGE = 3
    NAMESPACE = 4  # a package that also contains the modules of packages of the same name


@dataclass(frozen=True)
class Offer:
    """The files in one directory that belong to one module name, such as ``foo`` and ``foo.py``.

    root   the index of the entry of sys.path that contains the directory
    place  the directory
    name   the name of the module
    files  the names of the files
    """

    root: int
    place: Place
    name: str
    files: tuple[str, ...]

    @cached_property
    def kind(self) -> Kind:
        """What Python takes the files for."""
        is_directory = self.name in self.files and (self.place / self.name).is_dir()
        if is_directory and self._init:
            return Kind.NAMESPACE if _extends_itself(self.init_text) else Kind.PACKAGE
        if any(file.endswith(suffix) for file in self.files for suffix in _SUFFIXES):
            return Kind.MODULE
        if self.name.endswith(METADATA):
            return Kind.MODULE  # the first one counts
        return Kind.PORTION if is_directory else Kind.DATA

    @property
    def is_strong(self) -> bool:
        """Whether Python finds it even if there are portions of a namespace."""
        return self.kind not in (Kind.PORTION, Kind.DATA)

    @cached_property
    def _init(self) -> Place | None:
        candidates = (self.place / self.name / f"__init__{suffix}" for suffix in _SUFFIXES)
        return next((path for path in candidates if path.is_file()), None)

    @cached_property
    def init_text(self) -> str:
        """The text of the package's ``__init__.py``; empty if there is none."""
        if self._init is None or not self._init.name.endswith(".py"):
            return ""
        return self._init.read_bytes().decode(errors="replace")


MERGED = (Kind.PORTION, Kind.NAMESPACE)

# .py first, since nearly all modules have it
_SUFFIXES = sorted(all_suffixes(), key=lambda suffix: suffix != ".py")
METADATA = (".dist-info", ".egg-info")


def _extends_itself(text: str) -> bool:
    return "declare_namespace" in text or "extend_path" in text


class Merge:
    """The links that replace some entries of the path, in one directory at the position of the first of them.

    `paths` is sys.path, and `eggs` has the indexes of the entries to replace. The results are:

    links     paths in the directory, with their targets
    shadowed  modules that several entries contain, with the indexes of these; Python imports from the first
    unsafe    indexes of eggs that would hide a module of another entry, or be hidden, if they were linked
    """

    def __init__(self, paths: Sequence[str], eggs: Collection[int]) -> None:
        self.eggs = frozenset(eggs)
        self.start = min(eggs)
        self.links: dict[str, str] = {}
        self.shadowed: dict[str, list[int]] = {}
        self.unsafe: set[int] = set()
        self._paths = paths
        roots = ((index, _place(path)) for index, path in enumerate(paths))
        self._level("", [(index, place) for index, place in roots if place], self.start)

    @cached_property
    def _has_pkg_resources(self) -> bool:
        """Whether the instance has pkg_resources, in its eggs or in Python's site-packages."""
        places = [*self._paths, *map(sysconfig.get_path, ("purelib", "platlib"))]
        return any(os.path.exists(f"{path}/pkg_resources/__init__.py") for path in places)

    def _resolves_links(self, offer: Offer) -> bool:
        """Return whether a namespace in one egg must be a directory all the same: pkg_resources orders real paths."""
        return self._has_pkg_resources and offer.kind is Kind.NAMESPACE and "declare_namespace" in offer.init_text

    def _level(self, prefix: str, places: Sequence[tuple[int, Place]], start: int) -> None:
        """Merge directories, in the order of the path; `prefix` is their path in the tree.

        An entry that stays on the path follows the tree if its index is above `start`.
        """
        by_name: dict[str, list[Offer]] = {}
        for root, place in places:
            for name, files in _names(place, top=not prefix).items():
                by_name.setdefault(name, []).append(Offer(root, place, name, tuple(files)))
        for name, offers in by_name.items():
            if len(offers) == 1 and not self._resolves_links(offers[0]):
                self._link(prefix, offers[0])
            elif any(offer.root in self.eggs for offer in offers):
                self._join(prefix, name, offers, start)

    def _join(self, prefix: str, name: str, offers: Sequence[Offer], start: int) -> None:
        strong = sorted((offer for offer in offers if offer.is_strong), key=_by_root)
        if name != "__init__":
            self._check_order(strong, start)
            self._note_shadowed(f"{prefix}{name}", strong)
        visible = self._visible(offers)
        if not visible:
            return
        if visible[0].kind in MERGED or len(visible) > 1:
            # Entries that stay on the path are merged as well, if they contain the same namespace
            kinds = MERGED if visible[0].kind is Kind.PORTION else (*MERGED, Kind.PACKAGE)
            visible += [offer for offer in offers if offer.root not in self.eggs and offer.kind in kinds]
        # `strong[0]` decides for all directories of the name, also if it stays on the path
        leads = visible[0].kind not in (Kind.MODULE, Kind.DATA) and any(map(self._resolves_links, strong[:1]))
        if len(visible) > 1 or leads or self._resolves_links(visible[0]):
            if strong and strong[0].root in self.eggs and strong[0].kind is Kind.NAMESPACE:
                start = -1  # its __path__ begins with its own directory
            self._level(f"{prefix}{name}/", [(offer.root, offer.place / name) for offer in visible], start)
        else:
            self._link(prefix, visible[0])

    def _visible(self, offers: Sequence[Offer]) -> list[Offer]:
        """Return the offers of eggs in which Python would find one name, in its order; several must be merged."""
        linked = [offer for offer in offers if offer.root in self.eggs]
        strong = [offer for offer in linked if offer.is_strong]
        if not strong:
            return [offer for offer in linked if offer.kind is Kind.PORTION] or linked[:1]
        leader = next(offer for offer in offers if offer.is_strong)
        if Kind.NAMESPACE not in (leader.kind, strong[0].kind):
            return strong[:1]
        packages = [offer for offer in strong if offer.kind is not Kind.MODULE]
        portions = [offer for offer in linked if offer.kind is Kind.PORTION and self._finds_portions(leader)]
        # The first package stays first, since Python runs its __init__
        return packages[:1] + sorted([*packages[1:], *portions], key=_by_root)

    def _finds_portions(self, leader: Offer) -> bool:
        """Return whether the package includes portions: pkg_resources ignores directories without ``__init__``."""
        text = leader.init_text
        return "extend_path" in text and not ("declare_namespace" in text and self._has_pkg_resources)

    def _check_order(self, strong: Sequence[Offer], start: int) -> None:
        """Add the eggs to `unsafe` that must stay on the path, since the directory of links precedes them."""
        leader = blocker = None
        for offer in strong:
            if offer.root not in self.eggs:
                if offer.root > start and leader is None:
                    blocker = blocker or offer
            elif blocker and not (offer.kind is Kind.NAMESPACE and offer.init_text == blocker.init_text):
                self.unsafe.add(offer.root)
            elif offer.kind is Kind.MODULE and strong[0].kind is Kind.NAMESPACE and leader is None:
                self.unsafe.add(offer.root)  # in the directory of links it would hide the namespace
            else:
                leader = leader or offer

    def _note_shadowed(self, path: str, strong: Sequence[Offer]) -> None:
        name = path.replace("/", ".")
        # site-packages are shared by all programs of this Python, so they are not reported
        roots = [offer.root for offer in strong if not self._paths[offer.root].endswith("-packages")]
        if len(roots) > 1 and strong[0].kind is not Kind.NAMESPACE and name.replace(".", "").isidentifier():
            self.shadowed[name] = roots

    def _link(self, prefix: str, offer: Offer) -> None:
        if offer.root not in self.eggs:
            return
        for file in offer.files:
            link = file
            if file == "EGG-INFO":
                link = os.path.basename(self._paths[offer.root]).removesuffix(".egg") + ".egg-info"
            self.links[f"{prefix}{link}"] = str(offer.place / file)


def _by_root(offer: Offer) -> int:
    return offer.root


def _place(path: str) -> Place | None:
    """Return an entry of the path as a directory, also in a zip file; None if Python would find nothing in it."""
    if os.path.isdir(path):
        return Path(path)
    return zipfile.Path(path) if zipfile.is_zipfile(path) else None


def _names(place: Place, top: bool) -> dict[str, list[str]]:
    """Return the entries of a directory, by module name; `top` says that the directory itself is on the path."""
    names: dict[str, list[str]] = {}
    for file in _files(place):
        if file == "__pycache__" or (top and file.endswith(".pth")):
            continue  # the first is made anew; the second works in site-packages only
        names.setdefault(_module(file, place, top), []).append(file)
    return names


def _files(place: Place) -> Iterator[str]:
    if isinstance(place, Path):
        with suppress(PermissionError):  # Python cannot read it either
            yield from sorted(os.listdir(place))
    else:
        yield from (entry.name for entry in place.iterdir())


def _module(file: str, place: Place, top: bool) -> str:
    if top and (file == "EGG-INFO" or file.endswith(METADATA)):
        stem = place.name if file == "EGG-INFO" else file.rpartition(".")[0]
        return re.sub(r"[-_.]+", "-", stem.partition("-")[0]).lower() + METADATA[0]
    for suffix in _LONGEST_FIRST:
        if file.endswith(suffix):
            return file.removesuffix(suffix)
    return file


_LONGEST_FIRST = sorted(all_suffixes(), key=len, reverse=True)
