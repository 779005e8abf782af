"""The first Manager of a new instance: ``inituser``."""

import getpass
import sys

from AuthEncoding import AuthEncoding

BCRYPT_LIMIT = 72  # bytes of a password that bcrypt takes


def ask() -> tuple[str, str] | None:
    """Ask for name and password; None where there is no terminal, or no answer."""
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


def line(name: str, password: str, scheme: str) -> str:
    """The line of ``inituser``, with the password hashed by a scheme of AuthEncoding's."""
    return f"{name}:{AuthEncoding.pw_encrypt(password, scheme).decode('ascii')}\n"


def slow_scheme(password: str) -> str:
    """A salted and slow scheme; a password too long for bcrypt needs no slow one: a salted SHA."""
    return "BCRYPT" if len(password.encode()) <= BCRYPT_LIMIT else SALTED


SALTED = "SSHA"  # the only salted one of Zope 4 on Python 2.7
