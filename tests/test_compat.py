"""The same parts with 9.1.0, which really runs, and with ours: what differs is known and listed.

``compat/parts.cfg`` has the parts. ``compat/differences.txt`` has every difference in meaning:
``-`` only 9.1.0 has it, ``+`` only ours. What ours deliberately does otherwise in every part
stands in ``EVERYWHERE``.
"""

from __future__ import annotations

import configparser
import difflib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts import description, part
from recipe.render import wsgi_ini, zcml, zope_conf
from support import Buildout

COMPAT = Path(__file__).parent / "compat"
TEMPLATES = ("names.ini.in", "logging.ini.in")

EVERYWHERE = re.compile(
    r"""
      zope.conf: \ pid-filename         # honoured under WSGI, too
    | zope.conf: \ zodb_db\ temporary( # only with the eggs it needs; 9.1.0 does not start without
        | /temporarystorage(/name\ temporary\ storage\ for\ sessioning)?
        | /mount-point\ /temp_folder
        | /container-class\ Products.TemporaryFolder.TemporaryContainer
      )$
    | wsgi.ini: \ filter:translogger/  # our own, which counts what is sent
    | wsgi.ini: \ (server:main/|names/(n_)?)asyncore_use_poll   # poll() is the default
    | wsgi.ini: \ logger_(plone|waitress)/handlers   # a line is written once
    """,
    re.VERBOSE,
)


def parts(file: str = "parts.cfg") -> dict[str, str]:
    text = (COMPAT / file).read_text(encoding="utf-8")
    pieces = re.split(r"(?m)^\[([^]]+)\]\n", text)[1:]
    return dict(zip(pieces[::2], pieces[1::2], strict=True))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Buildout:
    """A buildout with all the parts, made by 9.1.0."""
    buildout = Buildout(tmp_path_factory.mktemp("compat") / "buildout")
    for name in TEMPLATES:
        buildout.write((COMPAT / name).read_text(encoding="utf-8"), name)
    for name in ("products", "products2"):
        (buildout.directory / name).mkdir()
    head = f"""\
[buildout]
parts = {" ".join(parts())}
develop-eggs-directory = {buildout.directory}/develop-eggs
[versions]
plone.recipe.zope2instance = 9.1.0
"""
    common = "recipe = plone.recipe.zope2instance\nuser = admin:admin\neggs = Zope\nscripts =\n"
    bodies = "".join(f"[{name}]\n{common}{body}\n" for name, body in parts().items())
    (buildout.directory / "buildout.cfg").write_text(head + bodies, encoding="utf-8")
    buildout.run()
    return buildout


def test_what_differs_from_9_1_0_is_known(reference: Buildout) -> None:
    found = [line for name, body in parts().items() for line in differences(name, body, reference)]
    listed = (COMPAT / "differences.txt").read_text(encoding="utf-8").splitlines()
    expected = [line for line in listed if line and not line.startswith("#")]
    changes = "\n".join(difflib.unified_diff(expected, found, "listed", "found", lineterm=""))
    assert not changes, changes


def differences(name: str, body: str, reference: Buildout) -> Iterator[str]:
    theirs = set(reference_meaning(name, reference))
    ours = set(our_meaning(name, body, reference))
    signed = [("-", line) for line in theirs - ours] + [("+", line) for line in ours - theirs]
    found = [f"{sign} {line}" for sign, line in sorted(signed, reverse=True) if not EVERYWHERE.match(line)]
    yield from [f"[{name}]", *found] if found else []


def our_meaning(name: str, body: str, reference: Buildout) -> Iterator[str]:
    directory = str(reference.directory)
    options = part(body.replace("${buildout:directory}", directory))
    instance, problems = description(options, ("Zope",), directory, name)
    templates = {f"{directory}/{file}": reference.read(file) for file in TEMPLATES}
    texts = {"zope.conf": zope_conf.render(instance).text, "wsgi.ini": wsgi_ini.render(instance, templates, problems)}
    texts |= {Path(file.path).name: file.text for file in zcml.render(instance)}
    assert problems.errors == []
    yield from meaning(texts, directory, name)


def reference_meaning(name: str, reference: Buildout) -> Iterator[str]:
    etc = reference.part(name) / "etc"
    files = [*etc.glob("*.*"), *etc.glob("package-includes/*")]
    texts = {file.name: file.read_text(encoding="utf-8") for file in files}
    yield from meaning(texts, str(reference.directory), name)


def meaning(texts: dict[str, str], directory: str, name: str) -> Iterator[str]:
    """What a set of files says, a line each, wherever the buildout is."""
    for file, text in texts.items():
        plain = text.replace(directory, "BD").replace(f"parts/{name}", "parts/NAME")
        plain = re.sub(rf"(BD/\S*?){re.escape(name)}", r"\1NAME", plain)
        kind = {"conf": zconfig_meaning, "ini": ini_meaning, "zcml": xml_meaning}[file.rpartition(".")[2]]
        yield from (f"{file}: {line}" for line in kind(plain))


def zconfig_meaning(text: str) -> Iterator[str]:
    """Each key with the sections around it. An import counts wherever it stands."""
    path: list[str] = []
    for line in map(str.strip, text.splitlines()):
        words = " ".join(line.split())
        if line.startswith("</"):
            path.pop()
        elif line.startswith("<"):
            path.append(words.strip("<>/ "))
            yield "/".join(path)
            if line.endswith("/>"):
                path.pop()
        elif line and not line.startswith("#"):
            yield words if line.startswith("%import") else "/".join([*path, words])


def ini_meaning(text: str) -> Iterator[str]:
    """Each value with its section. A raw string literal is the string it stands for."""
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    for section in parser.sections():
        for key, value in parser.items(section):
            yield f"{section}/{key} = {' '.join(value.split())}".replace("(r'", "('")


def xml_meaning(text: str) -> Iterator[str]:
    """The elements and their attributes, without comments."""
    without_comments = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    yield re.sub(r"\s*([<>])\s*", r"\1", re.sub(r"\s*/?>", ">", " ".join(without_comments.split())))
