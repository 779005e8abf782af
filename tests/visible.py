"""Tells, as JSON, what a Python sees on its path; run by the interpreter of an instance.

Nothing is imported but the modules that the arguments name: for these it tells who they say they are.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import pkgutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.machinery import PathFinder
from typing import Any


def modules(path: Iterable[str], depth: int, prefix: str = "") -> set[str]:
    """The names of all modules on a path, so many levels deep."""
    path = list(path)
    names = {info.name for info in pkgutil.iter_modules(path)}
    # pkgutil passes over the namespaces of PEP 420
    for entry in filter(os.path.isdir, path):
        names |= {name for name in os.listdir(entry) if name.isidentifier() and os.path.isdir(f"{entry}/{name}")}
    found = set()
    for name in names - {"__pycache__"}:
        spec = PathFinder.find_spec(name, path)
        if spec is None:
            continue
        found.add(prefix + name)
        if depth > 1 and spec.submodule_search_locations is not None:
            inner = [f"{entry}/{name}" for entry in path] if _is_namespace(spec.origin) else [_directory(spec.origin)]
            found |= modules(inner, depth - 1, f"{prefix}{name}.")
    return found


def _is_namespace(origin: str | None) -> bool:
    """Whether a package is in several entries of the path."""
    if origin is None:
        return True
    with suppress(OSError), open(origin, encoding="utf-8", errors="replace") as file:
        return origin.endswith(".py") and ("extend_path" in (text := file.read()) or "declare_namespace" in text)
    return False


def _directory(origin: str | None) -> str:
    return os.path.dirname(origin or "")


def distributions() -> dict[str, list[Any]]:
    """Version, requirements and entry points of each distribution, by its name."""
    return {
        dist.metadata["Name"]: [
            dist.version,
            sorted(dist.requires or ()),
            sorted(f"[{point.group}] {point.name} = {point.value}" for point in dist.entry_points),
        ]
        for dist in importlib.metadata.distributions()
    }


def who(name: str) -> str:
    """What a module says it is; the error where it cannot be imported."""
    try:
        return str(getattr(importlib.import_module(name), "WHO", "nobody"))
    except ImportError as error:
        return type(error).__name__


def _is_ours(path: str) -> bool:
    """Whether an entry of the path is not Python's own, nor shared with others."""
    return not path.startswith((sys.prefix, sys.base_prefix))


def seen(names: Iterable[str] = (), depth: int = 3) -> dict[str, Any]:
    """All of it."""
    return {
        "modules": sorted(modules(filter(_is_ours, sys.path), depth)),
        "distributions": distributions(),
        "imported": {name: who(name) for name in names},
    }


if __name__ == "__main__":
    print(json.dumps(seen(sys.argv[1:])))
