"""Real database servers for the tests: a PostgreSQL, a MariaDB, a ZEO server.

Each has a data directory of its own below /tmp (a path of a socket must be short), listens on a
socket in there or on a free port of 127.0.0.1. The database servers refuse to run as root: where the
tests do, they run as ``nobody``.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from support import clean_environment, free_port
from waiting import wait_for

#: Whom a database server runs as; None: as the tests do.
USER = "nobody" if os.geteuid() == 0 else None

#: The start of a database server on a loaded machine, in seconds.
PATIENCE = 60

#: Seconds from one signal to stop to the next.
AGAIN = 5


class DatabaseServer:
    """A server process that is started, stopped and started again on the same data and port."""

    stop_signal = signal.SIGTERM
    user: str | None = USER

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="db-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        if self.user:
            shutil.chown(self.directory, self.user)
        self.prepare()
        self.start()

    def prepare(self) -> None:
        """Make the data directory."""

    def command(self) -> Sequence[str]:
        """The command line of the server."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether clients are served."""
        raise NotImplementedError

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> str:
        """Run a program as the user of the server; return what it printed, on either stream."""
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=clean_environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            user=self.user,
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout}"
        return done.stdout

    def start(self) -> None:
        """Start it, and wait until it serves."""
        with (self.directory / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.directory,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=self.user,
            )
        wait_for(lambda: self.process.poll() is not None or self.answers(), PATIENCE, self.output)  # type: ignore[union-attr]
        assert self.process.poll() is None, self.output()

    def output(self) -> str:
        """What it has printed so far."""
        return (self.directory / "output.txt").read_text(encoding="utf-8", errors="replace")

    def stop(self, number: signal.Signals | None = None) -> None:
        """Stop it, and wait until it is gone."""
        if self.process is not None:
            # Once more, since ZEO forgets a signal that comes when it has just begun to serve
            for _ in range(0, PATIENCE, AGAIN):
                self.process.send_signal(number or self.stop_signal)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(AGAIN)
                    break
            assert self.process.poll() is not None, self.output()
            self.process = None

    def close(self) -> None:
        """Stop it, and remove its data."""
        self.stop(signal.SIGKILL if self.stop_signal == signal.SIGTERM else None)
        shutil.rmtree(self.directory)


class PostgreSQL(DatabaseServer):
    """A cluster of databases; ``SUPERUSER`` may do all."""

    SUPERUSER: ClassVar = {"PGUSER": "postgres", "PGPASSWORD": "super"}
    stop_signal = signal.SIGINT  # "fast shutdown": https://www.postgresql.org/docs/current/server-shutdown.html

    @property
    def programs(self) -> Path:
        """Where Debian puts the server's programs; the newest version."""
        return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))

    def prepare(self) -> None:
        """Make a cluster that asks for passwords on the socket and on TCP."""
        password = self.directory / "password"
        password.write_text(self.SUPERUSER["PGPASSWORD"])
        auth = ("--auth=scram-sha-256", f"--pwfile={password}")
        self.run(str(self.programs / "initdb"), "-N", "-U", "postgres", "-E", "UTF8", *auth, "-D", "data")

    def command(self) -> Sequence[str]:
        """Without fsync, since the machine does not crash, only processes do."""
        where = ("-k", str(self.directory), "-h", "127.0.0.1", "-p", str(self.port))
        return [str(self.programs / "postgres"), "-D", "data", *where, "-c", "fsync=off"]

    def answers(self) -> bool:
        """Ask pg_isready."""
        command = [str(self.programs / "pg_isready"), "-q", "-h", str(self.directory), "-p", str(self.port)]
        return subprocess.run(command).returncode == 0

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement; return its rows, columns separated by ``|``."""
        connection = {"PGHOST": str(self.directory), "PGPORT": str(self.port), "PGDATABASE": database}
        command = [str(self.programs / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement]
        return self.run(*command, env=connection | self.SUPERUSER).strip()

    def add(self, name: str, password: str) -> None:
        """Make a database, and a user of the same name."""
        quoted = password.replace("'", "''")
        self.sql(f"CREATE USER {name} PASSWORD '{quoted}'")
        self.sql(f"CREATE DATABASE {name} OWNER {name}")


class MariaDB(DatabaseServer):
    """A MariaDB; its root has no password, and only the server's socket lets root in."""

    @property
    def socket(self) -> Path:
        """The socket of the server."""
        return self.directory / "mariadb.sock"

    def prepare(self) -> None:
        """Make the system tables."""
        self.run(
            "/usr/bin/mariadb-install-db",
            "--no-defaults",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
            f"--datadir={self.directory}/data",
        )

    def command(self) -> Sequence[str]:
        """With little memory."""
        return [
            "/usr/sbin/mariadbd",
            "--no-defaults",
            f"--datadir={self.directory}/data",
            f"--socket={self.socket}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={self.directory}/pid",
            # RelStorage speaks to MySQL, and goes by the version: it takes a MariaDB 10 for a MySQL
            # newer than 8.0.19, and then writes SQL that MariaDB does not know (VALUES ... AS).
            "--version=5.7.19-MariaDB",
            "--innodb-buffer-pool-size=32M",
            "--innodb-flush-log-at-trx-commit=2",
        ]

    def answers(self) -> bool:
        """Ask for anything."""
        return subprocess.run(self._client("SELECT 1"), capture_output=True).returncode == 0

    def _client(self, statement: str) -> list[str]:
        options = ("--no-defaults", f"--socket={self.socket}", "--default-character-set=utf8mb4")
        return ["/usr/bin/mariadb", *options, "-uroot", "-BN", "-e", statement]

    def sql(self, statement: str) -> str:
        """Run a statement; return its rows."""
        return self.run(*self._client(statement)).strip()

    def add(self, name: str, password: str) -> None:
        """Make a database, and a user of the same name."""
        quoted = password.replace("\\", "\\\\").replace("'", "''")
        for host in ("localhost", "127.0.0.1"):
            self.sql(f"CREATE USER '{name}'@'{host}' IDENTIFIED BY '{quoted}'")
            self.sql(f"GRANT ALL ON {name}.* TO '{name}'@'{host}'")
        self.sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")


class ZEOServer(DatabaseServer):
    """ZEO's own ``runzeo`` with two storages, named ``1`` and ``second``."""

    user = None

    def __init__(self, unix: bool = False, read_only_on: Path | None = None) -> None:
        self.unix = unix
        self.read_only_on = read_only_on
        super().__init__()

    @property
    def address(self) -> str:
        """What an instance is given as ``zeo-address``."""
        return f"{self.directory}/zeo.sock" if self.unix else f"127.0.0.1:{self.port}"

    @property
    def blobs(self) -> Path:
        """The directory of the first storage's blobs."""
        return self.directory / "blobs-1"

    def prepare(self) -> None:
        """Write the configuration; where it is to be read-only, for the storages of another server."""
        data = self.read_only_on or self.directory
        storages = "".join(
            f"<filestorage {name}>\n  path {data}/{name}.fs\n  blob-dir {data}/blobs-{name}\n"
            f"  read-only {bool(self.read_only_on)}\n</filestorage>\n"
            for name in ("1", "second")
        )
        (self.directory / "zeo.conf").write_text(f"<zeo>\n  address {self.address}\n</zeo>\n{storages}")

    def command(self) -> Sequence[str]:
        """Run it with the tests' own Python."""
        return [sys.executable, "-m", "ZEO.runzeo", "-C", "zeo.conf"]

    def answers(self) -> bool:
        """Connect to it."""
        address = self.address if self.unix else ("127.0.0.1", self.port)
        with socket.socket(socket.AF_UNIX if self.unix else socket.AF_INET) as connection:
            return connection.connect_ex(address) == 0
