"""The demo's memory from run to run, and what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from tap_salesforce_ci.demo.postgres import Database, postgres
from tap_salesforce_ci.demo.report import LoadedTable, aligned, describe_load, funnel, loaded_tables
from tap_salesforce_ci.demo.tryit import Visit, environment, working_evening
from tap_salesforce_ci.settings.schema import LOGIN

BEFORE, NOW = datetime(2026, 3, 2, 18), datetime(2026, 3, 3, 18)  # noqa: DTZ001 - as the target writes them


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection[Any]]:
    """A database with two leads of two months and an opportunity, as the target would leave it."""
    with postgres() as database, closing(psycopg.connect(database.url, autocommit=True)) as connected:
        connected.execute(
            'CREATE TABLE "sf_Lead" ("CreatedDate" timestamp, "IsConverted" boolean, "ConvertedOpportunityId" text,'
            ' "IsDeleted" boolean, _sdc_received_at timestamp)'
        )
        connected.execute(
            'CREATE TABLE "sf_Opportunity" ("Id" text, "IsWon" boolean, "Amount" numeric, "IsDeleted" boolean,'
            " _sdc_received_at timestamp)"
        )
        connected.execute("CREATE TABLE something_else (id integer)")
        leads = [
            ("2026-01-05", True, "006A", False, BEFORE),
            ("2026-01-07", False, None, False, NOW),
            ("2026-01-09", True, None, True, NOW),
            ("2026-02-02", True, "006B", False, NOW),
        ]
        with connected.cursor() as cursor:
            cursor.executemany('INSERT INTO "sf_Lead" VALUES (%s, %s, %s, %s, %s)', leads)
        connected.execute('INSERT INTO "sf_Opportunity" VALUES (%s, true, 1200.5, false, %s)', ["006A", BEFORE])
        connected.execute('INSERT INTO "sf_Opportunity" VALUES (%s, false, 99, false, %s)', ["006B", BEFORE])
        yield connected


def test_a_run_that_ended_well_is_remembered(tmp_path: Path) -> None:
    """The next visit goes on with the count, the bookmarks and the database of the one before."""
    visit = Visit(tmp_path)
    assert visit.begin() == 0
    (visit.state / "bookmark").touch()
    visit.end(1)
    assert Visit(tmp_path).begin() == 1
    assert (visit.state / "bookmark").exists()


def test_a_run_that_did_not_end_is_forgotten_whole(tmp_path: Path) -> None:
    """Bookmarks of a run whose database was not kept are not kept either."""
    visit = Visit(tmp_path)
    visit.begin()
    visit.end(1)
    visit.begin()
    (visit.state / "bookmark").touch()
    assert Visit(tmp_path).begin() == 1
    assert not (visit.state / "bookmark").exists()


def test_each_run_is_a_working_day_later() -> None:
    """After Friday evening comes Monday evening, so that something has happened in the org."""
    days = [f"{working_evening(runs):%a %d}" for runs in range(6)]
    assert days == ["Mon 02", "Tue 03", "Wed 04", "Thu 05", "Fri 06", "Mon 09"]


def test_the_pretend_org_s_login_is_complete(tmp_path: Path) -> None:
    """Each of the tap's login settings is either the pretend org's or empty, so that none comes in from `.env`."""
    given = environment(Visit(tmp_path), "http://127.0.0.1:1", Database(port=1))
    names = {setting.name for setting in LOGIN} - {"is_sandbox"}
    assert {f"TAP_SALESFORCE_CI_{name.upper()}" for name in names} <= given.keys()


def test_a_real_org_s_settings_are_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of the tap or the target in the visitor's own environment does not reach the demo."""
    monkeypatch.setenv("TAP_SALESFORCE_CI_STREAMS", '["Nothing"]')
    monkeypatch.setenv("TARGET_POSTGRES_HOST", "warehouse")
    given = environment(Visit(tmp_path), "http://127.0.0.1:1", Database(port=1))
    assert "TAP_SALESFORCE_CI_STREAMS" not in given
    assert given["TARGET_POSTGRES_HOST"] == "127.0.0.1"


def test_only_salesforce_tables_are_counted(connection: Connection[Any]) -> None:
    """Each `sf_` table is told with its rows and with those received since the run began."""
    assert loaded_tables(connection, since=NOW) == [
        LoadedTable("sf_Lead", rows=4, loaded=3),
        LoadedTable("sf_Opportunity", rows=2, loaded=0),
    ]


def test_the_funnel_follows_a_lead_to_its_opportunity(connection: Connection[Any]) -> None:
    """Leads count in the month they came, deleted ones not at all; won amounts come from their opportunities."""
    lines = [line.split() for line in funnel(connection).splitlines()]
    assert ["2026-01", "2", "1", "50%", "1", "100%", "1,200"] in lines
    assert ["2026-02", "1", "1", "100%", "0", "0%", "0"] in lines


def test_a_later_run_says_how_little_it_loaded() -> None:
    """The sentence under the table tells the changed rows of all rows."""
    told = describe_load([LoadedTable("sf_Lead", 1500, 2), LoadedTable("sf_Task", 20, 1)], first=False)
    assert "Only 3 changed rows of 1,520 were loaded." in told


def test_numbers_stand_under_each_other() -> None:
    """Columns are as wide as their widest cell; the first is flush left, the others flush right."""
    assert aligned(["Table", "Rows"], [["a", "10"], ["longer", "1,000"]]) == (
        "Table    Rows\na          10\nlonger  1,000"
    )
