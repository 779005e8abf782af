"""The how-to "Behind nginx, HAProxy or Varnish": its configurations, run by Debian's programs."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

import views
from support import Buildout, Server, free_port, running, serving, wait_for_http
from test_examples import copy_example

#: What a client may send to seem another one.
FORGED = {
    "X-Forwarded-For": "203.0.113.66",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "666",
    "X-Forwarded-By": "203.0.113.67",
    "Forwarded": "for=203.0.113.66;host=evil.example;proto=https",
}


def ask(
    address: tuple[str, int] | str, host: str, headers: Mapping[str, str], *, client: str = "", tls: bool = False
) -> dict[str, str | None]:
    """What the page ``/tell`` says to a client with this address, over TLS or not."""
    if isinstance(address, str):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        connection.connect(os.path.relpath(address))
    else:
        connection = socket.create_connection(address, timeout=60, source_address=(client, 0) if client else None)
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = context.wrap_socket(connection, server_hostname="example.org")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with connection:
        connection.sendall(f"GET /tell HTTP/1.0\r\nHost: {host}\r\n{lines}\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    head, _, body = answer.partition("\r\n\r\n")
    assert " 200 " in head.splitlines()[0], answer
    told: dict[str, str | None] = json.loads(body)
    return told


@pytest.fixture(scope="module")
def zope_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def how_to(tmp_path_factory: pytest.TempPathFactory, zope_port: int) -> Iterator[Buildout]:
    """The instance of the how-to, serving."""
    buildout = copy_example("how-to", tmp_path_factory.mktemp("proxy"), {8080: zope_port})
    with (buildout.directory / "reverse-proxy.cfg").open("a") as file:
        file.write(views.OPTIONS)
    buildout.run("-c", "reverse-proxy.cfg", "buildout:develop=")
    with serving(buildout, url=f"http://127.0.0.1:{zope_port}/"):
        yield buildout


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and its key, in one file."""
    path = tmp_path_factory.mktemp("certificate") / "both.pem"
    subject = ["-subj", "/CN=example.org", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command = ["openssl", "req", "-x509", *subject, "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def program(name: str) -> str:
    """The path of one of Debian's servers, which ``make debian-packages`` installs."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert found, f"{name} is missing: make debian-packages"
    return found


Proxy = tuple[int, int]  # the ports for HTTP and for HTTPS (0: there is none)


@contextmanager
def nginx(how_to: Buildout, certificate: Path) -> Iterator[tuple[Server, Proxy]]:
    directory, ports = how_to.directory / "nginx", (free_port(), free_port())
    directory.mkdir()
    server = how_to.read("nginx.conf").replace("listen 80;", f"listen 127.0.0.1:{ports[0]};")
    server = server.replace("listen 443 ssl;", f"listen 127.0.0.1:{ports[1]} ssl;")
    for ending in ("crt", "key"):
        server = server.replace(f"/etc/ssl/example.org.{ending}", str(certificate))
    places = "".join(f"{kind}_temp_path {kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    # What Debian's own nginx.conf gives around it
    (directory / "nginx.conf").write_text(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {}\n"
        f"http {{\naccess_log off;\n{places}{server}}}\n"
    )
    args = ("-p", str(directory), "-e", "stderr", "-c", "nginx.conf")
    with running(program("nginx"), *args, cwd=directory) as process:
        yield process, ports


@contextmanager
def haproxy(how_to: Buildout, certificate: Path) -> Iterator[tuple[Server, Proxy]]:
    ports = (free_port(), free_port())
    text = how_to.read("haproxy.cfg").replace("bind :80\n", f"bind 127.0.0.1:{ports[0]}\n")
    text = text.replace("bind :443 ", f"bind 127.0.0.1:{ports[1]} ").replace(
        "/etc/ssl/example.org.pem", str(certificate)
    )
    (how_to.directory / "haproxy-run.cfg").write_text(text)
    with running(program("haproxy"), "-f", "haproxy-run.cfg", cwd=how_to.directory) as process:
        yield process, ports


@contextmanager
def varnish(how_to: Buildout, certificate: Path) -> Iterator[tuple[Server, Proxy]]:
    port = free_port()
    vcl, place = str(how_to.directory / "varnish.vcl"), str(how_to.directory / "varnish")
    args = ("-F", "-j", "none", "-n", place, "-f", vcl, "-a", f"127.0.0.1:{port}", "-s", "malloc,32m")
    with running(program("varnishd"), *args, cwd=how_to.directory) as process:
        yield process, (port, 0)


@pytest.mark.parametrize("proxy", [nginx, haproxy, varnish], ids=lambda proxy: proxy.__name__)
def test_behind(
    proxy: Callable[[Buildout, Path], AbstractContextManager[tuple[Server, Proxy]]],
    how_to: Buildout,
    certificate: Path,
    zope_port: int,
) -> None:
    """Client, scheme and host arrive, whatever the client says of them."""
    with proxy(how_to, certificate) as (server, (port, tls_port)):
        wait_for_http(f"http://127.0.0.1:{port}/", process=server.process)
        for forged in ({}, FORGED):
            told = ask(("127.0.0.1", port), "example.org", forged, client="127.0.0.7")
            assert (told["client"], told["url"]) == ("127.0.0.7", "http://example.org/tell")
            assert told["HTTP_X_FORWARDED_HOST"] is None
            if tls_port:
                told = ask(("127.0.0.1", tls_port), "example.org:8443", forged, client="127.0.0.8", tls=True)
                assert (told["client"], told["url"]) == ("127.0.0.8", "https://example.org:8443/tell")
    log = how_to.read("var/log/instance-access.log")
    assert "\n127.0.0.7 - - [" in log
    assert "203.0.113.66" not in log


def test_an_untrusted_peer_cannot_forge(how_to: Buildout, zope_port: int) -> None:
    """Who reaches the instance past the proxy, from an address that is not the proxy's."""
    host = f"127.0.0.1:{zope_port}"
    told = ask(("127.0.0.1", zope_port), host, FORGED, client="127.0.0.9")
    assert (told["client"], told["url"]) == ("127.0.0.9", f"http://{host}/tell")
    assert {value for name, value in told.items() if name.startswith("HTTP_X")} == {None}
    # From the proxy's address they count: it is this that the test above relies on
    told = ask(("127.0.0.1", zope_port), host, FORGED, client="127.0.0.1")
    assert (told["client"], told["url"]) == ("203.0.113.66", f"https://{host}/tell")


def test_a_chain_and_a_socket(tmp_path: Path) -> None:
    """Of the header's end as many addresses count as there are proxies, and a socket's peer has no address."""
    buildout = copy_example("how-to", tmp_path, {})
    with (buildout.directory / "reverse-proxy.cfg").open("a") as file:
        file.write("waitress-trusted-proxy-count = 2\n" + views.OPTIONS)
    path, port = str(buildout.directory / "zope.sock"), free_port()
    addresses = f"instance:http-address=127.0.0.1:{port} unix:{path}"
    buildout.run("-c", "reverse-proxy.cfg", "buildout:develop=", addresses, "instance:waitress-trusted-proxy=*")
    with serving(buildout, url=f"http://127.0.0.1:{port}/"):
        header = {"X-Forwarded-For": "203.0.113.66, 198.51.100.1, 198.51.100.2", "X-Forwarded-Proto": "https"}
        told = ask(path, "example.org", header)
    assert (told["client"], told["url"]) == ("198.51.100.1", "https://example.org/tell")
