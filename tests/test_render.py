"""What the options become in the files, as pure text."""

from __future__ import annotations

import json
from ast import literal_eval
from pathlib import Path

import pytest

from parts import BD, description, ini, wsgi_ini, zope_conf
from recipe.common.problems import Problems
from recipe.render import facts, files, scripts, zcml
from recipe.render import wsgi_ini as wsgi_ini_


def environment(text: str) -> dict[str, str]:
    instance, problems = description(f"template-cache = off\n{text}")
    assert problems.errors == []
    return dict(instance.environment)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("A b", {"A": "b"}),
        ("A b c", {"A": "b c"}),
        ("A b C d", {"A": "b", "C": "d"}),
        ("zope_i18n_compile_mo_files = true", {"zope_i18n_compile_mo_files": "true"}),
        ("A=b", {"A": "b"}),
        ("A=b C=d", {"A": "b", "C": "d"}),
        ("A= b c", {"A": "b c"}),
        ("A = b C = d", {"A": "b", "C": "d"}),
        ("\n  A b c\n  # note\n  D = e", {"A": "b c", "D": "e"}),
        ("\n  A\tb", {"A": "b"}),
        ("\n  URL http://x/?a=b\n  E f", {"URL": "http://x/?a=b", "E": "f"}),
        ("A x B x", {"A": "x", "B": "x"}),
    ],
)
def test_environment_variables(text: str, expected: dict[str, str]) -> None:
    assert environment(f"environment-vars = {text}") == expected


def test_alternating_words_are_read_as_ever_and_told() -> None:
    _, problems = description("environment-vars = A b C d")
    assert "is read as A = 'b', C = 'd'; to be clear, write one NAME value on each line" in problems.warnings[0]


def test_template_cache() -> None:
    def cache(text: str) -> str | None:
        return description(text)[0].environment.get("CHAMELEON_CACHE")

    assert cache("") == "/bd/var/cache"
    assert cache("template-cache = off") is None
    assert cache("template-cache = x") == "/bd/x"
    assert cache("environment-vars = CHAMELEON_CACHE /y") == "/y"


@pytest.mark.parametrize(
    ("text", "pipeline"),
    [
        ("", "translogger egg:Zope#httpexceptions zope"),
        ("access-log = disable", "egg:Zope#httpexceptions zope"),
        ("sentry_dsn = http://x@y/1", "translogger egg:Zope#httpexceptions sentry zope"),
        ("sentry_dsn = http://x@y/1\nprofile = on", "translogger egg:Zope#httpexceptions sentry profile zope"),
        ("pipeline = egg:Zope#httpexceptions", "egg:Zope#httpexceptions zope"),
        ("pipeline =\n  sentry\n  zope\nsentry_dsn = http://x@y/1", "sentry zope"),
        ("pipeline = a zope", "a zope"),
    ],
)
def test_pipeline(text: str, pipeline: str) -> None:
    assert ini(wsgi_ini(text)).get("pipeline:main", "pipeline").split() == pipeline.split()


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("", "fast-listen", "0.0.0.0:8080"),
        ("http-address = 8081 [::1]:8082", "fast-listen", "0.0.0.0:8081 [::1]:8082"),
        ("http-address = *:80\nhttp-fast-listen = no", "listen", "*:80"),
        ("http-address = unix:/run/z.sock", "fast-listen", "unix:/run/z.sock"),
        ("http-address = 8080 unix:/x\nport-base = 10", "fast-listen", "0.0.0.0:8090 unix:/x"),
        ("threads = 9", "threads", "9"),
        ("max-request-body-size = 2MB", "max_request_body_size", "2097152"),
        ("asyncore-use-poll = off", "asyncore_use_poll", "select"),
        ("http-header-max-length = 16384", "max_request_header_size", "16384"),
    ],
)
def test_server(text: str, key: str, value: str) -> None:
    assert ini(wsgi_ini(text)).get("server:main", key) == value


def test_without_an_address_there_is_no_server() -> None:
    parser = ini(wsgi_ini("http-address ="))
    assert not parser.has_section("server:main")
    assert parser.has_section("app:zope")


def test_each_line_is_written_once() -> None:
    parser = ini(wsgi_ini(""))
    for logger in ("plone", "waitress"):
        # They propagate to root, which has the handlers
        assert parser.get(f"logger_{logger}", "handlers") == ""
        assert not parser.has_option(f"logger_{logger}", "propagate")
    assert parser.get("logger_root", "handlers") == "console, eventlog"
    assert parser.get("logger_waitress.queue", "propagate") == "0"


def test_handlers() -> None:
    text = "access-log-handler = logging.handlers.SocketHandler\naccess-log-args = ('localhost', 9000)"
    parser = ini(wsgi_ini(text))
    assert parser.get("handler_accesslog", "class") == "logging.handlers.SocketHandler"
    assert parser.get("handler_accesslog", "args") == "('localhost', 9000)"
    parser = ini(wsgi_ini("event-log-args = (r'{0}', 'w')\nevent-log-kwargs ="))
    assert parser.get("handler_eventlog", "args") == "('/bd/var/log/instance.log', 'w')"
    assert parser.get("handler_eventlog", "kwargs") == "{}"


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ("(r'{0}', 'w')", """("/it's/var/log/instance.log", 'w')"""),
        ("('{}', 'a')", """("/it's/var/log/instance.log", 'a')"""),
        ("({{'x': 1}},)", "({'x': 1},)"),
        ("({'x': 1},)", "({'x': 1},)"),
    ],
)
def test_the_file_name_is_filled_in_as_ever(args: str, expected: str) -> None:
    parser = ini(wsgi_ini(f"event-log-args = {args}", directory="/it's"))
    assert parser.get("handler_eventlog", "args") == expected


def test_rotation_keeps_other_arguments() -> None:
    parser = ini(wsgi_ini("event-log-max-size = 1MB\nevent-log-old-files = 5\nevent-log-kwargs = {'delay': True}"))
    assert parser.get("handler_eventlog", "class") == "handlers.RotatingFileHandler"
    assert literal_eval(parser.get("handler_eventlog", "kwargs")) == {
        "maxBytes": 1048576,
        "backupCount": 5,
        "delay": True,
    }


def test_own_logging_half(tmp_path: Path) -> None:
    template = "[loggers]\nkeys = root\n[logger_root]\nlevel = %(eventlog_level)s\nhandlers = %(root_handlers)s\n"
    file = tmp_path / "logging.ini.in"
    file.write_text(template)
    parser = ini(wsgi_ini(f"event-log-level = error\nwsgi-logging-ini-template = {file}", {str(file): template}))
    assert parser.get("logger_root", "level") == "ERROR"
    assert parser.has_section("pipeline:main")
    assert not parser.has_section("handler_console")


def test_a_bad_template_is_an_error_of_its_option(tmp_path: Path) -> None:
    file = tmp_path / "wsgi.ini.in"
    file.touch()
    instance, problems = description(f"wsgi-ini-template = {file}")
    wsgi_ini_.render(instance, {str(file): "a\n%(http_adress)s"}, problems)
    assert problems.errors[0].startswith(f"[instance] wsgi-ini-template: {file}, line 2: %(http_adress)s is not known")
    assert "http_address" in problems.errors[0]


def test_zope_conf_has_one_key_a_line() -> None:
    text = zope_conf("zope-conf-additional =\n  datetime-format international\nzope-conf-imports = ZEO")
    assert text.splitlines()[0] == "%import ZEO"
    assert "debug-mode off\n" in text
    assert "security-policy-implementation C\n" in text
    assert text.endswith("datetime-format international\n")
    assert "    <filestorage>\n      path /bd/var/filestorage/Data.fs\n    </filestorage>\n" in text


def test_slugs() -> None:
    text = (
        "zcml =\n  a.b\n  a.b-meta # why\n  c-overrides\n  d:e.zcml\nlocales = l\nresources = r\nzcml-additional = <x/>"
    )
    instance, problems = description(text)
    assert problems.errors == []
    texts = {file.path.rpartition("/")[2]: file.text for file in zcml.render(instance)}
    assert list(texts) == [
        "site.zcml",
        "001-locales-configure.zcml",
        "002-a.b-configure.zcml",
        "003-a.b-meta.zcml",
        "004-c-overrides.zcml",
        "005-d-configure.zcml",
        "998-resources-configure.zcml",
        "999-additional-overrides.zcml",
    ]
    assert texts["005-d-configure.zcml"] == '<include package="d" file="e.zcml" />\n'
    assert "<x/>" in texts["999-additional-overrides.zcml"]


def test_own_site_zcml_stands_alone() -> None:
    instance, _ = description("site-zcml = <configure/>\nzcml = a.b")
    assert [file.text for file in zcml.render(instance)] == ["<configure/>\n"]


def test_facts_for_the_control_script() -> None:
    instance, _ = description("effective-user = www\ndeprecation-warnings = off\nhttp-address = 81")
    known = json.loads(facts.render(instance))
    assert known["client_home"] == f"{BD}/var/instance"
    assert known["effective_user"] == "www"
    assert known["python_flags"] == ["-W", "ignore::DeprecationWarning"]
    assert known["listen"] == ["0.0.0.0:81"]


def test_where_the_server_listens_is_told_only_where_it_is_known(tmp_path: Path) -> None:
    template = tmp_path / "wsgi.ini.in"
    template.touch()

    def listen(text: str) -> list[str]:
        found: list[str] = json.loads(facts.render(description(text)[0]))["listen"]
        return found

    assert listen("http-address = 81 82 81") == ["0.0.0.0:81", "0.0.0.0:82"]
    assert listen("http-address = 81\nwsgi = my.ini") == []
    assert listen(f"http-address = 81\nwsgi-ini-template = {template}") == []
    assert listen("http-address = 81 unix:/bd/z.sock\nrelative-paths = on") == ["0.0.0.0:81"]


def test_the_scripts_name_the_configuration() -> None:
    instance, _ = description("zopectl-umask = 002")
    python = scripts.Python("/usr/bin/python3", ("/eggs/a", "/eggs/b c"), "import os")
    script = scripts.control_script(instance, python)
    head, _, body = script.text.partition("import plone.recipe.zope2instance.ctl\n")
    assert script.path == f"{BD}/bin/instance"
    assert head.startswith("#!/usr/bin/python3\n")
    assert "'/eggs/b c'" in head
    assert "import os" in head
    for word in ("'-C'", f"'{BD}/parts/instance/etc/zope.conf'", "'--umask'", "'002'", "'-w'", "'-p'"):
        assert word in body
    compile(script.text, script.path, "exec")


@pytest.mark.parametrize("executable", ["/opt/my python/bin/python", "/" + "x" * 130])
def test_an_interpreter_that_the_kernel_would_not_take(executable: str) -> None:
    instance, _ = description("")
    script = scripts.interpreter(instance, scripts.Python(executable, (), ""))
    assert script.text.startswith(f"#!/bin/sh\n{scripts.CODING}\n'''exec' '{executable}'")
    compile(script.text, script.path, "exec")


def test_zope_conf_of_one_s_own_is_used() -> None:
    instance, _ = description("zope-conf = my.conf")
    problems = Problems("instance")
    paths = {file.path for file in files.render(instance, scripts.Python("/p", (), ""), {}, problems)}
    assert f"{BD}/parts/instance/etc/zope.conf" not in paths
    assert "zope_conf = /bd/my.conf" in wsgi_ini_.render(instance, {}, problems)


def test_wsgi_path_is_used() -> None:
    instance, _ = description("wsgi = my.ini")
    paths = {file.path for file in files.render(instance, scripts.Python("/p", (), ""), {}, Problems("instance"))}
    assert f"{BD}/parts/instance/etc/wsgi.ini" not in paths
    assert "'/bd/my.ini'" in scripts.control_script(instance, scripts.Python("/p", (), "")).text
