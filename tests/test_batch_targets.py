"""BATCH files reach real targets of Meltano's SDK with every value as the org has it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import demo_org
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.postgres import Database
from tap_salesforce_ci.demo.server import Server
from tests.arrow_target import ArrowSink, ArrowTarget
from tests.batch_files import VERSION, spelled
from tests.postgres import throw_away_database
from tests.singer import captured, config, make_tap, messages_in
from tests.test_targets import assert_intact, table
from tests.truth import expected

EARLY = datetime(2025, 2, 3, tzinfo=timezone.utc)
OBJECTS = ("Every_Type__c", "Lead", "CaseStatus")
TARGET_POSTGRES = Path(sys.executable).with_name("target-postgres")
ENCODINGS = [("jsonl", "gzip"), ("jsonl", "none"), ("parquet", "snappy")]


@pytest.fixture
def org() -> Org:
    """A young org with a record for every value that is hard to carry."""
    return demo_org(Clock(EARLY), until=EARLY)


@pytest.fixture
def server(org: Org) -> Iterator[Server]:
    with Server(org) as server:
        yield server


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """A PostgreSQL database; each test has a schema of its own."""
    with throw_away_database() as running:
        yield running


def written(server: Server, root: Path, format_: str, compression: str, **settings: Any) -> bytes:
    """Return what the tap writes to stdout."""
    encoding = {"format": format_, "compression": compression}
    batch_config = {"encoding": encoding, "storage": {"root": str(root)}, "batch_size": 20}
    with captured() as taken:
        make_tap(config(server, streams=list(OBJECTS), batch_config=batch_config, **settings)).sync_all()
    assert b'"BATCH"' in taken.getvalue()
    assert b'"RECORD"' not in taken.getvalue()
    return taken.getvalue()


def load(lines: bytes, room: Path, database: Database) -> None:
    """Have target-postgres read what a tap wrote."""
    file = room / "target.json"
    file.write_text(json.dumps(asdict(database) | {"default_target_schema": "public"}))
    done = subprocess.run([TARGET_POSTGRES, "--config", file], input=lines, check=False, capture_output=True, cwd=room)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("api", ["rest", "bulk2"])
@pytest.mark.parametrize(("format_", "compression"), ENCODINGS)
def test_postgresql_holds_every_value(
    org: Org, server: Server, database: Database, tmp_path: Path, *, format_: str, compression: str, api: str
) -> None:
    """MeltanoLabs' target-postgres loads the files; the tables are the org's, every digit of its numbers included."""
    settings = {"api_type": api, "stream_prefix": f"{format_}_{compression}_{api}_"}
    load(written(server, tmp_path / "files", format_, compression, **settings), tmp_path, database)
    for name in OBJECTS:
        assert_intact(org, name, table(database, name, prefix=settings["stream_prefix"]))


@pytest.mark.parametrize(("format_", "compression"), ENCODINGS)
def test_postgresql_keeps_a_full_table_and_drops_what_is_gone(
    org: Org, server: Server, database: Database, tmp_path: Path, *, format_: str, compression: str
) -> None:
    """The activated version is that of the rows in the files: they stay, and rows that are gone are marked."""
    prefix = f"full_{format_}_{compression}_"
    settings: dict[str, Any] = {"replication": {"*": "full_table"}, "stream_prefix": prefix}
    load(written(server, tmp_path / "files", format_, compression, **settings), tmp_path, database)
    org.hard_delete("Lead", org.rows("Lead")[0]["Id"])
    load(written(server, tmp_path / "files", format_, compression, **settings), tmp_path, database)
    for name in OBJECTS:
        assert_intact(org, name, table(database, name, prefix=prefix))


def test_a_target_that_takes_arrow_files_gets_every_value(org: Org, server: Server, tmp_path: Path) -> None:
    """A target made with Meltano's SDK loads the Arrow files, and they are its own to delete."""
    lines = written(server, tmp_path, "arrow", "none", replication={"Lead": "full_table"})
    ArrowSink.tables.clear()

    with captured() as taken:
        ArrowTarget(config={}).listen(io.StringIO(lines.decode()))

    messages = messages_in(lines)
    assert json.loads(taken.getvalue().splitlines()[-1]) == [m["value"] for m in messages if m["type"] == "STATE"][-1]
    assert list(tmp_path.iterdir()) == []
    for name in OBJECTS:
        schema = next(m["schema"] for m in messages if m["type"] == "SCHEMA" and m["stream"] == f"sf_{name}")
        rows = [row for each in ArrowSink.tables[f"sf_{name}"] for row in each.to_pylist()]
        assert {VERSION in row for row in rows} == {name == "Lead"}
        assert {(row["Id"],): as_record(row, schema) for row in rows} == expected(org, name, schema)


def as_record(row: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return a loaded row as a record."""
    numbers = {name for name, each in schema["properties"].items() if "number" in each["type"]}
    return {
        name: Decimal(value) if name in numbers and value else spelled(value)
        for name, value in row.items()
        if name != VERSION
    }
