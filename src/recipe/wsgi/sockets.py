"""Listening sockets: they are bound early, so that errors are reported before Zope starts."""

import errno
import os
import socket
import stat
import struct
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

from recipe.common.address import Address
from recipe.common.errors import StartError, describe
from recipe.common.polling import readable

#: Socket options from <asm/socket.h>, which Python does not define.
SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_ATTACH_REUSEPORT_CBPF = 26, 27, 51

#: Instructions of classic BPF (<linux/filter.h>): load a number, a random one, remainder, skip unless equal, return.
LOAD, RANDOM, MODULO, UNLESS, RETURN = 0x20, 0xFFFFF000 + 56, 0x94, 0x15, 0x06

#: The most bytes in the path of a unix socket (unix(7)).
MOST_PATH_BYTES = 107

#: IPv4 and IPv6.
FAMILIES = (socket.AF_INET, socket.AF_INET6)

#: Why a successor cannot bind an address if the server before it listens there as, for example, ``*:8080``.
OTHER_FORM = "the server that runs has this port under another address"

#: Errors that mean that the machine lacks the family of an address.
NO_SUCH_FAMILY = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)


@dataclass(eq=False)
class Listener:
    """A bound socket. `early`: it listens already, and clients wait until the application is loaded."""

    address: Address
    socket: socket.socket
    early: bool
    #: of the file of a unix socket
    inode: int = 0
    #: the number of sockets with which another server of this instance listens on the address
    predecessors: int = 0

    @property
    def is_unix(self) -> bool:
        """Whether this is a unix socket."""
        return bool(self.address.path)

    def listen(self, backlog: int) -> None:
        """Begin to listen; up to `backlog` clients wait.

        Raises StartError if another process has taken the address since it was bound.
        """
        if _listens(self.socket):  # perhaps in another process, which has done what follows
            self.socket.listen(backlog)
            return
        replaces_file = self.is_unix and not self._owns_file()
        if replaces_file and not self.predecessors:
            raise _bind_error(self.address, OSError(errno.EADDRINUSE, ""))
        try:
            self.socket.listen(backlog)
            if replaces_file:
                os.rename(self.socket.getsockname(), self.address.path)
        except OSError as error:
            raise _bind_error(self.address, error) from None
        if self.predecessors and not self.is_unix:
            # New clients connect to this socket; when the others are closed, it is the only one
            distribute([self], [self.predecessors])

    def block_new_clients(self) -> None:
        """Block new clients; those in the backlog can still be accepted.

        If the socket were closed, clients that connect between the last accept and the close would be reset.
        """
        if not self.is_unix:
            _drop_packets(self.socket)
            return
        self._remove()
        if self._owns_file():  # the directory may be read-only for this user
            with suppress(OSError):
                os.chmod(self.address.path, 0)

    def stop_listening(self) -> None:
        """Stop listening, so that new clients connect to siblings; the socket stays bound, and can listen again.

        In Linux, connect(2) with AF_UNSPEC does this; shutdown(2) could not be undone. On other systems this does
        nothing, and clients wait.
        """
        if self.is_unix or sys.platform != "linux":
            return
        with suppress(ImportError, OSError):
            import ctypes

            nowhere = bytes(16)  # struct sockaddr, with AF_UNSPEC
            ctypes.CDLL(None).connect(self.socket.fileno(), nowhere, len(nowhere))

    def give_to(self, uid: int, gid: int) -> None:
        """Change the owner of a unix socket's file to the user of the server."""
        if path := self._file():
            os.chown(path, uid, gid, follow_symlinks=False)

    def close(self) -> None:
        """Close the socket and remove its file, unless another process has replaced the file."""
        # The file first, so that no client finds a file whose socket is closed
        self._remove()
        self.socket.close()

    def _remove(self) -> None:
        if path := self._file():
            # The directory may be read-only for this user; the next start replaces the file then
            with suppress(OSError):
                os.unlink(path)

    def _file(self) -> str:
        """Return the path of the file of a unix socket; empty if there is none, or another process has replaced it."""
        with suppress(OSError):  # the socket has been closed
            path, inode = _find_file(self.socket, self.address)
            return path if inode == self.inode else ""
        return ""

    def _owns_file(self) -> bool:
        try:
            return os.lstat(self.address.path).st_ino == self.inode
        except OSError:
            return False


#: By address: the number of sockets of a server of this instance that still listens there, and the sockets of one that
#: has crashed.
taken: Mapping[str, int] = {}
adopted: dict[str, list[socket.socket]] = {}


def bind(
    address: Address, *, early: bool, backlog: int, permissions: int, families: Collection[int] = FAMILIES
) -> list[Listener]:
    """Bind a socket to each address that `address` stands for.

    `permissions` are those of a unix socket's file; `families` are the IP address families to use.
    Raises StartError if an address cannot be bound; no socket is left open then.
    """
    predecessors = taken.get(str(address), 0)
    if held := _take_adopted(address):
        return [Listener(address, sock, _listens(sock), _find_file(sock, address)[1], predecessors) for sock in held]
    early = early and not predecessors
    if address.path:
        listeners = [_bind_unix(address, permissions, early, predecessors)]
    else:
        listeners = _bind_tcp(address, early, predecessors, families)
    for listener in listeners:
        if early:
            listener.listen(backlog)
    return listeners


def siblings(group: Sequence[Listener], backlog: int, number: int) -> list[Listener]:
    """Return `number` listeners on the address of `group`: at first those; each client connects to one of them.

    The kernel selects the socket (SO_REUSEPORT, socket(7)). A unix socket cannot be copied: the list has it each time.
    Raises StartError.
    """
    if group[0].is_unix:
        return [group[0]] * number
    kept = [replace(listener, predecessors=0) for listener in group[:number]]
    first, added = kept[0], []
    try:
        # Not before it was bound, because that would hide another server on the address
        first.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        for _ in range(number - len(kept)):
            sock = _tcp_socket(first.socket.family, first.socket.getsockname(), reuse_port=True)
            added.append(replace(first, socket=sock))
    except OSError as error:
        raise _bind_error(first.address, error) from None
    for sibling in added if first.early else ():
        sibling.listen(backlog)
    for listener in group[number:]:
        listener.socket.close()
    return [*kept, *added]


def _listens(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def adopt(descriptor: int) -> socket.socket:
    """Return an inherited socket; it accepts clients, even if the server before this one has blocked them."""
    os.set_inheritable(descriptor, False)
    sock = socket.socket(fileno=descriptor)
    with suppress(OSError):  # it has no filter
        sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
    return sock


def close_adopted() -> None:
    """Close the adopted sockets that have not been bound, because their addresses are no longer configured."""
    for held in adopted.values():
        for sock in held:
            sock.close()
    adopted.clear()


def _take_adopted(address: Address) -> list[socket.socket]:
    """Return the adopted sockets of an address; none if clients cannot find them, because the file is gone."""
    held = adopted.pop(str(address), [])
    if address.path and held and not _find_file(held[0], address)[0]:
        held.pop().close()
    return held


def _find_file(sock: socket.socket, address: Address) -> tuple[str, int]:
    """Return the path and the inode of the file of a unix socket; the empty text and 0 if there is none.

    The file of a successor has another name until it listens; the kernel knows that name only.
    """
    for path in (sock.getsockname(), address.path) if address.path else ():
        with suppress(FileNotFoundError):
            status = os.lstat(path)
            if stat.S_ISSOCK(status.st_mode):
                return path, status.st_ino
    return "", 0


def has_waiting_clients(listeners: Sequence[Listener], seconds: float = 0.0) -> bool:
    """Whether a client waits in the backlog of one of these, or comes within some seconds."""
    # poll() reports a socket that does not listen yet as readable
    listening = [listener.socket.fileno() for listener in listeners if _listens(listener.socket)]
    return readable(listening, seconds)


def distribute(group: Sequence[Listener], serving: Sequence[int]) -> bool:
    """Let the kernel select one of the siblings in `group` at random; return whether the system can do so.

    `serving` has the kernel's numbers of those to select from, at least one. Linux numbers siblings in the order in
    which they began to listen, as long as none is closed (SO_ATTACH_REUSEPORT_CBPF, socket(7)).
    """
    draw = [(LOAD, 0, 0, RANDOM), (MODULO, 0, 0, len(serving))]
    cases = [[(UNLESS, 0, 1, lot), (RETURN, 0, 0, index)] for lot, index in enumerate(serving)]
    return _attach(group[0].socket, SO_ATTACH_REUSEPORT_CBPF, [*draw, *chain(*cases), (RETURN, 0, 0, serving[0])])


def _bind_tcp(address: Address, early: bool, predecessors: int, families: Collection[int]) -> list[Listener]:
    listeners: list[Listener] = []
    missing: OSError | None = None
    for family, sockaddr in _resolve(address):
        if family not in families:
            continue
        try:
            sock = _tcp_socket(family, sockaddr, reuse_port=bool(predecessors))
        except OSError as error:
            # `localhost` and `*` may include IPv6 on a machine without it; the other addresses are sufficient
            if error.errno in NO_SUCH_FAMILY:
                missing = error
                continue
            for listener in listeners:
                listener.close()
            raise _bind_error(address, error) from None
        listeners.append(Listener(address, sock, early, predecessors=predecessors))
    if not listeners:
        raise _bind_error(address, missing or OSError(errno.EADDRNOTAVAIL, ""))
    return listeners


def _resolve(address: Address) -> Iterator[tuple[int, tuple[object, ...]]]:
    """Yield each distinct address of a host name."""
    host = None if address.host == "*" else address.host
    try:
        infos = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise StartError(f"cannot listen on {address}: unknown host ({error})") from None
    yield from dict.fromkeys((family, sockaddr) for family, _, _, _, sockaddr in infos)


def _tcp_socket(family: int, sockaddr: tuple[object, ...], reuse_port: bool = False) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # Without this, `::` would take the port of IPv4 as well
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(sockaddr)
    except OSError:
        sock.close()
        raise
    return sock


def _drop_packets(sock: socket.socket) -> None:
    """Attach a packet filter that drops all packets: a client that connects now tries again after a second.

    On systems without SO_ATTACH_FILTER (socket(7)) this does nothing.
    """
    _attach(sock, SO_ATTACH_FILTER, [(RETURN, 0, 0, 0)])


def _attach(sock: socket.socket, option: int, instructions: Sequence[tuple[int, int, int, int]]) -> bool:
    """Attach a program of classic BPF (struct sock_fprog) to a socket; return whether the system accepts it."""
    if sys.platform != "linux":
        return False
    with suppress(ImportError, OSError):
        import ctypes

        code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions))
        program = struct.pack("@HP", len(instructions), ctypes.addressof(code))
        sock.setsockopt(socket.SOL_SOCKET, option, program)
        return True
    return False


def _bind_unix(address: Address, permissions: int, early: bool, predecessors: int) -> Listener:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = _temporary(address.path) if predecessors else address.path
    try:
        if not predecessors:
            _remove_stale(address)
        sock.bind(path)
        os.chmod(path, permissions)
        return Listener(address, sock, early, os.lstat(path).st_ino, predecessors)
    except OSError as error:
        sock.close()
        raise _bind_error(address, error) from None
    except StartError:
        sock.close()
        raise


def _temporary(path: str) -> str:
    """Return a path in the same directory that is of this process, and not too long for a unix socket."""
    directory, name = os.path.split(path)
    suffix = f".{os.getpid()}"
    room = MOST_PATH_BYTES - len(os.fsencode(os.path.join(directory, suffix)))
    return os.path.join(directory, f"{name[-room:]}{suffix}")


def _remove_stale(address: Address) -> None:
    """Remove the socket file of a server that has ended. Raises OSError if a server is listening on it."""
    try:
        mode = os.lstat(address.path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StartError(f"cannot listen on {address}: a file of that name exists and is not a socket; remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(address.path)
        except ConnectionRefusedError:
            os.unlink(address.path)
            return
        except BlockingIOError:
            pass  # the backlog is full, so a server is listening
    raise OSError(errno.EADDRINUSE, "")


def _bind_error(address: Address, error: OSError) -> StartError:
    match error.errno:
        case errno.EADDRINUSE if f"{address.port}" in (other.rpartition(":")[2] for other in taken):
            why = OTHER_FORM
        case errno.EADDRINUSE:
            why = "the address is in use; is another server running?"
        case errno.EACCES if not address.path:
            why = "not permitted; ports below 1024 may need root"
        case errno.EADDRNOTAVAIL:
            why = "this machine has no such address"
        case _:
            why = describe(error)
    return StartError(f"cannot listen on {address}: {why}")


def url(sock: socket.socket) -> str:
    """Return the address of a bound socket, for the log."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"http://{host}:{name[1]}"
