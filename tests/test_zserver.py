"""ZServer, the real one, in a Python 2.7: what it serves, and how ``bin/instance`` controls it."""

from __future__ import annotations

import ftplib
import io
import json
import os
import py_compile
import re
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from handmade import refused
from python27 import USER, Site, buildout27, link_packages, python27, site
from recipe.common.zserver import PROGRAM
from support import Buildout, clean_environment, fetch, free_port, serving, start, wait_for_http
from waiting import wait_for

#: What `port-base` adds in the tests.
BASE = 100

DAEMON = re.compile(r"pid=(\d+)")


def pid_of(status: str) -> int:
    found = DAEMON.search(status)
    assert found, status
    return int(found[1])


# --- a site that runs while the tests look at it ----------------------------------------------


class Mails(socketserver.BaseRequestHandler):
    """A server of SMTP that keeps what it gets."""

    received: list[str] = []  # noqa: RUF012

    def handle(self) -> None:
        """Take one mail."""
        self.request.sendall(b"220 localhost\r\n")
        lines = self.request.makefile("r", encoding="utf-8")
        for line in lines:
            if line.strip().upper() == "DATA":
                self.request.sendall(b"354 go on\r\n")
                self.received.append("".join(iter(lines.readline, ".\n")))
            self.request.sendall(b"250 well\r\n")


@pytest.fixture(scope="module")
def mails() -> Iterator[int]:
    """The port of a server of SMTP."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mails) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


class Running(Site):
    """A site whose server is started."""

    http = webdav = ftp = icp = second = 0


@pytest.fixture(scope="module")
def running(mails: int) -> Iterator[Running]:
    """A site with all that ZServer serves, started."""
    with site() as made:
        made.__class__ = Running
        assert isinstance(made, Running)
        for name in ("http", "second", "ftp", "webdav", "icp"):
            setattr(made, name, free_port())
        made.zserver(
            f"""\
            port-base = {BASE}
            ip-address = 127.0.0.1
            http-address = {made.http - BASE} localhost:{made.second - BASE}
            ftp-address = {made.ftp - BASE}
            webdav-address = {made.webdav - BASE}
            icp-address = {made.icp - BASE}
            threads = 3
            eggs = mailinglogger
            zcml = zope.annotation
            event-log-custom =
                <logfile>
                  path ${{buildout:directory}}/var/log/instance.log
                </logfile>
                <logfile>
                  path ${{buildout:directory}}/var/log/second.log
                  level error
                </logfile>
            mailinglogger =
                <mailing-logger>
                  level info
                  flood-level 100
                  smtp-server localhost:{mails}
                  from zope@example.com
                  to admin@example.com
                  subject mail of %(line)s
                </mailing-logger>
            zope-conf-additional =
                <clock-server>
                  method /title_or_id
                  period 30
                </clock-server>
            """.replace("\n            ", "\n").strip()
            + "\n"
        )
        made.call("bin/instance", "start")
        yield made


def test_http(running: Running) -> None:
    answer = fetch(f"http://127.0.0.1:{running.http}/manage_main", user="admin:admin")
    assert answer.status == 200
    assert re.fullmatch(r"Zope/\(4\.8\.11, python 2\.7\.\d+, \S+\) ZServer/1\.1", answer.headers["Server"])
    assert fetch(f"http://127.0.0.1:{running.http}/manage_main").status == 401
    assert fetch(f"http://localhost:{running.second}/").status == 200


def ftp_client(running: Running, password: str) -> ftplib.FTP:
    ftp = ftplib.FTP()
    ftp.connect("127.0.0.1", running.ftp, timeout=60)
    ftp.login("admin", password)
    return ftp


def test_ftp(running: Running) -> None:
    text = "Größe\n".encode()
    with ftp_client(running, "admin") as ftp:
        ftp.storbinary("STOR upload.txt", io.BytesIO(text))
        assert "upload.txt" in ftp.nlst()
        got = io.BytesIO()
        ftp.retrbinary("RETR upload.txt", got.write)
        assert got.getvalue() == text
        ftp.delete("upload.txt")
        assert "upload.txt" not in ftp.nlst()
    # Zope lets everybody in, to do what everybody may
    with ftp_client(running, "wrong") as ftp, pytest.raises(ftplib.error_perm):
        ftp.storbinary("STOR upload.txt", io.BytesIO(text))


@pytest.mark.parametrize("port", ["http", "webdav"])
def test_webdav(running: Running, port: str) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{getattr(running, port)}/", method="PROPFIND", headers={"Depth": "1"}
    )
    request.add_header("Authorization", "Basic YWRtaW46YWRtaW4=")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        assert answer.status == 207
        assert "<d:href>/acl_users</d:href>" in answer.read().decode()


def test_icp(running: Running) -> None:
    """A query of RFC 2186 is answered: a miss, but this server is alive and can be asked."""
    url = b"http://127.0.0.1/\0"
    query = struct.pack("!BBHIIII", 1, 2, 24 + len(url), 7, 0, 0, 0) + b"\0\0\0\0" + url
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.settimeout(60)
        sock.sendto(query, ("127.0.0.1", running.icp))
        opcode, version, _, number = struct.unpack("!BBHI", sock.recv(1000)[:8])
    assert (opcode, version, number) == (3, 2, 7)


def test_the_process(running: Running) -> None:
    status = running.call("bin/instance", "status").stdout
    assert status == f"program running; pid={pid_of(status)}\n"
    pid = pid_of(status)
    assert running.read("var/instance.pid").strip() == str(pid)
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    assert str(running.part() / "etc/zope.conf") in words
    assert not (running.part() / "etc/wsgi.ini").exists()
    known = json.loads(running.call("bin/instance", "status", "--json").stdout)
    assert known["listen"] == [f"127.0.0.1:{running.http}", f"127.0.0.1:{running.second}"]


@pytest.mark.skipif(not USER, reason="only root can become another user")
def test_effective_user(running: Running) -> None:
    import pwd

    pid = pid_of(running.call("bin/instance", "status").stdout)
    assert Path(f"/proc/{pid}").stat().st_uid == pwd.getpwnam(USER).pw_uid
    assert f'Set effective user to "{USER}"' in running.log


def test_the_logs(running: Running) -> None:
    assert "INFO Zope Ready to handle requests" in running.log
    fetch(f"http://127.0.0.1:{running.http}/logged?a=1")
    path = running.directory / "var/log/instance-Z2.log"
    wait_for(lambda: "/logged" in path.read_text(), message=path.read_text)
    line = next(line for line in path.read_text().splitlines() if "/logged" in line)
    assert re.match(r'127\.0\.0\.1 - \S+ \[.*\] "GET /logged\?a=1 HTTP/1\.1" 404 ', line)
    assert (running.directory / "var/log/second.log").exists()


def test_mailinglogger(running: Running) -> None:
    wait_for(lambda: any("Subject: mail of Ready to handle requests" in mail for mail in Mails.received))


@pytest.mark.parametrize("how", ["logreopen", "USR2"])
def test_the_logs_are_reopened(running: Running, how: str) -> None:
    pid = pid_of(running.call("bin/instance", "status").stdout)
    logs = [running.directory / "var/log" / name for name in ("instance.log", "instance-Z2.log")]
    for log in logs:
        log.rename(log.with_suffix(f".{how}"))
    if how == "logreopen":
        running.call("bin/instance", "logreopen")
    else:
        os.kill(int(running.read("var/instance.pid")), signal.SIGUSR2)
    wait_for(lambda: all(log.exists() for log in logs))
    wait_for(lambda: "Log files reopened successfully" in running.log)
    fetch(f"http://127.0.0.1:{running.http}/after-{how}")
    wait_for(lambda: f"/after-{how}" in logs[1].read_text())
    assert pid_of(running.call("bin/instance", "status").stdout) == pid


def test_a_second_server_says_why_it_does_not_start(running: Running) -> None:
    """And leaves the first one's pid file alone."""
    done = running.call("bin/instance", "console", check=False)
    assert done.returncode == 1
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("instance: Zope refuses its configuration: There was a problem starting a server")
    assert "Traceback" not in done.stdout
    assert pid_of(running.call("bin/instance", "status").stdout) == int(running.read("var/instance.pid"))
    done = running.call("bin/instance", "run", "script.py", check=False)
    assert done.stdout == "instance: cannot read script.py: No such file or directory\n"
    running.write("pass\n", "script.py")
    done = running.call("bin/instance", "run", "script.py", check=False)
    assert done.returncode == 1
    assert done.stdout.strip().endswith("another process has the database open")


def test_check(running: Running) -> None:
    assert running.call("bin/instance", "check").stdout == "the configuration is in order\n"
    conf = running.part() / "etc/zope.conf"
    slug = running.part() / "etc/package-includes/009-x-configure.zcml"
    text = conf.read_text()
    try:
        slug.write_text('<include package="zope.nowhere" />')
        conf.write_text(f"{text}nonsense on\n")
        done = running.call("bin/instance", "check", check=False)
        assert done.returncode == 1
        line = len(text.splitlines()) + 1
        assert f"{conf}, line {line}: 'nonsense' is not a known key name\n" in done.stdout
        assert f"{slug}: the package zope.nowhere is not installed\n" in done.stdout
        pid = pid_of(running.call("bin/instance", "status").stdout)
        done = running.call("bin/instance", "restart", check=False)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (
            1,
            "instance: not restarted; the server keeps running with its old configuration",
        )
        assert pid_of(running.call("bin/instance", "status").stdout) == pid
    finally:
        conf.write_text(text)
        slug.unlink()


def test_restart_and_a_restart_by_signal(running: Running) -> None:
    first = pid_of(running.call("bin/instance", "status").stdout)
    done = running.call("bin/instance", "restart").stdout
    assert re.fullmatch(r"daemon process restarted, pid=\d+\n", done)
    second = pid_of(done)
    assert second != first
    assert fetch(f"http://127.0.0.1:{running.http}/").status == 200
    # ZServer's own way: it ends with the status 1, and the daemon starts it again
    running.call("bin/instance", "kill", "HUP")
    wait_for(lambda: _pid(running) not in (0, second))
    wait_for_http(f"http://127.0.0.1:{running.http}/")
    assert not Path(f"/proc/{second}").exists()


def _pid(running: Running) -> int:
    found = DAEMON.search(running.call("bin/instance", "status", check=False).stdout)
    return int(found[1]) if found else 0


def test_stop(running: Running) -> None:
    running.call("bin/instance", "start")
    pid = pid_of(running.call("bin/instance", "status").stdout)
    assert running.call("bin/instance", "stop").stdout == "daemon process stopped\n"
    assert not Path(f"/proc/{pid}").exists()
    assert refused(running.http)
    done = running.call("bin/instance", "status", check=False)
    assert (done.returncode, done.stdout) == (3, "daemon manager not running\n")
    assert not (running.directory / "var/instance.pid").exists()
    done = running.call("bin/instance", "logreopen", check=False)
    assert (done.returncode, done.stdout) == (3, "instance: daemon process not running\n")
    # The other tests want it
    running.call("bin/instance", "start")


# --- a client of ZEO --------------------------------------------------------------------------


ADDON = """
def command(app, args):
    "Say what it got."
    print(sorted(app.objectIds())[:1], args)
    return 4
import sys
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Site]:
    """A client of a ZEO server of Python 2.7, to which scripts connect while another client serves."""
    port = free_port()
    with site() as made:
        addon = made.directory / "addon"
        info = addon / "addon-1.0.egg-info"
        info.mkdir(parents=True)
        (addon / "addon.py").write_text(ADDON)
        (info / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: addon\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[zopectl.command]\ntell = addon:command\n")
        (made.directory / "products/OldProduct").mkdir(parents=True)
        made.zserver(
            "http-address =\nzeo-client = on\n"
            f"zeo-address = 127.0.0.1:{port}\nextra-paths = addon\nproducts = products\n"
            "deprecation-warnings = off\n"
            "initialization =\n    import sys\n    sys.größe = 'ä %(zeo-client)s'\n".replace("größe", "text")
        )
        server = subprocess.Popen(
            [str(python27()), "-m", "ZEO.runzeo", "-a", f"127.0.0.1:{port}", "-f", str(made.directory / "zeo.fs")],
            cwd=made.directory,
            env=clean_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: not refused(port))
            yield made
        finally:
            server.terminate()
            server.wait()


SCRIPT = """\
# -*- coding: utf-8 -*-
import sys
import Products
print sys.version_info[:2] == (2, 7), sys.text
print sys.argv[1:], __file__
print [path for path in Products.__path__ if path.endswith("/products")]
print app.REQUEST["PARENTS"], u"Größe"
app.title = u"Übersicht €"
import transaction
transaction.commit()
"""


def test_scripts(client: Site) -> None:
    client.write(SCRIPT, "script.py")
    done = client.call("bin/instance", "run", "script.py", "a b", "é").stdout.splitlines()
    interpreter = client.part() / "bin/interpreter"
    assert done == [
        "True ä on",
        f"['-c', 'script.py', 'a b', '\\xc3\\xa9'] {interpreter}",
        f"['{client.directory}/products']",
        "[<Application at >] Größe",
    ]
    done = client.call("bin/instance", "exec", "script.py", "a b").stdout.splitlines()
    assert done[1] == "['a b'] script.py"
    client.write("print repr(obj), repr(app.title)\nraise SystemExit(7)\n", "show.py")
    done_with_status = client.call("bin/instance", "-O", "acl_users", "run", "show.py", check=False)
    assert done_with_status.returncode == 7
    assert done_with_status.stdout.startswith("<OFS.userfolder.UserFolder")
    assert done_with_status.stdout.endswith("u'\\xdcbersicht \\u20ac'\n")
    client.write("raise ValueError(u'x')\n", "fail.py")
    failed = client.call("bin/instance", "run", "fail.py", check=False)
    assert (failed.returncode, failed.stdout.splitlines()[1:]) == (
        1,
        ['  File "fail.py", line 1, in <module>', "    raise ValueError(u'x')", "ValueError: x"],
    )
    nothing = client.call("bin/instance", "-O", "nowhere", "run", "show.py", check=False)
    assert (nothing.returncode, nothing.stdout) == (
        1,
        "instance: there is no object at nowhere: KeyError('nowhere',)\n",
    )


def test_debug(client: Site) -> None:
    done = client.call("bin/instance", "debug", "-O", "acl_users", stdin="print 6 * 7, obj.getId()\n").stdout
    assert "42 acl_users" in done
    assert re.search(r"Python 2\.7\.\d+, with app and obj", done)


def test_adduser(client: Site) -> None:
    assert client.call("bin/instance", "adduser", "bob", "s:é").stdout == "user 'bob' added\n"
    again = client.call("bin/instance", "adduser", "bob", "secret", check=False)
    assert (again.returncode, again.stdout) == (1, "instance: the user 'bob' exists already; choose another name\n")
    client.write("print app.acl_users.authenticate('bob', 's:é', app.REQUEST)\n".replace("é", "\\xc3\\xa9"), "who.py")
    assert client.call("bin/instance", "run", "who.py").stdout == "bob\n"
    usage = client.call("bin/instance", "adduser", check=False)
    assert (usage.returncode, usage.stdout) == (2, "instance: usage: adduser NAME [PASSWORD]\n")


def test_commands_of_packages_in_the_other_python(client: Site) -> None:
    done = client.call("bin/instance", "tell", "a", "b c", check=False)
    # As ever: sys.argv[1:], which begins with -c and the command
    assert (done.returncode, done.stdout.splitlines()[-1]) == (4, "(['acl_users'], ['-c', 'tell', 'a', 'b c'])")
    unknown = client.call("bin/instance", "nonsense", check=False)
    assert (unknown.returncode, unknown.stdout) == (
        2,
        "instance: unknown command 'nonsense'; run `help` to see all commands\n",
    )


def test_the_client_serves(client: Site) -> None:
    """In the foreground, with another address, while a script changes what it shows."""
    port = free_port()
    conf = client.part() / "etc/zope.conf"
    text = conf.read_text()
    try:
        conf.write_text(f"{text}<http-server>\n  address 127.0.0.1:{port}\n</http-server>\n")
        url = f"http://127.0.0.1:{port}/new/manage_main"
        with serving(client, command="console", url=url) as server:
            assert server.response.status == 404
            client.write("app.manage_addFolder('new')\nimport transaction\ntransaction.commit()\n", "change.py")
            client.call("bin/instance", "run", "change.py")
            wait_for(lambda: fetch(url).status == 401)
            os.kill(server.pid, signal.SIGTERM)
            assert server.process.wait(60) == 0
    finally:
        conf.write_text(text)


# --- other servers ----------------------------------------------------------------------------


def test_fg_shows_its_log_and_ends_by_ctrl_c() -> None:
    port = free_port()
    with site() as made:
        made.zserver(f"http-address = 127.0.0.1:{port}\nhttp-fast-listen = off\nhttp-force-connection-close = on\n")
        with serving(made, url=f"http://127.0.0.1:{port}/") as server:
            assert server.response.headers["Connection"] == "close"
            assert "INFO Zope Ready to handle requests" in server.wait_for_output("Ready")
            assert f"Starting server in PID {server.pid}." in server.output
            assert server.stop(60) == 0
        assert "Traceback" not in server.output


#: A view that ends when the server has been told to stop.
SLOW = """
import time
import Lifetime

class Slow(object):
    def __init__(self, context, request):
        pass

    def view(self):
        open("began", "w").close()
        while not Lifetime._shutdown_phase:
            time.sleep(0.01)
        return "it was in time"
"""


def test_a_request_under_way_ends_before_the_server_does() -> None:
    port = free_port()
    with site() as made:
        made.write(SLOW, "code/slow.py")
        made.zserver(
            f"http-address = 127.0.0.1:{port}\nextra-paths = code\nzcml-additional =\n"
            '    <browser:page xmlns:browser="http://namespaces.zope.org/browser" for="*" name="slow"\n'
            '      class="slow.Slow" attribute="view" permission="zope.Public" />\n'
        )
        began = made.directory / "var/instance/began"
        made.write(made.read("code/slow.py").replace('"began"', repr(str(began))), "code/slow.py")
        made.call("bin/instance", "start")
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(fetch, f"http://127.0.0.1:{port}/slow", timeout=60)
            wait_for(began.exists)
            made.call("bin/instance", "stop")
            assert answer.result().text == "it was in time"


def test_the_interpreter_of_an_old_buildout() -> None:
    """A buildout of Python 2.7 has eggs and an interpreter script with their paths; that will do."""
    port = free_port()
    with site() as made:
        old = Buildout(made.directory / "old")
        link_packages(old.directory / "develop-eggs")
        old.write("""\
            [buildout]
            parts = zopepy
            offline = true
            [zopepy]
            recipe = zc.recipe.egg
            eggs = ZServer
            interpreter = zopepy
            scripts = zopepy
            """)
        old.call(str(buildout27()), timeout=300)
        made.zserver(f"http-address = 127.0.0.1:{port}\nextra-paths = more\neggs = Zope\n", python="old/bin/zopepy")
        assert made.call("bin/instance", "check").stdout == "the configuration is in order\n"
        made.call("bin/instance", "start")
        assert fetch(f"http://127.0.0.1:{port}/").headers["Server"].endswith(" ZServer/1.1")
        assert made.call("bin/instance", "stop").stdout == "daemon process stopped\n"


@pytest.mark.skipif(not USER, reason="only root can be refused")
def test_root_is_refused_without_a_user() -> None:
    with site() as made:
        made.instance(f"wsgi = off\nzserver-python = {python27()}\nhttp-address = 127.0.0.1:{free_port()}\n")
        made.run()
        done = made.call("bin/instance", "start", check=False)
        assert done.returncode == 1
        last = done.stdout.strip().splitlines()[-1]
        assert last.startswith("instance: Zope refuses its configuration: A user was not specified to setuid to")
        assert made.call("bin/instance", "status", check=False).returncode == 3


def test_rotation_by_size() -> None:
    port = free_port()
    with site() as made:
        made.zserver(
            f"http-address = 127.0.0.1:{port}\naccess-log-max-size = 1KB\naccess-log-old-files = 2\n"
            "zserver-threads = 1\nevent-log = stderr\nzopectl-umask = 027\n"
        )
        with start(made, command="console") as server:
            wait_for_http(f"http://127.0.0.1:{port}/", process=server.process)
            for _ in range(40):
                fetch(f"http://127.0.0.1:{port}/{'x' * 60}")
            logs = made.directory / "var/log"
            wait_for(lambda: (logs / "instance-Z2.log.2").exists())
            assert not (logs / "instance-Z2.log.3").exists()
            assert (logs / "instance-Z2.log").stat().st_mode & 0o777 == 0o640
            assert "Ready to handle requests" in server.output
            assert not (logs / "instance.log").exists()


def test_relative_paths_move() -> None:
    port = free_port()
    with site() as made:
        made.zserver(f"http-address = 127.0.0.1:{port}\nrelative-paths = true\nextra-paths = more\n")
        made.write("print [path for path in __import__('sys').path if path.endswith('/more')]\n", "paths.py")
        moved = made.directory.with_name("möved $x")
        made.directory.rename(moved)
        made.directory = moved
        try:
            made.call("bin/instance", "start")
            assert fetch(f"http://127.0.0.1:{port}/").status == 200
            made.call("bin/instance", "stop")
            # Data.fs is the server's
            done = made.call("bin/instance", "run", "paths.py").stdout
            assert done.count("/more'") >= 1
        finally:
            made.call("bin/instance", "stop", check=False)


# --- what the recipe tells --------------------------------------------------------------------


def test_a_python_that_will_not_do(buildout: Buildout) -> None:
    cases = {
        "/nowhere/python": "cannot run /nowhere/python: No such file or directory",
        sys.executable: f"{sys.executable} is Python 3.",
        "/bin/true": "cannot run /bin/true: no answer",
    }
    for python, message in cases.items():
        buildout.instance(f"wsgi = off\nzserver-python = {python}\n")
        done = buildout.run(check=False)
        assert done.returncode
        assert f"[instance] zserver-python: {message}" in done.stdout
        assert "Traceback" not in done.stdout
        assert not (buildout.part() / "etc/zope.conf").exists()


def test_eggs_must_be_there(buildout: Buildout) -> None:
    python = python27()
    buildout.instance(f"wsgi = off\nzserver-python = {python}\neggs =\n  no.such.egg\n  ZODB > 100\n  tempstorage\n")
    done = buildout.run(check=False)
    assert done.returncode
    assert "2 mistakes in the part:" in done.stdout
    assert (
        "its environment lacks a distribution that the part needs (no.such.egg: The 'no.such.egg' distribution"
        in done.stdout
    )
    assert f"install it with {python} -m pip install" in done.stdout


def test_what_zserver_refuses_is_a_warning_with_option_and_line(buildout: Buildout) -> None:
    buildout.instance(
        f"wsgi = off\nzserver-python = {python27()}\nzope-conf-additional =\n  datetime-format international\n"
        "  debug-exceptions on\n"
    )
    done = buildout.run()
    line = buildout.read("parts/instance/etc/zope.conf").splitlines().index("debug-exceptions on") + 1
    message = f"line {line} of {buildout.part()}/etc/zope.conf: 'debug-exceptions' is not a known key name"
    assert f"[instance] zope-conf-additional: the server will not start: {message}" in done.stdout


def test_initialization_is_for_the_other_python(buildout: Buildout) -> None:
    head = f"wsgi = off\nzserver-python = {python27()}\n"
    buildout.instance(f"{head}initialization = print 'Python 2'\n")
    buildout.run()
    buildout.instance(f"{head}initialization = print(end='')\n")
    done = buildout.run(check=False)
    assert done.returncode
    assert "[instance] initialization: is not Python 2.7: invalid syntax" in done.stdout


def test_both_pythons_read_the_program(tmp_path: Path) -> None:
    py_compile.compile(PROGRAM, str(tmp_path / "x.pyc"), doraise=True)
    command = [str(python27()), "-c", "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')", PROGRAM]
    subprocess.run(command, check=True)
