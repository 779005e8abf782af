"""A journal of renames, so that several files change together or not at all.

What is to change is staged beside its place, then written down here, and only then carried out
(a write-ahead log). Who is killed before the journal is there has changed nothing; who is killed
afterwards is finished by the next one that looks: buildout, or the control script. So this
imports nothing that takes time.
"""

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def commit(path: str, renames: "Mapping[str, str]", removals: "Iterable[str]") -> None:
    """Rename files to their places and remove others: all of it, even if this process is killed.

    `path` is where the journal is kept meanwhile; `renames` maps staged files to their places. All
    paths are absolute. Raises OSError; before the journal is in place nothing has happened then.
    """
    place = os.path.dirname(path)
    # Relative ones, since the whole tree may move before it is finished
    entries = [[os.path.relpath(name, place) for name in pair] for pair in renames.items()]
    entries += [[os.path.relpath(name, place)] for name in removals]
    staged = f"{path}.new"
    with open(staged, "w", encoding="utf-8") as file:
        json.dump(entries, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)
    try:
        _sync(place)
        finish(path)
    except KeyboardInterrupt:
        finish(path)
        raise


def finish(path: str) -> list[str]:
    """Carry out what the journal at `path` says, if there is one; return the files it is about.

    What is done already is passed over, so that this may be interrupted and called again. Raises
    OSError.
    """
    if not os.path.exists(path):
        return []
    place = os.path.dirname(path)
    try:
        file = open(path, encoding="utf-8")  # noqa: SIM115
    except FileNotFoundError:
        return []  # another process has just finished it
    with file:
        entries = [[os.path.normpath(os.path.join(place, name)) for name in entry] for entry in json.load(file)]
    for *staged, target in entries:
        _carry_out(staged, target)
    for directory in {os.path.dirname(entry[-1]) for entry in entries}:
        _sync(directory)
    try:  # noqa: SIM105
        os.unlink(path)
    except FileNotFoundError:
        pass  # another process was at it, too
    return [entry[-1] for entry in entries]


def _carry_out(staged: "list[str]", target: str) -> None:
    try:
        if staged:
            os.replace(staged[0], target)
        else:
            os.unlink(target)
    except FileNotFoundError:
        pass  # done already
    except OSError:
        # What is in the way for no more than being there may stay
        if staged:
            raise


def _sync(directory: str) -> None:
    """Let the system write a directory's names to the disk, where it can."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # not every file system knows how
    finally:
        os.close(descriptor)
