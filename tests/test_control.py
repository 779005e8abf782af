"""bin/instance: the command line, the facts, the environment, and serving in the foreground."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from handmade import Instance, get
from recipe.control import commandline, facts
from recipe.control.errors import CommandError
from waiting import wait_for

#: Seconds for what takes one on a quiet machine, and must not take the 30 of the graceful timeout.
SOON = 10


# --- the command line -----------------------------------------------------------------------


def test_options_combine() -> None:
    parsed = commandline.parse(["-C", "/z.conf", "-RLOPlone/front-page", "debug", "-x"])
    assert parsed.zope_conf == "/z.conf"
    assert parsed.no_request
    assert parsed.no_login
    assert parsed.object_path == "Plone/front-page"
    assert parsed.args == ("debug", "-x")


def test_long_options() -> None:
    long = (
        "--configure=/z --python /p --wsgi=/w --no-request --no-login --object-path=a"
        " --umask 027 --interactive --help run -C x"
    )
    parsed = commandline.parse(long.split())
    short = "-C /z -p /p -w /w -R -L -O a -m 027 -i -h run -C x"
    assert parsed == commandline.parse(short.split())
    assert parsed.args == ("run", "-C", "x")


@pytest.mark.parametrize("words", ["-x", "--nothing", "-C", "--help=1", "--umask 8", "--umask 1777", "--umask="])
def test_bad_options(words: str) -> None:
    with pytest.raises(CommandError) as caught:
        commandline.parse(words.split())
    assert caught.value.status == 2


def test_options_after_the_command() -> None:
    parsed = commandline.parse(["-C", "/z", "debug", "-O", "Plone", "-R"])
    parsed = commandline.parse_after_command(parsed)
    assert (parsed.object_path, parsed.no_request, parsed.args) == ("Plone", True, ("debug",))


def test_help(instance: Instance) -> None:
    for words in (["help"], ["-h"], ["--help"]):
        done = instance.call(*words)
        assert done.returncode == 0
        for command in ("start", "logreopen", "reopen_transcript", "adduser", "check"):
            assert f"\n  {command} " in done.stdout
    assert "logrotate" in instance.call("help", "logreopen").stdout
    assert instance.call("help", "no-such").returncode == 2


@pytest.mark.parametrize(
    "words",
    [["no-such"], ["status", "x"], ["fg", "x"], ["start", "x"], ["kill", "1", "2"], ["kill", "?"],
     ["run"], ["exec"], ["adduser"], ["adduser", "a", "b", "c"], ["debug", "x"], ["show", "x"],
     ["check", "x"], ["--no-such"]],
)  # fmt: skip
def test_bad_commands(instance: Instance, words: list[str]) -> None:
    done = instance.call(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("instance: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_leaves(instance: Instance) -> None:
    done = subprocess.run(f"'{instance.script}' help | head -1", shell=True, capture_output=True, text=True)
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_without_an_instance() -> None:
    code = "import sys; from plone.recipe.zope2instance.ctl import main; sys.exit(main(['status']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "-C" in done.stderr


def test_the_prompt(instance: Instance) -> None:
    done = instance.call(stdin="status\nno-such\n'\nkill '\n\nstatus --json\nexit\nhelp\n")
    assert "daemon manager not running" in done.stdout
    assert '"running": false' in done.stdout
    assert "unknown command 'no-such'" in done.stderr
    assert "Commands:" not in done.stdout
    assert done.returncode == 3
    done = instance.call("-i", "show", stdin="help\n")
    assert "zope_conf:" in done.stdout
    assert "Commands:" in done.stdout
    assert done.returncode == 0


def test_show(instance: Instance) -> None:
    lines = instance.call("show").stdout.splitlines()
    assert f"wsgi_ini: {instance.ini}" in lines
    assert f"event_log: {instance.log}" in lines


# --- imports and speed ----------------------------------------------------------------------


def test_imports_little() -> None:
    code = (
        "import sys, recipe.control;print([m for m in ('Zope2', 'ZConfig', 'zc.buildout', 'ZODB') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", ["status", "stop", "show", "help"])
def test_commands_import_little(instance: Instance, command: str) -> None:
    code = (
        "import sys, os; before = set(sys.modules);"
        "from recipe.control import main;"
        f"main(['-C', {str(instance.zope_conf)!r}, '-p', {str(instance.interpreter)!r}, {command!r}]);"
        "print(*sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stderr.split())
    costly = {"typing", "socket", "dataclasses", "pathlib", "argparse", "dotenv"}
    assert not imported & costly
    assert not imported & {"Zope2", "ZConfig", "zc", "importlib.metadata"}


# --- the facts ------------------------------------------------------------------------------


def test_facts_are_read(tmp_path: Path) -> None:
    etc = tmp_path / "parts" / "instance" / "etc"
    etc.mkdir(parents=True)
    values = {
        "name": "insta\u00f1ce \u2603",
        "directory": "../../..",
        "instance_home": "..",
        "client_home": "../../../var/instance",
        "event_log": None,
        "python_flags": ["-W", "ignore"],
        "listen": ["8080", "unix:/x"],
        "graceful_timeout": 1.5,
        "umask": None,
        "of the future": {"a": [1, 2.5, True, None]},
    }
    (etc / "instance.json").write_text(json.dumps(values))
    found = facts.find(str(tmp_path / "zope.conf"), str(etc.parent / "bin" / "interpreter"))
    assert found.name == "insta\u00f1ce \u2603"
    assert found.directory == str(tmp_path)
    assert found.instance_home == str(etc.parent)
    assert found.client_home == str(tmp_path / "var" / "instance")
    assert found.event_log is None
    assert found.python_flags == ("-W", "ignore")
    assert found.listen == ("8080", "unix:/x")
    assert found.graceful_timeout == 1.5
    assert found.umask == found.effective_user == ""


def test_the_interpreter_s_part_goes_first(tmp_path: Path) -> None:
    """zope-conf may be another part's file."""
    for name in ("one", "two", "three"):
        (tmp_path / name / "etc").mkdir(parents=True)
        (tmp_path / name / "etc" / "instance.json").write_text(json.dumps({"name": name}))
    conf, ini = str(tmp_path / "one/etc/zope.conf"), str(tmp_path / "two/etc/wsgi.ini")
    assert facts.find(conf).name == "one"
    assert facts.find(conf, "", ini).name == "two"
    assert facts.find(conf, str(tmp_path / "three/bin/interpreter"), ini).name == "three"


@pytest.mark.parametrize("text", ["", "[]", "{", "{} {}", "no"])
def test_broken_facts(instance: Instance, text: str) -> None:
    (instance.etc / "instance.json").write_text(text)
    done = instance.call("status")
    assert done.returncode == 1
    assert done.stderr.startswith("instance: cannot read instance.json")


def test_facts_of_a_zope_conf_not_our_own(tmp_path: Path) -> None:
    etc = tmp_path / "parts" / "old" / "etc"
    etc.mkdir(parents=True)
    conf = etc / "zope.conf"
    conf.write_text(
        "# a comment\n%define INSTANCEHOME /srv/in\n  instancehome  $INSTANCEHOME\n"
        "%define Client ${instancehome}/$$var\nCLIENTHOME $CLIENT\npid-filename /run/x.pid\n"
        "<a>\nclienthome /wrong\n</a>\n<b/>\n"
    )
    found = facts.find(str(conf))
    assert found.instance_home == "/srv/in"
    assert found.client_home == "/srv/in/$var"
    assert found.pid_file == "/run/x.pid"
    conf.write_text("")
    found = facts.find(str(conf))
    assert found.name == "old"
    assert found.directory == str(tmp_path)
    assert found.client_home == str(tmp_path / "parts/old/var")


# --- serving here ---------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["fg", "foreground", "console"])
def test_one_process(instance: Instance, command: str) -> None:
    process = instance.background(command)
    process.expect("Serving on")
    assert get(instance.address) == f"pid {process.pid}"
    words = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
    assert str(instance.ini) in words
    assert ("--debug" in words) == (command != "console")
    children = subprocess.run(["ps", "--ppid", str(process.pid)], capture_output=True, text=True).stdout.splitlines()[
        1:
    ]
    assert children == []
    start = time.monotonic()
    process.send(signal.SIGINT)
    assert process.ended() == 0
    assert time.monotonic() - start < SOON


@pytest.mark.parametrize("delay", [0.03, 0.06, 0.1, 0.15, 0.25, 0.4])
def test_ctrl_c_at_any_moment(instance: Instance, delay: float) -> None:
    process = instance.background("fg")
    time.sleep(delay)
    begin = time.monotonic()
    process.send(signal.SIGINT)
    status = process.ended()
    # Before our first line runs, it is Python itself that ends, and says so
    assert status in (0, 130, -signal.SIGINT) or (status == 1 and "Traceback" in process.output)
    assert "recipe" not in process.output.partition("Traceback")[2]
    assert time.monotonic() - begin < SOON


def test_a_script_of_another_name(instance: Instance) -> None:
    copy = instance.script.with_name("copied")
    shutil.copy2(instance.script, copy)
    shown = subprocess.run([str(copy), "show"], capture_output=True, text=True, check=True).stdout
    assert shown == instance.call("show").stdout
    assert "name: instance\n" in shown


def test_a_taken_port(instance: Instance) -> None:
    process = instance.background("fg")
    process.expect("Serving on")
    done = instance.call("fg")
    assert done.returncode == 1
    assert "the address is in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_server_section(instance: Instance) -> None:
    instance.write("")
    for command in ("fg", "console", "start"):
        done = instance.call(command)
        assert done.returncode == 1
        assert "no section [server:main]" in done.stderr, command


def test_files_of_9_1_0_without_anything_of_ours(instance: Instance) -> None:
    (instance.etc / "instance.json").unlink()
    code = (
        "import sys; from plone.recipe.zope2instance.ctl import main;"
        f"sys.exit(main(['-C', {str(instance.zope_conf)!r}, *sys.argv[1:]]))"
    )
    process = instance.run("-c", code, "fg")
    process.expect("Serving on")
    assert get(instance.address) == f"pid {process.pid}"


def test_python_flags_and_umask(instance: Instance) -> None:
    instance.describe(python_flags=["-W", "error::UserWarning", "-X", "dev"], umask="027")
    process = instance.background("console")
    process.expect("Serving on")
    words = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
    assert words[1:5] == ["-W", "error::UserWarning", "-X", "dev"]
    assert instance.log.stat().st_mode & 0o777 == 0o640
    process.send(signal.SIGTERM)
    process.ended()
    process = instance.background("--umask", "077", "console")
    process.expect("Serving on")
    assert instance.pid_file.parent.exists()


# --- the environment ------------------------------------------------------------------------

TELL = "import os\nfor name in ('A', 'B', 'C', 'ZEO_TMP'): print(name, os.environ.get(name))\n"


def server_environment(instance: Instance, **env: str) -> list[str]:
    """Return what the server finds in its environment, which replaces this process."""
    instance.interpreter.write_text(f"#!{sys.executable}\n{TELL}")
    done = instance.call("fg", timeout=60, stdin="", **env)
    return [line.partition(" ")[2] for line in done.stdout.splitlines()]


def test_env_files(instance: Instance) -> None:
    (instance.directory / ".env").write_text("A=a\nB='b b'  # comment\nexport C=c\n")
    (instance.directory / ".env.live").write_text("B=live $A\n")
    assert server_environment(instance) == ["a", "b b", "c", "/tmp"]
    assert server_environment(instance, C="set", ZEO_TMP="/zeo") == ["a", "b b", "set", "/zeo"]
    # The more special file wins, and the environment over both.
    assert server_environment(instance, PLONE_ENV="live", A="set")[:2] == ["set", "live $A"]
    assert server_environment(instance, PLONE_ENV="other", TMPDIR="/var/tmp") == ["a", "b b", "c", "/var/tmp"]
    (instance.directory / ".env").write_text("PLONE_ENV=live\nA=from ${HOME}\n")
    assert server_environment(instance)[:2] == [f"from {os.environ['HOME']}", "live $A"]


# --- logs -----------------------------------------------------------------------------------


def test_logtail(instance: Instance) -> None:
    assert instance.call("logtail").returncode == 1
    instance.log.write_text("".join(f"line {i}\n" for i in range(30)))
    process = instance.background("logtail")
    process.expect("line 29\n")
    assert "line 19\n" not in process.output
    with instance.log.open("a") as file:
        file.write("more\n")
    process.expect("more\n")
    instance.log.rename(instance.log.with_suffix(".1"))
    instance.log.write_text("new file\n")
    process.expect("new file\n")
    process.send(signal.SIGINT)
    assert process.ended() == 0
    assert process.output.count("more") == 1


def test_logreopen_of_a_console(instance: Instance) -> None:
    assert instance.call("logreopen").returncode == 3
    instance.pid_file.write_text(f"{os.getpid()}\n")  # a pid that was used again
    assert instance.call("logreopen").returncode == 3
    process = instance.background("console")
    process.expect("Serving on")
    instance.pid_file.write_text(f"{process.pid}\n")
    instance.log.rename(instance.log.with_suffix(".1"))
    assert instance.call("logreopen").returncode == 0
    wait_for(instance.log.exists)
    assert get(instance.address) == f"pid {process.pid}"


# --- check ----------------------------------------------------------------------------------


def checked(instance: Instance) -> list[str]:
    done = instance.call("check")
    lines = done.stderr.splitlines()
    assert done.returncode == (1 if lines else 0)
    return lines


def test_check(instance: Instance) -> None:
    instance.write(f"listen = {instance.port}", application=instance.application())
    assert checked(instance) == []
    good = instance.zope_conf.read_text()
    instance.zope_conf.write_text(f"{good}no-such-key 1\n")
    (problem,) = checked(instance)
    assert "no-such-key" in problem
    assert str(instance.zope_conf) in problem
    assert ", line 14: " in problem
    instance.zope_conf.write_text(good)

    instance.write("listen = nowhere\nthreds = 1")
    (problem,) = checked(instance)
    assert problem.startswith(f"{instance.ini}: [server:main] listen: ")
    instance.write("listen = 80", application="use = egg:no-such-egg")
    (problem,) = checked(instance)
    assert "no-such-egg is not among the eggs" in problem
    instance.write("listen = 80", application="pipeline = a b\n[app:x]")
    text = instance.ini.read_text().replace("[app:main]", "[pipeline:main]")
    instance.ini.write_text(text.replace("keys = generic", "keys = special"))
    first, second, third = checked(instance)
    assert "a in the pipeline cannot be loaded" in first
    assert "b in the pipeline cannot be loaded" in second
    assert "[formatter_special]" in third
    instance.write("listen = 80")
    instance.ini.write_text(instance.ini.read_text().replace("= console, eventlog", "= eventlog", 1))
    (problem,) = checked(instance)
    assert "'console'" in problem

    instance.write("")
    (problem,) = checked(instance)
    assert "no section [server:main]" in problem


def test_check_of_zcml(instance: Instance) -> None:
    slugs = instance.etc / "package-includes"
    slugs.mkdir()
    head = '<configure xmlns="http://namespaces.zope.org/zope">'
    for name, text in {
        "002-good-configure": '<include package="Products.Five" file="configure.zcml"/>',
        "003-none-configure": '<include package="no.such.package" file="configure.zcml"/>',
        "004-file-configure": '<include package="Products.Five" file="no-such.zcml"/>',
        "005-bad-configure": "<include>",
    }.items():
        (slugs / f"{name}.zcml").write_text(f"{head}{text}</configure>")
    problems = checked(instance)
    assert len(problems) == 3, problems
    none, file, bad = problems
    assert none.startswith(f"{slugs}/003-none-configure.zcml: ")
    assert "no.such.package" in none
    assert "no-such.zcml" in file
    assert "005-bad-configure.zcml" in bad


def test_output_that_cannot_be_written(instance: Instance) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(instance.script), "help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "instance: cannot write the output: No space left on device\n")


def test_a_zope_conf_that_is_not_there(instance: Instance) -> None:
    done = instance.call("-C", "/not/there.conf", "status")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "instance: cannot read /not/there.conf: No such file or directory\n"


def test_another_zope_conf_is_another_instance(instance: Instance) -> None:
    other = instance.directory / "other.conf"
    other.write_text(f"instancehome {instance.home}\nclienthome {instance.directory}/elsewhere\n")
    assert f"client_home: {instance.directory}/elsewhere\n" in instance.call("-C", str(other), "show").stdout


def test_an_open_quote_at_the_prompt(instance: Instance) -> None:
    done = instance.call(stdin="run 'unclosed\n")
    assert done.returncode == 2
    assert "No closing quotation" in done.stderr


def test_check_of_what_is_no_ini_file(instance: Instance) -> None:
    instance.ini.write_text("foo\n")
    done = instance.call("check")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"{instance.ini} is not an ini file" in done.stderr


def test_check_tells_each_name_of_the_pipeline(instance: Instance) -> None:
    instance.write("listen = 127.0.0.1:0", application=f"use = egg:Zope#main\nzope_conf = {instance.zope_conf}",
                   more="[pipeline:main]\npipeline = one two three app\n")  # fmt: skip
    text = instance.ini.read_text().replace("[app:main]", "[app:app]")
    instance.ini.write_text(text)
    output = instance.call("check").stderr
    for name in ("one", "two", "three"):
        assert f"{name} in the pipeline cannot be loaded" in output
