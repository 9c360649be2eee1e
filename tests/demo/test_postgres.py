"""The demo's database server, which keeps its data between runs and never half a run of it."""

from __future__ import annotations

import shutil
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from tap_salesforce_ci.demo import postgres as server
from tap_salesforce_ci.demo.postgres import Database, PostgresFailedError, PostgresNotFoundError, postgres

EXACT = Decimal("1234567890123456.78")


def test_what_one_block_wrote_the_next_one_reads(tmp_path: Path) -> None:
    """Data kept in a directory is there again when a server is started on that directory."""
    with postgres(tmp_path / "kept") as database:
        write(database)
    with postgres(tmp_path / "kept") as database:
        assert written(database) == [EXACT]


def test_a_failing_block_leaves_the_kept_data_as_it_was(tmp_path: Path) -> None:
    """What was written in a block that raises is not kept."""
    with postgres(tmp_path / "kept") as database:
        write(database)
    with pytest.raises(psycopg.errors.UndefinedTable):
        write_and_fail(tmp_path / "kept")
    with postgres(tmp_path / "kept") as database:
        assert written(database) == [EXACT]


def test_the_server_is_gone_after_the_block() -> None:
    """Nobody listens on the port any more when the block has ended."""
    with postgres() as database:
        write(database)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database.url)


def test_data_that_is_none_is_refused_in_postgresql_s_own_words(tmp_path: Path) -> None:
    """A directory that PostgreSQL can't start on ends in an error that carries what PostgreSQL said."""
    (tmp_path / "kept").mkdir(mode=0o700)
    with pytest.raises(PostgresFailedError, match="not a database cluster"), postgres(tmp_path / "kept"):
        pass


def test_programs_are_taken_from_the_path_where_the_package_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the Python package the `postgres` beside an `initdb` on the PATH is used."""
    for name in ("postgres", "initdb"):
        program = tmp_path / name
        program.touch(mode=0o755)
    monkeypatch.setattr(server, "PACKAGED", "no_such_package")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert server.server_programs(tmp_path) == tmp_path


def test_the_newest_of_the_distribution_s_programs_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing on the PATH, version 15 of the distribution wins over 9.6."""
    for version in ("9.6", "15"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "postgres").touch()
    monkeypatch.setattr(server, "PACKAGED", "no_such_package")
    monkeypatch.setattr(server, "DISTRIBUTED", tmp_path)
    monkeypatch.setenv("PATH", "")
    assert server.server_programs(tmp_path) == tmp_path / "15" / "bin"
    shutil.rmtree(tmp_path / "15")
    shutil.rmtree(tmp_path / "9.6")
    with pytest.raises(PostgresNotFoundError):
        server.server_programs(tmp_path)


def write(database: Database) -> None:
    with closing(psycopg.connect(database.url, autocommit=True)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS numbers (number numeric)")
        connection.execute("INSERT INTO numbers VALUES (%s)", [EXACT])


def write_and_fail(kept_in: Path) -> None:
    with postgres(kept_in) as database:
        write(database)
        with closing(psycopg.connect(database.url)) as connection:
            connection.execute("SELECT * FROM no_such_table")


def written(database: Database) -> list[Decimal]:
    with closing(psycopg.connect(database.url)) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM numbers").fetchall()]
