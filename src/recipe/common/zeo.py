"""ZEO servers that are not there yet: who they are, and waiting for them.

ZEO's client waits for its server for ever, but not when it is new: it gives up after 30 seconds then.
"""

import json
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any, NamedTuple

from recipe.common.errors import StartError, describe

#: Section types of zope.conf that are ZEO clients: ZODB's, and ZEO's own.
SECTIONS = ("zeoclient", "clientstorage")

#: Seconds between two looks, and for a server to answer.
PAUSE, TIMEOUT = 0.5, 5.0

#: A server that is asked so tells what it has. See ``ZEO.nagios``; messages are preceded by their length.
QUESTION = b"\0\0\0\4ruok"

#: More than any server tells, in bytes: what is not ZEO's says something else where the length would be.
MOST_BYTES = 1 << 20

#: Releases of ZEO with the faults that `recipe.common.zeofallback` mends: their code is the same there. A later
#: release is used as it is, and so is ZEO 5, whose coroutines are of another kind.
FAULTY_RELEASES = ("6.0.0", "6.1", "6.2")


class Client(NamedTuple):
    """A ZEO client of a zope.conf. An address is a path, or a host and a port."""

    addresses: tuple[str | tuple[str, int], ...]
    storage: str
    encrypted: bool = False
    may_fall_back: bool = False


class MissingServer(NamedTuple):
    """What is not there yet, in words, and for how many seconds that has been so."""

    text: str
    seconds: float


class WrongServerError(Exception):
    """A server is there, and will not do; the text says why."""


def wait_for_servers(zope_confs: Iterable[str]) -> Iterator[MissingServer]:
    """Wait for the ZEO server of each client in these files; yield what is missing, again and again.

    Ends as soon as all are there, and their clients can be made. Raises StartError where one is there
    that will not do.
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
    """Yield the ZEO clients among the storages of a zope.conf, whatever is around them."""
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
        return []  # whatever is wrong with it: Zope comes to it next, and tells


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
    """Return which servers are not there, and why; nothing where one has the storage.

    Raises StartError where all are there, and none will do.
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
    """Find out whether a server has the storage.

    Raises WrongServerError where it has not, and OSError where no server is there. One that keeps silent is
    taken for one: ZEO's client will find out.
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
            raise WrongServerError("what answers is no ZEO server") from None
    if client.storage not in storages:
        raise WrongServerError(f"it has no storage {client.storage!r}, but {', '.join(map(repr, storages))}")


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
    """Return ZEO's next message. Raises ValueError where it is none."""
    [length] = struct.unpack(">I", _bytes(connection, 4))
    if length > MOST_BYTES:
        raise ValueError(length)
    return _bytes(connection, length)


def _bytes(connection: socket.socket, number: int) -> bytes:
    """Return so many bytes. Raises OSError where the connection ends before."""
    received = b""
    while len(received) < number:
        block = connection.recv(number - len(received))
        if not block:
            # So does what stands in for a server that is not there: a balancer, a container's proxy
            raise ConnectionResetError("it closes the connection")
        received += block
    return received


def address_text(address: str | tuple[str, int]) -> str:
    """Return an address as zope.conf has it."""
    if isinstance(address, str):
        return address
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
