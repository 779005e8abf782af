"""What Zope, PasteDeploy and logging refuse is told with the nearest name that they know."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe.common import inspection

CONF = """\
%define INSTANCEHOME {directory}
instancehome $INSTANCEHOME
clienthome {directory}
{more}
<zodb_db main>
  <mappingstorage/>
  mount-point /
</zodb_db>
"""


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("http-relm x", "'http-relm' is not a known key name; did you mean http-realm?"),
        ("nothing-like-it x", "'nothing-like-it' is not a known key name"),
        ("<enviroment>\n</enviroment>", "unknown type name: 'enviroment'; did you mean environment?"),
        ("<zodb_db x>\n  cache-sise 1\n</zodb_db>", "'cache-sise' is not a known key name; did you mean cache-size?"),
    ],
)
def test_a_name_that_the_schema_does_not_know(tmp_path: Path, more: str, message: str) -> None:
    text = CONF.format(directory=tmp_path, more=more)
    [finding] = inspection.zope_conf(text, str(tmp_path / "zope.conf"))
    assert finding.message == message
    assert finding.line == (4 if "cache" not in more else 5)


HANDLER = "[handlers]\nkeys = one\n[handler_one]\nclass = {}\n"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("handlers.SyslogHandlr", "handlers.SysLogHandler"),
        ("logging.handlers.RotatingFileHandlers", "logging.handlers.RotatingFileHandler"),
        ("logging.handler.SMTPHandler", "logging.handlers.SMTPHandler"),
        ("FileHandeler", "FileHandler"),
    ],
)
def test_a_handler_that_is_not_there(name: str, meant: str) -> None:
    [finding] = inspection.handlers(HANDLER.format(name), "/etc/wsgi.ini")
    assert finding.message.startswith((f"{name} cannot be imported: ", f"there is no class {name}"))
    assert finding.message.endswith(f"; did you mean {meant}?")


def test_a_handler_of_another_package_has_no_hint() -> None:
    [finding] = inspection.handlers(HANDLER.format("no.such.Handler"), "/etc/wsgi.ini")
    assert "did you mean" not in finding.message


def test_a_section_that_is_there_is_not_hinted_at(tmp_path: Path) -> None:
    text = "[app:zope]\nuse = egg:no.such.egg#main\n[pipeline:main]\npipeline = zope\n"
    [finding] = inspection.pipeline(text, str(tmp_path / "wsgi.ini"))
    assert finding.message.startswith("zope in the pipeline cannot be loaded: ")
    assert "did you mean" not in finding.message


def test_a_name_in_the_pipeline(tmp_path: Path) -> None:
    text = "[app:zope]\nuse = egg:Zope#main\n[filter:translogger]\nuse = egg:plone.recipe.zope2instance#translogger\n"
    text += "[pipeline:main]\npipeline = transloger zope\n"
    [finding] = inspection.pipeline(text, str(tmp_path / "wsgi.ini"))
    assert finding.message.startswith("transloger in the pipeline cannot be loaded: ")
    assert finding.message.endswith("; did you mean translogger?")
