"""``debug-exceptions`` with Werkzeug's debugger, as a browser shows it: a real, headless Chromium."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

from support import CHECKOUT, fetch, serving
from test_examples import copy_example

#: What a Chromium without a screen needs, also where root starts it, and that it asks nobody for anything.
CHROMIUM = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=900,560",
)  # fmt: skip


def chromium(directory: Path, *args: str) -> str:
    """Run Chromium with a profile of its own; return what it printed."""
    program = shutil.which("chromium")
    assert program, "chromium is missing: make debian-packages"
    profile = f"--user-data-dir={directory / 'profile'}"
    done = subprocess.run(
        [program, *CHROMIUM, profile, *args], cwd=directory, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def png_size(data: bytes) -> tuple[int, ...]:
    """Width and height, from the header (https://www.w3.org/TR/png/#11IHDR)."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", data[16:24])


def test_a_browser_shows_the_traceback(tmp_path: Path, port: int) -> None:
    tutorial = copy_example("tutorial", tmp_path, {8080: port})
    tutorial.run("-c", "debug-exceptions.cfg", "buildout:develop=")
    picture = tmp_path / "picture.png"
    with serving(tutorial, url=f"http://localhost:{port}/") as server:
        url = f"http://localhost:{port}/?number:int=x"
        page = chromium(tmp_path, "--dump-dom", url)
        chromium(tmp_path, f"--screenshot={picture}", url)
        # What its script asks for when a prompt is opened
        secret = re.search(r'SECRET = "(\w+)"', page)
        assert secret
        fetch(f"http://localhost:{port}/?__debugger__=yes&cmd=printpin&s={secret[1]}")
        server.wait_for_output("Debugger pin code: ")
    assert re.search(r"<title>ValueError: An integer was expected in the value 'x'\s", page)
    assert "Traceback <em>(most recent call last)</em>" in page
    assert len(re.findall(r'<div class="frame" id="frame-\d+">', page)) > 3
    assert "ZPublisher/" in page
    # Its script has run: it puts the prompt's icon into each line of source
    assert page.count('title="Open an interactive python shell in this frame"') > 3
    shown = (CHECKOUT / "docs/how-to/debug-exceptions.png").read_bytes()
    assert png_size(picture.read_bytes()) == png_size(shown) == (900, 560)
    assert len(shown) < 150_000
