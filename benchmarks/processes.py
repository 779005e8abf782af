"""Measures running servers: the first response, memory, CPU time, and the rate of requests."""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from support import Buildout, Server, start

#: The maximum time from the start of a server to its first response, and from its last request to idleness, in seconds.
PATIENCE = 120


@contextmanager
def booted(buildout: Buildout, port: int, command: str, script: str = "instance") -> Iterator[tuple[float, Server]]:
    """Run ``bin/SCRIPT COMMAND`` until the first response with status 200; yield its seconds and the server."""
    begin = time.perf_counter()
    with start(buildout, script, command) as server:
        first_answer(port, server)
        yield time.perf_counter() - begin, server


def first_answer(port: int, server: Server) -> None:
    """Wait until the response for ``/`` has the status 200.

    If no server listens yet, the request is repeated every 2 ms. Raises TimeoutError, or ChildProcessError if the
    server has ended.
    """
    end = time.monotonic() + PATIENCE
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        with suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/")
            if connection.getresponse().status == 200:
                return
        connection.close()
        if server.process.poll() is not None:
            raise ChildProcessError(f"the server ended with {server.process.returncode}:\n{server.output[-2000:]}")
        if time.monotonic() > end:
            raise TimeoutError(f"no response within {PATIENCE} s:\n{server.output[-2000:]}")
        time.sleep(0.002)


def processes(directory: Path) -> list[int]:
    """Return the ids of all processes whose command line names a path in this directory.

    These are all processes of an instance, including the manager of a daemon, since all are started with the paths of
    the instance's files.
    """
    pids = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"{directory}/".encode() in path.read_bytes():
                pids.append(int(path.parent.name))
    return pids


def memory(directory: Path) -> float:
    """Return the memory of an instance's processes in MB: their proportional set size (proc(5), smaps_rollup)."""
    kilobytes = 0
    for pid in processes(directory):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        kilobytes += int(re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[0])
    return kilobytes / 1024


def cpu_time(directory: Path) -> float:
    """Return the CPU time of the processes of an instance in seconds, including that of threads that have ended."""
    return sum(map(_cpu_time, processes(directory)))


def _cpu_time(pid: int) -> float:
    # The clock of clock_getcpuclockid(3), which Python lacks: CPUCLOCK_SCHED of <linux/posix-timers.h>
    return time.clock_gettime(~pid << 3 | 2)


def finish(directory: Path) -> None:
    """Wait until an instance is idle: it may still handle requests of clients that have disconnected.

    Raises TimeoutError.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        before = cpu_time(directory)
        time.sleep(0.1)
        if cpu_time(directory) - before < 0.01:
            return
    raise TimeoutError(f"the processes of {directory} are not idle after {PATIENCE} s without clients")


@dataclass(frozen=True)
class Load:
    """The results of wrk."""

    requests: int
    rate: float
    """Requests per second."""
    p99: float
    """The 99th percentile of the latency, in milliseconds."""


def ask(port: int, connections: int, seconds: int, path: str = "/") -> Load:
    """Send requests to a server with wrk for some seconds, over persistent connections if the server supports them.

    Raises RuntimeError if a response is not successful. Incomplete responses are not counted. wrk reports a read error
    if a server closes a connection after its response; that is allowed.
    """
    url = f"http://127.0.0.1:{port}{path}"
    # A server that delays some requests for seconds (granian) is slow, which its latency shows; so the timeout is long
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency", url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output or re.search(r"Socket errors: (?!connect 0, read \d+, write 0, timeout 0)", output):
        raise RuntimeError(f"not all requests were successful:\n{output}")
    return parse(output)


def parse(output: str) -> Load:
    """Parse the output of ``wrk --latency``. Raises ValueError."""
    match = re.search(r" 99%\s+([\d.]+)(us|ms|s)\s+(\d+) requests in .*Requests/sec:\s+([\d.]+)", output, re.DOTALL)
    if not match:
        raise ValueError(f"this is not the output of wrk:\n{output}")
    milliseconds = float(match[1]) * {"us": 0.001, "ms": 1, "s": 1000}[match[2]]
    return Load(int(match[3]), float(match[4]), milliseconds)


def require_wrk() -> None:
    """Raise RuntimeError if wrk is not installed."""
    if not shutil.which("wrk"):
        raise RuntimeError("wrk is not installed; install it (Debian, Ubuntu: apt-get install wrk)")
