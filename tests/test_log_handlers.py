"""Where logs can go: each handler started by a real Zope for both logs, and what it sends received."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import receivers
from receivers import Receiver
from recipe.common import inspection
from support import CHECKOUT, Buildout, serving

EVENT = "Ready to handle requests"
REQUEST = re.compile(r'127\.0\.0\.1 - - \[[^]]+\] "GET / HTTP/1\.1" 200 \d+ "-" "Python-urllib/[\d.]+"')


@dataclass(frozen=True)
class Case:
    """A handler: its class, its arguments with PORT for the receiver's port, and its receiver."""

    class_: str
    args: str
    kwargs: str
    receiver: AbstractContextManager[Receiver]


@contextmanager
def _file() -> Iterator[Receiver]:
    """Stands for the file that a handler writes."""
    yield Receiver(0)


def cases() -> Iterator[Case]:
    for class_, args, kwargs in (
        ("FileHandler", "(r'{0}', 'a')", "{'delay': True}"),
        ("logging.handlers.WatchedFileHandler", "(r'{0}',)", "{'encoding': 'utf-8'}"),
        ("handlers.RotatingFileHandler", "(r'{0}', 'a', 5 * 1024 * 1024, 3)", "{}"),
        ("logging.handlers.TimedRotatingFileHandler", "(r'{0}', 'midnight')", "{'backupCount': 14, 'utc': True}"),
    ):
        yield Case(class_, args, kwargs, _file())
    yield Case("logging.handlers.SocketHandler", "('127.0.0.1', PORT)", "{}", receivers.records())
    yield Case(
        "logging.handlers.SysLogHandler",
        "(('127.0.0.1', PORT), handlers.SysLogHandler.LOG_LOCAL3)",
        "{}",
        receivers.datagrams(),
    )
    yield Case(
        "logging.handlers.SMTPHandler",
        "(('127.0.0.1', PORT), 'zope@example.org', ['admin@example.org'], 'Zope')",
        "{'timeout': 30.0}",
        receivers.mails(),
    )
    posts = receivers.posts(receivers.read_form)
    yield Case("logging.handlers.HTTPHandler", "('127.0.0.1:PORT', '/log')", "{'method': 'POST'}", posts)
    posts = receivers.posts(receivers.read_form)
    yield Case("queued.QueuedHTTPHandler", "('127.0.0.1:PORT', '/log', 'POST')", "{}", posts)
    yield Case("graypy.GELFUDPHandler", "('127.0.0.1', PORT)", "{}", receivers.datagrams(receivers.read_gelf))


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.class_.rpartition(".")[2])
def test_both_logs_go_to_a_handler(case: Case, buildout: Buildout, port: int) -> None:
    with case.receiver as receiver:
        options = {"handler": case.class_, "args": case.args.replace("PORT", str(receiver.port)), "kwargs": case.kwargs}
        lines = (f"{log}-{key} = {value}" for log in ("event-log", "access-log") for key, value in options.items())
        buildout.instance(
            f"eggs =\n    Zope\n    graypy\nextra-paths = {CHECKOUT}/examples/how-to\nhttp-address = 127.0.0.1:{port}\n"
            + "\n".join(lines)
        )
        output = buildout.run().stdout
        assert "[instance]" not in output
        logs = [buildout.directory / "var/log" / name for name in ("instance.log", "instance-access.log")]
        assert receiver.received == []
        assert not any(log.exists() for log in logs)
        with serving(buildout, url=f"http://127.0.0.1:{port}/") as server:
            if receiver.port:
                receiver.wait_for_text(EVENT, '"GET / HTTP/1.1"')
        assert "Logging error" not in server.output
    if receiver.port:
        assert not any(log.exists() for log in logs)
        events = requests = "\n".join(receiver.received)
    else:
        events, requests = (log.read_text(encoding="utf-8") for log in logs)
    assert events.count(EVENT) == 1
    assert len(REQUEST.findall(requests)) == 1


LAZY = """\
import logging
def __getattr__(name):
    if name == "Needing":
        import nowhere
    if name == "Handler":
        return logging.NullHandler
    raise AttributeError(name)
def __dir__():
    return ["Handler"]
"""

WRONG = """\
eggs = Zope
event-log-handler = logging.handlers.SocketHandler
event-log-args = ('127.0.0.1',)
access-log-handler = logging.handlers.SysLogHandler
access-log-kwargs = {'adress': ('127.0.0.1', 514)}
"""


def test_arguments_that_a_class_does_not_take_are_an_error(buildout: Buildout) -> None:
    buildout.instance(WRONG)
    done = buildout.run(check=False)
    assert done.returncode
    assert (
        "[instance] event-log-args: logging.handlers.SocketHandler does not accept these arguments: "
        "missing a required argument: 'port'. Its signature is (host, port)" in done.stdout
    )
    assert "[instance] access-log-kwargs: " in done.stdout
    assert "logging.handlers.SysLogHandler does not accept these arguments: " in done.stdout
    assert "Traceback" not in done.stdout
    assert not list(buildout.part().rglob("*.ini"))
    buildout.instance("eggs = Zope\nevent-log-handler = logging.handlers.LabHandler\nevent-log-args = ('x',)")
    done = buildout.run(check=False)
    assert done.returncode
    assert "[instance] event-log-handler: there is no class logging.handlers.LabHandler; did you mean " in done.stdout
    # A handler that comes later, or with another egg, is a warning
    buildout.instance("eggs = Zope\nevent-log-handler = graypy.GELFUDPHandler\nevent-log-args = ('127.0.0.1', 12201)")
    output = buildout.run().stdout
    assert "[instance] event-log-handler: the server will not start: graypy.GELFUDPHandler cannot be imported" in output


def test_a_template_s_handler_is_a_warning(buildout: Buildout) -> None:
    """Whoever writes the sections may do so for another program than ours."""
    buildout.instance("eggs = Zope\nwsgi-logging-ini-template = logging.ini.in")
    buildout.write("""\
        [handlers]
        keys = first, second, called
        [handler_first]
        class = logging.handlers.SocketHandler
        args = ()
        [handler_second]
        class = nowhere.Handler
        [handler_called]
        class = FileHandler
        args = (open('called', 'w'),)
        """, "logging.ini.in")  # fmt: skip
    output = " ".join(buildout.run().stdout.split())
    warning = "[instance] wsgi-logging-ini-template: the server will not start: "
    assert f"{warning}[handler_first]: logging.handlers.SocketHandler does not accept these arguments: " in output
    assert f"{warning}[handler_second]: nowhere.Handler cannot be imported" in output
    assert "handler_called" not in output
    assert not (buildout.directory / "called").exists()


@pytest.mark.parametrize(
    ("class_", "args", "kwargs", "why"),
    [
        ("FileHandler", "('x', 'a')", "{'delay': True}", ""),
        ("StreamHandler", "(sys.stdout,)", "{}", ""),
        ("handlers.SysLogHandler", "()", "{'facility': handlers.SysLogHandler.LOG_USER}", ""),
        ("handlers.QueueHandler", "('x', 'a')", "{}", "too many positional arguments. Its signature is (queue)"),
        ("FileHandler", "('x',)", "{'dellay': True}", "unexpected keyword argument 'dellay'"),
        ("FileHandler", "('x',)", "{1: 2}", "keywords must be strings"),
        ("handlers.SysLogHandler", "(('a', 1), handlers.SysLogHandler.LOG_NOPE)", "{}", "no attribute 'LOG_NOPE'"),
        ("FileHandler", "('x' + 1,)", "{}", "can only concatenate str"),
        ("INFO", "()", "{}", "INFO is not a log handler"),
        ("Formatter", "()", "{}", "Formatter is not a log handler"),
        ("logging.handlers", "()", "{}", "logging.handlers is not a log handler"),
        ("logging.handlers.Nothing", "()", "{}", "there is no class logging.handlers.Nothing"),
        ("handlers.SyslogHander", "()", "{}", "there is no class handlers.SyslogHander; did you mean handlers.SysLog"),
        ("FileHander", "()", "{}", "there is no class FileHander; did you mean FileHandler?"),
        ("logging.handler.SysLogHandler", "()", "{}", "did you mean logging.handlers.SysLogHandler?"),
        ("email.message.Mesage", "()", "{}", "there is no class email.message.Mesage; did you mean email.message.Mes"),
        ("email.Nothing", "()", "{}", "there is no class email.Nothing"),
        ("email.message.Message.Nothing", "()", "{}", "there is no class email.message.Message.Nothing"),
        # Not an attribute of its package until it is imported, an attribute of a class, one that is made when asked for
        ("package.inner.Handler", "()", "{}", ""),
        ("unittest.mock.Mock.assert_called", "(1,)", "{}", ""),
        ("lazy.Handler", "()", "{}", ""),
        ("lazy.Handlr", "()", "{}", "there is no class lazy.Handlr; did you mean lazy.Handler?"),
        # Another egg can bring these
        ("nowhere.Handler", "()", "{}", "nowhere.Handler cannot be imported"),
        ("email.nowhere.Handler", "()", "{}", "email.nowhere.Handler cannot be imported"),
        ("space.Handler", "()", "{}", "space.Handler cannot be imported"),
        ("needing.Handler", "()", "{}", "needing.Handler cannot be imported: No module named 'nowhere'"),
        ("lazy.Needing", "()", "{}", "lazy.Needing cannot be imported: No module named 'nowhere'"),
    ],
)
def test_what_a_handler_takes(
    class_: str, args: str, kwargs: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "space").mkdir()
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").touch()
    (tmp_path / "package/inner.py").write_text("from logging import NullHandler as Handler")
    (tmp_path / "needing.py").write_text("import nowhere")
    (tmp_path / "lazy.py").write_text(LAZY)
    text = f"[handlers]\nkeys = one\n[handler_one]\nclass = {class_}\nargs = {args}\nkwargs = {kwargs}\n"
    found = list(inspection.handlers(text, f"{tmp_path}/a%b/wsgi.ini"))
    assert [finding.handler for finding in found] == (["one"] if why else [])
    assert all(why in finding.message for finding in found)
    assert all(finding.final != ("imported" in finding.message) for finding in found)
    for module in ("lazy", "needing", "space"):
        sys.modules.pop(module, None)
