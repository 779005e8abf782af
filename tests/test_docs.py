"""The documentation is true: every example in it is built and run, and the reference is not stale.

Examples are files in ``examples``, which the pages include, or code blocks with a name. Each has
its test here (that of ``socket-logging`` is in ``test_examples.py``, those of proxies in
``test_reverse_proxy.py``), and what the text around an example says is what its test looks for. A
test fails where a page has an example that no test knows.
"""

from __future__ import annotations

import configparser
import ftplib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handmade import App
from python27 import USER, give_away, python27, site
from receivers import posts, read_form
from recipe.describe.zserver import COMMANDS
from recipe.reference import servers
from recipe.reference.options import reference
from storages import Site
from support import CHECKOUT, EGGS, TESTS, Buildout, fetch, free_port, running, serving, toolchain, wait_for_http
from test_examples import copy_example
from test_layers import ROOMS, SOURCE, imports, modules

DOCS = CHECKOUT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.rst") if "_build" not in path.parts)

#: What the tests below run: files that pages include, and names of code blocks.
FILES = {
    # test_cluster.py, test_relstorage.py
    "cluster": {
        "buildout.cfg", "haproxy.cfg.in", "mariadb-history.sql", "packages/once/__init__.py", "postgresql.cfg",
    },
    "how-to": {
        "env.example", "external-server.cfg", "gunicorn.cfg", "gunicorn.ini.in", "haproxy.cfg", "mount.py",
        "nginx.conf", "profile.cfg", "queued.cfg", "queued.py", "relative-paths.cfg", "reverse-proxy.cfg",
        "second-database.cfg", "secrets.cfg", "sentry-by-environment.cfg", "varnish.vcl", "wsgi-server.cfg",
        "zserver.cfg",
    },
    "tutorial": {
        "access-log-level.cfg", "access-log.cfg", "buildout.cfg", "container.cfg", "debug-exceptions.cfg",
        "debugger.ini.in", "hand-made.ini", "http-address.cfg", "log-handlers.cfg", "no-access-log.cfg", "rotation.cfg",
        "sentry.cfg", "sentry_receiver.py", "threads.cfg", "waitress.cfg", "wsgi-ini-template.cfg",
        "wsgi.cfg", "wsgi.ini.in",
    },
    "socket-logging": {"listener.py", "options.cfg"},
}  # fmt: skip
BLOCKS = {
    "command-function",
    "command-row",
    "command-text",
    "make-app",
    "option-case",
    "option-field",
    "option-line",
    "readme",
    "server-factory",
    "server-module",
    "server-row",
    "server-runner",
    "storage-bases",
    "storage-cases",
    "storage-option",
    "storage-row",
    "switch-before",
    "switch-develop",
    "switch-extra",
    "switch-find-links",
    "switch-pin",
    "zserver-convert",
    "zserver-environment",
}


def blocks() -> dict[str, str]:
    """Return the code blocks of all pages and of the README by name."""
    pattern = r"^( *)\.\. code-block:: .*\n\1   :name: (\S+)\n\n((?:\1   .*\n|\n)+)"
    found = {}
    for page in [CHECKOUT / "README.rst", *PAGES]:
        for match in re.finditer(pattern, page.read_text(encoding="utf-8"), re.MULTILINE):
            found[match[2]] = textwrap.dedent(match[3]).strip() + "\n"
    return found


def read_ini(buildout: Buildout) -> configparser.RawConfigParser:
    """Return the wsgi.ini of the part ``instance``, not interpolated."""
    parser = configparser.RawConfigParser()
    parser.read_string(buildout.read("parts/instance/etc/wsgi.ini"))
    return parser


# --- the pages -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "generate"),
    [("options.rst", reference), ("which-server-table.txt", servers.table)],
    ids=["options", "servers"],
)
def test_generated_pages_are_up_to_date(file: str, generate: Callable[[], str]) -> None:
    if (DOCS / file).read_text(encoding="utf-8") != generate():
        pytest.fail(f"docs/{file} is stale; run `make options`", pytrace=False)


def test_every_example_has_a_test() -> None:
    included: dict[str, set[str]] = {}
    directives = names = 0
    for page in [CHECKOUT / "README.rst", *PAGES]:
        text = page.read_text(encoding="utf-8")
        for directory, name in re.findall(r"literalinclude:: \S+/examples/([\w-]+)/(\S+)", text):
            included.setdefault(directory, set()).add(name)
        directives += len(re.findall(r"\.\. (?:code-block|code|sourcecode)::", text))
        names += len(re.findall(r"code-block:: .*\n +:name: ", text))
    assert included == FILES
    assert set(blocks()) == BLOCKS
    assert directives == names == len(BLOCKS)


def test_every_file_of_an_example_is_shown() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "examples/tutorial", "examples/how-to"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = {path.removeprefix("examples/") for path in listed.stdout.split()}
    shown = {f"{directory}/{name}" for directory, names in FILES.items() for name in names}
    assert found <= shown


def test_architecture_names_files_that_are_there() -> None:
    page = (DOCS / "architecture.rst").read_text(encoding="utf-8")
    table = page.partition("Which file answers which question")[2]
    names = re.findall(r"``((?:\w+/)+(?:[\w.]+)?)``", table.partition("Tests\n=====")[0])
    assert len(names) > 50
    assert [name for name in names if not any((root / name).exists() for root in (SOURCE, CHECKOUT))] == []


def test_the_picture_shows_the_imports_between_rooms() -> None:
    text = (DOCS / "rooms.dot").read_text(encoding="utf-8")
    drawn = {room: set(others.split()) for room, others in re.findall(r"^  (\w+) -> \{([^}]*)\};$", text, re.MULTILINE)}
    assert set(re.findall(r"^  (\w+) \[label", text, re.MULTILINE)) == set(ROOMS), "docs/rooms.dot: one label per room"
    coded = {
        room: {
            name.split(".")[1]
            for path in modules(room)
            for name in imports(path)
            if name.startswith("recipe.") and name.split(".")[1] != room
        }
        for room in ROOMS
    }
    lines = [f"  {room} -> {{{' '.join(sorted(others))}}};" for room, others in coded.items() if others]
    remedy = "\n".join(["the rooms in docs/rooms.dot must be:", *lines])
    assert drawn == {room: others for room, others in coded.items() if others}, remedy


#: Lines of a page that are not prose: tables, what is indented below ``::`` or a directive, links, and their like.
NOT_PROSE = re.compile(r"^\s*(\.\. |\* - |- ``\S+``$|:\w+:)|https?://")


@pytest.mark.parametrize(
    "page",
    [CHECKOUT / "README.rst", CHECKOUT / "CHANGES.rst", *(page for page in PAGES if page.name != "options.rst")],
    ids=lambda page: str(page.relative_to(CHECKOUT)),
)
def test_lines_of_prose_are_short(page: Path) -> None:
    """So that a change of a sentence shows as a change of a line or two."""
    assert [line for line in prose(page.read_text(encoding="utf-8")) if len(line) >= 100] == []


def prose(text: str) -> Iterator[str]:
    """The lines of a page without literal blocks, directives and links."""
    block: int | None = None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if block is not None and (not line.strip() or indent > block):
            continue
        block = None
        if re.search(r"::$|\.\. [\w-]+::", line) and not re.match(r"\s*\.\. (note|warning|list-table)::", line):
            block = indent
        if not NOT_PROSE.search(line):
            yield line


def test_readme_needs_docutils_only() -> None:
    """PyPI shows it, and knows no roles of Sphinx."""
    text = "\n\n".join((CHECKOUT / name).read_text(encoding="utf-8") for name in ("README.rst", "CHANGES.rst"))
    for page in (text.split("Changes\n=======")[0], text):
        done = subprocess.run(
            [sys.executable, "-m", "docutils", "--report=1", "--halt=2", "-", os.devnull],
            input=page, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")


def test_readme(buildout: Buildout, port: int) -> None:
    buildout.write(blocks()["readme"].replace("8080", str(port)))
    buildout.run()
    with serving(buildout, url=f"http://localhost:{port}/") as server:
        assert server.response.status == 200
    assert buildout.call("bin/instance", "help").stdout


# --- the tutorial ----------------------------------------------------------------------------


@pytest.fixture
def log_port() -> int:
    """The port in the place of 9000."""
    return free_port()


@pytest.fixture
def tutorial(tmp_path: Path, port: int, log_port: int) -> Buildout:
    """The tutorial's directory, with free ports in its files."""
    return copy_example("tutorial", tmp_path, {8080: port, 9000: log_port})


@pytest.fixture
def how_to(tmp_path: Path, port: int) -> Buildout:
    """The directory of the how-tos' examples, with a free port in its files."""
    return copy_example("how-to", tmp_path, {8080: port})


def build(buildout: Buildout, file: str, *args: str) -> str:
    """Run buildout with a file of an example; return what it printed. The checkout is linked already."""
    return buildout.run("-c", file, "buildout:develop=", *args).stdout


def bootstrap(buildout: Buildout, *args: str) -> None:
    """Make bin/buildout."""
    # This empties the directory of develop links, which must not be the shared one.
    buildout.run(*args, "buildout:develop=", f"buildout:develop-eggs-directory={buildout.directory}/links", "bootstrap")


def test_start(tutorial: Buildout, port: int) -> None:
    bootstrap(tutorial)
    tutorial.call("bin/buildout", "buildout:develop=", env={"BUILDOUT_HOME": str(toolchain().home)})
    etc = tutorial.part() / "etc"
    assert {"zope.conf", "wsgi.ini", "site.zcml"} <= {path.name for path in etc.iterdir()}
    with serving(tutorial, url=f"http://localhost:{port}/") as server:
        assert server.response.status == 200
        assert fetch(f"http://localhost:{port}/manage_main", user="admin:admin").status == 200


def test_http(tutorial: Buildout, port: int) -> None:
    """A short name: the path of a unix socket must not be long."""
    build(tutorial, "http-address.cfg")
    path = tutorial.directory / "zope.sock"
    assert read_ini(tutorial)["server:main"]["fast-listen"] == f"localhost:{port} unix:{path}"
    with serving(tutorial, url=f"http://localhost:{port}/") as server:
        assert server.response.status == 200
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(os.path.relpath(path))
            client.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            assert client.recv(1024).startswith(b"HTTP/1.0 200 ")
        second = tutorial.call("bin/instance", "fg", check=False)
        assert second.returncode
        assert f":{port}: the address is in use" in second.stdout
        assert len(second.stdout.strip().splitlines()) == 1


#: The addresses of the table, and where to find a server with each.
ADDRESSES = {
    "8080": ["127.0.0.1"],
    "localhost:8080": ["localhost"],
    "[::1]:8080": ["[::1]"],
    "*:8080": ["127.0.0.1", "[::1]"],
}


def has_ipv6() -> bool:
    """Return whether this machine can listen on ``[::1]``."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_http_address_has_other_forms(tutorial: Buildout) -> None:
    table = (DOCS / "tutorial/server.rst").read_text(encoding="utf-8")
    assert re.findall(r"\* - ``(.+)``\n", table) == [*ADDRESSES, "unix:/path/to/socket"]
    ports = {text: free_port() for text in ADDRESSES}
    given = " ".join(text.replace("8080", str(port)) for text, port in ports.items())
    build(tutorial, "buildout.cfg", f"instance:http-address={given}", "instance:http-fast-listen=off")
    assert "listen" in read_ini(tutorial)["server:main"]
    with serving(tutorial, url=f"http://localhost:{ports['localhost:8080']}/"):
        for text, hosts in ADDRESSES.items():
            for host in hosts:
                assert fetch(f"http://{host}:{ports[text]}/").status == 200


def test_threads(tutorial: Buildout) -> None:
    build(tutorial, "threads.cfg")
    assert read_ini(tutorial)["server:main"]["threads"] == "10"
    assert "pool-size 10\n" in tutorial.read("parts/instance/etc/zope.conf")


def test_settings_of_waitress(tutorial: Buildout) -> None:
    build(tutorial, "waitress.cfg")
    assert read_ini(tutorial)["server:main"]["channel_timeout"] == "60"
    done = tutorial.run("buildout:develop=", "instance:waitress-no-such-setting=1", check=False)
    assert "waitress-no-such-setting" in done.stdout


def test_wsgi(tutorial: Buildout, port: int) -> None:
    build(tutorial, "wsgi.cfg")
    assert not (tutorial.part() / "etc/wsgi.ini").exists()
    with serving(tutorial, url=f"http://localhost:{port}/") as server:
        assert server.response.status == 200
    moved = build(tutorial, "wsgi.cfg", "instance:wsgi=elsewhere.ini")
    assert f"wsgi: {tutorial.directory}/elsewhere.ini does not exist yet" in moved


def test_zserver_wants_a_python_of_its_own(tutorial: Buildout) -> None:
    done = tutorial.run("buildout:develop=", "instance:wsgi=off", check=False)
    assert done.returncode
    assert "[instance] zserver-python: wsgi = off needs the path of a Python 2.7" in done.stdout


def test_wsgi_ini_template(tutorial: Buildout, port: int) -> None:
    build(tutorial, "wsgi-ini-template.cfg")
    ini = read_ini(tutorial)
    assert ini["server:main"]["threads"] == "3"
    assert ini["logger_root"]["level"] == "WARNING"
    assert ini["formatter_short"]["format"] == "%(levelname)s %(name)s: %(message)s"
    with serving(tutorial, url=f"http://localhost:{port}/") as server:
        assert (server.response.status, server.response.headers["Server"]) == (200, "tutorial")
    (tutorial.directory / "wsgi.ini.in").write_text("[server:main]\nthreads = %(treads)s\n")
    done = tutorial.run("-c", "wsgi-ini-template.cfg", "buildout:develop=", check=False)
    assert done.returncode
    assert (
        "wsgi.ini.in, line 2: %(treads)s is not known. Did you mean %(threads)s? Known names: accesslog_args,"
        in done.stdout
    )


def test_debug_exceptions(tutorial: Buildout, port: int) -> None:
    build(tutorial, "debug-exceptions.cfg")
    assert "debug-exceptions on\n" in tutorial.read("parts/instance/etc/zope.conf")
    with serving(tutorial, url=f"http://localhost:{port}/"):
        page = fetch(f"http://localhost:{port}/no-such-page")
    assert page.status == 500
    assert "zExceptions.NotFound" in page.text
    assert "Werkzeug Debugger" in page.text


LINE = re.compile(r'^\S+ - \S+ \[[^]]+\] "GET / HTTP/1\.1" 200 \d+ "-" ".+"$', re.MULTILINE)


def test_access_log(tutorial: Buildout, port: int) -> None:
    """Its file, rotation, level, and that it can be disabled: one instance, built four times."""
    url = f"http://localhost:{port}/"
    build(tutorial, "access-log.cfg")
    with serving(tutorial, url=url):
        pass
    assert LINE.search(tutorial.read("var/log/requests.log"))
    line = re.search(r'^    (127.*"curl.*)$', (DOCS / "tutorial/logs.rst").read_text(encoding="utf-8"), re.MULTILINE)
    assert line
    assert LINE.match(line[1])

    build(tutorial, "access-log-level.cfg")
    log = tutorial.directory / "var/log/instance-access.log"
    with serving(tutorial, url=url):
        pass
    assert log.read_text() == ""

    build(tutorial, "rotation.cfg")
    handler = read_ini(tutorial)["handler_accesslog"]
    assert handler["kwargs"] == f"{{'maxBytes': {10 * 1024 * 1024}, 'backupCount': 5}}"
    build(tutorial, "rotation.cfg", "instance:access-log-max-size=100")
    with serving(tutorial, url=url):
        fetch(url)
    assert LINE.search(log.read_text())
    assert LINE.search(log.with_name("instance-access.log.1").read_text())

    log.unlink()
    build(tutorial, "no-access-log.cfg")
    assert "translogger" not in read_ini(tutorial)["pipeline:main"]["pipeline"]
    with serving(tutorial, url=url):
        pass
    assert not log.exists()


def test_event_log(tutorial: Buildout, port: int) -> None:
    """The handler of the tutorial, and that a level says more."""
    build(tutorial, "log-handlers.cfg", "instance:event-log-level=debug")
    ini = read_ini(tutorial)
    file = tutorial.directory / "var/log/instance.log"
    assert ini["handler_eventlog"]["class"] == "logging.handlers.TimedRotatingFileHandler"
    assert ini["handler_eventlog"]["args"] == f"('{file}', 'midnight')"
    assert ini["logger_root"]["level"] == "DEBUG"
    with serving(tutorial, url=f"http://localhost:{port}/"):
        pass
    assert "Ready to handle requests" in file.read_text()
    assert "DEBUG" in file.read_text()
    wrong = {
        "instance:event-log-args='localhost'": "is not a tuple",
        "instance:event-log-args=(open('x'),)": "contains the call open(…)",
        "instance:event-log-handler=logging.handlers.NoHandler": "there is no class logging.handlers.NoHandler",
    }
    for assignment, message in wrong.items():
        done = tutorial.run("-c", "log-handlers.cfg", "buildout:develop=", assignment, check=False)
        assert done.returncode
        assert message in done.stdout
    assert "no_such_package.Handler" in build(
        tutorial, "log-handlers.cfg", "instance:event-log-handler=no_such_package.Handler"
    )


def test_container(tutorial: Buildout, port: int) -> None:
    build(tutorial, "container.cfg")
    with serving(tutorial, url=f"http://localhost:{port}/") as server:
        server.wait_for_output("GET")
    records = [json.loads(line) for line in server.output.splitlines() if line.startswith("{")]
    assert {"time", "level", "logger", "message"} <= set.intersection(*map(set, records))
    (request,) = [record for record in records if record["logger"] == "wsgi"]
    assert {"status", "path", "duration"} <= set(request)
    assert "Ready to handle requests" in [record["message"] for record in records]


def test_sentry(tutorial: Buildout, port: int) -> None:
    build(tutorial, "sentry.cfg")
    assert read_ini(tutorial)["pipeline:main"]["pipeline"].split()[-2:] == ["sentry", "zope"]
    page = (DOCS / "tutorial/sentry.rst").read_text(encoding="utf-8")
    expected = re.findall(r"^    (tutorial: .*)$", page, re.MULTILINE)
    with running(sys.executable, "sentry_receiver.py", cwd=tutorial.directory) as receiver:
        receiver.wait_for_output("Listening on localhost:")
        with serving(tutorial, url=f"http://localhost:{port}/"):
            fetch(f"http://localhost:{port}/?number:int=x")
            printed = receiver.wait_for_output(expected[-1])
        assert "\n".join(expected) in printed
        assert receiver.stop() == 0


# --- how-tos ---------------------------------------------------------------------------------


def test_switch(buildout: Buildout, port: int) -> None:
    """From 9.1.0 to ours and back, with data that stay."""
    page = blocks()
    before = page["switch-before"].replace("8080", str(port))
    url = f"http://localhost:{port}"
    # A directory of its own: the shared one has the link to the checkout, of which `develop` is made.
    links = buildout.directory / "develop-eggs"
    theirs = before.replace("[buildout]", f"[buildout]\ndevelop-eggs-directory = {links}")
    buildout.write(theirs)
    buildout.run()
    assert "zope2instance-9.1.0" in buildout.read("bin/instance")
    with serving(buildout, url=url + "/"):
        added = fetch(url + "/manage_addFolder?id=kept", user="admin:admin")
        assert added.status < 400, added.text

    assert re.fullmatch(r"\[buildout\]\ndevelop = \S+\n", page["switch-develop"])
    ours = before.replace("[buildout]", f"{page['switch-develop'].split('=')[0]}= {CHECKOUT}")
    ours = ours.replace("[buildout]", f"[buildout]\ndevelop-eggs-directory = {links}")
    pin = page["switch-pin"].strip()
    buildout.write(ours)
    assert "Updating" in buildout.run().stdout  # the pin holds, as the page says
    buildout.write(ours.replace(f"{pin} 9.1.0", pin))
    assert "Installing instance" in buildout.run().stdout
    with serving(buildout, url=url + "/kept"):
        assert fetch(url + "/kept/manage_main", user="admin:admin").status == 200

    shutil.rmtree(links)
    buildout.write(theirs)
    buildout.run()
    assert "zope2instance-9.1.0" in buildout.read("bin/instance")
    with serving(buildout, url=url + "/kept"):
        assert fetch(url + "/kept/manage_main", user="admin:admin").status == 200


def test_switch_of_other_parts(buildout: Buildout) -> None:
    text = blocks()["switch-extra"]
    code = "import Zope2, ZEO, dotenv, paste.deploy"
    for eggs in ("[instance]", "\n    Zope", ""):
        buildout.write("[buildout]\nparts = zopepy\n" + text.replace("[instance]", eggs))
        buildout.run()
        found = buildout.call("bin/zopepy", "-c", "import Zope2" if "Zope" in eggs else code, check=bool(eggs))
        assert ("ModuleNotFoundError" in found.stdout) == (not eggs)


def test_switch_by_wheel(tmp_path: Path, port: int) -> None:
    """The same from a wheel, in an eggs directory of its own."""
    tools = toolchain()
    # A copy, since a build leaves its traces.
    checkout = tmp_path / "checkout"
    for name in ("CHANGES.rst", "LICENSE.txt", "README.rst", "pyproject.toml", "setup.py"):
        checkout.mkdir(exist_ok=True)
        shutil.copy(CHECKOUT / name, checkout)
    leftovers = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(CHECKOUT / "src", checkout / "src", ignore=leftovers)
    pip = [str(tools.bin / "python"), "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", str(tmp_path / "wheels"), str(checkout)], check=True, capture_output=True)

    buildout = Buildout(tmp_path / "buildout")
    eggs = buildout.directory / "eggs"
    for egg in (EGGS / "v5").iterdir():
        if not egg.name.startswith("plone.recipe"):
            (eggs / "v5").mkdir(parents=True, exist_ok=True)
            (eggs / "v5" / egg.name).symlink_to(egg)
    page = blocks()
    text = page["switch-before"].replace("8080", str(port)).replace("9.1.0", "10.0.0")
    head = page["switch-find-links"] + f"eggs-directory = {eggs}\ndevelop-eggs-directory = develop-eggs\n"
    buildout.write(text.replace("[buildout]\n", head))
    buildout.run()
    (distribution,) = eggs.glob("v5/plone.recipe.zope2instance-*")
    assert not distribution.is_symlink()
    assert (buildout.part("instance") / "lib/recipe").resolve() == distribution / "recipe"
    with serving(buildout, url=f"http://localhost:{port}/") as server:
        assert server.response.status == 200


def test_external_server(how_to: Buildout, port: int) -> None:
    build(how_to, "external-server.cfg")
    assert not read_ini(how_to).has_section("server:main")
    for command in ("fg", "start"):
        refused = how_to.call("bin/instance", command, check=False)
        assert refused.returncode
        assert "no section [server:main]" in refused.stdout
    args = ["--paste", "parts/instance/etc/wsgi.ini", "--bind", f"127.0.0.1:{port}", "--threads", "4"]
    # gunicorn keeps its control socket in this directory, else in the user's home.
    env = {"XDG_RUNTIME_DIR": str(how_to.directory)}
    with running(how_to.directory / "bin/gunicorn", *args, cwd=how_to.directory, env=env) as server:
        response = wait_for_http(f"http://127.0.0.1:{port}/", process=server.process)
    assert response.status == 200, server.output
    assert response.headers["Server"] == "gunicorn"
    program = blocks()["make-app"].replace("/path/to", str(how_to.directory)) + "print(callable(application))\n"
    assert how_to.call("parts/instance/bin/interpreter", "-c", program).stdout.splitlines()[-1] == "True"


def test_which_server(how_to: Buildout, port: int) -> None:
    build(how_to, "wsgi-server.cfg")
    with serving(how_to, url=f"http://localhost:{port}/") as server:
        assert server.response.headers["Server"] == "gunicorn"


def test_template(how_to: Buildout, port: int) -> None:
    build(how_to, "gunicorn.cfg")
    env = {"XDG_RUNTIME_DIR": str(how_to.directory)}
    with serving(how_to, url=f"http://localhost:{port}/", env=env) as server:
        assert server.response.status == 200
        assert server.response.headers["Server"] == "gunicorn"


def test_template_from_a_made_file(how_to: Buildout) -> None:
    """The steps of the page: a copy with each ``%`` doubled makes the same file again."""
    build(how_to, "relative-paths.cfg", "buildout:relative-paths=false")
    made = how_to.read("parts/instance/etc/wsgi.ini")
    (how_to.directory / "wsgi.ini.in").write_text(made.replace("%", "%%"))
    build(how_to, "relative-paths.cfg", "buildout:relative-paths=false", "instance:wsgi-ini-template=wsgi.ini.in")
    assert how_to.read("parts/instance/etc/wsgi.ini") == made


def test_secrets(how_to: Buildout, port: int) -> None:
    build(how_to, "secrets.cfg")
    assert "password $(MAIL_PASSWORD)\n" in how_to.read("parts/instance/etc/zope.conf")
    without = how_to.call("bin/instance", "fg", check=False)
    assert without.returncode
    assert "MAIL_PASSWORD" in without.stdout
    assert "Traceback" not in without.stdout
    shutil.copy(how_to.directory / "env.example", how_to.directory / ".env")
    program = how_to.write("""\
        from App.config import getConfiguration
        print(getConfiguration().product_config["mail"]["password"])
        """, "program.py")  # fmt: skip
    assert how_to.call("bin/instance", "run", str(program)).stdout.splitlines()[-1] == "pa$s%w"
    (how_to.directory / ".env.staging").write_text("MAIL_PASSWORD=staged\n")
    staged = how_to.call("bin/instance", "run", str(program), env={"PLONE_ENV": "staging"})
    assert staged.stdout.splitlines()[-1] == "staged"
    already = how_to.call("bin/instance", "run", str(program), env={"MAIL_PASSWORD": "set"})
    assert already.stdout.splitlines()[-1] == "set"


def test_second_database(how_to: Buildout, port: int) -> None:
    views = ("instance:zcml=ledger", f"instance:extra-paths={TESTS}/packages")
    build(how_to, "second-database.cfg", *views)
    assert "mounted /archive" in how_to.call("bin/instance", "run", "mount.py").stdout
    main, archive = Site(f"http://localhost:{port}"), Site(f"http://localhost:{port}/archive")
    for started in ("first", "again"):
        with serving(how_to, url=f"{main.url}/"):
            if started == "first":
                main.write("a/1", "in the main one")
                archive.write("a/1", "in the archive")
                archive.write("a/2", "a blob in the archive", blob=True)
            assert (main.read("a/1"), archive.read("a/1")) == ("in the main one", "in the archive")
            assert archive.read("a/2") == "a blob in the archive"
    var = how_to.directory / "var"
    assert b"in the archive" in (var / "filestorage/archive.fs").read_bytes()
    assert b"in the archive" not in (var / "filestorage/Data.fs").read_bytes()
    assert list((var / "archive-blobs").rglob("*.blob"))


def test_sentry_by_environment(how_to: Buildout, port: int) -> None:
    receiver_port = free_port()
    program = (CHECKOUT / "examples/tutorial/sentry_receiver.py").read_text(encoding="utf-8")
    how_to.write(program.replace("9000", str(receiver_port)), "receiver.py")
    (how_to.directory / ".env").write_text(f"SENTRY_DSN=http://key@localhost:{receiver_port}/1\n")
    build(how_to, "sentry-by-environment.cfg")
    with running(sys.executable, "receiver.py", cwd=how_to.directory) as receiver:
        receiver.wait_for_output("Listening on")
        with serving(how_to, url=f"http://localhost:{port}/"):
            fetch(f"http://localhost:{port}/?number:int=x")
            receiver.wait_for_output("ValueError: An integer was expected")


def test_queued(how_to: Buildout, port: int) -> None:
    """A receiver that takes a second for each record: requests do not wait, and all records arrive."""

    def slowly(path: str, body: bytes) -> str:
        time.sleep(1)
        return f"{path} {read_form(path, body)}"

    with posts(slowly) as receiver:
        (how_to.directory / "queued.cfg").write_text(how_to.read("queued.cfg").replace("9000", str(receiver.port)))
        build(how_to, "queued.cfg")
        url = f"http://localhost:{port}/"
        with serving(how_to, url=url) as server:
            start = time.monotonic()
            for _ in range(10):
                assert fetch(url).status == 200
            assert time.monotonic() - start < 9
            assert len(receiver.received) < 10
            assert server.stop(60) == 0
        lines = receiver.wait_for(lambda received: len(received) == 11)
    assert all(line.startswith("/log 127.0.0.1 - - ") for line in lines)


def test_move(how_to: Buildout, port: int) -> None:
    bootstrap(how_to, "-c", "relative-paths.cfg")
    assert (how_to.directory / "bin/buildout").is_file()
    build(how_to, "relative-paths.cfg")
    elsewhere = how_to.directory.with_name("elsewhere")
    how_to.directory.rename(elsewhere)
    with serving(Buildout(elsewhere), url=f"http://localhost:{port}/") as server:
        assert server.response.status == 200
    assert not how_to.directory.exists()


def test_zserver() -> None:
    """Both parts serve side by side; the environment is the one that the tests have made by the page's commands."""
    assert blocks()["zserver-environment"].splitlines() == list(COMMANDS)
    port, old_port, ftp_port = free_port(), free_port(), free_port()
    with site() as place:
        example = copy_example("how-to", place.directory, {8080: port, 8081: old_port, 8021: ftp_port})
        (example.directory / "zserver").symlink_to(python27().parent.parent)
        text = example.read("zserver.cfg")
        if USER:
            text = text.replace("wsgi = off", f"wsgi = off\neffective-user = {USER}")
        example.write(text, "zserver.cfg")
        assert "zserver-python" not in build(example, "zserver.cfg")
        give_away(example.directory / "var")
        url = f"http://localhost:{old_port}/"
        with serving(example, "old", url=url) as old, serving(example, url=f"http://localhost:{port}/") as new:
            assert old.response.headers["Server"].endswith(" ZServer/1.1")
            assert new.response.status == 200
            with ftplib.FTP() as ftp:
                ftp.connect("localhost", ftp_port, timeout=60)
        assert (example.directory / "var/old/Data.fs").is_file()


def test_zserver_s_data_move_over(buildout: Buildout, port: int) -> None:
    """By the page's command, which is that of another distribution: what Python 2 wrote, Python 3 serves."""
    buildout.instance(f"wsgi = off\nzserver-python = {python27()}\n")
    buildout.run()
    script = "# -*- coding: utf-8 -*-\napp.title = u'Größe'.encode('utf-8')\nimport transaction\ntransaction.commit()\n"
    buildout.write(script, "script.py")
    buildout.call("bin/instance", "run", "script.py")
    program, *args = shlex.split(blocks()["zserver-convert"])
    converted = buildout.call(str(Path(sys.executable).parent / program), *args).stdout
    assert "Updating magic marker" in converted
    buildout.instance(f"http-address = localhost:{port}\neggs = Zope\n")
    buildout.run()
    buildout.write("print(app.title)\n", "script.py")
    assert buildout.call("bin/instance", "run", "script.py").stdout == "Größe\n"
    with serving(buildout, url=f"http://localhost:{port}/"):
        assert fetch(f"http://localhost:{port}/manage_main", user="admin:admin").status == 200


# --- escapes ---------------------------------------------------------------------------------

#: Prints what zope.conf and wsgi.ini hold once Zope and PasteDeploy have read them.
READ_BOTH = """
import json, sys
from paste.deploy.loadwsgi import FILTER, loadcontext
from Zope2.Startup.options import ZopeWSGIOptions
zope_conf, wsgi_ini = sys.argv[1:]
environment = ZopeWSGIOptions(zope_conf)().configroot.environment
sentry = loadcontext(FILTER, f"config:{wsgi_ini}", name="sentry").local_conf
print(json.dumps([environment, sentry]))
"""


def test_escapes(buildout: Buildout) -> None:
    """Every row of the table, in one instance: an option of zope.conf, and one of wsgi.ini."""
    page = (DOCS / "escapes.rst").read_text(encoding="utf-8")
    rows = re.findall(r"^   \* - (``.*)\n     - (.*)\n     - (.*)\n", page, re.MULTILINE)
    assert len(rows) == 13
    texts = [row[0].strip("`") for row in rows]
    variables = "".join(f"\n    V{number} <{text}>" for number, text in enumerate(texts))
    release = " ".join(f"<{text}>" for text in texts)
    buildout.instance(f"eggs = sentry-sdk\nsentry_release = {release}\nenvironment-vars ={variables}\n")
    buildout.run()
    etc = buildout.part() / "etc"
    program = buildout.write(READ_BOTH, "read_both.py")
    done = buildout.call(
        "parts/instance/bin/interpreter", str(program), f"{etc}/zope.conf", f"{etc}/wsgi.ini", env={"NAME": "v$a%l"}
    )
    environment, sentry = json.loads(done.stdout.splitlines()[-1])
    meanings = {
        "the environment variable ``NAME``": "v$a%l",
        "the part's location": str(buildout.part()),
        "``client-home``": str(buildout.directory / "var/instance"),
        "the directory of ``wsgi.ini``": str(etc),
        "the path of ``wsgi.ini``": str(etc / "wsgi.ini"),
    }
    for column, found in (
        (1, [environment[f"V{number}"] for number in range(len(rows))]),
        (2, sentry["release"].split()),
    ):
        expected = [f"<{meanings.get(row[column], row[column].strip('`'))}>" for row in rows]
        assert found == expected


# --- how to add ------------------------------------------------------------------------------


class Package:
    """A copy of this package with its tests, to be changed as the pages say."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.source = directory / "src/recipe"
        leftovers = shutil.ignore_patterns("__pycache__", "*.egg-info")
        for name in ("src", "tests"):
            shutil.copytree(CHECKOUT / name, directory / name, ignore=leftovers)
        for name in ("CHANGES.rst", "LICENSE.txt", "README.rst", "pyproject.toml", "setup.py"):
            shutil.copy(CHECKOUT / name, directory)

    def insert(self, file: str, text: str, before: str) -> None:
        """Put lines before the only line that begins so, with its indentation."""
        path = self.directory / file
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        (at,) = [number for number, line in enumerate(lines) if line.lstrip().startswith(before)]
        indentation = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        path.write_text("".join([*lines[:at], textwrap.indent(text, indentation), *lines[at:]]), encoding="utf-8")

    def append(self, file: str, text: str) -> None:
        """Put lines at the end of a file."""
        with (self.directory / file).open("a", encoding="utf-8") as opened:
            opened.write(f"\n\n{text}")

    def python(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run Python with the copy."""
        env = os.environ | {"PYTHONPATH": f"{self.directory / 'src'}:{self.directory / 'tests'}"}
        return subprocess.run(
            [sys.executable, *args], env=env, cwd=self.directory, capture_output=True, text=True, check=False
        )

    def test(self, file: str, expression: str) -> None:
        """Run some tests of the copy; at least one must be there, and all must pass."""
        done = self.python("-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/{file}", "-k", expression)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A copy of this package."""
    return Package(tmp_path / "package")


def test_adding_an_option(package: Package) -> None:
    page = blocks()
    package.insert(
        "src/recipe/options/instance.py", page["option-field"], before="python_check_interval: int = option("
    )
    package.insert("src/recipe/templates/zope.conf", page["option-line"], before="python-check-interval ")
    package.append("tests/malformed/instance.cfg", page["option-case"])
    package.test("test_malformed.py", "http-realm or every_option")
    package.test("test_provenance.py", "declaration_says and http-realm")
    program = """if True:
        from parts import description, zope_conf
        from recipe.reference.options import reference

        assert "\\nhttp-realm Zope\\n" in zope_conf("")
        assert "\\nhttp-realm Our $$ite\\n" in zope_conf("http-realm = Our $ite")
        assert "``http-realm``" in reference()
        print(*description("htp-realm = a")[1].warnings)
        print(*description("zope-conf = my.conf\\nhttp-realm = a")[1].warnings)
    """
    done = package.python("-c", program)
    assert done.returncode == 0, done.stderr
    misspelt, idle = done.stdout.splitlines()
    assert "did you mean http-realm?" in misspelt
    assert "http-realm: is not written to zope.conf" in idle


def test_adding_a_server(package: Package, tmp_path: Path, port: int) -> None:
    """The battery of the servers passes with that of the page, and a part that asks too much of it is an error."""
    page = blocks()
    package.insert("src/recipe/common/servers.py", page["server-row"] + "\n", before="SERVERS = {")
    table = package.source / "common/servers.py"
    table.write_text(
        re.sub(r"(SERVERS = .*)\)\}", r"\1, WSGIREF)}", table.read_text(encoding="utf-8")), encoding="utf-8"
    )
    (package.source / "wsgi/servers/wsgiref.py").write_text(page["server-module"], encoding="utf-8")
    for block, entry_point in (("server-factory", "server_factory"), ("server-runner", "serve")):
        package.insert("setup.py", page[block], before=f'"main = recipe.wsgi.servers.waitress:{entry_point}"')
    assert package.python("setup.py", "-q", "egg_info").returncode == 0

    app = App(tmp_path)
    app.write(f"use = egg:plone.recipe.zope2instance#wsgiref\nfast-listen = 127.0.0.1:{port}")
    try:
        process = app.serve(PYTHONPATH=str(package.directory / "src"))
        response = fetch(f"http://127.0.0.1:{port}/")
        assert (response.status, response.headers["Server"][:10]) == (200, "WSGIServer")
        process.send(signal.SIGTERM)
        assert process.ended() == 0, process.output
    finally:
        app.close()

    package.test("test_wsgi_servers.py", "wsgiref and (body or connection or underscore)")
    assert "wsgiref" in package.python("-m", "recipe.reference.servers").stdout
    program = (
        "from parts import description as d; print(*d('wsgi-server = wsgiref\\nhttp-address = unix:/path')[1].errors)"
    )
    assert "wsgiref" in package.python("-c", program).stdout


def test_adding_a_command(package: Package) -> None:
    page = blocks()
    package.insert("src/recipe/control/commands.py", page["command-row"], before='"show": Command(')
    package.append("src/recipe/control/about.py", page["command-function"])
    etc = package.directory / "etc"
    etc.mkdir()
    (etc / "zope.conf").touch()
    call = ["-c", "import sys; from recipe.control import main; sys.exit(main())", "-C", str(etc / "zope.conf")]
    failed = package.python(*call, "addresses")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "this instance has no address" in failed.stderr
    (etc / "instance.json").write_text(json.dumps({"listen": ["127.0.0.1:8080", "unix:/zope.sock"]}))
    done = package.python(*call, "addresses")
    assert (done.returncode, done.stdout) == (0, "127.0.0.1:8080\nunix:/zope.sock\n"), done.stderr
    assert package.python(*call, "addresses", "more").returncode == 2
    assert re.search("addresses +print the addresses of the server", package.python(*call, "help").stdout)
    package.test("test_layers.py", "control")
    (package.directory / "docs").mkdir()
    control = package.directory / "docs/control.rst"
    control.write_text((DOCS / "control.rst").read_text(encoding="utf-8"), encoding="utf-8")
    package.append("docs/control.rst", page["command-text"])
    package.test("test_control_docs.py", "addresses or nothing_else")


def test_adding_a_storage(package: Package) -> None:
    page = blocks()
    package.insert("src/recipe/options/storage.py", page["storage-option"], before="zeo_client: bool = option(")
    bases = package.source / "describe/bases.py"
    text = bases.read_text(encoding="utf-8")
    (row,) = re.findall(r"^BASES = .*\n", text, re.MULTILINE)
    bases.write_text(text.replace(row, page["storage-bases"]), encoding="utf-8")
    package.insert("src/recipe/describe/bases.py", page["storage-row"] + "\n", before="#: What is left when no option")
    package.append("tests/malformed/storage.cfg", page["storage-cases"])
    package.test("test_malformed.py", "mapping-storage or every_option")
    program = """if True:
        from ZODB.config import databaseFromString
        from parts import description, zope_conf

        conf = zope_conf("mapping-storage = on\\nblob-storage = blobs")
        section = conf[conf.index("<blobstorage"):conf.index("</blobstorage>") + 15].replace("/bd/blobs", "blobs")
        database = databaseFromString(f"<zodb>\\n{section}\\n</zodb>")
        print(database.storage.getName(), database.open().root())
        part = ("mapping-storage = on", "file-storage = other.fs", "wsgi-server = gunicorn", "workers = 2")
        problems = description("\\n".join(part))[1]
        print(*problems.errors, *problems.warnings, sep="\\n")
    """
    done = package.python("-c", program)
    assert done.returncode == 0, done.stderr
    database, error, warning = done.stdout.splitlines()
    assert database == "tests {}"
    assert "workers: cannot be above 1 with a MappingStorage: each process would have its own database" in error
    assert "file-storage: does nothing with a MappingStorage" in warning


def test_all_follows_from_the_row_of_a_storage(package: Package) -> None:
    """What the page says of the other fields of a row, by one that has them all."""
    page = blocks()
    package.insert("src/recipe/options/storage.py", page["storage-option"], before="zeo_client: bool = option(")
    fields = """\
    blobs=Blobs.OWN,
    blobs_option="blob-dir in mapping-storage",
    packages=("a.package",),
    extra="an-extra",
    read_only=lambda options: options.read_only,
    options=("read-only",),
)
"""
    row = page["storage-row"].replace('    one_process="each process would have its own database",\n)\n', fields)
    bases = package.source / "describe/bases.py"
    text = re.sub(r"(?m)^BASES = .*\n", page["storage-bases"], bases.read_text(encoding="utf-8"))
    bases.write_text(text, encoding="utf-8")
    package.insert("src/recipe/describe/bases.py", row + "\n", before="#: What is left when no option")
    program = """if True:
        from parts import description, zope_conf
        from recipe.buildout.resolution import _extras
        from recipe.describe.storages import read_only

        instance, problems = description("mapping-storage = on\\nread-only = on\\nblob-storage = b\\nworkers = 2"
                                         "\\nwsgi-server = gunicorn\\nzeo-address = 81")
        settings = instance.settings
        print(problems.errors, _extras(settings), read_only(settings.storage))
        print(*problems.warnings, sep="\\n")
        print("%import a.package" in zope_conf("mapping-storage = on").splitlines())
        print("<blobstorage>" in zope_conf("mapping-storage = on"))
    """
    done = package.python("-c", program)
    assert done.returncode == 0, done.stderr
    first, *warnings, imports, has_blobs = done.stdout.splitlines()
    # Several processes can share it, so workers are no error
    assert first == "[] {'an-extra': 'mapping-storage', 'gunicorn': 'wsgi-server'} True"
    assert warnings == [
        "[instance] zeo-address: does nothing with a MappingStorage; it is for a ZEO client (zeo-client)",
        "[instance] blob-storage: does nothing with mapping-storage; set blob-dir in mapping-storage instead",
    ]
    assert (imports, has_blobs) == ("True", "False")
