"""Secrets: who may read the files that hold one, and that nothing prints one."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from pathlib import Path

import pytest

from parts import description
from recipe.common.confidential import holds_secret, is_secret
from recipe.render import files, scripts
from support import Buildout, free_port, serving

SECRET = "Tr0ub4dor"


@pytest.mark.parametrize(
    "line",
    [
        "password x",
        "  passwd x",
        "DB_PASSWORD x",
        "my-secret-key x",
        "API_TOKEN = x",
        "dsn dbname='plone' user='plone' password='x'",
        "dsn postgresql://plone:x@localhost/plone",
        "dsn = https://key:x@sentry.example.com/1",
        "kwargs = {'credentials': ('me', 'x')}",
        "password $(A)x",
    ],
)
def test_these_hold_a_secret(line: str) -> None:
    assert holds_secret(f"debug-mode on\n{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "password $(PASSWORD)",
        "password",
        "dsn dbname='plone' password='$(PASSWORD)'",
        "dsn postgresql://plone:$(PASSWORD)@localhost/plone",
        "dsn postgresql://plone@localhost/plone",
        # The public key of a DSN is no secret: https://docs.sentry.io/concepts/key-terms/dsn-explainer/
        "dsn = https://key@sentry.example.com/1",
        "args = ('localhost', 9000)",
        "address http://[::1]:8080/",
        "path /home/me@home/password/Data.fs",
    ],
)
def test_these_hold_none(line: str) -> None:
    assert not holds_secret(f"debug-mode on\n{line}\n")


def test_names_of_secrets() -> None:
    assert all(map(is_secret, ["PASSWORD", "password", "DB_PASSWD", "S3_SECRET_KEY", "token", "API-KEY"]))
    assert not any(map(is_secret, ["PASS_THROUGH", "TZ", "LANG", "zope_i18n_compile_mo_files"]))


PARTS = {
    "zope.conf": [
        f"rel-storage =\n  type mysql\n  db x\n  passwd {SECRET}",
        f"rel-storage =\n  dbname x\n  password {SECRET}",
        f"zeo-client = on\nzeo-username = me\nzeo-password = {SECRET}",
        f"environment-vars = DB_PASSWORD {SECRET}",
        f"zope-conf-additional =\n  <product-config x>\n    token {SECRET}\n  </product-config>",
    ],
    "wsgi.ini": [
        f"sentry_dsn = https://key:{SECRET}@localhost/1",
        (
            "event-log-handler = logging.handlers.SMTPHandler\n"
            f"event-log-args = ('localhost', 'a@b', ['c@d'], 'x', ('me', '{SECRET}'))"
        ),
        (
            "access-log-handler = logging.handlers.HTTPHandler\naccess-log-args = ('localhost', '/')\n"
            f"access-log-kwargs = {{'credentials': ('me', '{SECRET}')}}"
        ),
    ],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in PARTS.items() for text in texts])
def test_a_file_with_a_secret_is_its_owner_s_alone(name: str, text: str) -> None:
    instance, problems = description(text)
    assert not problems.errors
    made = files.render(instance, scripts.Python("/usr/bin/python3", (), ""), {}, problems)
    modes = {os.path.basename(file.path): file.mode for file in made}
    others = {"zope.conf", "wsgi.ini"} - {name}
    assert modes[name] == 0o600
    assert {modes[other] for other in others} == {0o644}


#: Tells, whenever a file is given its mode or its name, who may read what is in it by then.
HOOK = """
import os, sys

def hook(event, arguments):
    if event in ("os.chmod", "os.rename"):
        print("mode", oct(os.stat(arguments[0]).st_mode & 0o777), event, arguments[0], flush=True)

sys.addaudithook(hook)
"""


def test_a_secret_is_never_to_be_read_by_others(buildout: Buildout) -> None:
    hook = buildout.write(HOOK, "hook/sitecustomize.py").parent
    buildout.instance(f"environment-vars = DB_PASSWORD {SECRET}\n")
    before = os.umask(0)
    try:
        seen = buildout.run(env={"PYTHONPATH": str(hook)}).stdout
    finally:
        os.umask(before)
    for name in ("etc/zope.conf", "inituser"):
        path = buildout.part() / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        directory, _, file = str(path).rpartition("/")
        assert f"mode 0o600 os.rename {directory}/.{file}.new\n" in seen
    # What is written has no other mode before it gets its own
    modes = {line.split()[1] for line in seen.splitlines() if line.startswith("mode ") and " os.chmod " in line}
    assert modes == {"0o600"}, seen


def test_root_gives_secrets_to_the_server_s_user(buildout: Buildout) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    nobody = pwd.getpwnam("nobody")
    options = f"environment-vars = DB_PASSWORD {SECRET}\n"
    buildout.instance(f"{options}effective-user = nobody\n")
    buildout.run()
    conf, ini = buildout.part() / "etc/zope.conf", buildout.part() / "etc/wsgi.ini"
    assert (conf.stat().st_uid, ini.stat().st_uid) == (nobody.pw_uid, 0)
    # Whom it belongs to, it belongs to after the next run, too
    buildout.instance(f"{options}debug-mode = on\n")
    buildout.run()
    assert "debug-mode on" in conf.read_text()
    assert conf.stat().st_uid == nobody.pw_uid
    buildout.instance(f"{options}effective-user = no-such-user\n")
    buildout.run()


ALL_SECRETS = f"""
user = admin:{SECRET}
http-address = 127.0.0.1:{{port}}
sentry_dsn = https://key:{SECRET}@127.0.0.1:9/1
environment-vars = DB_PASSWORD {SECRET} OTHER x
zope-conf-additional =
    <product-config x>
        password {SECRET}
    </product-config>
eggs = Zope
"""

MISTAKES = [
    "threads = none\n",
    f"zeo-client = on\nzeo-username = me\nzeo-password = {SECRET}\nrel-storage =\n  dbname x\n  password {SECRET}\n",
    f"rel-storage = password\n  {SECRET}\n",
    f"event-log-kwargs = {{'credentials': ('me', '{SECRET}')\n",
    f"event-log-args = ('localhost', 'a@b', ['c@d'], 'x', ('me', '{SECRET}'x))\n",
    f"event-log-args = ('localhost', f('{SECRET}'))\n",
    f"zodb-cache-size = password={SECRET}\n",
    "pipeline = missing zope\n",
]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_no_error_prints_a_secret(buildout: Buildout, mistake: str) -> None:
    buildout.write("[buildout]\nparts = instance\n\n[instance]\nrecipe = plone.recipe.zope2instance\n"
                   + ALL_SECRETS.format(port=8080) + mistake)  # fmt: skip
    output = buildout.run(check=False).stdout
    assert "[instance] " in output
    assert SECRET not in output


def test_no_command_prints_a_secret(buildout: Buildout, port: int) -> None:
    buildout.write("[buildout]\nparts = instance\n\n[instance]\nrecipe = plone.recipe.zope2instance\n"
                   + ALL_SECRETS.format(port=port))  # fmt: skip
    assert SECRET not in buildout.run().stdout
    for command in ("show", "check", "status", "help"):
        assert SECRET not in buildout.call("bin/instance", command, check=False).stdout
    with serving(buildout, url=f"http://127.0.0.1:{port}/") as server:
        shown = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
        assert str(buildout.part() / "etc/wsgi.ini") in shown
        assert SECRET not in shown
        assert SECRET not in server.output


def test_a_failing_start_prints_no_secret(buildout: Buildout) -> None:
    buildout.instance(
        f"""
        eggs = Zope
        http-address = 127.0.0.1:{free_port()}
        zope-conf-additional =
            <product-config x>
                password {SECRET}
            </product-config>
            no-such-key {SECRET}
        """
    )
    assert SECRET not in buildout.run().stdout
    for command in ("fg", "check", "start"):
        done = buildout.call("bin/instance", command, check=False)
        assert done.returncode == 1
        assert "no-such-key" in done.stdout
        assert SECRET not in done.stdout


def test_what_others_listen_to_holds_no_secret(buildout: Buildout) -> None:
    """The other files of a part: all may read them."""
    buildout.write("[buildout]\nparts = instance\n\n[instance]\nrecipe = plone.recipe.zope2instance\n"
                   + ALL_SECRETS.format(port=8080))  # fmt: skip
    buildout.run()
    for top in ("parts", "bin", "var"):
        for path in (buildout.directory / top).rglob("*"):
            if path.is_file() and SECRET in Path(path).read_text(errors="replace"):
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
