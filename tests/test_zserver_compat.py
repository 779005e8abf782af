"""The same parts of ZServer with 6.13.0, in Python 2.7, and with ours: what differs is known and listed.

9.1.0 runs on Python 3 only, where it takes ``wsgi = off`` for WSGI; 6.13.0 is the last release that writes the
zope.conf of ZServer. ``compat/zserver.cfg`` has the parts, ``compat/zserver-differences.txt`` every difference.
"""

from __future__ import annotations

import difflib
import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from parts import description, part
from python27 import Site, buildout27, link_packages, python27, site
from recipe.common.zserver import PROGRAM
from recipe.disk import writer
from recipe.options.kinds import size
from recipe.render import zope_conf
from support import clean_environment
from test_compat import COMPAT, meaning, parts

EVERYWHERE = re.compile(
    r"""
      zope.conf: \ zodb_db\ temporary( # only with the eggs it needs; 6.13.0 does not start without
        | /temporarystorage(/name\ temporary\ storage\ for\ sessioning)?
        | /mount-point\ /temp_folder
        | /container-class\ Products.TemporaryFolder.TemporaryContainer
      )$
    """,
    re.VERBOSE,
)

FIXED = "wsgi = off\nzserver-python = python\n"


@pytest.fixture(scope="module")
def reference() -> Iterator[Site]:
    """A buildout with all the parts, made by 6.13.0."""
    with site() as buildout:
        link_packages(buildout.directory / "develop-eggs")
        for name in ("products", "products2"):
            (buildout.directory / name).mkdir()
        names = " ".join(parts("zserver.cfg"))
        text = f"[buildout]\nparts = {names}\noffline = true\n"
        for name, body in parts("zserver.cfg").items():
            head = "recipe = plone.recipe.zope2instance\nuser = admin:admin\neggs = ZServer\nscripts =\nwsgi = off\n"
            text += f"[{name}]\n{head}{body}\n"
        (buildout.directory / "buildout.cfg").write_text(text, encoding="utf-8")
        buildout.call(str(buildout27()), timeout=300)
        yield buildout


def test_what_differs_from_6_13_0_is_known(reference: Site) -> None:
    found = [line for name, body in parts("zserver.cfg").items() for line in differences(name, body, reference)]
    listed = (COMPAT / "zserver-differences.txt").read_text(encoding="utf-8").splitlines()
    expected = [line for line in listed if line and not line.startswith("#")]
    changes = "\n".join(difflib.unified_diff(expected, found, "listed", "found", lineterm=""))
    assert not changes, changes


def differences(name: str, body: str, reference: Site) -> Iterator[str]:
    etc = reference.part(name) / "etc"
    directory = str(reference.directory)
    theirs = {"zope.conf": (etc / "zope.conf").read_text(encoding="utf-8")}
    ours = {"zope.conf": our_conf(name, body, directory)}
    left, right = ({_in_bytes(line) for line in meaning(texts, directory, name)} for texts in (theirs, ours))
    signed = [("-", line) for line in left - right] + [("+", line) for line in right - left]
    found = [f"{sign} {line}" for sign, line in sorted(signed, reverse=True) if not EVERYWHERE.match(line)]
    yield from [f"[{name}]", *found] if found else []


def our_conf(name: str, body: str, directory: str) -> str:
    options = part(FIXED + body.replace("${buildout:directory}", directory))
    instance, problems = description(options, (), directory, name)
    assert problems.errors == []
    writer.make_directories(instance.directories, instance.private_directories)
    return zope_conf.render(instance).text


def _in_bytes(line: str) -> str:
    return re.sub(r"(?<=size )\S+$", lambda match: str(size(match[0])), line)


#: Loads many a zope.conf at once: a process for each takes a minute.
LOAD = """
import imp, json, os, sys
py27 = imp.load_source("py27", sys.argv[1])
os.environ["ZEO_TMP"] = "/tmp"
for name, text in json.load(sys.stdin):
    found = list(py27._zope_conf(text.encode("utf-8"), "zope.conf"))
    print(json.dumps([name, found]))
"""


def test_zserver_takes_every_one_of_them(reference: Site) -> None:
    directory = str(reference.directory)
    confs = [(name, our_conf(name, body, directory)) for name, body in parts("zserver.cfg").items()]
    done = subprocess.run(
        [str(python27()), "-c", LOAD, PROGRAM],
        input=json.dumps(confs),
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, _ in answers] == list(parts("zserver.cfg")), done.stderr
    refused = {name: found for name, found in answers if found}
    assert not refused
