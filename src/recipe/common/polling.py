"""Waiting for file descriptors with poll(), which handles any number; select() fails at 1024."""

import select
from collections.abc import Iterable


def readable(descriptors: Iterable[int], seconds: float) -> bool:
    """Wait until one of the file descriptors can be read, at most `seconds`; return whether one can."""
    poller = select.poll()
    for descriptor in descriptors:
        poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(seconds * 1000))
