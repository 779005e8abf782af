"""Addresses to listen on: one rule for the recipe and the server."""

from __future__ import annotations

import pytest

from recipe.address import Address, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8080", Address("0.0.0.0", 8080)),
        ("0", Address("0.0.0.0", 0)),
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        (":8080", Address("0.0.0.0", 8080)),
        ("localhost:8080", Address("localhost", 8080)),
        ("[::1]:8080", Address("::1", 8080)),
        ("*:65535", Address("*", 65535)),
        ("unix:/run/zope.sock", Address(path="/run/zope.sock")),
        ("unix:/run/a:b.sock", Address(path="/run/a:b.sock")),
    ],
)
def test_parse(text: str, address: Address) -> None:
    assert parse(text) == address


@pytest.mark.parametrize("text", ["", "http", "65536", "-1", "::1:8080", "a:b", "unix:x", "٣"])
def test_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"port|IPv6|path"):
        parse(text)


@pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:80", "*:80", "unix:/a/b"])
def test_text_and_back(text: str) -> None:
    assert str(parse(text)) == text


def test_shifted() -> None:
    assert parse("8080").shifted(100) == Address("0.0.0.0", 8180)
    assert parse("unix:/a").shifted(100) == Address(path="/a")
    with pytest.raises(ValueError, match="65600"):
        parse("65500").shifted(100)
