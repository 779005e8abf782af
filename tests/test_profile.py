"""``profile = on``: repoze.profile with all its options, in a real Zope, to its end."""

from __future__ import annotations

import os
import pstats
import signal
from pathlib import Path

import pytest

import views
from parts import description
from support import Buildout, fetch, serving, wait_for_http
from test_examples import copy_example

ALL = """\
profile = on
profile_log_filename = kept/profile.raw
profile_cachegrind_filename = kept/too/profile.cachegrind
profile_discard_first_request = false
profile_path = /numbers
profile_flush_at_shutdown = false
profile_unwind = true
"""


def functions(file: Path) -> set[str]:
    """The functions in a profile, as ``file:name``."""
    found = pstats.Stats(str(file)).stats  # type: ignore[attr-defined]
    return {f"{Path(source).name}:{name}" for source, _, name in found}


@pytest.mark.parametrize("end", ["stop", "interrupt", "terminate"])
def test_all_options(end: str, buildout: Buildout, port: int) -> None:
    """The files are where they are said to be, from the first request on, and still there in the end."""
    buildout.instance(f"eggs =\n    Zope\n    pyprof2calltree\nhttp-address = 127.0.0.1:{port}\n{ALL}{views.OPTIONS}")
    assert "[instance]" not in buildout.run().stdout
    raw, cachegrind = (buildout.directory / f"kept/{name}" for name in ("profile.raw", "too/profile.cachegrind"))
    assert cachegrind.parent.is_dir()
    url = f"http://127.0.0.1:{port}"
    if end == "stop":
        buildout.call("bin/instance", "start")
        try:
            wait_for_http(url + "/")
            ask(url, raw, cachegrind)
        finally:
            stopped = buildout.call("bin/instance", "stop").stdout
        assert "daemon process stopped" in stopped
    else:
        with serving(buildout, url=url + "/") as server:
            ask(url, raw, cachegrind)
            os.kill(server.pid, signal.SIGINT if end == "interrupt" else signal.SIGTERM)
            assert server.process.wait(60) == 0
    # All requests are in it; the blocks were made while it counted
    assert {"views.py:__call__", "views.py:__next__", "WSGIPublisher.py:publish"} <= functions(raw)
    assert "fn=" in cachegrind.read_text(encoding="utf-8")
    assert not list((buildout.directory / "var/log").glob("*profile*"))


def ask(url: str, raw: Path, cachegrind: Path) -> None:
    assert raw.is_file()
    assert cachegrind.is_file()
    assert fetch(url + "/stream").text == "block\n" * 3
    assert fetch(url + "/__profile__").status == 404
    assert "function calls" in fetch(url + "/numbers").text


def test_defaults(buildout: Buildout, port: int) -> None:
    """The first request is left out, and the file is there while the server is."""
    buildout.instance(f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\nprofile = on\n{views.OPTIONS}")
    buildout.run()
    url, raw = f"http://127.0.0.1:{port}", buildout.directory / "var/log/profile-instance.raw"
    with serving(buildout, url=url + "/"):
        assert not raw.exists()
        assert "not yet any profiling data" in fetch(url + "/__profile__").text
        fetch(url + "/stream")
        assert "WSGIPublisher.py:publish" in functions(raw)
        assert "views.py:__next__" not in functions(raw)
        assert "function calls" in fetch(url + "/__profile__").text
    assert not raw.exists()
    assert not list(buildout.directory.glob("var/log/cachegrind*"))


def test_how_to(tmp_path: Path, port: int) -> None:
    how_to = copy_example("how-to", tmp_path, {8080: port})
    how_to.run("-c", "profile.cfg", "buildout:develop=")
    url = f"http://localhost:{port}"
    with serving(how_to, url=url + "/"):
        fetch(url + "/")
        assert "function calls" in fetch(url + "/__profile__").text
    assert functions(how_to.directory / "var/log/profile-instance.raw")
    assert (how_to.directory / "var/log/instance.cachegrind").stat().st_size


def test_a_file_that_nothing_would_write_is_a_warning() -> None:
    text = "profile = on\nprofile_cachegrind_filename = a"
    _, problems = description(text)
    assert problems.warnings == [
        "[instance] profile_cachegrind_filename: does nothing without pyprof2calltree; add it to eggs"
    ]
    assert description(text, projects=("pyprof2calltree",))[1].warnings == []
