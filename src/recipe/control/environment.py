"""The environment of every command: ``.env`` files, and what old zope.confs count on."""

import os
import sys


def prepare(directory: str) -> None:
    """Add to the environment what the ``.env`` files in `directory` say.

    ``.env.NAME``, where NAME is $PLONE_ENV (which may stand in ``.env``), wins over ``.env``;
    what is set already wins over both. A file that is not there is skipped.
    """
    values = _read(os.path.join(directory, ".env"))
    name = os.environ.get("PLONE_ENV") or values.get("PLONE_ENV")
    if name:
        values |= _read(os.path.join(directory, f".env.{name}"))
    for key, value in values.items():
        os.environ.setdefault(key, value)
    # `var $(ZEO_TMP)` in a <zeoclient> that 9.1.0 wrote
    os.environ.setdefault("ZEO_TMP", os.environ.get("TMPDIR") or "/tmp")


def _read(path: str) -> dict[str, str]:
    if not os.path.isfile(path):
        return {}
    from dotenv import dotenv_values

    try:
        values = dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        # Those who may not read the secrets in it may still ask for the status
        print(f"{path} is left out: {error}", file=sys.stderr)
        return {}
    return {key: value for key, value in values.items() if value is not None}
