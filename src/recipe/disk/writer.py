"""The one place that writes: all files at once, only what changed, never half a file."""

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from recipe.common import journal
from recipe.common.names import FINGERPRINT
from recipe.render.file import File

Owner = tuple[int, int]  # of a file: user and group, by their numbers


def write(files: Iterable[File], obsolete: Iterable[str], log: str, owner: Owner | None = None) -> list[str]:
    """Write files and remove obsolete ones, all or nothing; returns the paths that were written.

    Each file goes to a temporary name and is synced; all are renamed together, by the journal at
    the path `log`. A file that is on the disk as it should be is left alone. Files that only their
    owner may read are given to `owner`, where root writes them. Raises OSError; then nothing has
    changed, unless a file could not be renamed: the journal stays for the next run then.
    """
    staged: dict[str, str] = {}
    try:
        for file in filter(is_changed, files):
            staged[_stage(file, owner)] = file.path
        removals = [path for path in obsolete if os.path.lexists(path)]
        if staged or removals:
            journal.commit(log, staged, removals)
    except BaseException:
        # With the journal in place, what is staged is no longer ours to remove
        if not os.path.exists(log):
            for temporary in staged:
                with suppress(OSError):
                    os.unlink(temporary)
        raise
    return list(staged.values())


def is_changed(file: File) -> bool:
    """Whether a file is not on the disk as it should be."""
    path = Path(file.path)
    try:
        return path.read_bytes() != file.text.encode() or path.stat().st_mode & 0o777 != mode(file)
    except OSError:
        return True


def mode(file: File) -> int:
    """The mode that a file gets: its own, as far as the user's umask allows."""
    umask = os.umask(0)
    os.umask(umask)
    return file.mode & ~umask


def _owner(file: File, wanted: Owner | None) -> Owner | None:
    """Who is to have a file that root writes; None: whoever writes it."""
    if os.geteuid() != 0 or file.mode & 0o044 or os.path.basename(file.path) == FINGERPRINT:
        return None
    if wanted is None:
        with suppress(FileNotFoundError):
            status = os.stat(file.path)
            return status.st_uid, status.st_gid
    return wanted


def _stage(file: File, owner: Owner | None) -> str:
    """Write a file to a temporary name beside its place; returns that name."""
    if os.path.isdir(file.path):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), file.path)
    directory, name = os.path.split(file.path)
    os.makedirs(directory, exist_ok=True)
    temporary = os.path.join(directory, f".{name}.new")
    with suppress(FileNotFoundError):
        os.unlink(temporary)  # of a run that was killed
    # For the owner alone until its mode is set: it may hold a secret
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(file.text.encode())
            stream.flush()
            if given := _owner(file, owner):
                os.fchown(descriptor, *given)
            os.fchmod(descriptor, mode(file))
            os.fsync(descriptor)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError):
            error.filename = file.path  # the system tells of writing only what, not where
        raise
    return temporary


def make_directories(directories: Iterable[str], private: Iterable[str]) -> None:
    """Create directories where they are missing, the private ones for their owner alone."""
    for directory in directories:
        os.makedirs(directory, exist_ok=True)
    for directory in private:
        if not os.path.isdir(directory):
            os.makedirs(os.path.dirname(directory), exist_ok=True)
            os.mkdir(directory, 0o700)
