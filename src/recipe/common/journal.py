"""A journal of renames, so that several files change together or not at all.

New files are staged beside their targets, the renames are written to the journal, and only then they
are carried out (a write-ahead log). A process that is killed before the journal exists has changed
nothing. If it is killed later, the next run of buildout or of the control script finishes the changes;
so importing this module has to be fast.
"""

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def commit(path: str, renames: "Mapping[str, str]", removals: "Iterable[str]") -> None:
    """Rename files and remove others, all or none of them, even if this process is killed.

    `path`: the journal; `renames`: the target of each staged file; `removals`: files to remove. All paths
    are absolute. Raises OSError; if the journal could not be written, nothing has changed.
    """
    directory = os.path.dirname(path)
    # Relative paths, because the whole tree may be moved before the changes are finished
    entries = [[os.path.relpath(name, directory) for name in pair] for pair in renames.items()]
    entries += [[os.path.relpath(name, directory)] for name in removals]
    staged = f"{path}.new"
    with open(staged, "w", encoding="utf-8") as file:
        json.dump(entries, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)
    try:
        _sync(directory)
        finish(path)
    except KeyboardInterrupt:
        finish(path)
        raise


def finish(path: str) -> list[str]:
    """Carry out the changes in the journal at `path`, if it exists; return the files that it changes.

    Changes that are done already are skipped, so this function may be interrupted and called again.
    Raises OSError, or ValueError if the journal is not JSON.
    """
    if not os.path.exists(path):
        return []
    directory = os.path.dirname(path)
    try:
        file = open(path, encoding="utf-8")  # noqa: SIM115
    except FileNotFoundError:
        return []  # another process has just finished it
    with file:
        entries = [[os.path.normpath(os.path.join(directory, name)) for name in entry] for entry in json.load(file)]
    for *staged, target in entries:
        _carry_out(staged, target)
    for changed in {os.path.dirname(entry[-1]) for entry in entries}:
        _sync(changed)
    try:  # noqa: SIM105
        os.unlink(path)
    except FileNotFoundError:
        pass  # another process has finished it, too
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
        # A file that cannot be removed may stay
        if staged:
            raise


def _sync(directory: str) -> None:
    """Write the entries of a directory to the disk, if the system can do so."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # not every file system supports it
    finally:
        os.close(descriptor)
