"""Changing the user of a server that was started as root."""

import os
import pwd

from recipe.common.errors import StartError


def lookup(user: str) -> pwd.struct_passwd:
    """Return the entry of a user, given by name or number.

    Raises StartError if there is no such user.
    """
    try:
        return pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        raise StartError(f"effective-user: this machine has no user {user!r}") from None


def needed(user: str) -> bool:
    """Whether this process has to change to `user`; only root can, other users stay as they are."""
    return bool(user) and os.geteuid() == 0


def become(entry: pwd.struct_passwd) -> None:
    """Change to that user permanently, with its groups and home directory."""
    if entry.pw_uid == 0:
        return
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ.update(HOME=entry.pw_dir, USER=entry.pw_name, LOGNAME=entry.pw_name)
