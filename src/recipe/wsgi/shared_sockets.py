"""The listening sockets of several workers, and the distribution of new clients among the workers."""

import mmap
import sys

from recipe.wsgi.sockets import Listener, distribute, siblings


class SharedSockets:
    """All workers accept from the same sockets: any idle worker takes the next client."""

    def __init__(self, listeners: list[Listener], workers: int, backlog: int) -> None:
        #: the sockets of all workers
        self.listeners = listeners
        self.workers = workers
        self.backlog = backlog

    def listeners_of(self, number: int) -> list[Listener]:
        """Return the sockets of a worker; its successor has the same."""
        return self.listeners

    def listen(self, number: int) -> None:
        """Begin to listen, in a worker that is about to serve. Raises StartError."""
        for listener in self.listeners:
            listener.listen(self.backlog)

    def set_serving(self, number: int, serves: bool) -> None:
        """Record, for all processes, whether a worker accepts clients."""

    def alone(self) -> None:
        """Take note that the sockets of the server before this one have been closed."""

    def distribute(self) -> None:
        """Direct new clients to the workers that serve. Called often, by one process only."""

    def withdraw(self, number: int) -> None:
        """Leave the clients of a worker that has ended to the others, if the system cannot direct them."""


class OwnSockets(SharedSockets):
    """Each worker has its own sockets, for a server that accepts all waiting clients at once and leaves none to others.

    The kernel draws one of the workers that serve (`recipe.wsgi.sockets.distribute`). A client that is connected to
    the socket of a worker that has ended waits for its successor. A unix socket is shared in any case.
    """

    def __init__(self, listeners: list[Listener], workers: int, backlog: int) -> None:
        """Raise StartError if the system has no more sockets for an address."""
        super().__init__(listeners, workers, backlog)
        groups: list[list[Listener]] = []
        #: the sockets of each address, but not unix sockets, with the number of those that another server of this
        #: instance has there
        self._groups: list[tuple[list[Listener], int]] = []
        for group in _by_address(listeners):
            groups.append(siblings(group, backlog, workers))
            if not group[0].is_unix:
                self._groups.append((groups[-1], group[0].predecessors))
        self._succeeds = any(before for _, before in self._groups)
        self.listeners = list(dict.fromkeys(listener for group in groups for listener in group))
        self._by_worker = [list(own) for own in zip(*groups, strict=True)]
        #: a byte for each worker, and one for whether those other sockets have been closed, in shared memory
        self._serving = mmap.mmap(-1, workers + 1)
        self._distributed_to: list[int] | None = None  # the workers to which clients are directed
        self._distributes = True  # whether the system can direct clients

    def listeners_of(self, number: int) -> list[Listener]:
        """Return the sockets of a worker; its successor has the same."""
        return self._by_worker[number]

    def listen(self, number: int) -> None:
        """Begin to listen, in a worker that is about to serve. Raises StartError."""
        # The other workers are still loading, and the supervising process only acts later
        is_first = not any(self._serving[: self.workers])
        if is_first:
            self._distribute_to([number], [(group, before) for group, before in self._groups if not before])
        # All sockets, because the kernel numbers them in the order in which they begin to listen
        for listener in self.listeners if self._distributes else self.listeners_of(number):
            listener.listen(self.backlog)
        if is_first:
            # Not earlier: until they listen, the sockets are not among those from which the kernel selects
            self._distribute_to([number], [(group, before) for group, before in self._groups if before])

    def set_serving(self, number: int, serves: bool) -> None:
        """Record, for all processes, whether a worker accepts clients."""
        self._serving[number] = serves

    def distribute(self) -> None:
        """Direct new clients to the workers that serve."""
        is_beside_another = self._succeeds and not self._serving[self.workers]
        if self._succeeds and not any(self._serving[: self.workers]):
            return  # the other server has them; and a socket with a program cannot begin to listen beside others
        # If no worker serves, direct all to one: at the others' sockets, clients would wait for several workers to load
        serving = [number for number in range(self.workers) if self._serving[number]] or [0]
        # The other server directs clients to its workers when one of them ends, so repeat this
        if serving != self._distributed_to or is_beside_another:
            self._distributed_to = serving
            self._distribute_to(serving, self._groups)

    def _distribute_to(self, numbers: list[int], groups: list[tuple[list[Listener], int]]) -> None:
        for group, before in groups:
            places = [self._place(number, before) for number in numbers]
            self._distributes = self._distributes and distribute(group, places)

    def _place(self, number: int, before: int) -> int:
        """Return the kernel's number of the socket of a worker; there were `before` sockets of the other server.

        When the kernel closes a socket, it moves the last one of the address to its place; `recipe.control.supervisor`
        closes the sockets of the other server from the last one to the first.
        """
        place = number + before
        return place % self.workers if self._serving[self.workers] else place

    def alone(self) -> None:
        """Take note that the sockets of the other server have been closed."""
        self._serving[self.workers] = True
        self._distributed_to = None

    def withdraw(self, number: int) -> None:
        """Stop listening on the sockets of a worker that has ended, if the system cannot direct clients."""
        if not self._distributes:
            for listener in self.listeners_of(number):
                listener.stop_listening()


def _by_address(listeners: list[Listener]) -> list[list[Listener]]:
    """Return the listeners of each address; there are several after a crash. A host name may have several addresses."""
    groups: dict[object, list[Listener]] = {}
    for listener in listeners:
        groups.setdefault(listener.socket.getsockname(), []).append(listener)
    return list(groups.values())


#: For a server that accepts all waiting clients at once. Only Linux distributes clients with SO_REUSEPORT.
BalancedSockets: type[SharedSockets] = OwnSockets if sys.platform == "linux" else SharedSockets
