"""Every value arrives: any text that an option takes comes out of its reader as it went into the part.

The readers are the real ones. zope.conf is read by a Python with the eggs of a real part, through Zope's
own schema; wsgi.ini by PasteDeploy and by logging.config; scripts by Python; ZCML by an XML parser. What
the escapes mean stands here a second time, from docs/escapes.rst, and not from the code.

Blanks at the ends of a value are not part of it: buildout itself takes them off.
"""

from __future__ import annotations

import json
import logging
import logging.config
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paste.deploy import loadwsgi

from parts import BD, description
from recipe.buildout.eggs import initialization
from recipe.disk import writer
from recipe.options import declared, kinds
from recipe.options.declare import Applies
from recipe.render import scripts, wsgi_ini, zcml, zope_conf
from support import Buildout, clean_environment

EXAMPLES = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
FEW = settings(EXAMPLES, max_examples=15)

ETC = f"{BD}/parts/instance/etc"
SET = {"INPUT_TEST": "fröm $outside %(here)s"}  # in the environment of those who read

# --- what goes in ----------------------------------------------------------------------------

SPECIAL = "$%#;\"'\\<>(){}[]=:,&|!`~*? \t\x07\x0b\x0c\x1b\x1c\x1d\x1e\x85\xa0\u2028\u2029\u3000\ufeffäß€😀"
PIECES = [
    *("$", "$$", "$$$", "$1", "${", "$(", "$()", "${x", "$(x", "$unknown", "${unknown}", "$INSTANCEHOME"),
    *("${clienthome}", "$CLIENTHOMES", "$instancehomeä", "$(INPUT_TEST)", "$(INPÜT)", "%", "%%", "%%%", "%s", "%d"),
    *("%(", "%(here)s", "%(__file__)s", "%(name)s", "%(here)", "%(here)d", "%define A b", "%import os", "</x>"),
    *("<x>", "# no comment", "; no comment", "x = y", "x: y", "(y) z", "a" * 10_000, BD, f"{BD}/x", f"{BD}x"),
]  # fmt: skip
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n")
TEXT = st.text(st.one_of(CHARACTERS, st.sampled_from(SPECIAL)), max_size=30)
LINE = st.lists(st.sampled_from(PIECES) | TEXT, min_size=1, max_size=5).map("".join).map(str.strip).filter(bool)
WORD = LINE.map(lambda text: "".join(text.split())).filter(bool)
COMPONENT = LINE.map(lambda text: text.replace("/", "")).filter(lambda text: text.strip(". ") == text != "")
PATH = st.lists(COMPONENT, min_size=1, max_size=3).map(lambda parts: "/a/" + "/".join(parts))

# --- what the escapes mean -------------------------------------------------------------------


def in_zope_conf(text: str, directory: str) -> str:
    """What a text in the zope.conf of a buildout is."""
    names = {"instancehome": f"{directory}/parts/instance", "clienthome": f"{directory}/var/instance"}

    def meaning(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        if match[1]:
            return SET.get(match[1], match[0])
        return names.get((match[2] or match[3]).lower(), match[0])

    name = "([A-Za-z_][A-Za-z0-9_]*)"
    return re.sub(rf"\$\$|\$\({name}\)|\$\{{{name}\}}|\${name}", meaning, text)


def in_wsgi_ini(text: str) -> str:
    """What a text in wsgi.ini is."""
    names = {"%%": "%", "%(here)s": ETC, "%(__file__)s": f"{ETC}/wsgi.ini"}
    return re.sub(r"%%|%\((here|__file__)\)s", lambda match: names[match[0]], text)


def is_told(text: str) -> bool:
    """Whether all variables of the environment that it names are there; if not, Zope does not start."""
    return set(re.findall(r"(?<!\$)(?:\$\$)*\$\(([A-Za-z_][A-Za-z0-9_]*)\)", text)) <= set(SET)


# --- zope.conf -------------------------------------------------------------------------------

READER = """
import io, json, sys, ZConfig
from Zope2.Startup.options import ZopeWSGIOptions
options = ZopeWSGIOptions()
options.load_schema()
for line in sys.stdin:
    text, expressions = json.loads(line)
    try:
        config, handlers = ZConfig.loadConfigFile(options.schema, io.StringIO(text), "zope.conf")
        main = config.databases[0].config
        answer = [eval(each) for each in expressions]
    except Exception as error:
        answer = repr(error)
    print(json.dumps(answer), flush=True)
"""


class Zope:
    """A Python with the eggs of a part, which reads zope.conf by Zope's schema."""

    def __init__(self, buildout: Buildout) -> None:
        self.directory = str(buildout.directory)
        self.process = subprocess.Popen(
            [str(buildout.part() / "bin/interpreter"), "-c", READER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=clean_environment(SET | {"PYTHONUTF8": "1"}),
        )

    def meaning(self, text: str) -> str:
        """What a text in the zope.conf is."""
        return in_zope_conf(text, self.directory)

    def read(self, part: dict[str, str], *expressions: str) -> list[Any]:
        """The values of expressions about the configuration that a part becomes."""
        instance, problems = description(part, directory=self.directory)
        assert problems.errors == []
        writer.make_directories(instance.directories, instance.private_directories)
        assert self.process.stdin
        assert self.process.stdout
        # As it comes from a file: there, ZConfig ends a line at \n only
        print(json.dumps([zope_conf.render(instance).text, expressions]), file=self.process.stdin, flush=True)
        answer: list[Any] | str = json.loads(self.process.stdout.readline())
        assert isinstance(answer, list), answer
        return answer


@pytest.fixture(scope="module")
def zope(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zope]:
    buildout = Buildout(tmp_path_factory.mktemp("values") / "buildout")
    buildout.instance("eggs =\n  Zope\n  RelStorage\n  zc.beforestorage\n  zc.zlibstorage\nscripts =\n")
    buildout.run()
    reader = Zope(buildout)
    yield reader
    assert reader.process.stdin
    reader.process.stdin.close()
    reader.process.wait(60)
    assert reader.process.stdout
    reader.process.stdout.close()


STORAGE = "main.storage.config"
ZEO = {"zeo-client": "on", "blob-storage": "", "zeo-username": "u", "zeo-password": "p"}
LINES_OF_ZOPE_CONF = {
    "zeo-storage": (ZEO, f"{STORAGE}.storage"),
    "zeo-client-client": (ZEO, f"{STORAGE}.client"),
    "zeo-username": (ZEO, f"{STORAGE}.username"),
    "zeo-password": (ZEO, f"{STORAGE}.password"),
    "zeo-realm": (ZEO, f"{STORAGE}.realm"),
    "before-storage": ({"blob-storage": ""}, f"{STORAGE}.before"),
}


@pytest.mark.parametrize("option", LINES_OF_ZOPE_CONF)
@given(text=LINE.filter(is_told))
@EXAMPLES
def test_lines_arrive_in_zope_s_configuration(zope: Zope, option: str, text: str) -> None:
    more, expression = LINES_OF_ZOPE_CONF[option]
    assert zope.read({**more, option: text}, expression) == [zope.meaning(text)]


PATHS_OF_ZOPE_CONF: dict[str, tuple[dict[str, str], str]] = {
    "file-storage": ({"blob-storage": ""}, f"{STORAGE}.path"),
    "blob-storage": ({}, f"{STORAGE}.blob_dir"),
    "zeo-var": (ZEO, f"{STORAGE}.var"),
    "demo-file-storage": ({"demo-storage": "on"}, f"{STORAGE}.factories[1].config.path"),
    "demo-blob-storage": ({"demo-storage": "on"}, f"{STORAGE}.factories[1].config.blob_dir"),
    "pid-file": ({}, "config.pid_filename"),
    "template-cache": ({}, "config.environment['CHAMELEON_CACHE']"),
    "client-home": ({}, "config.clienthome"),
    "var": ({}, "config.clienthome"),
}


@pytest.mark.parametrize("option", PATHS_OF_ZOPE_CONF)
@given(parts=st.lists(COMPONENT.filter(is_told).map(lambda text: text[:40].strip()), min_size=1, max_size=3))
@FEW
def test_paths_arrive_in_zope_s_configuration(zope: Zope, option: str, parts: list[str]) -> None:
    more, expression = PATHS_OF_ZOPE_CONF[option]
    # CLIENTHOME is there only when these two have been read
    path = "/".join(["p", *(re.sub("(?i)clienthome", "", part) or "x" for part in parts)])
    expected = os.path.normpath(os.path.join(zope.directory, "var" if "file-" in option else "", zope.meaning(path)))
    if kinds.has_reference(path):  # the recipe makes what it can know
        for directory in (f"{expected}/filestorage", f"{expected}/instance"):
            os.makedirs(directory if option in ("var", "client-home") else os.path.dirname(expected), exist_ok=True)
    expected += "/instance" if option == "var" else ""
    assert os.path.normpath(zope.read({**more, option: path}, expression)[0]) == expected


@given(dsn=LINE.filter(is_told), password=LINE.filter(is_told))
@EXAMPLES
def test_values_of_relstorage_arrive(zope: Zope, dsn: str, password: str) -> None:
    part = {"rel-storage": f"type mysql\npasswd {password}\ncache-prefix {dsn}"}
    found = zope.read(part, f"{STORAGE}.adapter.config.passwd", f"{STORAGE}.cache_prefix")
    assert found == [zope.meaning(password), zope.meaning(dsn)]


NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
ENVIRONMENT = st.dictionaries(
    NAME, LINE.filter(is_told).filter(lambda text: not text.startswith("=")), min_size=2, max_size=5
)


@given(variables=ENVIRONMENT, empty=NAME)
@EXAMPLES
def test_variables_arrive(zope: Zope, variables: dict[str, str], empty: str) -> None:
    variables = {empty: ""} | variables
    lines = "\n".join(f"{name} {text}" for name, text in variables.items())
    [found] = zope.read({"environment-vars": lines, "template-cache": "off"}, "dict(config.environment)")
    assert found == {name: zope.meaning(text) for name, text in variables.items()}


@given(text=LINE.filter(is_told))
@EXAMPLES
def test_values_in_lines_of_zconfig_arrive(zope: Zope, text: str) -> None:
    section = "<product-config x>\n  value {}\n</product-config>"
    product = "config.product_config['x']['value']"
    found = zope.read({"zope-conf-additional": section.format(text)}, product)
    wrapper = f"<zlibstorage>\n  # {text}\n  %s\n</zlibstorage>"
    if "%s" not in text:
        assert zope.read({"storage-wrapper": wrapper, "zope-conf-imports": "zc.zlibstorage"}, f"{STORAGE}.compress")
    assert found == [zope.meaning(text)]


@given(text=LINE.filter(is_told))
@FEW
def test_values_of_a_temporary_database_of_one_s_own_arrive(zope: Zope, text: str) -> None:
    lines = (
        f"<zodb_db temporary>\n  <mappingstorage>\n    name {text}\n  </mappingstorage>\n  mount-point /t\n</zodb_db>"
    )
    found = zope.read({"zodb-temporary-storage": lines}, "config.databases[1].config.storage.config.name")
    assert found == [zope.meaning(text)]


# --- os.environ, by Zope itself --------------------------------------------------------------


def test_variables_arrive_in_the_environment(zope: Zope, buildout: Buildout) -> None:
    """A hundred at once, in a real buildout, as Zope sets them."""
    texts = [text for text in map(str.strip, (*PIECES, *SPECIAL, *(f"a{each}b" for each in SPECIAL))) if text]
    wanted = {f"V{number}": text for number, text in enumerate(texts) if is_told(text) and text[0] != "="}
    lines = "\n".join(f"    {name} {text}" for name, text in wanted.items())
    # Buildout's own: ${ is a substitution to it, and a BOM is a character like another
    lines = lines.replace("${", "$${")
    buildout.instance("eggs = Zope\nscripts =\n")
    with (buildout.directory / "buildout.cfg").open("a", encoding="utf-8") as file:
        file.write(f"environment-vars =\n{lines}\n")
    buildout.run()
    program = buildout.write(
        """
        import json, os, sys
        from Zope2.Startup.run import configure_wsgi
        configure_wsgi(sys.argv[1])
        print(json.dumps(dict(os.environ)))
        """,
        "program.py",
    )
    conf = str(buildout.part() / "etc/zope.conf")
    done = buildout.call("parts/instance/bin/interpreter", str(program), conf, env=SET)
    found = json.loads(done.stdout.splitlines()[-1])
    # $${x} is what buildout leaves as it is, and ZConfig makes ${x} of
    directory = str(buildout.directory)
    expected = {name: in_zope_conf(text.replace("${", "$${"), directory) for name, text in wanted.items()}
    assert {name: found[name] for name in wanted} == expected


# --- wsgi.ini --------------------------------------------------------------------------------


@contextmanager
def ini_file(part: dict[str, str]) -> Iterator[Path]:
    """The wsgi.ini of a part, on the disk."""
    instance, problems = description(part)
    assert problems.errors == []
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "wsgi.ini"
        file.write_bytes(wsgi_ini.render(instance, {}, problems).encode())
        yield file


def local_conf(part: dict[str, str], kind: object, name: str) -> dict[str, str]:
    """The settings of a section, as PasteDeploy hands them over; its `here` is where the file will lie."""
    with ini_file(part) as file:
        loader = loadwsgi.ConfigLoader(str(file))
        loader.update_defaults({"here": ETC, "__file__": f"{ETC}/wsgi.ini"})
        found: dict[str, str] = loader.get_context(kind, name).local_conf
        return found


SENTRY = {"sentry_dsn": "https://key@example.com/1"}
FILTER, APP, SERVER = loadwsgi.FILTER, loadwsgi.APP, loadwsgi.SERVER
VALUES_OF_WSGI_INI: dict[str, tuple[object, str, str, st.SearchStrategy[str], Callable[[str], str]]] = {
    "sentry_environment": (FILTER, "sentry", "environment", LINE, str),
    "sentry_release": (FILTER, "sentry", "release", LINE, str),
    "sentry_server_name": (FILTER, "sentry", "server_name", LINE, str),
    "sentry_ignore": (FILTER, "sentry", "ignorelist", WORD.filter(lambda text: text[0] != "#"), str),
    "sentry_dsn": (FILTER, "sentry", "dsn", WORD.map(lambda text: re.sub("[/@]|%\\(", "", f"k{text}")), str),
    "zope-conf": (APP, "zope", "zope_conf", PATH, str),
    "http-address": (SERVER, "main", "fast-listen", PATH.map(lambda text: "".join(text.split())), str),
    "waitress-ident": (SERVER, "main", "ident", LINE, str),
}


@pytest.mark.parametrize("option", VALUES_OF_WSGI_INI)
@given(data=st.data())
@EXAMPLES
def test_values_arrive_by_pastedeploy(option: str, data: st.DataObject) -> None:
    kind, name, key, texts, _ = VALUES_OF_WSGI_INI[option]
    text = data.draw(texts)
    value = {"sentry_dsn": f"https://{text}@example.com/1", "http-address": f"unix:{text}"}.get(option, text)
    assert local_conf({**SENTRY, option: value}, kind, name)[key] == in_wsgi_ini(value)


@given(text=LINE)
@EXAMPLES
def test_settings_of_a_servers_own_arrive_by_pastedeploy(text: str) -> None:
    part = {"wsgi-server": "gunicorn", "wsgi-server-options": f"timeout = 60\nstatsd_prefix = {text}"}
    found = local_conf(part, SERVER, "main")
    assert (found["timeout"], found["statsd_prefix"]) == ("60", in_wsgi_ini(text))


@given(path=PATH, other=PATH, url=WORD)
@EXAMPLES
def test_values_of_the_profiler_arrive(path: str, other: str, url: str) -> None:
    part = {"profile_log_filename": path, "profile_cachegrind_filename": other, "profile_path": url}
    with ini_file(part) as file:
        loader = loadwsgi.ConfigLoader(str(file))
        loader.update_defaults({"here": ETC, "__file__": f"{ETC}/wsgi.ini"})
        # The egg is not among the tests' own, so the section is not resolved
        found = dict(loader.parser.items("filter:profile"))
    assert found["log_filename"] == in_wsgi_ini(path)
    assert found["cachegrind_filename"] == in_wsgi_ini(other)
    assert found["path"] == in_wsgi_ini(url)


@given(names=st.lists(WORD.filter(lambda text: text[0] not in "#;"), min_size=1, max_size=4))
@EXAMPLES
def test_names_of_the_pipeline_arrive(names: list[str]) -> None:
    with ini_file({"pipeline": "\n".join([*names, "zope"])}) as file:
        loader = loadwsgi.ConfigLoader(str(file))
        loader.update_defaults({"here": ETC, "__file__": f"{ETC}/wsgi.ini"})
        found = loader.parser.get("pipeline:main", "pipeline").split()
    assert found == "\n".join([*map(in_wsgi_ini, names), "zope"]).split()


# --- logging ---------------------------------------------------------------------------------


class Recorder(logging.NullHandler):
    """A handler that keeps what it was made with."""

    made: ClassVar[list[tuple[tuple[object, ...], dict[str, object]]]] = []

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()
        self.made.append((args, kwargs))


def handler_arguments(log: str, part: dict[str, str]) -> tuple[tuple[object, ...], dict[str, object]]:
    """What logging.config calls the handler of a log with."""
    Recorder.made.clear()
    root, wsgi = logging.getLogger(), logging.getLogger("wsgi")
    before, others = list(root.handlers), "event-log" if log == "access-log" else "access-log"
    with ini_file({f"{log}-handler": "test_values.Recorder", others: "disable"} | part) as file:
        try:
            places = {"here": ETC, "__file__": f"{ETC}/wsgi.ini"}
            logging.config.fileConfig(file, places, disable_existing_loggers=False, encoding="utf-8")
        finally:
            root.handlers[:] = before
            root.setLevel(logging.WARNING)
            wsgi.handlers.clear()
            logging.getLogger("waitress.queue").handlers.clear()
    return Recorder.made[-1]


# Braces are where the file's name goes
STRINGS = LINE.map(lambda text: text.replace("{", "").replace("}", "")) | TEXT.map(lambda text: f" {text}\n ").map(
    lambda text: text.replace("{", "").replace("}", "")
)
LITERALS: st.SearchStrategy[Any] = st.recursive(
    STRINGS | st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=2) | st.tuples(inner),
    max_leaves=6,
)  # fmt: skip


def interpolated(literal: Any) -> Any:
    """What a literal is in wsgi.ini, which interpolates before Python evaluates."""
    match literal:
        case str():
            return in_wsgi_ini(literal)
        case bytes():
            return literal.replace(b"%%", b"%")
        case list() | tuple():
            return type(literal)(map(interpolated, literal))
        case dict():
            return {interpolated(key): interpolated(value) for key, value in literal.items()}
    return literal


@pytest.mark.parametrize("log", ["event-log", "access-log"])
@given(args=st.lists(LITERALS, max_size=4).map(tuple), kwargs=st.dictionaries(NAME, LITERALS, max_size=3))
@EXAMPLES
def test_arguments_of_handlers_arrive(log: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    found = handler_arguments(log, {f"{log}-args": repr(args), f"{log}-kwargs": repr(kwargs)})
    if args:  # else it is as if left out
        assert found[0] == tuple(map(interpolated, args))
    assert found[1] == {name: interpolated(value) for name, value in kwargs.items()}


@pytest.mark.parametrize("log", ["event-log", "access-log"])
@given(path=PATH, in_braces=LINE)
@EXAMPLES
def test_files_of_logs_arrive(log: str, path: str, in_braces: str) -> None:
    assert handler_arguments(log, {log: path})[0] == (in_wsgi_ini(path), "a")
    given_args = handler_arguments(log, {log: path, f"{log}-args": "(r'{0}', '{}', 1)"})[0]
    assert given_args == (in_wsgi_ini(path), in_wsgi_ini(path), 1)


# --- templates -------------------------------------------------------------------------------


@given(text=LINE, path=PATH)
@EXAMPLES
def test_values_arrive_through_a_template(text: str, path: str) -> None:
    template = (
        "[app:main]\nuse = egg:Zope#main\ndsn = %(sentry_dsn)s\nlog = %(accesslog_name)s\nplain = 100%%%% %%(here)s\n"
    )
    dsn = "https://" + "".join(re.sub("[/@]|%\\(", "", f"k{text}").split()) + "@example.com/1"
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "wsgi.ini.in"
        file.touch()
        instance, problems = description({"wsgi-ini-template": str(file), "sentry_dsn": dsn, "access-log": path})
        assert problems.errors == []
        made = Path(directory) / "wsgi.ini"
        made.write_bytes(wsgi_ini.render(instance, {str(file): template}, problems).encode())
        loader = loadwsgi.ConfigLoader(str(made))
        loader.update_defaults({"here": ETC, "__file__": f"{ETC}/wsgi.ini"})
        found = dict(loader.parser.items("app:main"))
    assert found["dsn"] == in_wsgi_ini(dsn)
    assert found["log"] == in_wsgi_ini(path)
    assert found["plain"] == f"100% {ETC}"


# --- scripts ---------------------------------------------------------------------------------


def run_interpreter(part: dict[str, str], code: str, paths: Sequence[str] = ()) -> Any:
    """What a code prints, as JSON, when the part's interpreter runs it."""
    instance, problems = description(part)
    assert problems.errors == []
    lines = initialization(instance, part)
    extra = instance.settings.scripts.extra_paths
    script = scripts.interpreter(instance, scripts.Python(sys.executable, (*paths, *extra), lines))
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "interpreter"
        file.write_bytes(script.text.encode())
        done = subprocess.run(
            [sys.executable, str(file), "-c", code], capture_output=True, encoding="utf-8", check=True,
            env=clean_environment({"PYTHONUTF8": "1"}),
        )  # fmt: skip
    return json.loads(done.stdout)


# An absolute path may hold blanks, but a blank before a slash ends it, and so does the end of a line
EXTRA_PATH = PATH.filter(lambda text: not re.search(r"\s/|//", text)).map(os.path.normpath)
EXTRA_PATH = EXTRA_PATH.filter(lambda text: text == text.strip())


@given(paths=st.lists(EXTRA_PATH, min_size=20, max_size=40))
@FEW
def test_paths_arrive_in_the_interpreter(paths: list[str]) -> None:
    found = run_interpreter({"extra-paths": "\n".join(paths)}, "import json, sys; print(json.dumps(sys.path))")
    assert found[: len(paths)] == paths
    found = run_interpreter({}, "import json, sys; print(json.dumps(sys.path))", paths)
    assert found[: len(paths)] == paths


@given(texts=st.lists(LINE, min_size=10, max_size=20))
@FEW
def test_initialization_arrives(texts: list[str]) -> None:
    """``%%`` is one ``%`` there, and ``%(option)s`` an option of the part; the rest is Python's."""
    part = {"initialization": f"TEXTS = {ascii(texts).replace('%', '%%')}", "threads": "4"}
    part["initialization"] += "\nTHREADS = %(threads)s\nREST = '%s' % 5"
    code = "import json, __main__; print(json.dumps([__main__.TEXTS, __main__.THREADS, __main__.REST]))"
    assert run_interpreter(part, code) == [texts, 4, "5"]


@given(conf=PATH, ini=PATH)
@EXAMPLES
def test_paths_arrive_in_the_control_script(conf: str, ini: str) -> None:
    instance, problems = description({"zope-conf": conf, "wsgi": ini})
    assert problems.errors == []
    script = scripts.control_script(instance, scripts.Python(sys.executable, (), "")).text
    # Up to the call, with the list that it is called with in its place
    program = re.sub(r"(?s)import plone\.recipe.*?main\(\[(.*)\] \+ sys\.argv\[1:\]\)\)\n", r"ARGS = [\1]\n", script)
    namespace: dict[str, Any] = {"__name__": "part"}
    exec(compile(program, "instance", "exec"), namespace)
    assert namespace["ARGS"][1] == os.path.normpath(conf)
    assert namespace["ARGS"][5] == os.path.normpath(ini)


# --- ZCML ------------------------------------------------------------------------------------

XML_TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from("\t$%<&\"'"),
    min_size=1,
    max_size=30,
)


def zcml_files(part: dict[str, str]) -> dict[str, ElementTree.Element]:
    instance, problems = description(part)
    assert problems.errors == []
    return {Path(file.path).name: ElementTree.fromstring(file.text.encode()) for file in zcml.render(instance)}


@given(text=XML_TEXT, encoding=st.sampled_from(["", " encoding='latin-1'", ' encoding="utf-8"', " encoding='ascii'"]))
@EXAMPLES
def test_zcml_arrives(text: str, encoding: str) -> None:
    statement = f"<include package={quoteattr(text)} />"
    found = zcml_files({"zcml-additional": statement})["999-additional-overrides.zcml"]
    assert found[0].get("package") == text
    document = f"<?xml version='1.0'{encoding}?><configure>{statement}</configure>"
    assert zcml_files({"site-zcml": document})["site.zcml"][0].get("package") == text


@given(path=PATH.filter(lambda text: not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", text)))
@EXAMPLES
def test_directories_arrive_in_zcml(path: str) -> None:
    found = zcml_files({"locales": path, "resources": path})
    for file in ("001-locales-configure.zcml", "998-resources-configure.zcml"):
        assert found[file][-1].get("directory") == os.path.normpath(path)


@pytest.mark.parametrize("character", "\x01\x0b\x1f\ufffe\uffff")
@pytest.mark.parametrize("option", ["locales", "resources"])
def test_what_xml_cannot_hold_is_refused(option: str, character: str) -> None:
    _, problems = description({option: f"/a{character}b"})
    assert f"{option}: " in problems.errors[0]
    assert "which XML does not allow" in problems.errors[0]


# --- the first user, and what the control script reads ---------------------------------------


@given(user=LINE.map(lambda text: text.replace(":", "")).filter(lambda text: text.strip() == text != ""), password=LINE)
@settings(EXAMPLES, max_examples=8)
def test_the_first_user_arrives(user: str, password: str) -> None:
    """Zope itself reads ``inituser``, and verifies the password."""
    from AccessControl.users import readUserAccessFile
    from AuthEncoding.AuthEncoding import pw_validate

    from recipe.buildout import users

    instance, problems = description({"user": f"{user}:{password}"})
    assert problems.errors == []
    assert instance.settings.scripts.user
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "inituser").write_bytes(users.line(*instance.settings.scripts.user).encode())
        before = os.environ.get("INSTANCE_HOME")
        os.environ["INSTANCE_HOME"] = directory
        try:
            name, hashed, *_ = readUserAccessFile("inituser")
        finally:
            del os.environ["INSTANCE_HOME"]
            if before is not None:
                os.environ["INSTANCE_HOME"] = before
    assert name == user
    assert pw_validate(hashed, password)
    assert not pw_validate(hashed, f"{password}x")


# --- all of them -----------------------------------------------------------------------------

HELD_ABOVE = {
    *LINES_OF_ZOPE_CONF, *PATHS_OF_ZOPE_CONF, *VALUES_OF_WSGI_INI, "rel-storage", "environment-vars",
    "zope-conf-additional", "storage-wrapper", "zodb-temporary-storage", "profile_log_filename",
    "profile_cachegrind_filename", "profile_path", "pipeline", "event-log", "event-log-args", "event-log-kwargs",
    "access-log", "access-log-args", "access-log-kwargs", "extra-paths", "initialization", "wsgi", "zcml-additional",
    "site-zcml", "locales", "resources", "user", "wsgi-server-options",
}  # fmt: skip

#: Kinds that take some words only, or numbers.
NOT_FREE = {
    kinds.BOOLEAN, kinds.COUNT, kinds.NUMBER, kinds.INTEGER, kinds.SIZE, kinds.SIZE_TEXT, kinds.OCTAL, kinds.LEVEL,
    kinds.INTERVAL, kinds.RATE, kinds.ZLIB, kinds.LOG_FORMAT, kinds.SLUGS, kinds.DOTTED_NAME,
    kinds.ENTRY_POINTS, kinds.ZEO_ADDRESSES, kinds.WARNINGS, kinds.URL_PATHS,
}  # fmt: skip

#: Options that take names of things that must be there, or code.
NAMES = {
    "eggs": "requirements, which buildout parses",
    "scripts": "names, for zc.recipe.egg",
    "arguments": "code, for zc.recipe.egg",
    "interpreter": "a name in bin, for zc.recipe.egg",
    "control-script": "a name in bin",
    "effective-user": "a user's name",
    "default-zpublisher-encoding": "a codec's name",
    "zope-conf-imports": "packages' names",
    "wsgi-server": "a name of a table",
    "wsgi-ini-template": "a file that is read",
    "wsgi-logging-ini-template": "a file that is read",
    "import-directory": "Zope does not read it: it is made",
}


def test_no_option_with_free_text_is_left_out() -> None:
    free = {o.name for o in declared() if o.applies is not Applies.ZSERVER and o.kind not in NOT_FREE}
    assert HELD_ABOVE - {"waitress-ident"} | set(NAMES) == free
    assert not HELD_ABOVE & set(NAMES)
