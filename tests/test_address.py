"""Addresses to listen on: one rule for the recipe and the server."""

from __future__ import annotations

import socket

import pytest

from recipe.common.address import Address, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8080", Address("0.0.0.0", 8080)),
        ("0", Address("0.0.0.0", 0)),
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        (":8080", Address("0.0.0.0", 8080)),
        ("localhost:8080", Address("localhost", 8080)),
        ("[::1]:8080", Address("::1", 8080)),
        ("[fe80::1%eth0]:8080", Address("fe80::1%eth0", 8080)),
        ("[localhost]:8080", Address("localhost", 8080)),
        ("127.1:8080", Address("127.1", 8080)),
        ("a_b.example:8080", Address("a_b.example", 8080)),
        ("müller.example.:8080", Address("müller.example.", 8080)),
        ("%(host)s:8080", Address("%(host)s", 8080)),
        ("*:65535", Address("*", 65535)),
        ("unix:/run/zope.sock", Address(path="/run/zope.sock")),
        ("unix:/run/a:b.sock", Address(path="/run/a:b.sock")),
    ],
)
def test_parse(text: str, address: Address) -> None:
    assert parse(text) == address


@pytest.mark.parametrize("text", ["", "no-such-service", "65536", "-1", "::1:8080", "a:b", "unix:x", "٣"])
def test_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"port|IPv6|path"):
        parse(text)


def test_a_service_is_a_port() -> None:
    """With ``http-fast-listen = off`` 9.1.0 hands them to waitress, which takes them."""
    try:
        port = socket.getservbyname("http", "tcp")
    except OSError:
        pytest.skip("this system has no /etc/services")
    assert parse("localhost:http") == Address("localhost", port)
    assert parse("http") == Address("0.0.0.0", port)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("300.1.1.1:80", "'300.1.1.1' is not a host name or an IP address"),
        ("a b:80", "'a b' is not a host name or an IP address"),
        ("a:80:80", "too many colons"),
        ("http://a:80/", r"did you mean a:80\?"),
        ("::1:80", r"write an IPv6 address as \[::1\]:80"),
        ("[::g]:80", "'::g' is not an IPv6 address"),
        ("a:", "no port"),
        ("some-host", "if it is a host, add a port, as in some-host:8080"),
    ],
)
def test_what_is_wrong_with_an_address(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)


@pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:80", "*:80", "unix:/a/b"])
def test_text_and_back(text: str) -> None:
    assert str(parse(text)) == text


def test_shifted() -> None:
    assert parse("8080").shifted(100) == Address("0.0.0.0", 8180)
    assert parse("unix:/a").shifted(100) == Address(path="/a")
    with pytest.raises(ValueError, match="65600"):
        parse("65500").shifted(100)
