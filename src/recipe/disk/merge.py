"""What Python would find in several directories of sys.path, as one tree of links.

The rules are the import system's: in a directory a package goes before a module, and a module
before a directory without ``__init__``, which is a portion of a namespace (PEP 420); along the
path the first package or module counts, and portions only where there is none. A package whose
``__init__`` calls ``pkgutil.extend_path`` or ``pkg_resources.declare_namespace`` has what its
namesakes hold, too.
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
    """What a name is to Python, in one directory."""

    DATA = 0
    PORTION = 1
    MODULE = 2
    PACKAGE = 3
    NAMESPACE = 4  # a package with what its namesakes hold


@dataclass(frozen=True)
class Offer:
    """What one directory has by a module's name, such as ``foo`` and ``foo.py``.

    root  the directory's entry on the path, by its number
    """

    root: int
    place: Place
    name: str
    files: tuple[str, ...]

    @cached_property
    def kind(self) -> Kind:
        """What Python takes it for."""
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
        """Whether it is found even where there are portions of a namespace."""
        return self.kind not in (Kind.PORTION, Kind.DATA)

    @cached_property
    def _init(self) -> Place | None:
        candidates = (self.place / self.name / f"__init__{suffix}" for suffix in _SUFFIXES)
        return next((path for path in candidates if path.is_file()), None)

    @cached_property
    def init_text(self) -> str:
        """The text of the package's ``__init__.py``; empty where there is none."""
        if self._init is None or not self._init.name.endswith(".py"):
            return ""
        return self._init.read_bytes().decode(errors="replace")


MERGED = (Kind.PORTION, Kind.NAMESPACE)

# .py first: nearly all are
_SUFFIXES = sorted(all_suffixes(), key=lambda suffix: suffix != ".py")
METADATA = (".dist-info", ".egg-info")


def _extends_itself(text: str) -> bool:
    return "declare_namespace" in text or "extend_path" in text


class Merge:
    """The links that stand for some entries of the path, in one directory at the place of the first.

    `paths` is the path, `eggs` tells by their numbers which entries are to be replaced. Then:

    links     paths in the directory, and what they lead to
    shadowed  modules that several entries hold, and these by number, the one that counts first
    unsafe    eggs that another entry would be taken for, were they in the directory
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
        """Whether the instance has pkg_resources: in the part's eggs, or beside Python."""
        places = [*self._paths, *map(sysconfig.get_path, ("purelib", "platlib"))]
        return any(os.path.exists(f"{path}/pkg_resources/__init__.py") for path in places)

    def _resolves_links(self, offer: Offer) -> bool:
        """Whether a namespace must be a directory even where one egg has it: pkg_resources orders real paths."""
        return self._has_pkg_resources and offer.kind is Kind.NAMESPACE and "declare_namespace" in offer.init_text

    def _level(self, prefix: str, places: Sequence[tuple[int, Place]], start: int) -> None:
        """Merge directories, in the order of the path; `prefix` is theirs in the tree.

        What stays on the path comes after the tree where its number is above `start`.
        """
        offers: dict[str, list[Offer]] = {}
        for root, place in places:
            for name, files in _names(place, top=not prefix).items():
                offers.setdefault(name, []).append(Offer(root, place, name, tuple(files)))
        for name, found in offers.items():
            if len(found) == 1 and not self._resolves_links(found[0]):
                self._link(prefix, found[0])
            elif any(offer.root in self.eggs for offer in found):
                self._join(prefix, name, found, start)

    def _join(self, prefix: str, name: str, found: Sequence[Offer], start: int) -> None:
        strong = sorted((offer for offer in found if offer.is_strong), key=_by_root)
        if name != "__init__":
            self._check_order(strong, start)
            self._note_shadowed(f"{prefix}{name}", strong)
        visible = self._visible(found)
        if not visible:
            return
        if visible[0].kind in MERGED or len(visible) > 1:
            # What stays on the path is looked at, too, for what it holds of the same
            kinds = MERGED if visible[0].kind is Kind.PORTION else (*MERGED, Kind.PACKAGE)
            visible += [offer for offer in found if offer.root not in self.eggs and offer.kind in kinds]
        if len(visible) > 1 or self._resolves_links(visible[0]):
            if strong and strong[0].root in self.eggs and strong[0].kind is Kind.NAMESPACE:
                start = -1  # its own directory is the first that its __path__ names
            self._level(f"{prefix}{name}/", [(offer.root, offer.place / name) for offer in visible], start)
        else:
            self._link(prefix, visible[0])

    def _visible(self, found: Sequence[Offer]) -> list[Offer]:
        """What of the eggs Python would find by one name, in its order; several are to be merged."""
        linked = [offer for offer in found if offer.root in self.eggs]
        strong = [offer for offer in linked if offer.is_strong]
        if not strong:
            return [offer for offer in linked if offer.kind is Kind.PORTION] or linked[:1]
        leader = next(offer for offer in found if offer.is_strong)
        if Kind.NAMESPACE not in (leader.kind, strong[0].kind):
            return strong[:1]
        packages = [offer for offer in strong if offer.kind is not Kind.MODULE]
        portions = [offer for offer in linked if offer.kind is Kind.PORTION and self._finds_portions(leader)]
        # The first package comes first, since its __init__ counts
        return packages[:1] + sorted([*packages[1:], *portions], key=_by_root)

    def _finds_portions(self, leader: Offer) -> bool:
        """pkg_resources passes over what has no ``__init__``."""
        text = leader.init_text
        return "extend_path" in text and not ("declare_namespace" in text and self._has_pkg_resources)

    def _check_order(self, strong: Sequence[Offer], start: int) -> None:
        """Note the eggs that must stay where they are, since the directory comes earlier on the path."""
        leader = blocker = None
        for offer in strong:
            if offer.root not in self.eggs:
                if offer.root > start and leader is None:
                    blocker = blocker or offer
            elif blocker and not (offer.kind is Kind.NAMESPACE and offer.init_text == blocker.init_text):
                self.unsafe.add(offer.root)
            elif offer.kind is Kind.MODULE and strong[0].kind is Kind.NAMESPACE and leader is None:
                self.unsafe.add(offer.root)  # in the directory it would hide what belongs to the namespace
            else:
                leader = leader or offer

    def _note_shadowed(self, path: str, strong: Sequence[Offer]) -> None:
        name = path.replace("/", ".")
        # What is beside Python is there for all that it runs
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
    """An entry of the path: a directory, or a file with one in it; None where Python would find nothing."""
    if os.path.isdir(path):
        return Path(path)
    return zipfile.Path(path) if zipfile.is_zipfile(path) else None


def _names(place: Place, top: bool) -> dict[str, list[str]]:
    """The entries of a directory by the name of the module that they may be; `top`: on the path itself."""
    names: dict[str, list[str]] = {}
    for file in _files(place):
        if file == "__pycache__" or (top and file.endswith(".pth")):
            continue  # the one is made anew, the other works beside Python only
        names.setdefault(_module(file, place, top), []).append(file)
    return names


def _files(place: Place) -> Iterator[str]:
    if isinstance(place, Path):
        with suppress(PermissionError):  # nor can Python look there
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
