"""Addresses on which a server listens: ``8080``, ``host:port``, ``[::1]:8080``, ``*:8080``, ``unix:/path``.

The recipe reads them in the option ``http-address``, and the server in ``listen`` of wsgi.ini.
Both use this module, so that they agree.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass, field, replace

ALLOWED = "a port, host:port, [ipv6]:port, *:port or unix:/path"


@dataclass(frozen=True)
class Address:
    """One address, with ``path`` for a unix socket, or with ``host`` and ``port`` for TCP.

    The host ``*`` stands for every interface, IPv4 and IPv6. ``bare`` says that the text was a port only.
    """

    host: str = ""
    port: int = 0
    path: str = ""
    bare: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def shifted(self, by: int) -> "Address":
        """Return the address with `by` added to its port; the address of a unix socket is returned unchanged.

        Raises ValueError if the sum is not a port.
        """
        return self if self.path else replace(self, port=_port(str(self.port + by)))


def parse(text: str, usual: int = 8080) -> Address:
    """Parse one address; a port alone stands for all IPv4 interfaces.

    `usual` is the port in the example of a message. Raises ValueError with a message that begins with the text that
    is wrong.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/"):
            raise ValueError(f"{text!r} needs an absolute path, as in unix:/run/zope.sock")
        return Address(path=path)
    host, colon, port = text.rpartition(":")
    if not colon:
        if re.fullmatch(r"[a-z][a-z0-9.-]*", text) and _service(text) is None:
            raise ValueError(f"{text!r} is not a port; if it is a host, add a port, as in {text}:{usual}")
        return Address("0.0.0.0", _port(port), bare=True)
    if not port or text.endswith("]"):
        raise ValueError(f"{text!r} has no port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if not host or not (_is_ipv6(host) or _is_host(host)):
            raise ValueError(f"{text!r}: {host!r} is not an IPv6 address")
    elif ":" in host:
        raise ValueError(f"{text!r} {_too_many_colons(host, port)}")
    elif not _is_host(host):
        raise ValueError(f"{text!r}: {host!r} is not a host name or an IP address")
    return Address(host or "0.0.0.0", _port(port))


def _too_many_colons(host: str, port: str) -> str:
    if _is_ipv6(host):
        return f"is ambiguous: write an IPv6 address as [{host}]:{port}"
    url = re.fullmatch(r"https?://(.*)", f"{host}:{port}".rstrip("/"))
    return f"is a URL; did you mean {url[1]}?" if url else "has too many colons"


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _is_host(host: str) -> bool:
    """Return whether this can be a host name or an IPv4 address; ``%(x)s`` and ``$(X)`` are replaced only later."""
    if host in ("", "*") or "%(" in host or "$(" in host:
        return True
    if re.fullmatch(r"[0-9.]+", host):
        try:
            socket.inet_aton(host)
        except OSError:
            return False
    return bool(re.fullmatch(r"\w([\w.-]*\w)?\.?", host))


def _service(name: str) -> int | None:
    """Return the port of a service by its name (services(5)), which waitress accepts as well; None if unknown."""
    try:
        return socket.getservbyname(name, "tcp")
    except OSError:
        return None


def _port(text: str) -> int:
    port = _service(text) if text and not text.isdigit() and text.isprintable() else None
    if port is not None:
        return port
    if not (re.fullmatch("[0-9]{1,5}", text) and int(text) <= 65535):
        raise ValueError(f"{text!r} is not a port (0 to 65535)")
    return int(text)
