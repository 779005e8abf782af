"""The garbage collector while a server starts.

The objects that are created then (modules, classes, the component registry) stay. To traverse them again and again,
while their number grows, takes time and finds little garbage. So new objects are traversed once, in large portions, and
those that are left at the end are never traversed again.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: Objects in a portion. Without any collection (`gc.disable`) memory becomes so fragmented that requests take longer
#: afterwards.
PORTION = 100_000


def collect() -> None:
    """Free what is garbage by now, and never traverse the rest again.

    A later collection in a forked process would write to all objects, and so copy the memory that it shares.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@contextmanager
def deferred() -> Iterator[None]:
    """Traverse new objects only, and in large portions, while the block runs."""
    before = gc.get_threshold()
    gc.set_threshold(PORTION, 1_000, 1_000)
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*before)
