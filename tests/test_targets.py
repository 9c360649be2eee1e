"""Records reach JSON Lines, CSV and PostgreSQL through the targets people use, with every value as it was."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import demo_org
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.postgres import Database
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.demo.values import Number
from tests.postgres import throw_away_database
from tests.project import Project

EARLY = datetime(2025, 2, 3, tzinfo=timezone.utc)
OBJECTS = ("Every_Type__c", "Lead", "CaseStatus")
SELECT = {"TAP_SALESFORCE_CI__SELECT": json.dumps([f"sf_{name}.*" for name in OBJECTS])}


@pytest.fixture
def org() -> Org:
    """A young org with a record for every value that is hard to carry."""
    return demo_org(Clock(EARLY), until=EARLY)


@pytest.fixture
def org_url(org: Org) -> Iterator[str]:
    """Where that org answers."""
    with Server(org) as server:
        yield server.url


@pytest.fixture
def database() -> Iterator[Database]:
    """An empty PostgreSQL database."""
    with throw_away_database() as running:
        yield running


def test_json_lines_hold_every_value(org: Org, org_url: str, tmp_path: Path) -> None:
    """target-jsonl writes each record once, text, truths, dates and numbers as the org has them."""
    run(Project(tmp_path, org_url, SELECT | {"TARGET_JSONL_DESTINATION_PATH": str(tmp_path)}), "target-jsonl")
    for name in OBJECTS:
        lines = (tmp_path / f"sf_{name}.jsonl").read_text(encoding="utf-8").split("\n")
        rows = [json.loads(line, parse_float=Decimal, parse_int=Decimal) for line in lines if line]
        assert_intact(org, name, rows)


def test_csv_holds_every_value(org: Org, org_url: str, tmp_path: Path) -> None:
    """target-csv writes each record once, its text as the org has it."""
    run(Project(tmp_path, org_url, SELECT | {"TARGET_CSV_OUTPUT_PATH": str(tmp_path)}), "target-csv")
    for name in OBJECTS:
        with (tmp_path / f"sf_{name}.csv").open(encoding="utf-8", newline="") as file:
            assert_intact(org, name, list(csv.DictReader(file)))


def test_postgresql_holds_every_value(org: Org, org_url: str, tmp_path: Path, database: Database) -> None:
    """MeltanoLabs' target-postgres writes each record once, every digit of its numbers included."""
    run(Project(tmp_path, org_url, SELECT | into(database)), "target-postgres")
    for name in OBJECTS:
        assert_intact(org, name, table(database, name))


def test_postgresql_follows_the_org(org: Org, org_url: str, tmp_path: Path, database: Database) -> None:
    """After a second run the tables hold what was added, changed and deleted since the first, each record once."""
    project = Project(tmp_path, org_url, SELECT | into(database))
    run(project, "target-postgres")
    org.clock.advance(timedelta(days=1))
    org.insert("Lead", {"LastName": "Lovelace", "Company": "Analytical Engines"})
    changed, deleted, *_ = (row["Id"] for row in org.rows("Lead", deleted=False))
    org.update("Lead", changed, {"LastName": "Babbage"})
    org.delete("Lead", deleted)
    org.clock.advance(timedelta(days=1))
    run(project, "target-postgres")
    for name in OBJECTS:
        assert_intact(org, name, table(database, name))


def table(database: Database, name: str, *, prefix: str = "sf_") -> list[dict[str, Any]]:
    """An object's table, without the rows that the target marked as no longer there."""
    query = sql.SQL("SELECT * FROM {} WHERE _sdc_deleted_at IS NULL").format(sql.Identifier(f"{prefix}{name}"))
    with closing(psycopg.connect(database.url, row_factory=dict_row)) as connection:
        return connection.execute(query).fetchall()


def run(project: Project, target: str) -> None:
    done = project.meltano("run", "tap-salesforce-ci", target)
    assert done.returncode == 0, done.stdout


def into(database: Database) -> dict[str, str]:
    """The settings that lead target-postgres to a database."""
    return {f"TARGET_POSTGRES_{name.upper()}": str(value) for name, value in asdict(database).items()}


def assert_intact(org: Org, name: str, loaded: list[dict[str, Any]]) -> None:
    """Hold a loaded table against the org's own records."""
    truth = {row["Id"]: row for row in org.rows(name)}
    assert sorted(row["Id"] for row in loaded) == sorted(truth)
    for row in loaded:
        record = truth[row["Id"]]
        fields = record.keys() & row.keys()
        assert len(fields) > len(record) * 0.8
        differing = {field: (record[field], row[field]) for field in fields if not same(record[field], row[field])}
        assert differing == {}


def same(value: Any, loaded: Any) -> bool:
    """Whether a target kept a value, in whatever form it keeps values of its kind."""
    if value is None:
        return loaded in (None, "")
    if isinstance(value, bool):
        return str(loaded).lower() == str(value).lower()
    if isinstance(value, int | Decimal | Number):
        return Decimal(loaded) == Decimal(value.rest if isinstance(value, Number) else value)
    return bool(loaded == value) or in_salesforce_spelling(loaded) == value


def in_salesforce_spelling(loaded: Any) -> str:
    """A date, a time or a moment as Salesforce writes it."""
    if isinstance(loaded, str):
        loaded = (datetime if " " in loaded else time).fromisoformat(loaded)
    if isinstance(loaded, datetime):
        return f"{loaded.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
    if isinstance(loaded, time):
        return f"{loaded.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
    assert isinstance(loaded, date)
    return loaded.isoformat()
