"""Writes the generated files: all of them or none, only those that changed, and never half a file."""

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from recipe.common import journal
from recipe.common.names import FINGERPRINT
from recipe.render.file import File

Owner = tuple[int, int]  # the ids of the user and the group that own a file


def write(files: Iterable[File], obsolete: Iterable[str], log: str, owner: Owner | None = None) -> list[str]:
    """Write files and remove obsolete ones, all or none; return the paths that were written.

    Each file is written to a temporary name and synced; then all are renamed together, with the
    journal at the path `log`. A file that has not changed is not written. If root writes files that
    only their owner may read, they belong to `owner`. Raises OSError; nothing has changed then,
    unless a file could not be renamed: in that case the journal stays for the next run.
    """
    staged: dict[str, str] = {}
    try:
        for file in filter(is_changed, files):
            staged[_stage(file, owner)] = file.path
        removals = [path for path in obsolete if os.path.lexists(path)]
        if staged or removals:
            journal.commit(log, staged, removals)
    except BaseException:
        # If the journal exists, it renames the temporary files later
        if not os.path.exists(log):
            for temporary in staged:
                with suppress(OSError):
                    os.unlink(temporary)
        raise
    return list(staged.values())


def is_changed(file: File) -> bool:
    """Return whether the text or the mode on the disk differs from this file, or the disk has no such file."""
    path = Path(file.path)
    try:
        return path.read_bytes() != file.text.encode() or path.stat().st_mode & 0o777 != mode(file)
    except OSError:
        return True


def mode(file: File) -> int:
    """Return the mode of a file, reduced by the umask of this process."""
    umask = os.umask(0)
    os.umask(umask)
    return file.mode & ~umask


def _owner(file: File, server: Owner | None) -> Owner | None:
    """Return the owner of a file that root writes: the server's user if given; None for the writing process."""
    if os.geteuid() != 0 or file.mode & 0o044 or os.path.basename(file.path) == FINGERPRINT:
        return None
    if server is None:
        with suppress(FileNotFoundError):
            status = os.stat(file.path)
            return status.st_uid, status.st_gid
    return server


def _stage(file: File, owner: Owner | None) -> str:
    """Write a file to a temporary name in its directory; return the path of the temporary file."""
    if os.path.isdir(file.path):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), file.path)
    directory, name = os.path.split(file.path)
    os.makedirs(directory, exist_ok=True)
    temporary = os.path.join(directory, f".{name}.new")
    with suppress(FileNotFoundError):
        os.unlink(temporary)  # left by a run that was killed
    # Readable by the owner only until its mode is set: it may contain a secret
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(file.text.encode())
            stream.flush()
            if new_owner := _owner(file, owner):
                os.fchown(descriptor, *new_owner)
            os.fchmod(descriptor, mode(file))
            os.fsync(descriptor)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError):
            error.filename = file.path  # an error of write(2) names no file
        raise
    return temporary


def make_directories(directories: Iterable[str], private: Iterable[str]) -> None:
    """Create the directories that are missing; only their owner may enter the private ones."""
    for directory in directories:
        os.makedirs(directory, exist_ok=True)
    for directory in private:
        if not os.path.isdir(directory):
            os.makedirs(os.path.dirname(directory), exist_ok=True)
            os.mkdir(directory, 0o700)
