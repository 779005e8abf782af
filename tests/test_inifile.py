"""Ini text: what is written is read back by configparser, PasteDeploy and logging.config."""

from __future__ import annotations

import configparser
import logging
from logging.config import fileConfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paste.deploy import loadwsgi

from parts import wsgi_ini
from recipe.render import inifile
from recipe.render.place import Place

LINES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(
    lambda text: text == text.strip() and text.splitlines() == [text]
)
ELSEWHERE = inifile.Writer(Place("/elsewhere", "/elsewhere"))


def load(text: str, here: str = "/etc") -> str:
    parser = configparser.ConfigParser({"here": here, "__file__": f"{here}/wsgi.ini"})
    parser.read_string(f"[section]\nkey = {text}\n")
    return parser.get("section", "key")


@given(LINES.map(lambda text: text.replace("%", "§")))
def test_plain_text_arrives(text: str) -> None:
    assert load(ELSEWHERE.value(text)) == text


@given(LINES, st.sampled_from(["%", "%s", "%(", "%(x", "%(x)s", "%(x)d", "% ", "%é", "pa$s%w"]))
def test_a_percent_that_means_nothing_arrives(text: str, percent: str) -> None:
    text = f"a{text.replace('%', '')}{percent}!b"
    assert load(ELSEWHERE.value(text)) == text


@pytest.mark.parametrize(
    ("text", "arrives"),
    [("a%%b", "a%b"), ("%(here)s/x", "/etc/x"), ("%(__file__)s", "/etc/wsgi.ini"), ("%%%", "%%"), ("50%", "50%")],
)
def test_escapes_keep_their_meaning(text: str, arrives: str) -> None:
    assert load(ELSEWHERE.value(text)) == arrives


def test_values_of_other_types() -> None:
    assert ELSEWHERE.value(True) == "true"
    assert ELSEWHERE.value(None) == ""
    assert ELSEWHERE.value(("a", "b%")) == "a b%%"
    assert ELSEWHERE.value(7) == "7"


def test_a_template_is_filled_in() -> None:
    template = "a = %(name)s\nb = %%(here)s 100%%\n"
    assert "\n".join(ELSEWHERE.fill(template, {"name": "x%y"}, "t.in")) == "a = x%%y\nb = %(here)s 100%\n"


def test_names_of_a_template_s_default_section_are_references() -> None:
    template = "[DEFAULT]\nlogs = /logs\n\n[x]\na = %(args)s\n"
    filled = "\n".join(ELSEWHERE.fill(template, {"args": "('%(logs)s/a', '%(nowhere)s')"}, "t.in"))
    assert filled.endswith("a = ('%(logs)s/a', '%%(nowhere)s')\n")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "a\nb %(nmae)s",
            r"t.in, line 2: %\(nmae\)s is not known\. Did you mean %\(name\)s\? Known names: name, other\.",
        ),
        ("a\n\n10 % of", r"t.in, line 3: a single % is not allowed; write %%"),
    ],
)
def test_a_bad_template_is_told_with_line_and_names(template: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ELSEWHERE.fill(template, {"name": "x", "other": "y"}, "t.in")


@pytest.mark.parametrize("name", ["plain", "100%", "%(here)s", "%%", "a b", "a$b", "é"])
def test_any_buildout_directory_suits_pastedeploy_and_logging(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    etc = directory / "parts/instance/etc"
    etc.mkdir(parents=True)
    (directory / "var/log").mkdir(parents=True)
    file = etc / "wsgi.ini"
    file.write_text(wsgi_ini("", directory=str(directory)))
    app = loadwsgi.loadcontext(loadwsgi.APP, f"config:{str(file).replace('%', '%25')}", name="zope")
    assert app.local_conf["zope_conf"] == f"{etc}/zope.conf"
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        fileConfig(str(file), {"here": str(etc), "__file__": str(file)}, disable_existing_loggers=False)
        assert (directory / "var/log/instance-access.log").exists()
        assert (directory / "var/log/instance.log").exists()
    finally:
        for handler in (*root.handlers, *logging.getLogger("wsgi").handlers):
            if handler not in before:
                handler.close()
        root.handlers[:] = before
        logging.getLogger("wsgi").handlers.clear()
        logging.getLogger("waitress.queue").handlers.clear()
