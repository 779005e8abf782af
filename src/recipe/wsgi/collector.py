"""The garbage collector while a server starts.

What is made then (modules, classes, the component registry) stays for good: looking through it
again and again, while there is more and more of it, finds no garbage and takes time. So it waits,
looks once, and afterwards leaves alone what is there: not only the start, but each full collection
in the middle of a request is the shorter for it.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Collect nothing in the block; at its end once, and then keep what is left out of it for good."""
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()
