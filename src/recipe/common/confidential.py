"""Which text is a secret: it is not for others to read, nor to be printed.

Secrets reach the generated files by many options, also by those that take any text. So it is the
text that tells: by the name that a value goes by, and by a user and password in a URL. A reference
to a variable of the environment is no secret.
"""

import re

_NAME = r"[\w-]*(?:passw(?:or)?d|passphrase|secret|token|credential|api[_-]?key|private[_-]?key)[\w-]*"
_IS_NAME = re.compile(_NAME, re.IGNORECASE)
# `password x`, `password = 'x'`, `'password': 'x'`: ZConfig, ini, libpq's DSN and Python
_ASSIGNMENT = re.compile(rf"""(?<![\w-]){_NAME}['"]?(?:[ \t]*[=:][ \t]*|[ \t]+)(?P<value>\S.*)""", re.IGNORECASE)
_IN_URL = re.compile(r"://[^\s:/@]*:(?P<value>[^\s/@]+)@")
_REFERENCE = re.compile(r"\$\(\w+\)|%\(\w+\)s|[\s'\",()]")


def is_secret(name: str) -> bool:
    """Whether the value that goes by this name is a secret, such as that of ``DB_PASSWORD``."""
    return bool(_IS_NAME.fullmatch(name))


def holds_secret(text: str) -> bool:
    """Whether a configuration file, or a line of one, holds a secret in plain text."""
    found = (*_ASSIGNMENT.finditer(text), *_IN_URL.finditer(text))
    return any(_REFERENCE.sub("", match["value"]) for match in found)
