"""``wsgi-server`` and what goes with it: what the recipe makes of them, and what it refuses."""

from __future__ import annotations

import pytest

from parts import description, ini, wsgi_ini
from recipe.common.servers import SERVERS, Description
from support import Buildout, fetch, free_port, serving, toolchain

ZEO = "zeo-client = on\n"


def test_the_section_of_waitress_is_as_ever() -> None:
    assert wsgi_ini("wsgi-server = waitress") == wsgi_ini("")
    section = ini(wsgi_ini(""))["server:main"]
    assert section["use"] == "egg:plone.recipe.zope2instance#main"
    assert section["paste.server_factory"] == "plone.recipe.zope2instance:main"


@pytest.mark.parametrize("server", [each for each in SERVERS.values() if each.name != "waitress"], ids=lambda s: s.name)
def test_all_options_reach_the_section(server: Description) -> None:
    asked = {
        "max-request-body-size": "1MB",
        "graceful-timeout": "7",
        "waitress-trusted-proxy": "10.0.0.1",
        "waitress-trusted-proxy-headers": "x-forwarded-for",
        "clear-untrusted-proxy-headers": "on",
    }
    asked |= {"threads": "9"} if server.threads else {}
    asked |= {"workers": "3", "zeo-client": "on"} if server.workers else {}
    asked |= {"http-header-max-length": "5000"} if server.header_limit else {}
    asked |= {"http-fast-listen": "off"} if server.late else {}
    section = dict(ini(wsgi_ini({"wsgi-server": server.name, **asked})).items("server:main"))
    del section["here"], section["__file__"]
    expected = {
        "use": f"egg:plone.recipe.zope2instance#{server.name}",
        "max_request_body_size": "1048576",
        "graceful_timeout": "7",
        "trusted_proxy": "10.0.0.1",
        "trusted_proxy_headers": "x-forwarded-for",
        "clear_untrusted_proxy_headers": "true",
    }
    expected |= {"threads": "9"} if server.threads else {}
    expected |= {"workers": "3"} if server.workers else {}
    expected |= {"max_request_header_size": "5000"} if server.header_limit else {}
    expected |= {"listen" if server.late else "fast-listen": "0.0.0.0:8080"}
    assert section == expected


LEAST = Description(
    name="least", module="least", threads=False, unix=False, several=False, late=False, header_limit=False,
    own_options=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("threads = 2", "threads: least cannot use several threads. Servers that can: "),
        ("workers = 2\nzeo-client = on", "workers: least cannot use several processes. Servers that can: "),
        ("http-address = 8080 8081", "http-address: least cannot listen on several addresses. Servers that can: "),
        ("http-address = unix:/a", "http-address: least cannot listen on a unix socket. Servers that can: "),
        (
            "http-fast-listen = off",
            "http-fast-listen: least cannot wait until Zope has started before it listens. Servers that can: ",
        ),
        (
            "http-header-max-length = 1",
            "http-header-max-length: least cannot limit the size of request headers. Servers ",
        ),
        ("wsgi-server-options = a = b", "wsgi-server-options: least cannot accept wsgi-server-options. Servers that "),
    ],
)
def test_what_a_server_cannot_do_is_told_with_those_that_can(text: str, told: str) -> None:
    _, problems = description(f"wsgi-server = least\n{text}", servers={**SERVERS, "least": LEAST})
    (error,) = problems.errors
    assert error.startswith(f"[instance] {told}")
    assert "gunicorn" in error
    _, problems = description("wsgi-server = least\nthreads = 1", servers={**SERVERS, "least": LEAST})
    assert problems.errors == []


def test_workers_are_known_to_the_control_script() -> None:
    from recipe.render import facts

    for text, line in (
        ("", ""),
        ("wsgi-server = gunicorn", ""),
        (f"{ZEO}workers = 2\nwsgi-server = gunicorn", '"workers": 2'),
    ):
        instance, _ = description(text)
        assert line in facts.render(instance)
        assert bool(line) == ('"workers"' in facts.render(instance))


# --- by a real buildout ----------------------------------------------------------------------


def test_the_server_says_what_is_wrong_with_its_settings(buildout: Buildout) -> None:
    buildout.instance(
        """
        eggs = Zope
        wsgi-server = gunicorn
        wsgi-server-options =
            keepalvie = 5
            timeout = soon
            worker_connections = 500
        """
    )
    done = buildout.run(check=False)
    assert done.returncode
    assert "wsgi-server-options: keepalvie: is not a setting of gunicorn; did you mean keepalive?" in done.stdout
    assert "wsgi-server-options: timeout: gunicorn refuses 'soon'" in done.stdout
    assert "worker_connections:" not in done.stdout
    assert "Traceback" not in done.stdout
    assert not (buildout.part() / "etc/wsgi.ini").exists()


def test_a_server_that_cannot_be_had_is_told(buildout: Buildout) -> None:
    buildout.instance("eggs = Zope\nwsgi-server = gunicorn\n[versions]\ngunicorn = 27.0.0\n")
    done = buildout.run("buildout:index=http://127.0.0.1:9/simple", check=False)
    assert done.returncode
    assert "Error: [instance] wsgi-server: needs plone.recipe.zope2instance[gunicorn], but " in done.stdout
    assert "Traceback" not in done.stdout


def test_a_setting_that_somebody_breaks_is_told_before_it_serves(buildout: Buildout, port: int) -> None:
    buildout.instance(f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\nwsgi-server = gunicorn\n")
    buildout.run()
    path = buildout.part() / "etc/wsgi.ini"
    path.write_text(path.read_text().replace("threads = 4", "threads = 4\nno_such = 1"))
    for command in ("check", "fg", "start"):
        done = buildout.call("bin/instance", command, check=False)
        assert done.returncode == 1
        assert "no_such: is not a setting of gunicorn" in done.stdout
        assert "Traceback" not in done.stdout
    path.write_text(path.read_text().replace("no_such = 1", ""))
    # Somebody else's loader loads the application before there are workers
    with serving(buildout, "runwsgi", str(path), url=f"http://127.0.0.1:{port}/") as server:
        assert server.response.headers["Server"] == "gunicorn"


OTHER = '''
"""A server of somebody else's: the standard library's, in one thread."""

from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from recipe.wsgi.servers.table import Description

OTHER = Description(name="other", module="otherserver", distribution="otherserver", workers=False, threads=False)


def server_factory(global_conf, **settings):
    from recipe.wsgi import signals
    from recipe.wsgi.guard import around
    from recipe.wsgi.servers import Server
    from recipe.wsgi.settings import bind_all, read

    known = read(global_conf, settings)

    class Other(Server):
        def __call__(self, app):
            (listener,) = self.listeners
            server = WSGIServer(listener.address, WSGIRequestHandler, bind_and_activate=False)
            server.socket = listener.socket
            server.server_name, server.server_port = "localhost", listener.address.port
            server.setup_environ()
            server.set_app(around(app, known))
            self.on_ready()
            # Which waits for serve_forever: not in a handler of that very thread
            with signals.on_stop(Thread(target=server.shutdown).start):
                server.serve_forever()

    return Other(bind_all(known))


def wrong(settings):
    yield from ((name, "other has no such setting") for name in settings if name != "colour")
'''


def test_a_server_of_another_distribution(buildout: Buildout) -> None:
    port = free_port()
    buildout.write(OTHER, "other/otherserver.py")
    # As `develop` would leave it, which runs pip for that
    egg_info = "other/otherserver.egg-info"
    buildout.write("Metadata-Version: 2.1\nName: otherserver\nVersion: 1.0\n", f"{egg_info}/PKG-INFO")
    points = "[plone.recipe.zope2instance.wsgi_server]\nother = otherserver:OTHER\n"
    points += "[paste.server_factory]\nother = otherserver:server_factory\n"
    buildout.write(points, f"{egg_info}/entry_points.txt")
    buildout.write(f"{buildout.directory}/other\n.\n", "develop-eggs/otherserver.egg-link")
    ours = "plone.recipe.zope2instance.egg-link"
    buildout.write((toolchain().develop_eggs / ours).read_text(), f"develop-eggs/{ours}")
    text = f"""
        [buildout]
        parts = instance
        develop-eggs-directory = develop-eggs
        [versions]
        otherserver =
        [instance]
        recipe = plone.recipe.zope2instance
        user = admin:admin
        eggs =
            Zope
            otherserver
        http-address = 127.0.0.1:{port}
        wsgi-server = other
        wsgi-server-options = colour = blue
        """
    buildout.write(text.replace("colour = blue", "taste = sweet"))
    assert "wsgi-server-options: taste: other has no such setting" in buildout.run(check=False).stdout
    buildout.write(text)
    buildout.run()
    # What it says of itself may change without a trace: it is asked on each run
    assert not (buildout.part() / "etc/fingerprint.json").exists()
    assert "use = egg:otherserver#other\n" in buildout.read("parts/instance/etc/wsgi.ini")
    with serving(buildout, url=f"http://127.0.0.1:{port}/") as server:
        assert server.response.status == 200
        assert fetch(f"http://127.0.0.1:{port}/").headers["Server"].startswith("WSGIServer")
    ours = ", ".join(SERVERS)
    buildout.write(text.replace("wsgi-server = other", "wsgi-server = othr"))
    told = f"[instance] wsgi-server: 'othr' is not a known server. Allowed: {ours}, other. Did you mean other?"
    assert told in buildout.run(check=False).stdout
    text = text.replace("Zope\n            otherserver", "Zope")
    buildout.write(text)
    assert (
        f"[instance] wsgi-server: 'other' is not a known server. Allowed: {ours}." in buildout.run(check=False).stdout
    )
    # Whether an egg brings it is not known yet
    buildout.write(text.replace("colour = blue", "colour"))
    told = "[instance] wsgi-server: 'other' is not a known server, unless an egg of the part provides it. Allowed: "
    assert told in buildout.run(check=False).stdout
