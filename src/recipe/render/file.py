"""A generated file, as a value: nothing is on the disk yet."""

from dataclasses import dataclass

PRIVATE = 0o600  # the mode of a file that holds a secret


@dataclass(frozen=True)
class File:
    """A file to write: its absolute path, its text and its mode."""

    path: str
    text: str
    mode: int = 0o644
