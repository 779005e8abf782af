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
        #: the number of sockets with which another server of this instance listens on each address
        self._before = max(listener.predecessors for listener in listeners)
        groups = [siblings(group, backlog, workers) for group in _by_address(listeners)]
        self.listeners = list(dict.fromkeys(listener for group in groups for listener in group))
        self._groups = [group for group in groups if not group[0].is_unix]
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
        if is_first and not self._before:
            self._distribute_to([number])
        # All sockets, because the kernel numbers them in the order in which they begin to listen
        for listener in self.listeners if self._distributes else self.listeners_of(number):
            listener.listen(self.backlog)
        if is_first and self._before:
            # Not earlier: until they listen, the sockets are not among those from which the kernel selects
            self._distribute_to([number])

    def set_serving(self, number: int, serves: bool) -> None:
        """Record, for all processes, whether a worker accepts clients."""
        self._serving[number] = serves

    def distribute(self) -> None:
        """Direct new clients to the workers that serve."""
        if self._before and not any(self._serving[: self.workers]):
            return  # the other server has them; and a socket with a program cannot begin to listen beside others
        # If no worker serves, direct all to one: at the others' sockets, clients would wait for several workers to load
        serving = [number for number in range(self.workers) if self._serving[number]] or [0]
        if serving != self._distributed_to:
            self._distributed_to = serving
            self._distribute_to(serving)

    def _distribute_to(self, numbers: list[int]) -> None:
        places = list(map(self._place, numbers))
        self._distributes = self._distributes and all(distribute(group, places) for group in self._groups)

    def _place(self, number: int) -> int:
        """Return the kernel's number of the socket of a worker.

        When the kernel closes a socket, it moves the last one of the address to its place; `recipe.control.supervisor`
        closes the sockets of the other server from the last one to the first.
        """
        place = number + self._before
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
    """Return the listeners of each address and family; there are several after a crash."""
    groups: dict[object, list[Listener]] = {}
    for listener in listeners:
        groups.setdefault((str(listener.address), listener.socket.family), []).append(listener)
    return list(groups.values())


#: For a server that accepts all waiting clients at once. Only Linux distributes clients with SO_REUSEPORT.
BalancedSockets: type[SharedSockets] = OwnSockets if sys.platform == "linux" else SharedSockets
