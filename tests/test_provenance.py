"""Where things come from: the option of a line in a generated file, and the place of an option in buildout's files."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parts import BD, description
from recipe.common.problems import Problems
from recipe.describe.bases import ZEO_CLIENT
from recipe.options import declared
from recipe.options.declare import Applies, Into, Option
from recipe.render import facts, files, provenance, scripts, zope_conf
from support import Buildout

PYTHON = scripts.Python("/usr/bin/python3", (), "")

# --- lines of files --------------------------------------------------------------------------


def origins(text: str) -> dict[str, str]:
    """The option of each line of zope.conf that has one, by the line."""
    traced = zope_conf.render(description(text)[0])
    lines = traced.text.split("\n")
    return {lines[number - 1].strip(): option for number, option in traced.options.items()}


def test_each_line_comes_from_its_option() -> None:
    found = origins(
        """
verbose-security = on
client-home = home
environment-vars = A b
zodb-cache-size = 77
zope-conf-imports = my.component
zope-conf-additional =
    <product-config x>
      debug-mode on
    </product-config>
zodb-temporary-storage = <zodb_db temporary></zodb_db>
"""
    )
    assert found["verbose-security on"] == "verbose-security"
    assert found[f"%define CLIENTHOME {BD}/home"] == "client-home"
    assert found["A b"] == "environment-vars"
    assert found["cache-size 77"] == "zodb-cache-size"
    assert found["%import my.component"] == "zope-conf-imports"
    assert found["<product-config x>"] == found["</product-config>"] == "zope-conf-additional"
    assert found["<zodb_db temporary></zodb_db>"] == "zodb-temporary-storage"
    assert found[f"path {BD}/var/filestorage/Data.fs"] == "file-storage"
    assert found[f"blob-dir {BD}/var/blobstorage"] == "blob-storage"
    assert "mount-point /" not in found


def test_keys_of_one_name_come_from_different_options() -> None:
    zeo = "zeo-client = on\nzeo-address = 1.2.3.4:81\nzeo-client-cache-size = 6MB\n"
    found = origins(f"{zeo}zodb-cache-size = 5\nzlib-storage = active")
    assert found["cache-size 5"] == "zodb-cache-size"
    assert found["cache-size 6MB"] == "zeo-client-cache-size"
    assert found["server 1.2.3.4:81"] == "zeo-address"
    assert found["%import zc.zlibstorage"] == found["compress true"] == "zlib-storage"
    assert found["<zeoclient>"] == "zeo-client"


def test_the_lines_of_a_wrapper_and_of_relstorage() -> None:
    relstorage = "rel-storage =\n  type mysql\n  db x\n  keep-history off\n"
    found = origins(f"{relstorage}storage-wrapper =\n  <a>\n  b $c\n  %s\n  </a>")
    assert found["b $$c"] == found["<a>"] == found["</a>"] == "storage-wrapper"
    assert found["db x"] == found["<mysql>"] == found["keep-history off"] == "rel-storage"
    assert found["%import relstorage"] == "rel-storage"


PIECES = st.lists(st.tuples(st.text("ab\n", max_size=4), st.sampled_from(["", "one", "two"])), max_size=6)


@given(PIECES, PIECES)
def test_marks_leave_the_text_as_it_is(outer: list[tuple[str, str]], inner: list[tuple[str, str]]) -> None:
    """Whatever is marked within what: the innermost mark counts, and no text is lost."""
    middle = "".join(provenance.mark(text, option) for text, option in inner)
    marked = "".join(provenance.mark(text + middle, option) for text, option in outer)
    plain = "".join(text + "".join(piece for piece, _ in inner) for text, _ in outer)
    traced = provenance.split(marked)
    assert traced.text == plain
    assert set(traced.options) <= set(range(1, plain.count("\n") + 2))
    assert set(traced.options.values()) <= {"one", "two"}


# --- into which file an option goes ------------------------------------------------------------

#: A value that is not the default, for each kind of option.
SAMPLES = {
    "number": "7",
    "size": "7MB",
    "interval": "7m",
    "octal mask": "027",
    "text": "x",
    "word": "x",
    "words": "x",
    "pipeline": "egg:Other#main zope",
    "entry points": "a=b:c",
    "name": "x",
    "log level": "ERROR",
    "name:password": "x:y",
    "class": "logging.handlers.SysLogHandler",
    "tuple": "('x',)",
    "dict": "{'delay': True}",
    "path": "x",
    "paths": "x",
    "share": "0.5",
    "DSN": "https://k@h/1",
    "slugs": "x",
    "addresses": "127.0.0.1:81",
    "lines": "x y",
}

#: For options whose kind says too little.
OWN_SAMPLES = {
    "default-zpublisher-encoding": "latin-1",
    "deprecation-warnings": "on",
    "log-format": "json",
    "site-zcml": "<configure/>",
    "wsgi-server": "cheroot",
    "wsgi-server-options": "timeout = 7",
    "zcml-additional": "<x/>",
    "zlib-storage": "active",
    "storage-wrapper": "<x>\n%s\n</x>",
    "zodb-temporary-storage": "on",
    "template-cache": "x",
    "rel-storage": "type mysql",
    "sentry_event_level": "FATAL",
    "warm-up": "/ /x",
}

#: What else a part needs so that an option has an effect.
BESIDE = {
    "wsgi-server-options": {"wsgi-server": "cheroot"},
    "workers": {"wsgi-server": "gunicorn", "zeo-client": "on"},
    "demo-file-storage": {"demo-storage": "on"},
    "demo-blob-storage": {"demo-storage": "on"},
    "zeo-username": {"zeo-password": "y"},
    "zeo-password": {"zeo-username": "x", "zeo-password": "y"},
    "zeo-realm": {"zeo-username": "x", "zeo-password": "y"},
    "event-log-old-files": {"event-log-max-size": "1MB"},
    "access-log-old-files": {"access-log-max-size": "1MB"},
}

#: Options that choose which files there are, or where they lie; and those that only other tools read.
ELSEWHERE = {
    "var", "wsgi", "zope-conf", "site-zcml", "relative-paths", "control-script", "include-site-packages",
    "import-directory", "user",
    # of the scripts of eggs, which zc.recipe.egg makes
    "eggs", "scripts", "dependent-scripts", "entry-points", "interpreter", "arguments", "link-eggs",
    # a file that has to be there
    "wsgi-ini-template", "wsgi-logging-ini-template",
}  # fmt: skip


def sample(option: Option) -> str:
    if option.name in OWN_SAMPLES:
        return OWN_SAMPLES[option.name]
    if option.kind.name == "boolean":
        return "off" if (option.default or "") in ("on", "true") else "on"
    return SAMPLES[option.kind.name]


def rendered(part: Mapping[str, str]) -> dict[Into, object]:
    """The text of each generated file, of all of ZCML and of all scripts."""
    instance, problems = description(dict(part))
    assert problems.errors == []
    made = {file.path: file.text for file in files.render(instance, PYTHON, {}, problems)}
    return {
        Into.ZOPE_CONF: made[instance.zope_conf],
        Into.WSGI_INI: made[instance.wsgi_ini],
        Into.SITE_ZCML: {path: text for path, text in made.items() if path.endswith(".zcml")},
        Into.FACTS: facts.render(instance),
        Into.SCRIPTS: [made[instance.control_script], instance.settings.scripts],
    }


OPTIONS = [option for option in declared() if option.applies is not Applies.ZSERVER and option.name not in ELSEWHERE]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_goes_where_its_declaration_says(option: Option) -> None:
    beside = BESIDE.get(option.name, {})
    if option.name in ZEO_CLIENT.options:
        beside = beside | {"zeo-client": "on"}
    before, after = rendered(beside), rendered(beside | {option.name: sample(option)})
    changed = {file for file in Into if before[file] != after[file]}
    # What an address or a log is, bin/NAME has to know as well, as far as it is known
    assert changed - {Into.FACTS} == set(option.into or ()) - {Into.FACTS}
    assert Into.FACTS in changed or Into.FACTS not in (option.into or ())


# --- places of options -------------------------------------------------------------------------


def test_an_error_names_the_file_and_the_line(buildout: Buildout) -> None:
    buildout.write(
        """\
        [defaults]
        threads = few
        zodb-cache-size = 5
        """,
        "conf/base.cfg",
    )
    buildout.write(
        """\
        [buildout]
        extends = conf/base.cfg
        parts = instance

        [macro]
        <= defaults
        event-log-level = LOUD

        [instance]
        <= macro
        recipe = plone.recipe.zope2instance
        zeo-client = of course
        sentry_ignore = a
        zcml = a
        zcml += a:b:c-d e!
        """
    )
    output = buildout.run("instance:port-base=x", check=False).stdout
    lines = [line for line in output.splitlines() if line.startswith("[instance]")]
    places = {line.split(" ")[1].rstrip(":"): line.partition(" (")[2].rstrip(")") for line in lines}
    assert places["threads"] == "conf/base.cfg, line 2"
    assert places["event-log-level"] == "buildout.cfg, line 7"
    assert places["zeo-client"] == "buildout.cfg, line 12"
    assert places["zcml"] == "buildout.cfg, line 15"
    # From the command line
    assert places["port-base"] == ""


def test_a_warning_names_it_too_also_when_nothing_has_changed(buildout: Buildout) -> None:
    buildout.instance("eggs = Zope\nhttp-adress = 81\n")
    assert "did you mean http-address? (buildout.cfg, line 8)" in buildout.run().stdout
    text = buildout.read("buildout.cfg").replace("[instance]", "\n\n[instance]")
    buildout.write(text)
    output = buildout.run("-v").stdout
    assert "Nothing has changed since the last run." in output
    assert "did you mean http-address? (buildout.cfg, line 10)" in output


def test_without_buildout_there_is_no_place() -> None:
    problems = Problems("instance")
    problems.error("threads", "is wrong")
    assert problems.errors == ["[instance] threads: is wrong"]
