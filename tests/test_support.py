"""The harness itself: what the other tests take for granted."""

import socket
import sys
from pathlib import Path
from threading import Thread

import pytest

import support
from support import Buildout, Response, fetch, free_port, running, wait_for_http
from waiting import wait_for


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


def test_a_topic_that_cannot_be_installed_fails_the_buildouts_that_need_it(
    buildout: Buildout, monkeypatch: pytest.MonkeyPatch
) -> None:
    buildout.write("[buildout]\nparts =\n")
    buildout.write("[buildout]\nextends = buildout.cfg\n[one]\neggs = no-such-egg\n", "more.cfg")
    monkeypatch.setitem(support.TOPICS, "missing", ("no-such-egg",))
    try:
        for _ in range(2):
            with pytest.raises(RuntimeError, match=r"^the eggs of the topic missing in tests/eggs\.cfg cannot be"):
                buildout.run("-c", "more.cfg")
        buildout.run()
    finally:
        for path in support.EGGS.glob(".filled-*-missing-*"):
            path.unlink()


def test_a_wait_in_vain_says_what_it_waited_for_and_shows_what_was_printed(tmp_path: Path) -> None:
    with running(
        sys.executable, "-c", "print('so far', flush=True); __import__('time').sleep(60)", cwd=tmp_path
    ) as server:
        server.wait_for_output("so far")
        with pytest.raises(AssertionError) as error:
            wait_for(lambda: server.output == "ready", 0.1, lambda: "it was not ready")
    text = str(error.value)
    assert 'waited 0.1 s for: wait_for(lambda: server.output == "ready", 0.1, lambda: "it was not ready")' in text
    assert text.count("it was not ready") == 2
    assert "so far" in text.partition(f"process {server.pid}")[2]
