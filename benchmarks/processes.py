"""Servers as the system sees them: the first answer, memory, CPU time, and how many requests they take."""

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

#: From the start of a server to its first answer, at most, and from its last client to its rest; in seconds.
PATIENCE = 120


@contextmanager
def booted(buildout: Buildout, port: int, command: str, script: str = "instance") -> Iterator[tuple[float, Server]]:
    """Run ``bin/SCRIPT COMMAND``; the block begins with the first 200, and gets the seconds that it took."""
    begin = time.perf_counter()
    with start(buildout, script, command) as server:
        first_answer(port, server)
        yield time.perf_counter() - begin, server


def first_answer(port: int, server: Server) -> None:
    """Wait until ``/`` is answered with 200.

    A server that listens early lets the first request wait; before that, this asks every 2 ms.
    Raises TimeoutError, or ChildProcessError where the server has ended.
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
            raise TimeoutError(f"no answer in {PATIENCE} s:\n{server.output[-2000:]}")
        time.sleep(0.002)


def processes(directory: Path) -> list[int]:
    """Return the ids of all processes whose command line names something in a directory.

    That is the whole tree of an instance, the manager of a daemon included: all of it is started with the paths of
    the instance's files.
    """
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"{directory}/".encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def memory(directory: Path) -> float:
    """Return what the processes of an instance occupy, in MB: their proportional set size (proc(5), smaps_rollup)."""
    kilobytes = 0
    for pid in processes(directory):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        kilobytes += int(re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[0])
    return kilobytes / 1024


def cpu_time(directory: Path) -> float:
    """Return the seconds of CPU that the processes of an instance have had so far, threads that have ended included."""
    return sum(map(_cpu_time, processes(directory)))


def _cpu_time(pid: int) -> float:
    # As clock_getcpuclockid(3), which Python does not have: CPUCLOCK_SCHED of <linux/posix-timers.h>
    return time.clock_gettime(~pid << 3 | 2)


def finish(directory: Path) -> None:
    """Wait until an instance is idle: it may still do what it has taken on from clients that have gone.

    Raises TimeoutError.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        before = cpu_time(directory)
        time.sleep(0.1)
        if cpu_time(directory) - before < 0.01:
            return
    raise TimeoutError(f"the processes of {directory} are at work after {PATIENCE} s without clients")


@dataclass(frozen=True)
class Load:
    """What wrk has found."""

    requests: int
    rate: float
    """Requests per second."""
    p99: float
    """The latency that 99 of 100 requests stay below, in milliseconds."""


def ask(port: int, connections: int, seconds: int, path: str = "/") -> Load:
    """Ask a server with wrk for some seconds, over connections that are kept where the server keeps them.

    All answers must be good ones. What is not complete is not counted; that a server closes a connection after its
    answer is for wrk an error of reading.
    """
    url = f"http://127.0.0.1:{port}{path}"
    # A server that lets some wait for seconds (granian) is slow, and tells it by its latency
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency", url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output or re.search(r"Socket errors: (?!connect 0, read \d+, write 0, timeout 0)", output):
        raise RuntimeError(f"not all requests were answered:\n{output}")
    return parse(output)


def parse(output: str) -> Load:
    """Read what ``wrk --latency`` prints."""
    found = re.search(r" 99%\s+([\d.]+)(us|ms|s)\s+(\d+) requests in .*Requests/sec:\s+([\d.]+)", output, re.DOTALL)
    if not found:
        raise ValueError(f"this is not what wrk prints:\n{output}")
    milliseconds = float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]]
    return Load(int(found[3]), float(found[4]), milliseconds)


def require_wrk() -> None:
    """Raise RuntimeError where wrk is not installed."""
    if not shutil.which("wrk"):
        raise RuntimeError("wrk is not installed, with which servers are asked (Debian, Ubuntu: apt-get install wrk).")
