"""The recipe in real buildouts: what a user sees, and what the server then has."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import time
from pathlib import Path

import pytest

from recipe.control import facts
from support import Buildout, fetch, free_port, serving, toolchain

SHOW = "import os, sys; print('>', *(os.environ.get(name) for name in sys.argv[1:]), sep='|')"


def warnings_of(output: str) -> list[str]:
    return [line for line in output.splitlines() if "[instance]" in line]


def test_a_part_becomes_an_instance(buildout: Buildout) -> None:
    buildout.instance("eggs = Zope\n")
    output = buildout.run().stdout
    assert warnings_of(output) == []
    assert f"Generated script '{buildout.directory}/bin/instance'" in output
    part = buildout.part()
    for path in ("etc/zope.conf", "etc/wsgi.ini", "etc/site.zcml", "bin/interpreter", "inituser"):
        assert (part / path).is_file(), path
    for path in ("var/filestorage", "var/log", "var/cache", "var/instance/import", "bin/instance", "bin/runwsgi"):
        assert (buildout.directory / path).exists(), path
    assert stat.S_IMODE((buildout.directory / "var/blobstorage").stat().st_mode) == 0o700
    installed = buildout.read(".installed.cfg")
    for key in ("location", "bin-directory", "pipeline", "initialization"):
        assert f"\n{key} = " in installed
    assert "\nthreads = " not in installed


def test_inituser_has_a_slow_hash_that_zope_verifies(buildout: Buildout) -> None:
    buildout.instance("user = jo:pass:word$\n")
    text = buildout.write(buildout.read("buildout.cfg").replace("user = admin:admin\n", "")).read_text()
    assert "admin" not in text
    buildout.run()
    inituser = buildout.part() / "inituser"
    name, _, hashed = inituser.read_text().strip().partition(":")
    assert name == "jo"
    assert hashed.startswith("{BCRYPT}")
    assert stat.S_IMODE(inituser.stat().st_mode) == 0o600
    check = "from AuthEncoding.AuthEncoding import pw_validate; print(pw_validate({!r}, 'pass:word$'))"
    done = buildout.call("parts/instance/bin/interpreter", "-c", check.format(hashed))
    assert done.stdout.strip() == "True"


def test_without_user_and_terminal_there_is_no_inituser(buildout: Buildout) -> None:
    buildout.write("[buildout]\nparts = instance\n[instance]\nrecipe = plone.recipe.zope2instance\n")
    assert "the instance is made without a Manager" in buildout.run().stdout
    assert not (buildout.part() / "inituser").exists()


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_made(buildout: Buildout) -> None:
    buildout.instance("http-address = 99999\nthreads = many\nevent-log-level = LOUD\n")
    done = buildout.run(check=False)
    assert done.returncode != 0
    for option in ("http-address", "threads", "event-log-level"):
        assert f"[instance] {option}: " in done.stdout
    assert "Traceback" not in done.stdout
    assert not buildout.part().exists()


def test_a_template_s_mistake_is_told_with_its_line(buildout: Buildout) -> None:
    template = buildout.write("[server:main]\nport = %(prot)s\n", "wsgi.ini.in")
    buildout.instance(f"wsgi-ini-template = {template}\n")
    done = buildout.run(check=False)
    assert done.returncode != 0
    assert "wsgi.ini.in, line 2: %(prot)s is not known. Known names: " in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("word", ["maybe", "off"])
def test_relative_paths_in_other_words(buildout: Buildout, word: str) -> None:
    buildout.instance(f"relative-paths = {word}\n")
    done = buildout.run(check=False)
    assert "Traceback" not in done.stdout
    assert ("[instance] relative-paths: 'maybe' is not a boolean" in done.stdout) == (word == "maybe")


def test_an_unchanged_part_is_not_written_again(buildout: Buildout) -> None:
    buildout.instance("zcml = zope.app\n")
    buildout.run()
    files = [path for path in buildout.part().rglob("*") if path.is_file()]
    assert len(files) > 5
    before = {path: path.stat().st_mtime_ns for path in files}
    buildout.run()
    assert {path: path.stat().st_mtime_ns for path in files} == before


def test_what_a_user_adds_to_package_includes_stays(buildout: Buildout) -> None:
    buildout.instance("zcml = a.b c.d-meta\n")
    buildout.run()
    includes = buildout.part() / "etc/package-includes"
    (includes / "own-configure.zcml").write_text("<configure/>")
    buildout.run()
    names = sorted(path.name for path in includes.iterdir())
    assert names == ["002-a.b-configure.zcml", "003-c.d-meta.zcml", "own-configure.zcml"]


@pytest.mark.parametrize("mistake", ["entry-points = foo", "var = a-file"])
def test_a_first_run_that_fails_is_made_good_by_the_next(buildout: Buildout, mistake: str) -> None:
    buildout.write("", "a-file")
    buildout.instance(f"{mistake}\n")
    done = buildout.run(check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    buildout.instance()
    buildout.run()
    assert (buildout.part() / "inituser").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("eggs = nonexistent==\n", "[instance] eggs: "),
        ("initialization = def (\n", "[instance] initialization: is not Python: "),
        ("wsgi-ini-template = latin\n", "[instance] wsgi-ini-template: "),
        ("locales = a-file\n", "[instance] cannot write "),
    ],
)
def test_a_mistake_is_no_traceback(buildout: Buildout, options: str, message: str) -> None:
    buildout.write("", "a-file")
    (buildout.directory / "latin").write_bytes(b"\xfc")
    buildout.instance(options)
    done = buildout.run(check=False)
    assert done.returncode != 0
    assert message in done.stdout
    assert "Traceback" not in done.stdout


def test_what_zope_refuses_is_a_warning_with_option_and_line(buildout: Buildout) -> None:
    buildout.instance(
        """
        zope-conf-additional =
            datetime-format international
            <clock-server>
              method /tick
            </clock-server>
        """
    )
    [warning] = warnings_of(buildout.run().stdout)
    assert "[instance] zope-conf-additional: the server will not start: line " in warning
    assert "clock-server" in warning


@pytest.mark.parametrize("option", ["zope-conf-additional = nonsense-key 1", "zope-conf-imports = no.such.package"])
def test_the_option_of_one_line_is_named(buildout: Buildout, option: str) -> None:
    buildout.instance(f"{option}\n")
    [warning] = warnings_of(buildout.run().stdout)
    assert f"[instance] {option.partition(' ')[0]}: the server will not start: " in warning


def test_a_pipeline_and_a_handler_that_cannot_be_had_are_warnings(buildout: Buildout) -> None:
    buildout.instance("pipeline = egg:nothing#here missing zope\nevent-log-handler = no.such.Handler\n")
    found = "\n".join(warnings_of(buildout.run().stdout))
    assert "[instance] pipeline: the server will not start: egg:nothing#here in the pipeline cannot be loaded" in found
    assert "missing in the pipeline cannot be loaded" in found
    assert "[instance] event-log-handler: the server will not start: no.such.Handler cannot be imported" in found


def test_wsgi_file_that_is_not_there_is_a_warning(buildout: Buildout) -> None:
    buildout.instance("wsgi = my.ini\n")
    [warning] = warnings_of(buildout.run().stdout)
    assert "wsgi: " in warning
    assert "my.ini does not exist yet" in warning


def test_other_parts_read_and_append(buildout: Buildout) -> None:
    """A recipe of the test's own that does what add-ons do, after our part has been created."""
    buildout.write("from setuptools import setup\nsetup(name='addon', version='1', py_modules=['addon'],"
                   "entry_points={'zc.buildout': ['default = addon:Recipe']})\n", "addon/setup.py")  # fmt: skip
    buildout.write(
        """
        class Recipe:
            def __init__(self, buildout, name, options):
                for part in buildout['buildout']['parts'].split():
                    if part != name and buildout[part].get('recipe') == 'plone.recipe.zope2instance':
                        buildout[part]['zope-conf-additional'] += '\\nhttp-realm added'
                        buildout[part]['zcml'] = buildout[part].get('zcml', '') + '\\nadded.package'
                        options['seen'] = buildout[part]['location'] + ' ' + buildout[part]['pipeline']
            def install(self):
                return []
            update = install
        """,
        "addon/addon.py",
    )
    buildout.write(
        """
        [buildout]
        parts = instance addon reader
        develop = addon
        develop-eggs-directory = develop-eggs

        [instance]
        recipe = plone.recipe.zope2instance
        user = admin:admin
        http-address = 127.0.0.1:8123
        zope-conf-additional = datetime-format us
        supervisor-autostart = true

        [addon]
        recipe = addon

        [reader]
        recipe = zc.recipe.egg
        eggs = waitress
        interpreter = reader
        initialization = facts = ['${instance:location}', '${instance:http-address}', '${instance:user}']
        """
    )
    shutil.copytree(toolchain().develop_eggs, buildout.directory / "develop-eggs")
    output = buildout.run().stdout
    assert warnings_of(output) == []
    assert "http-realm added" in buildout.read("parts/instance/etc/zope.conf")
    assert (buildout.part() / "etc/package-includes/002-added.package-configure.zcml").exists()
    assert f"['{buildout.part()}', '127.0.0.1:8123', 'admin:admin']" in buildout.read("bin/reader")


def test_subclasses_and_macros(buildout: Buildout) -> None:
    buildout.write(
        """
        [buildout]
        parts = one two

        [base]
        recipe = plone.recipe.zope2instance
        user = admin:admin
        threads = 3
        zeo-address =

        [extra]
        environment-vars = A b

        [one]
        <= base
           extra
        http-address = 127.0.0.1:8201

        [two]
        <= base
        http-address = 127.0.0.1:8202
        threads = 5
        environment-vars +=
            C d
        """
    )
    buildout.run()
    assert "  A b\n" in buildout.read("parts/one/etc/zope.conf")
    assert "  C d\n" in buildout.read("parts/two/etc/zope.conf")
    assert "threads = 3\n" in buildout.read("parts/one/etc/wsgi.ini")
    assert "threads = 5\n" in buildout.read("parts/two/etc/wsgi.ini")
    facade = "from plone.recipe.zope2instance import Recipe as a; from plone.recipe.zope2instance.recipe import Recipe"
    done = buildout.call("parts/one/bin/interpreter", "-c", f"{facade}; print(a is Recipe, a.__name__)")
    assert done.stdout.strip().endswith("True Recipe")


def test_values_arrive_in_the_environment(buildout: Buildout, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Zope sets it, and the control script before, with the escapes that the documentation promises."""
    buildout.instance(
        f"""
        eggs = Zope
        http-address = 127.0.0.1:{port}
        environment-vars =
            PLAIN a value  with blanks
            DOLLAR pa$s%w#rd;"'
            TWICE a$$b
            OUTER $(FROM_OUTSIDE)
            HOME_ $INSTANCEHOME/x
            ASSIGNED = it is
        """
    )
    buildout.run()
    configure = "from Zope2.Startup.run import configure_wsgi; configure_wsgi(sys.argv.pop())"
    names = ("PLAIN", "DOLLAR", "TWICE", "OUTER", "HOME_", "ASSIGNED")
    code = f"import sys; {configure}; {SHOW}"
    conf = str(buildout.part() / "etc/zope.conf")
    done = buildout.call(
        "parts/instance/bin/interpreter", "-c", code, *names, conf, env={"FROM_OUTSIDE": "from outside"}
    )
    values = done.stdout.splitlines()[-1].split("|")[1:]
    assert values == [
        "a value  with blanks", "pa$s%w#rd;\"'", "a$b", "from outside", f"{buildout.part()}/x", "it is",
    ]  # fmt: skip
    assert "OUTER" not in facts.read_environment(conf)
    monkeypatch.setenv("FROM_OUTSIDE", "from outside")
    assert [facts.read_environment(conf)[name] for name in names] == values


def test_initialization_extra_paths_scripts_and_control_script(buildout: Buildout) -> None:
    buildout.write("VALUE = 'imported'\n", "my lib/blank.py")
    buildout.instance(
        """
        eggs = Zope
        http-address = 8765
        extra-paths = ${buildout:directory}/my lib
        scripts = runwsgi=serve-it
        control-script = ctl
        zopectl-umask = 027
        initialization =
            import os
            os.environ['FROM_INIT'] = '%(http-address)s 100%%' + ' %d' % 5
        """
    )
    buildout.run()
    assert sorted(path.name for path in (buildout.directory / "bin").iterdir()) == ["ctl", "serve-it"]
    code = "import os, blank; print('>', blank.VALUE, os.environ['FROM_INIT'])"
    done = buildout.call("parts/instance/bin/interpreter", "-c", code)
    assert done.stdout.strip() == "> imported 8765 100% 5"
    assert "os.environ['FROM_INIT'] = '8765 100%'" in buildout.read("bin/serve-it")
    assert f"'{buildout.directory}/my lib'" in buildout.read("bin/serve-it")
    assert "'027'" in buildout.read("bin/ctl")


def test_scripts_given_but_empty_makes_none(buildout: Buildout) -> None:
    buildout.instance("eggs = Zope\nscripts =\n")
    buildout.run()
    assert [path.name for path in (buildout.directory / "bin").iterdir()] == ["instance"]


def test_interpreter_runs_scripts_modules_and_code(buildout: Buildout) -> None:
    buildout.instance()
    buildout.run()
    script = buildout.write("import sys; print(__name__, __file__, sys.argv)", "script.py")
    python = "parts/instance/bin/interpreter"
    assert buildout.call(python, str(script), "-x").stdout == f"__main__ {script} {[str(script), '-x']}\n"
    assert buildout.call(python, "-c", "import sys; print(sys.argv)", "a").stdout == "['-c', 'a']\n"
    assert "usage" in buildout.call(python, "-m", "json.tool", "-h").stdout
    assert "42" in buildout.call(python, stdin="print(6 * 7)\n").stdout


def test_a_copied_script_with_what_stands_above_the_import(buildout: Buildout) -> None:
    """Tools read the script, and run what stands above the line that imports the control script."""
    buildout.instance()
    buildout.run()
    head, line, _ = buildout.read("bin/instance").partition("import plone.recipe.zope2instance.ctl\n")
    assert line
    done = buildout.call("/usr/bin/env", "python3", "-c", f"{head}\nimport Zope2; print('>', Zope2.__name__)")
    assert done.stdout.endswith("> Zope2\n")


@pytest.mark.parametrize("name", ["with blank", "50%", "a$b", "ü#'"])
def test_any_buildout_directory_serves(tmp_path: Path, name: str) -> None:
    buildout = Buildout(tmp_path / name)
    port = free_port()
    buildout.instance(f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\n")
    assert warnings_of(buildout.run().stdout) == []
    with serving(buildout, url=f"http://127.0.0.1:{port}/") as server:
        assert server.response.status == 200
    assert (buildout.directory / "var/log/instance-access.log").read_text().count("GET / ") >= 1


def test_a_tree_with_relative_paths_can_be_moved(buildout: Buildout, port: int, tmp_path: Path) -> None:
    buildout.write("msgid ''\nmsgstr ''\n", "locales/de/LC_MESSAGES/x.po")
    buildout.instance(
        f"""
        eggs = Zope
        http-address = 127.0.0.1:{port}
        relative-paths = true
        locales = ${{buildout:directory}}/locales
        """
    )
    buildout.run()
    moved = Buildout(tmp_path / "moved")
    moved.directory.rmdir()
    buildout.directory.rename(moved.directory)
    assert str(buildout.directory) not in "".join(
        moved.read(f"parts/instance/etc/{name}")
        for name in ("zope.conf", "wsgi.ini", "instance.json", "package-includes/001-locales-configure.zcml")
    )
    with serving(moved, url=f"http://127.0.0.1:{port}/") as server:
        assert server.response.status == 200
    assert (moved.directory / "var/filestorage/Data.fs").exists()
    assert not buildout.directory.exists()
    done = moved.call("bin/runwsgi", "-h")
    assert "config_uri" in done.stdout


def test_files_work_without_the_control_script(buildout: Buildout, port: int) -> None:
    buildout.instance(f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\n")
    buildout.run()
    ini = str(buildout.part() / "etc/wsgi.ini")
    with serving(buildout, "runwsgi", ini, url=f"http://127.0.0.1:{port}/", clean_exit=False) as server:
        assert server.response.status == 200
    code = (
        "import sys; from Zope2.Startup.run import make_wsgi_app;print('>', callable(make_wsgi_app({}, sys.argv[1])))"
    )
    conf = str(buildout.part() / "etc/zope.conf")
    assert "> True" in buildout.call("parts/instance/bin/interpreter", "-c", code, conf).stdout


@pytest.mark.parametrize(
    "options",
    [
        "file-storage =",
        "file-storage =\nblob-storage = var/blobs",
        "demo-storage = on",
        "demo-storage = on\ndemo-blob-storage = var/blobs",
        "demo-storage = on\ndemo-file-storage = demo.fs\ndemo-blob-storage = var/blobs",
        "storage-wrapper =\n    <demostorage>\n    %s\n    </demostorage>",
    ],
)
def test_storages_start(buildout: Buildout, port: int, options: str) -> None:
    buildout.instance("eggs = Zope\nhttp-address = 127.0.0.1:" + f"{port}\n{options}\n")
    assert warnings_of(buildout.run().stdout) == []
    with serving(buildout, url=f"http://127.0.0.1:{port}/") as server:
        assert server.response.status == 200


def test_zope_conf_of_ones_own(buildout: Buildout, port: int) -> None:
    buildout.instance(f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\nzope-conf = my.conf\n")
    buildout.write(
        f"""
        %define INSTANCEHOME {buildout.part()}
        instancehome $INSTANCEHOME
        clienthome {buildout.directory}/var/instance
        <zodb_db main>
          <filestorage>
            path {buildout.directory}/var/mine.fs
          </filestorage>
          mount-point /
        </zodb_db>
        """,
        "my.conf",
    )
    buildout.run()
    assert not (buildout.part() / "etc/zope.conf").exists()
    with serving(buildout, url=f"http://127.0.0.1:{port}/"):
        assert (buildout.directory / "var/mine.fs").exists()
    assert not (buildout.directory / "var/blobstorage").exists()


def test_each_event_is_logged_once(buildout: Buildout, port: int) -> None:
    buildout.instance(f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\n")
    buildout.run()
    with serving(buildout, url=f"http://127.0.0.1:{port}/") as server:
        fetch(f"http://127.0.0.1:{port}/?once")
        output = server.output
    event_log = buildout.read("var/log/instance.log")
    assert event_log.count("Ready to handle requests") == 1
    assert event_log.count("Serving on") == 1
    assert output.count("Ready to handle requests") == 1
    assert buildout.read("var/log/instance-access.log").count("GET /?once ") == 1


def test_a_tight_umask_is_kept(buildout: Buildout) -> None:
    buildout.instance()
    before = os.umask(0o077)
    try:
        buildout.run()
    finally:
        os.umask(before)
    for path in (buildout.part() / "etc").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((buildout.directory / "bin/instance").stat().st_mode) == 0o700


def test_ctrl_c_does_not_wait_for_half_a_request(buildout: Buildout, port: int) -> None:
    buildout.instance(f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\n")
    buildout.run()
    with (
        serving(buildout, url=f"http://127.0.0.1:{port}/") as server,
        socket.create_connection(("127.0.0.1", port)) as half,
    ):
        half.sendall(b"GET / HTT")
        time.sleep(0.2)
        begin = time.monotonic()
        assert server.stop(timeout=30) == 0
        # A second and a half on a quiet machine; far from the 30 of graceful-timeout on any
        assert time.monotonic() - begin < 15


def test_disabled_logs(buildout: Buildout, port: int) -> None:
    buildout.instance(f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\nevent-log = disable\nz2-log = off\n")
    buildout.run()
    with serving(buildout, url=f"http://127.0.0.1:{port}/") as server:
        server.wait_for_output("Ready to handle requests")
    assert not list(buildout.directory.glob("**/disable"))
    assert not list(buildout.directory.glob("var/log/*"))


def test_facts_are_what_the_control_script_reads(buildout: Buildout) -> None:
    buildout.instance("effective-user = nobody\n")
    buildout.run()
    facts = json.loads(buildout.read("parts/instance/etc/instance.json"))
    assert facts["pid_file"] == f"{buildout.directory}/var/instance.pid"
    assert facts["effective_user"] == "nobody"
