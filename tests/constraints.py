"""Write the pins of ``versions.cfg`` as pip's constraints: ``python tests/constraints.py FILE``.

The versions stand in one place, in buildout's form; pip reads what this makes of them. Needs
nothing but Python, since it runs before anything is installed.
"""

import sys
from configparser import ConfigParser
from pathlib import Path

VERSIONS = Path(__file__).with_name("versions.cfg")


def read_pins(path: Path = VERSIONS) -> dict[str, str]:
    """Return ``{distribution: version}`` for this Python, from ``path`` and what it extends.

    ``[versions:python310]`` is buildout's way to say: on Python 3.10 only.
    """
    parser = ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path, encoding="utf-8")
    pins: dict[str, str] = {}
    for base in parser.get("buildout", "extends", fallback="").split():
        pins |= read_pins(path.parent / base)
    this_python = "versions:python{}{}".format(*sys.version_info)
    for section in ("versions", this_python):
        if parser.has_section(section):
            pins |= parser.items(section)
    return pins


def main() -> None:
    """Write the constraints to the file that the command line names."""
    lines = [f"{name}=={version}\n" for name, version in read_pins().items()]
    Path(sys.argv[1]).write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
