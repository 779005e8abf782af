"""Custom templates of the kind that public buildouts have run unchanged, each with its server.

The templates in ``templates/`` have their host and port typed in by hand, and name what the
recipe fills in; they are known to run with plone.recipe.zope2instance 9.1.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from support import TESTS, Buildout, fetch, serving

TEMPLATES = TESTS / "templates"

#: A DSN by which the Sentry filter starts; nobody listens there, and nothing is sent.
SENTRY = "sentry_dsn = http://key@127.0.0.1:9/1"


@dataclass(frozen=True)
class Case:
    """One template, and the part that uses it."""

    name: str
    egg: str
    options: str = ""
    server: str = ""
    """The beginning of the header ``Server``, by which a server tells its name."""
    access_line: str = ""
    """What the access log has for the first request."""


CASES = [
    Case(
        "gunicorn",
        egg="gunicorn",
        options=SENTRY,
        server="gunicorn",
        access_line='"GET / HTTP/1.1" 200',
    ),
    Case(
        "cheroot",
        egg="dataflake.wsgi.cheroot",
        options=SENTRY,
        server="Cheroot/",
        access_line='"GET / HTTP/1.1" 200',
    ),
    Case("bjoern", egg="dataflake.wsgi.bjoern", access_line='127.0.0.1 "GET /" 200'),
    Case(
        "pyruvate",
        egg="pyruvate\nrepoze.profile",
        options=f"{SENTRY}\nprofile = on\naccess-log-level = error",
    ),
    Case(
        "werkzeug",
        egg="dataflake.wsgi.werkzeug",
        options="debug-exceptions = on",
        server="Werkzeug/",
        access_line='"GET / HTTP/1.1" 200',
    ),
]


def build(buildout: Buildout, port: int, case: Case) -> None:
    """Build an instance with the template of ``case``, its port changed to ``port``."""
    template = (TEMPLATES / f"{case.name}.ini.in").read_text(encoding="utf-8")
    # Not through Buildout.write: the template is used byte for byte, but for the port.
    (buildout.directory / "wsgi.ini.in").write_text(template.replace("8080", str(port)))
    eggs = "".join(f"\n    {egg}" for egg in ["sentry-sdk", *case.egg.split()])
    buildout.instance(f"eggs ={eggs}\nthreads = 3\nwsgi-ini-template = wsgi.ini.in\n{case.options}\n")
    buildout.run()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_server_of_a_custom_template(buildout: Buildout, port: int, case: Case) -> None:
    build(buildout, port, case)
    url = f"http://127.0.0.1:{port}/"
    # gunicorn keeps its control socket in this directory, else in the user's home.
    with serving(buildout, url=url, env={"XDG_RUNTIME_DIR": str(buildout.directory)}) as server:
        assert server.response.status == 200, server.output
        assert server.response.headers.get("Server", "").startswith(case.server)
    assert case.access_line in buildout.read("var/log/instance-access.log")


def test_debugger_of_werkzeug_shows_exceptions(buildout: Buildout, port: int) -> None:
    """What ``debug-exceptions = on`` is for: Zope does not catch, so the debugger does."""
    case = next(case for case in CASES if case.name == "werkzeug")
    build(buildout, port, case)
    with serving(buildout, url=f"http://127.0.0.1:{port}/"):
        page = fetch(f"http://127.0.0.1:{port}/no-such-page")
    assert page.status == 500
    assert "zExceptions.NotFound" in page.text
    assert "Werkzeug" in page.text


def test_every_template_has_its_case() -> None:
    names = {path.name.removesuffix(".ini.in") for path in Path(TEMPLATES).iterdir()}
    assert names == {case.name for case in CASES}
