"""The harness itself: what the other tests take for granted."""

import socket
from threading import Thread

import pytest

from support import Buildout, Response, fetch, free_port, wait_for_http


def test_buildout_installs_this_checkout(buildout: Buildout) -> None:
    buildout.write(
        """
        [buildout]
        parts = py

        [py]
        recipe = zc.recipe.egg
        eggs = plone.recipe.zope2instance
        interpreter = py
        """
    )
    buildout.run()
    shown = buildout.call("bin/py", "-c", "import recipe; print(recipe.__file__)").stdout
    assert "src/recipe/__init__.py" in shown


def test_a_failed_buildout_shows_its_output(buildout: Buildout) -> None:
    buildout.write("[buildout]\nparts = missing\n")
    with pytest.raises(AssertionError, match="missing"):
        buildout.run()
    assert buildout.run(check=False).returncode != 0


def test_an_egg_without_a_pin_is_refused(buildout: Buildout) -> None:
    buildout.write("[buildout]\nparts = egg\n\n[egg]\nrecipe = zc.recipe.egg\neggs = six\n")
    assert "six" in buildout.run(check=False).stdout


def test_a_free_port_can_be_bound() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass


def test_waiting_for_a_server_that_is_not_there_ends() -> None:
    with pytest.raises(TimeoutError, match="did not answer"):
        wait_for_http(f"http://127.0.0.1:{free_port()}/", timeout=0.2)


def test_an_error_status_is_an_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=_answer_once, args=[listening, b"HTTP/1.0 404 Not Found"])
        thread.start()
        response = fetch("http://127.0.0.1:{1}/".format(*listening.getsockname()), timeout=5)
        thread.join(5)
    assert response == Response(404, "no", {"Content-Length": "2"})


def _answer_once(listening: socket.socket, status: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(status + b"\r\nContent-Length: 2\r\n\r\nno")
