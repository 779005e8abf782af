"""The packages that the ZCML files of a part include."""

from collections.abc import Iterator
from pathlib import Path

from recipe.common import inspection
from recipe.control.record import Record


class Include(Record):
    """A directive in the ZCML file `path` that includes `file` of `package`."""

    path: str
    package: str
    file: str


def includes(etc: Path) -> Iterator[str | Include]:
    """Yield the errors in the ZCML files in the directory `etc`, and the includes of packages."""
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
