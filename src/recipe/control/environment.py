"""The environment of every command: ``.env`` files, and ZEO_TMP for the zope.conf files of 9.1.0."""

import os
import sys


def prepare(directory: str) -> None:
    """Add the variables in the ``.env`` files in `directory` to the environment.

    The files are ``.env`` and ``.env.NAME``; NAME is $PLONE_ENV, which ``.env`` may set. The second file
    overrides the first. Variables that are set already stay as they are. Missing files are skipped.
    """
    values = _read(os.path.join(directory, ".env"))
    name = os.environ.get("PLONE_ENV") or values.get("PLONE_ENV")
    if name:
        values |= _read(os.path.join(directory, f".env.{name}"))
    for key, value in values.items():
        os.environ.setdefault(key, value)
    # 9.1.0 writes `var $(ZEO_TMP)` into <zeoclient>
    os.environ.setdefault("ZEO_TMP", os.environ.get("TMPDIR") or "/tmp")


def _read(path: str) -> dict[str, str]:
    if not os.path.isfile(path):
        return {}
    from dotenv import dotenv_values

    try:
        values = dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        # A user who may not read the secrets in the file may still run `status`
        print(f"skipped {path}: {error}", file=sys.stderr)
        return {}
    return {key: value for key, value in values.items() if value is not None}
