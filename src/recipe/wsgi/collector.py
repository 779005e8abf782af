"""The garbage collector while a server starts.

What is made then (modules, classes, the component registry) stays for good: looking through it
again and again, while there is more and more of it, finds little garbage and takes time. So what is
new is looked through once, in large portions, and what is left in the end never again.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: Objects in a portion. With none at all (`gc.disable`) memory is left with so many holes that requests
#: take longer afterwards.
PORTION = 100_000


@contextmanager
def deferred() -> Iterator[None]:
    """Look through new objects only, and in large portions, while the block runs."""
    before = gc.get_threshold()
    gc.set_threshold(PORTION, 1_000, 1_000)
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*before)
