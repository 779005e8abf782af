"""The one place that writes: all files at once, only what changed, never half a file."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from recipe.render import File


def write(files: Iterable[File]) -> list[str]:
    """Write files, each to a temporary name, synced and renamed; returns the paths that changed.

    All are staged before the first is renamed, so that an error leaves what was there.
    Raises OSError.
    """
    staged: list[tuple[str, str]] = []
    written: list[str] = []
    try:
        for file in files:
            if is_changed(file):
                staged.append((_stage(file), file.path))
        while staged:
            temporary, path = staged[0]
            os.replace(temporary, path)
            staged.pop(0)
            written.append(path)
    finally:
        for temporary, _ in staged:
            os.unlink(temporary)
    return written


def is_changed(file: File) -> bool:
    """Whether a file is not on the disk as it should be."""
    path = Path(file.path)
    try:
        return path.read_bytes() != file.text.encode() or path.stat().st_mode & 0o777 != _mode(file)
    except OSError:
        return True


def _mode(file: File) -> int:
    """The file's mode, as far as the user's umask allows."""
    umask = os.umask(0)
    os.umask(umask)
    return file.mode & ~umask


def _stage(file: File) -> str:
    directory, name = os.path.split(file.path)
    os.makedirs(directory, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=directory)
    with open(descriptor, "wb") as stream:
        stream.write(file.text.encode())
        stream.flush()
        os.fchmod(descriptor, _mode(file))
        os.fsync(descriptor)
    return temporary


def make_directories(directories: Iterable[str], private: Iterable[str]) -> None:
    """Create directories where they are missing, the private ones for their owner alone."""
    for directory in directories:
        os.makedirs(directory, exist_ok=True)
    for directory in private:
        if not os.path.isdir(directory):
            os.makedirs(os.path.dirname(directory), exist_ok=True)
            os.mkdir(directory, 0o700)
