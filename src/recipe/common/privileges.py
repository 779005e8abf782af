"""Becoming another user, for a server that was started as root."""

import os
import pwd

from recipe.common.errors import StartError


def lookup(user: str) -> pwd.struct_passwd:
    """Return the entry of a user given by name or number.

    Raises StartError where there is none.
    """
    try:
        return pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        raise StartError(f"effective-user: this machine has no user {user!r}") from None


def needed(user: str) -> bool:
    """Whether this process has to become `user`: only root can, for anybody else it is a no-op."""
    return bool(user) and os.geteuid() == 0


def become(entry: pwd.struct_passwd) -> None:
    """Become that user for good, with its groups and home directory."""
    if entry.pw_uid == 0:
        return
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ.update(HOME=entry.pw_dir, USER=entry.pw_name, LOGNAME=entry.pw_name)
