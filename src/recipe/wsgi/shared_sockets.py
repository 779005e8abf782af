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
        groups = [siblings(listener, backlog, workers) for listener in listeners]
        self.listeners = list(dict.fromkeys(listener for group in groups for listener in group))
        self._groups = [group for group in groups if not group[0].is_unix]
        self._by_worker = [list(own) for own in zip(*groups, strict=True)]
        #: a byte for each worker, in memory that all processes share
        self._serving = mmap.mmap(-1, workers)
        self._distributed_to: list[int] | None = None  # the workers to which clients are directed
        self._distributes = True  # whether the system can direct clients

    def listeners_of(self, number: int) -> list[Listener]:
        """Return the sockets of a worker; its successor has the same."""
        return self._by_worker[number]

    def listen(self, number: int) -> None:
        """Begin to listen, in a worker that is about to serve. Raises StartError."""
        if not any(self._serving[:]):
            # The other workers are still loading, and the supervising process only acts later
            self._distribute_to([number])
        # All sockets, because the kernel numbers them in the order in which they begin to listen
        for listener in self.listeners if self._distributes else self.listeners_of(number):
            listener.listen(self.backlog)

    def set_serving(self, number: int, serves: bool) -> None:
        """Record, for all processes, whether a worker accepts clients."""
        self._serving[number] = serves

    def distribute(self) -> None:
        """Direct new clients to the workers that serve."""
        # If no worker serves, direct all to one: at the others' sockets, clients would wait for several workers to load
        serving = [number for number in range(self.workers) if self._serving[number]] or [0]
        if serving != self._distributed_to:
            self._distributed_to = serving
            self._distribute_to(serving)

    def _distribute_to(self, numbers: list[int]) -> None:
        self._distributes = self._distributes and all(distribute(group, numbers) for group in self._groups)

    def withdraw(self, number: int) -> None:
        """Stop listening on the sockets of a worker that has ended, if the system cannot direct clients."""
        if not self._distributes:
            for listener in self.listeners_of(number):
                listener.stop_listening()


#: For a server that accepts all waiting clients at once. Only Linux distributes clients with SO_REUSEPORT.
BalancedSockets: type[SharedSockets] = OwnSockets if sys.platform == "linux" else SharedSockets
