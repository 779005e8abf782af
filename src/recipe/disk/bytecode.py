"""Compiled Python for the eggs, made when buildout runs.

buildout unpacks most wheels without it. Python makes it at the first import, but only where it may write: a server
whose user may not write in the eggs would compile them on every start.
"""

import importlib.util
import os
import py_compile
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress


def compile_missing(eggs: Iterable[str]) -> None:
    """Compile the modules of these directories that are not yet, where this process may write.

    Nothing under ``PYTHONDONTWRITEBYTECODE``, which says that none is wanted. What is no Python, or
    none of this version, is left to who imports it.
    """
    if sys.dont_write_bytecode:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler: nobody here can mend the text
        for source, compiled in (pair for egg in eggs for pair in _missing(egg)):
            with suppress(OSError):
                mode = py_compile.PycInvalidationMode.TIMESTAMP  # as an import does
                py_compile.compile(source, compiled, quiet=2, invalidation_mode=mode)


def _missing(directory: str) -> Iterator[tuple[str, str]]:
    """The modules that have no compiled file, with where it belongs."""
    for place, _, names in os.walk(directory):
        if not os.access(place, os.W_OK):
            continue
        for source in (f"{place}/{name}" for name in names if name.endswith(".py")):
            compiled = importlib.util.cache_from_source(source)
            if not os.path.exists(compiled):
                yield source, compiled
