"""An instance from its making to its end: what ``make test-pythons`` runs with each Python, in a real buildout."""

from __future__ import annotations

import json
import re
import sys

from support import Buildout, fetch, serving, wait_for_http
from waiting import wait_for

PART = """
eggs = Zope
http-address = 127.0.0.1:{port}
environment-vars = CITY Gießen
threads = {threads}
"""


def test_an_instance_is_built_serves_is_controlled_restarted_and_rebuilt(buildout: Buildout, port: int) -> None:
    url = f"http://127.0.0.1:{port}/"
    buildout.instance(PART.format(port=port, threads=3))
    built = buildout.run().stdout
    assert "[instance]" not in built

    with serving(buildout, url=url) as server:
        assert server.response.status == 200
        assert fetch(f"{url}manage_main").status == 401
        assert fetch(f"{url}manage_main", user="admin:admin").status == 200
    assert '"GET / HTTP/1.1" 200' in buildout.read("var/log/instance-access.log")

    code = "import os, sys; print(sys.version_info[:2], os.environ['CITY'], app.title)"
    buildout.write(code, "script.py")
    # Zope 5.13 warns of pkg_resources before that
    last = buildout.call("bin/instance", "run", "script.py").stdout.splitlines()[-1]
    assert last == f"{sys.version_info[:2]} Gießen Zope"
    buildout.call("bin/instance", "adduser", "jo", "word")

    def control(*command: str) -> str:
        return buildout.call("bin/instance", *command, timeout=120).stdout

    def pid(text: str) -> int:
        found = re.search(r"pid=(\d+)$", text, re.MULTILINE)
        assert found, text
        return int(found[1])

    def server_pid() -> int:
        return int(json.loads(control("status", "--json"))["server"])

    try:
        first = pid(control("start"))
        assert wait_for_http(url).status == 200
        assert fetch(f"{url}manage_main", user="jo:word").status == 200
        assert pid(control("status")) == first
        log = buildout.directory / "var/log/instance.log"
        log.rename(log.with_suffix(".1"))
        control("logreopen")
        wait_for(log.exists)
        before = server_pid()
        assert pid(control("restart")) == first
        second = server_pid()
        assert second != before
        assert fetch(url).status == 200

        # What runs does not notice
        buildout.instance(PART.format(port=port, threads=5))
        buildout.run()
        assert server_pid() == second
        assert pid(control("reload")) == first
        assert server_pid() != second
        assert "threads = 5" in buildout.read("parts/instance/etc/wsgi.ini")
        assert fetch(url).status == 200
        assert "Updating instance" in buildout.run().stdout
    finally:
        stopped = buildout.call("bin/instance", "stop", check=False).stdout
    assert stopped == "daemon process stopped\n"

    buildout.write("[buildout]\nparts =\n")
    buildout.run()
    assert not buildout.part().exists()
    assert not (buildout.directory / "bin/instance").exists()
    assert (buildout.directory / "var/filestorage/Data.fs").is_file()
