"""Compiles the Python modules of the eggs when buildout runs.

buildout unpacks most wheels without compiled files. Python writes them at the first import, but only if it has
permission: a server whose user cannot write to the eggs would compile them on every start.
"""

import importlib.util
import os
import py_compile
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress


def compile_missing(eggs: Iterable[str]) -> None:
    """Compile the modules in these directories that have no compiled file, where this process may write.

    With ``PYTHONDONTWRITEBYTECODE`` set, nothing is compiled. A file that is not valid Python, or not of
    this version, is skipped; an import of it reports the error.
    """
    if sys.dont_write_bytecode:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler: the user of an egg cannot change its text
        for source, compiled in (pair for egg in eggs for pair in _uncompiled(egg)):
            with suppress(OSError):
                mode = py_compile.PycInvalidationMode.TIMESTAMP  # as an import uses
                py_compile.compile(source, compiled, quiet=2, invalidation_mode=mode)


def _uncompiled(directory: str) -> Iterator[tuple[str, str]]:
    """Yield the modules without a compiled file, each with the path of that file."""
    for package, _, names in os.walk(directory):
        if not os.access(package, os.W_OK):
            continue
        for source in (f"{package}/{name}" for name in names if name.endswith(".py")):
            compiled = importlib.util.cache_from_source(source)
            if not os.path.exists(compiled):
                yield source, compiled
