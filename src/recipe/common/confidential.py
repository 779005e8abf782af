"""Finds secrets in text: other users must not read them, and messages must not print them.

Secrets reach the generated files through many options, also through those that accept any text. So
this module looks at the text: at the names of values, and for a user and a password in a URL. A
reference to an environment variable is not a secret.
"""

import re

_NAME = r"[\w-]*(?:passw(?:or)?d|passphrase|secret|token|credential|api[_-]?key|private[_-]?key)[\w-]*"
_IS_NAME = re.compile(_NAME, re.IGNORECASE)
# `password x`, `password = 'x'`, `'password': 'x'`, `environ['PASSWORD'] = 'x'`: ZConfig, ini, libpq's DSN and Python
_ASSIGNMENT = re.compile(rf"""(?<![\w-]){_NAME}['"]?\]?(?:[ \t]*[=:][ \t]*|[ \t]+)(?P<value>\S.*)""", re.IGNORECASE)
_IN_URL = re.compile(r"://[^\s:/@]*:(?P<value>[^\s/@]+)@")
_REFERENCE = re.compile(r"\$\(\w+\)|%\(\w+\)s|[\s'\",()]")


def is_secret(name: str) -> bool:
    """Return whether a value with this name is a secret, such as the value of ``DB_PASSWORD``."""
    return bool(_IS_NAME.fullmatch(name))


def holds_secret(text: str) -> bool:
    """Return whether a configuration file, or a line of one, contains a secret in plain text."""
    matches = (*_ASSIGNMENT.finditer(text), *_IN_URL.finditer(text))
    return any(_REFERENCE.sub("", match["value"]) for match in matches)
