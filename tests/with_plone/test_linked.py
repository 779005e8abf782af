"""Plone with its eggs linked: a site, an add-on, a page, in German; and it sees what it sees without links.

Slow: make test-plone.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any

import pytest

from support import TESTS, Buildout, free_port, serving

#: Plone's versions are for this Python and newer ones.
pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="Zope 6.3 needs Python 3.11")

BUILDOUT = """
[buildout]
extends = {versions}
parts = instance plain

[instance]
recipe = plone.recipe.zope2instance
user = admin:admin
http-address = 127.0.0.1:{port}
environment-vars = zope_i18n_compile_mo_files true
eggs =
    Plone
    collective.z3cform.datagridfield

[plain]
<= instance
link-eggs = off
"""

#: Of each kind: C extensions (one with libraries of its own), portions of namespaces, Zope's Products.
MODULES = (
    "zope.interface._zope_interface_coptimizations", "lxml.etree", "PIL._imaging", "_cffi_backend", "rpds",
    "AccessControl.cAccessControl", "collective.monkeypatcher", "collective.z3cform.datagridfield",
    "Products.CMFPlone", "Products.Five", "plone.app.caching", "paste.deploy", "five.intid", "z3c.pt",
)  # fmt: skip


JSON = {"Accept": "application/json", "Content-Type": "application/json"}


class Site:
    """A Plone, as a browser and a program see it that are logged in."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> str:
        """What there is, as JSON."""
        return self._ask(path, None, JSON)

    def post(self, path: str, data: Any) -> str:
        """What the site answers to JSON."""
        return self._ask(path, json.dumps(data), JSON)

    def page(self, path: str, form: Mapping[str, str] | None = None) -> str:
        """A page, or the one that follows on a form that is sent; without HTML's escapes."""
        return unescape(self._ask(path, urllib.parse.urlencode(form) if form else None, {}))

    def _ask(self, path: str, body: str | None, headers: Mapping[str, str]) -> str:
        token = base64.b64encode(b"admin:admin").decode()
        headers = {"Authorization": f"Basic {token}", "Accept-Language": "de", **headers}
        request = urllib.request.Request(f"{self.url}{path}", body.encode() if body else None, headers)
        # A message to the user is kept in a cookie until the next page
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor()
        with urllib.request.build_opener(*handlers).open(request, timeout=300) as answer:
            return str(answer.read().decode())


@pytest.fixture(scope="module")
def plone(tmp_path_factory: pytest.TempPathFactory) -> Buildout:
    buildout = Buildout(tmp_path_factory.mktemp("plone") / "buildout")
    buildout.write(BUILDOUT.format(versions=TESTS / "with_plone/versions.cfg", port=free_port()))
    buildout.run(timeout=1800)
    return buildout


@pytest.fixture(scope="module")
def site(plone: Buildout) -> Iterator[Site]:
    """A site in German with the add-on, made through the web."""
    port = re.findall(r"127\.0\.0\.1:(\d+)", plone.read("buildout.cfg"))[0]
    url = f"http://127.0.0.1:{port}/"
    started = time.monotonic()
    with serving(plone, url=url, timeout=300) as server:
        print(f"first answer after {time.monotonic() - started:.1f} s with links")
        assert server.response.status == 200
        answers = {
            "site_id": "Plone", "title": "Unsere Site", "description": "", "default_language": "de",
            "portal_timezone": "Europe/Berlin", "setup_content": False,
        }  # fmt: skip
        Site(url).post("@sites/classic", answers)
        yield Site(f"{url}Plone/")
    assert "Traceback" not in plone.read("var/log/instance.log")


def sees(plone: Buildout, part: str) -> dict[str, Any]:
    script = str(TESTS / "visible.py")
    return dict(json.loads(plone.call(f"parts/{part}/bin/interpreter", script, *MODULES, timeout=300).stdout))


def test_the_same_is_seen_with_and_without(plone: Buildout) -> None:
    linked, plain = sees(plone, "instance"), sees(plone, "plain")
    assert linked == plain
    assert set(linked["imported"].values()) == {"nobody"}
    print(f"{len(linked['modules'])} modules, {len(linked['distributions'])} distributions, with links and without")
    assert len(linked["distributions"]) > 240
    path = re.findall(r"^    '(/.*)',$", plone.read("parts/instance/bin/interpreter"), re.MULTILINE)
    assert len(path) < 5


def test_an_add_on_is_installed(site: Site) -> None:
    """Its ZCML is found by the entry point ``z3c.autoinclude.plugin``, its profile is applied."""
    site.post("@addons/collective.z3cform.datagridfield/install", {})
    assert json.loads(site.get("@addons/collective.z3cform.datagridfield"))["is_installed"]


def test_a_page_is_edited_in_german(site: Site) -> None:
    site.post("", {"@type": "Document", "id": "seite", "title": "Eine Seite"})
    form = site.page("seite/edit")
    assert "Sichern" in form
    assert "Änderungsnotiz" in form
    inputs = re.findall(r'<input[^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', form)
    changed = {"form.widgets.IDublinCore.title": "Geändert", "form.buttons.save": "Sichern"}
    page = site.page("seite/edit", dict(inputs) | changed)
    assert "<h1>Geändert</h1>" in page
    assert "Änderungen gespeichert" in page


def test_the_same_server_without_links(plone: Buildout) -> None:
    """It serves as well; only the start takes longer."""
    url = f"http://127.0.0.1:{free_port()}/"
    text = plone.read("buildout.cfg")
    plone.write(text.replace("[plain]", f"[plain]\nhttp-address = {url[7:-1]}\nfile-storage = filestorage/Plain.fs"))
    plone.run(timeout=600)
    started = time.monotonic()
    with serving(plone, script="plain", url=url, timeout=300) as server:
        print(f"first answer after {time.monotonic() - started:.1f} s without links")
        assert "Welcome to Plone!" in server.response.text
