"""What the files of ZCML in a part include."""

from collections.abc import Iterator
from pathlib import Path

from recipe.common import inspection
from recipe.control.record import Record


class Include(Record):
    """A file of ZCML includes a file of a package."""

    path: str
    package: str
    file: str


def includes(etc: Path) -> Iterator[str | Include]:
    """Yield what is wrong with the files of ZCML, and what they include."""
    yield from (finding.message for finding in inspection.place(str(etc)))
    files = [etc / "site.zcml", *sorted((etc / "package-includes").glob("*.zcml"))]
    for file in files:
        if file.is_file():
            yield from _includes_of(file)


def _includes_of(path: Path) -> Iterator[str | Include]:
    from xml.etree import ElementTree

    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError, UnicodeDecodeError) as error:
        yield f"{path}: {error}"
        return
    for element in root.iter():
        package = element.get("package", "")
        # {http://namespaces.zope.org/zope}include
        if element.tag.rpartition("}")[2] not in ("include", "includeOverrides") or package.startswith("."):
            continue
        if package and not element.get("{http://namespaces.zope.org/zcml}condition"):
            yield Include(str(path), package, element.get("file") or "configure.zcml")
