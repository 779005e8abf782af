"""The first Manager of a new instance: ``inituser``."""

import getpass
import sys

from AuthEncoding import AuthEncoding

BCRYPT_LIMIT = 72  # bytes of a password that bcrypt takes
SALTED = "SSHA"  # the only salted scheme of Zope 4 on Python 2.7


def ask() -> tuple[str, str] | None:
    """Ask for a name and a password. Returns None if there is no terminal, or no answer."""
    if not (sys.stdin and sys.stdin.isatty()):
        return None
    print("Please choose a username and password for the initial user with full access.")
    try:
        name = input("Username (empty: none): ").strip()
        if not name:
            return None
        while not (password := getpass.getpass()) or password != getpass.getpass("Verify password: "):
            print("The passwords are empty or differ, please try again.")
    except EOFError:
        return None
    return name, password


def line(name: str, password: str, scheme: str = "") -> str:
    """The line of ``inituser``, hashed by a scheme of AuthEncoding; the default is bcrypt.

    A password that is too long for bcrypt does not need a slow hash: it gets a salted SHA.
    """
    slow = "BCRYPT" if len(password.encode()) <= BCRYPT_LIMIT else SALTED
    return f"{name}:{AuthEncoding.pw_encrypt(password, scheme or slow).decode('ascii')}\n"
