"""Waiting for ZEO servers that do not run yet.

ZEO's client waits for its server without a limit once it has been connected, but a new client gives up after 30
seconds.
"""

import json
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any, NamedTuple

from recipe.common.errors import StartError, describe

#: The section types of ZEO clients in zope.conf: ZODB's and ZEO's own.
SECTIONS = ("zeoclient", "clientstorage")

#: Seconds between two attempts; seconds that a server has to answer.
PAUSE, TIMEOUT = 0.5, 5.0

#: A request for the statistics of all storages (see ``ZEO.nagios``), preceded by its length as each message is.
QUESTION = b"\0\0\0\4ruok"

#: The maximum size of an answer in bytes; a server of another protocol has other data in the place of the length.
MOST_BYTES = 1 << 20

#: Releases of ZEO with the faults that `recipe.common.zeofallback` mends: their code is the same there. A later
#: release is used as it is, and so is ZEO 5, whose coroutines are of another kind.
FAULTY_RELEASES = ("6.0.0", "6.1", "6.2")


class Client(NamedTuple):
    """A ZEO client in a zope.conf. An address is a path, or a host and a port."""

    addresses: tuple[str | tuple[str, int], ...]
    storage: str
    encrypted: bool = False
    may_fall_back: bool = False


class MissingServer(NamedTuple):
    """A message about ZEO servers that do not run yet, and for how many seconds they have been awaited."""

    text: str
    seconds: float


class WrongServerError(Exception):
    """A server runs that the client cannot use; the text says why."""


def wait_for_servers(zope_confs: Iterable[str]) -> Iterator[MissingServer]:
    """Wait for the ZEO server of each client in these files; yield a message again and again while one is missing.

    Ends when all servers run. Raises StartError if a server runs that its client cannot use.
    """
    for client in [client for path in zope_confs for client in read_clients(path)]:
        _prepare(client)
        start = time.monotonic()
        while why := why_missing(client):
            yield MissingServer(f"waiting for the ZEO server at {why}", time.monotonic() - start)
            time.sleep(PAUSE)


def _prepare(client: Client) -> None:
    if client.may_fall_back and version("ZEO") in FAULTY_RELEASES:
        from recipe.common import zeofallback

        zeofallback.use()


def read_clients(zope_conf: str) -> Iterator[Client]:
    """Yield the ZEO clients among the storages of a zope.conf, including those within other storages."""
    for section in _sections(_databases(zope_conf)):
        if section.getSectionType() in SECTIONS:
            addresses = tuple(server.address for server in section.server)
            encrypted = bool(getattr(section, "ssl", None))
            yield Client(addresses, section.storage, encrypted, section.read_only_fallback)


def _databases(zope_conf: str) -> list[Any]:
    from Zope2.Startup.options import ZopeWSGIOptions

    try:
        databases: list[Any] = ZopeWSGIOptions(configfile=zope_conf)().configroot.databases
        return databases
    except Exception:
        return []  # Zope reads the file next, and reports the error


def _sections(value: Any) -> Iterator[Any]:
    """Yield the ZConfig sections in a section, in a storage's factory or in a list of these."""
    from ZConfig.matcher import SectionValue

    if isinstance(value, list):
        for item in value:
            yield from _sections(item)
    section = getattr(value, "config", value)
    if isinstance(section, SectionValue):
        yield section
        for name in section.getSectionAttributes():
            yield from _sections(getattr(section, name))


def why_missing(client: Client) -> str:
    """Return a message about the servers that do not run; empty if one of them has the storage.

    Raises StartError if all of them run and the client can use none.
    """
    reasons, refusals = [], 0
    for address in client.addresses:
        try:
            _check(address, client)
            return ""
        except WrongServerError as error:
            refusals += 1
            reasons.append(f"{address_text(address)} ({error})")
        except OSError as error:
            refusals += isinstance(error, PermissionError)
            reasons.append(f"{address_text(address)} ({describe(error)})")
    if refusals == len(client.addresses):
        raise StartError(f"cannot use the ZEO server at {', '.join(reasons)}")
    return " or ".join(reasons)


def _check(address: str | tuple[str, int], client: Client) -> None:
    """Check that a server has the storage.

    Raises WrongServerError if it has not, and OSError if no server runs. A server that does not answer in time passes:
    ZEO's client will report an error.
    """
    with _connection(address) as connection:
        if client.encrypted:
            return
        try:
            connection.sendall(QUESTION)
            _message(connection)  # the protocol's version
            storages = sorted(json.loads(_message(connection)))
        except TimeoutError:
            return
        except (ValueError, TypeError):
            raise WrongServerError("it is not a ZEO server") from None
    if client.storage not in storages:
        raise WrongServerError(f"it has no storage {client.storage!r}; it has {', '.join(map(repr, storages))}")


def _connection(address: str | tuple[str, int]) -> socket.socket:
    if not isinstance(address, str):
        return socket.create_connection((address[0] or "127.0.0.1", address[1]), TIMEOUT)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(TIMEOUT)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def _message(connection: socket.socket) -> bytes:
    """Return ZEO's next message. Raises ValueError if the data is not a message."""
    [length] = struct.unpack(">I", _bytes(connection, 4))
    if length > MOST_BYTES:
        raise ValueError(length)
    return _bytes(connection, length)


def _bytes(connection: socket.socket, number: int) -> bytes:
    """Return the next `number` bytes. Raises OSError if the connection is closed before."""
    received = b""
    while len(received) < number:
        block = connection.recv(number - len(received))
        if not block:
            # A load balancer or a container's proxy closes the connection if its server does not run
            raise ConnectionResetError("it closes the connection")
        received += block
    return received


def address_text(address: str | tuple[str, int]) -> str:
    """Return an address as it is written in zope.conf."""
    if isinstance(address, str):
        return address
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
