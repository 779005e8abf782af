"""Plone itself: it builds, it serves, and offers to make a site. Slow: make test-plone."""

from __future__ import annotations

import re
import sys
import time

import pytest

from support import TESTS, Buildout, Response, fetch, serving

#: Plone's versions are for this Python and newer ones.
pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="Zope 6.3 needs Python 3.11")

BUILDOUT = """
    [buildout]
    extends = {versions}
    parts = instance

    [instance]
    recipe = plone.recipe.zope2instance
    user = admin:admin
    http-address = 127.0.0.1:{port}
    eggs = Plone
"""


def test_plone_serves(buildout: Buildout, port: int) -> None:
    buildout.write(BUILDOUT.format(versions=TESTS / "with_plone/versions.cfg", port=port))
    started = time.monotonic()
    buildout.run(timeout=1200)
    print(f"built in {time.monotonic() - started:.1f} s")
    url = f"http://127.0.0.1:{port}/"
    started = time.monotonic()
    with serving(buildout, url=url, timeout=180) as server:
        print(f"first answer after {time.monotonic() - started:.1f} s: {summary(server.response)}")
        assert server.response.status == 200
        assert "Welcome to Plone!" in server.response.text
        overview = fetch(f"{url}@@ploneAddSite", user="admin:admin", timeout=120)
        print(f"the form for a new site: {summary(overview)}")
        assert overview.status == 200
    assert "Traceback" not in buildout.read("var/log/instance.log")


def summary(response: Response) -> str:
    """Return the status and the title of a page."""
    title = re.search("<title>(.*?)</title>", response.text, re.DOTALL)
    return f"{response.status} {' '.join(title[1].split()) if title else '(no title)'}"
