"""A generated file, as a value: nothing is on the disk yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field

PRIVATE = 0o600  # the mode of a file that holds a secret


@dataclass(frozen=True)
class File:
    """A file to write: its absolute path, its text and its mode, and the options that its lines come from.

    `options` has the numbers of lines (from 1), and only of those that are known to come from one option.
    """

    path: str
    text: str
    mode: int = 0o644
    options: Mapping[int, str] = field(default_factory=dict)
