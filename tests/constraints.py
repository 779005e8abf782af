"""Write the pins of ``versions.cfg`` as pip's constraints: ``python tests/constraints.py FILE``.

The versions stand in one place, in buildout's form; pip reads what this makes of them. Needs
nothing but Python, since it runs before anything is installed.
"""

import os
import sys
from configparser import ConfigParser
from pathlib import Path

TESTS = Path(__file__).parent

#: What the tests run with instead of the newest: ``zope5``, ``buildout4`` (tox sets the variables).
VARIANTS = tuple(
    name + os.environ[variable]
    for name, variable in (("zope", "RECIPE_TEST_ZOPE"), ("buildout", "RECIPE_TEST_BUILDOUT"))
    if os.environ.get(variable)
)

#: The files with the versions; a later one wins.
FILES = (TESTS / "versions.cfg", *(TESTS / f"versions-{name}.cfg" for name in VARIANTS))


def pins() -> dict[str, str]:
    """Return ``{distribution: version}`` for this Python and these variants."""
    found: dict[str, str] = {}
    for path in FILES:
        found |= read_pins(path)
    return found


def read_pins(path: Path) -> dict[str, str]:
    """Return ``{distribution: version}`` for this Python, from ``path`` and what it extends.

    ``[versions:python310]`` is buildout's way to say: on Python 3.10 only.
    """
    parser = ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    with path.open(encoding="utf-8") as stream:
        parser.read_file(stream)
    found: dict[str, str] = {}
    for base in parser.get("buildout", "extends", fallback="").split():
        found |= read_pins(path.parent / base)
    this_python = "versions:python{}{}".format(*sys.version_info)
    for section in ("versions", this_python):
        if parser.has_section(section):
            found |= parser.items(section)
    return found


def main() -> None:
    """Write the constraints to the file that the command line names."""
    lines = [f"{name}=={version}\n" for name, version in pins().items()]
    Path(sys.argv[1]).write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
