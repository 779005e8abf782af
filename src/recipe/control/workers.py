"""The worker processes of a server."""

import os


def workers(server: int) -> list[int]:
    """Return the process ids of the workers of the process `server`, in ascending order."""
    try:
        processes = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        processes = []
    if processes:
        return sorted(pid for pid in processes if _parent(pid) == server)
    return _by_ps(server)


def _parent(pid: int) -> int:
    """Return the parent of a process; 0 if the process has ended (also if it is a zombie)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # proc(5): the name, in parentheses, may contain any character
            state, parent, *_ = file.read().rpartition(")")[2].split()
    except (OSError, ValueError):
        return 0
    return 0 if state in "ZX" else int(parent)


def _by_ps(server: int) -> list[int]:
    """Return the workers of the process `server`, on a system without /proc."""
    import subprocess

    try:
        result = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    rows = [line.split() for line in result.stdout.splitlines()]
    return sorted(int(row[0]) for row in rows if row[1] == str(server) and not row[2].startswith("Z"))
