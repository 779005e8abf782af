"""Commands that run with Zope in their process, and those of other packages."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pytest

from handmade import Instance, environment
from support import free_port


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """A Zope that is never served, with a package that has commands."""
    instance = Instance(tmp_path_factory.mktemp("zope"), free_port())
    info = instance.directory / "addon.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: addon\nVersion: 1\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (instance.directory / "addon.py").write_text(ADDON)
    done = instance.call("adduser", "admin", "secret")
    assert done.returncode == 0, done.stderr
    return instance


ENTRY_POINTS = """
[zopectl.command]
tell = addon:tell
failing = addon:failing
status = addon:failing

[plone.recipe.zope2instance.ctl]
hosted = addon:hosted
shelled = addon:shelled
own_zope = addon:own_zope
help = addon:hosted
"""

ADDON = '''
import json
import logging
import os
import sys


def tell(app, args):
    """Tell what there is."""
    from AccessControl import getSecurityManager
    from zope.globalrequest import getRequest

    print(json.dumps({
        "args": args,
        "argv": sys.argv,
        "app": type(app).__name__,
        "bare": not hasattr(app, "REQUEST") or isinstance(app.REQUEST, str),
        "user": getSecurityManager().getUser().getUserName(),
        "handlers": len(logging.getLogger().handlers),
        "request": getRequest() is not None,
        "main": sys.modules["__main__"].__file__,
    }))


def failing(app, args):
    sys.exit(5)


def hosted(self, arg):
    """Tell what the host is."""
    options = self.options
    print(json.dumps({
        "arg": arg,
        "args": options.args,
        "object_path": options.object_path,
        "python": options.python,
        "configfile": options.configfile,
        "clienthome": options.configroot.clienthome,
        "progname": os.path.basename(options.progname),
        "status": self._exitstatus,
    }))
    self._exitstatus = 7


def shelled(self, arg):
    code = "print(app.__class__.__name__, " + ("obj.getId()" if self.options.object_path else "0") + ")"
    command = self.get_startup_cmd(self.options.python, code)
    assert ("app.restrictedTraverse(r'acl_users')" in command) == bool(self.options.object_path)
    assert command.endswith('"')
    self._exitstatus = os.system(command)


def own_zope(self, arg):
    from Zope2.Startup.run import configure_wsgi

    configure_wsgi(self.options.configfile)
    import Zope2

    print(Zope2.app().__class__.__name__)
'''


def script(instance: Instance, text: str, name: str = "script.py") -> str:
    path = instance.directory / name
    path.write_text(textwrap.dedent(text))
    return str(path)


def output(instance: Instance, *args: str, status: int = 0, **env: str) -> str:
    done = instance.call(*args, timeout=60, stdin="", **env)
    assert done.returncode == status, done.stderr
    return done.stdout


TELL = """
import sys
from AccessControl import getSecurityManager
from zope.globalrequest import getRequest
print(__name__, __file__, sys.argv, sys.modules['__main__'].app is app)
print(getSecurityManager().getUser().getUserName(), getRequest() is not None, hasattr(app, 'REQUEST'))
print(obj.getId() if 'obj' in globals() else None)
"""


def test_run(instance: Instance) -> None:
    path = script(instance, TELL)
    first, second, third = output(instance, "run", path, "-a", "b c").splitlines()
    interpreter = str(instance.interpreter)
    assert first == f"__main__ {interpreter} {[interpreter, '-c', path, '-a', 'b c']} True"
    assert second == "System Processes True True"
    assert third == "None"


def test_exec(instance: Instance) -> None:
    script(instance, "VALUE = 'beside'", "helper.py")
    path = script(instance, TELL + "import helper; print(helper.VALUE)")
    done = instance.call("exec", "script.py", "-a", "b c")
    lines = done.stdout.splitlines()
    assert lines[0] == f"__main__ script.py {['script.py', '-a', 'b c']} True"
    assert lines[3] == "beside"
    lines = output(instance, "exec", path).splitlines()
    assert lines[0] == f"__main__ {path} {[path]} True"


@pytest.mark.parametrize("options", ["-RLOacl_users", "-R -L -O acl_users", "-O /acl_users -LR"])
def test_run_with_options(instance: Instance, options: str) -> None:
    path = script(instance, TELL)
    _, second, third = output(instance, *options.split(), "run", path).splitlines()
    assert second.startswith("Anonymous User False")
    assert third == "acl_users"


SITE = """
from Products.Five.component import enableSite
from zope.component.persistentregistry import PersistentComponents
import transaction
app.manage_addFolder('site')
enableSite(app.site)
app.site.setSiteManager(PersistentComponents('site'))
app.site.manage_addFolder('page')
transaction.commit()
"""

WHERE = """
from zope.component.hooks import getSite
parents = app.REQUEST['PARENTS'] if hasattr(app.REQUEST, 'keys') else ()
print(getSite() and getSite().getId(), obj.getId(), [getattr(one, 'id', '') for one in parents])
"""


def test_the_object_path_leads_into_its_site(instance: Instance) -> None:
    """As a request for it would: local utilities of a Plone site are found then."""
    output(instance, "run", script(instance, SITE))
    path = script(instance, WHERE)
    assert output(instance, "-O", "site/page", "run", path) == "site page ['page', 'site', '']\n"
    assert output(instance, "-LO", "site", "run", path) == "site site ['site', '']\n"
    assert output(instance, "-RO", "site/page", "run", path) == "None page []\n"


def test_names_that_scripts_have_always_found(instance: Instance) -> None:
    names = "sys, Zope2, app, makerequest, setRequest, newSecurityManager, user, user.getUserName()"
    assert "System Processes" in output(instance, "run", script(instance, f"print({names})"))
    output(instance, "-RL", "run", script(instance, "print(sys, Zope2, app)"))


def test_an_object_that_is_not_there(instance: Instance) -> None:
    done = instance.call("-O", "no/such", "run", script(instance, "print('not run')"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no object at no/such" in done.stderr


@pytest.mark.parametrize("command", ["run", "exec"])
def test_exit_status_and_traceback(instance: Instance, command: str) -> None:
    output(instance, command, script(instance, "import sys; sys.exit(3)"), status=3)
    output(instance, command, script(instance, "raise SystemExit"), status=0)
    done = instance.call(command, script(instance, "raise SystemExit('a word')"))
    assert (done.returncode, done.stderr) == (1, "a word\n")
    done = instance.call(command, script(instance, "def f():\n    1 / 0  # here\nf()"))
    assert done.returncode == 1
    assert "    1 / 0  # here" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "recipe" not in done.stderr
    done = instance.call(command, "/no/such/script.py")
    assert done.returncode == 1
    assert done.stderr == "instance: cannot read /no/such/script.py: No such file or directory\n"
    done = instance.call(command, script(instance, "no python"))
    assert done.returncode == 1
    assert "SyntaxError" in done.stderr


def test_what_is_not_committed_is_dropped(instance: Instance) -> None:
    head = "import transaction\nroot = app._p_jar.root()\n"
    output(instance, "run", script(instance, head + "root['a'] = 1"))
    output(instance, "run", script(instance, head + "root['b'] = 1\ntransaction.commit()"))
    path = script(instance, head + "print('a' in root, 'b' in root)")
    assert output(instance, "run", path) == "False True\n"


def test_warnings(instance: Instance) -> None:
    path = script(instance, "import warnings; warnings.warn('x', UserWarning)")
    try:
        instance.describe(python_flags=["-W", "error:x:UserWarning"])
        assert "UserWarning" in instance.call("run", path).stderr
        instance.describe(python_flags=["-W", "ignore"])
        assert instance.call("run", path).stderr == ""
    finally:
        instance.describe()


def test_no_zope(instance: Instance) -> None:
    good = instance.zope_conf.read_text()
    path = script(instance, "print('not run')")
    try:
        instance.zope_conf.write_text(good + "no-such-key 1\n")
        done = instance.call("run", path)
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 1
        assert "no-such-key" in done.stderr
    finally:
        instance.zope_conf.write_text(good)


def test_adduser(instance: Instance) -> None:
    name, password = "jo e", "p$a's;x\"\\%"
    assert output(instance, "adduser", name, password) == "user 'jo e' added\n"
    done = instance.call("adduser", name, "other")
    assert done.returncode == 1
    assert done.stderr == "instance: the user 'jo e' exists already; choose another name\n"
    path = script(
        instance,
        "import sys\nuser = app.acl_users.getUser(sys.argv[3])\n"
        "print(user.authenticate(sys.argv[4], None), user.getRoles())",
    )
    assert output(instance, "run", path, name, password) == "True ('Manager', 'Authenticated')\n"
    assert output(instance, "run", path, name, "p").startswith("False")
    done = instance.call("adduser", "piped", stdin="from stdin\n")
    assert done.returncode == 0, done.stderr
    assert output(instance, "run", path, "piped", "from stdin").startswith("True")
    assert instance.call("adduser", "nobody", stdin="").returncode == 2


def in_terminal(instance: Instance, *args: str, say: list[tuple[str, str]], **env: str) -> str:
    """Run a command in a terminal; to each text it prints, say something. Return all it printed."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [str(instance.script), *args],
        cwd=instance.directory,
        env=environment(TERM="dumb", **env),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    seen = ""
    try:
        for text, answer in say:
            at = len(seen)
            while text not in seen[at:]:
                seen += os.read(master, 4096).decode()
            time.sleep(0.1)
            os.write(master, answer.encode())
        # The terminal is closed when the last process with it has ended.
        with suppress(OSError):
            while data := os.read(master, 4096):
                seen += data.decode()
        process.wait(10)
    finally:
        process.kill()
        process.wait()
        os.close(master)
    return seen


def test_adduser_asks_without_echo(instance: Instance) -> None:
    seen = in_terminal(instance, "adduser", "typed", say=[("Password", "geheim\n"), ("Again", "geheim\n")])
    assert "user 'typed' added" in seen
    assert "geheim" not in seen
    seen = in_terminal(instance, "adduser", "twice", say=[("Password", "a\n"), ("Again", "b\n")])
    assert "the passwords do not match" in seen


@pytest.mark.parametrize("name", ["col:on", "a\nb", ""])
def test_a_name_that_nobody_could_log_in_by(instance: Instance, name: str) -> None:
    done = instance.call("adduser", name, "secret")
    assert done.returncode == 2
    assert "is not a user name; use one without colons and control characters" in done.stderr


def test_a_user_without_a_password(instance: Instance) -> None:
    done = instance.call("adduser", "somebody", stdin="")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the password is empty; give it as the second argument, or as a line on stdin" in done.stderr
    assert "usage: adduser NAME [PASSWORD]" in instance.call("adduser").stderr


def test_a_startup_file_that_is_not_there(instance: Instance) -> None:
    done = instance.call("debug", stdin="", PYTHONSTARTUP="/not/there")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_debug(instance: Instance) -> None:
    startup = script(instance, "started = 'by the startup file'\n", "startup.py")
    for args in (["-O", "acl_users", "debug"], ["debug", "-O", "acl_users"]):
        done = instance.call(
            *args,
            stdin="print(type(app).__name__, obj.getId(), started)\n1/0\nimport sys; sys.exit(4)\n",
            PYTHONSTARTUP=startup,
        )
        assert done.returncode == 4
        assert "acl_users by the startup file" in done.stdout
        assert "ZeroDivisionError" in done.stderr
    assert instance.call("debug", stdin="").returncode == 0


def test_debug_completes(instance: Instance) -> None:
    seen = in_terminal(
        instance, "debug", say=[(">>> ", "my_own_name = 41\n"), (">>> ", "print(my_own_n\t + 1)\n"),
                                (">>> ", "\x04")],
    )  # fmt: skip
    assert "42" in seen


def test_a_database_in_use(instance: Instance) -> None:
    lock = instance.var / "filestorage" / "Data.fs.lock"
    code = f"import zc.lockfile, time; l = zc.lockfile.LockFile({str(lock)!r}); print(1); time.sleep(60)"
    holder = instance.run("-c", code, PYTHONUNBUFFERED="1")
    holder.expect("1")
    try:
        done = instance.call("adduser", "x", "y")
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert "another process has the database open" in done.stderr
    finally:
        holder.kill()


# --- other packages' commands ---------------------------------------------------------------


def parsed(text: str) -> dict[str, object]:
    values: dict[str, object] = json.loads(text)
    return values


def test_zopectl_commands(instance: Instance) -> None:
    interpreter = str(instance.interpreter)
    assert parsed(output(instance, "tell", "-a", "b c")) == {
        "args": ["-c", "tell", "-a", "b c"],
        "argv": [interpreter, "-c", "tell", "-a", "b c"],
        "app": "Application",
        "bare": True,
        "user": "System Processes",
        "handlers": 1,
        "request": True,
        "main": interpreter,
    }
    output(instance, "failing", status=5)


def test_hosted_commands(instance: Instance) -> None:
    assert parsed(output(instance, "-O", "Plone", "hosted", "-a", "b", status=7)) == {
        "arg": "-a b",
        "args": ["hosted", "-a", "b"],
        "object_path": "Plone",
        "python": sys.executable,
        "configfile": str(instance.zope_conf),
        "clienthome": str(instance.var / "instance"),
        "progname": "instance",
        "status": 0,
    }
    assert parsed(output(instance, "hosted", status=7))["arg"] == ""
    assert output(instance, "shelled").endswith(" 0\n")
    assert output(instance, "-O", "acl_users", "shelled").endswith("acl_users\n")
    assert output(instance, "-RL", "shelled").startswith("Application")
    assert output(instance, "own_zope") == "Application\n"


def test_zodbverify(instance: Instance) -> None:
    """A real one: it configures Zope in this process."""
    done = instance.call("zodbverify")
    assert done.returncode == 0, done.stderr
    assert "Found 0 records that could not be loaded" in done.stderr
    done = instance.call("zodbverify", "-o", "0x01")
    assert "OFS.Application.Application" in done.stdout + done.stderr


def test_our_own_commands_go_first(instance: Instance) -> None:
    assert output(instance, "status", status=3) == "daemon manager not running\n"
    text = output(instance, "help")
    assert "Commands of installed packages: failing, hosted, own_zope, shelled, tell" in text
    assert output(instance, "help", "tell") == "Tell what there is.\n"


def test_main_without_interpreter(instance: Instance, tmp_path: Path) -> None:
    """With `-C` alone: a script still finds its `sys.argv`."""
    code = (
        "import sys; from plone.recipe.zope2instance.ctl import main;"
        f"sys.exit(main(['-C', {str(instance.zope_conf)!r}, *sys.argv[1:]]))"
    )
    path = tmp_path / "script.py"
    path.write_text("import sys; print(sys.argv[3:], app.__class__.__name__)")
    process = instance.run("-c", code, "run", str(path), "a")
    assert process.ended() == 0
    assert process.output == "['a'] Application\n"
    process = instance.run("-c", code, "shelled")
    assert process.ended() == 0
    assert "Application" in process.output
