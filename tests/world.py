"""
A small world: an org that lives on, runs that meet faults and die, and the tables that come of it.

What a run promises is asserted here, after every one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tap_salesforce_ci import reader
from tap_salesforce_ci import run as tap_run
from tap_salesforce_ci.demo import faults
from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import empty_org
from tap_salesforce_ci.demo.faults import Fault
from tap_salesforce_ci.demo.server import Server
from tests.batch_files import as_records
from tests.mortal import Death, DeathAtRequest, Life, live
from tests.singer import Record, Warehouse
from tests.truth import expected

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
BATCH: dict[str, Any] = {"encoding": {"format": "jsonl", "compression": "none"}, "batch_size": 2}
LOOKBACK = 20
"""Seconds; as short as can be, because what is read twice hides what was lost once."""
SKEW = 5
"""Seconds by which the clocks of Salesforce's servers may differ; this and a commit's lateness are one lookback."""

MODIFIED, ADDED, SHARED, WHOLE = "Contact", "LoginHistory", "AccountShare", "Account"
"""Objects that are read by their modification, by their creation, by a key that may be null, and as a whole."""

SETTINGS: dict[str, Any] = {
    "streams": [MODIFIED, ADDED, SHARED, WHOLE],
    "replication": {WHOLE: "full_table"},
    "lookback_window": LOOKBACK,
    "quiet": True,
    "describe_cache": "off",
}
A_RECORD = "001Hs000000000AIAQ"
FLEETING = "Department"
"""A field that comes and goes; what it held then is no part of the promise."""


@dataclass(frozen=True)
class Strike:
    """A fault, and which requests it meets."""

    fault: Fault
    nth: int
    count: int | None
    path: str | None = None


EVERYWHERE = "/services/"
ROWS = r"/results\b|/query(All)?/?(\?|/0r8)"
ANYWHERE: list[Fault] = [
    faults.ServerError(500),
    faults.ServerError(503, html=True),
    faults.HtmlError(502),
    faults.HtmlError(420),
    faults.HtmlError(408),
    faults.RetryAfter(429, seconds=1),
    faults.RetryAfter(503, seconds=1),
    faults.ResetConnection(),
    faults.ResetConnection(0.5),
    faults.CutBody(0.5),
    faults.CutBody(0.9, "none"),
    faults.CutBody(0.7, "chunked"),
    faults.CorruptGzip(),
    faults.ExpireSession(),
    faults.RequestLimitExceeded("daily"),
    faults.RequestLimitExceeded("concurrent"),
]
OF_ROWS: list[Fault] = [
    faults.CutBody(0.6, "cut"),
    faults.CutBody(0.97, "cut"),
    faults.WrongCount(1),
    faults.WrongCount(-1),
    faults.MissingLocator(),
    faults.RepeatedLocator(),
    faults.ShortResults(),
    faults.DuplicatePage(),
    faults.InvalidLocator(),
    faults.Refused(400, "QUERY_TIMEOUT", "Your query request was running for too long."),
    faults.Refused(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"),
]
OF_JOBS: list[Fault] = [
    faults.JobFails(),
    faults.JobFails("insufficient access rights on cross-reference id"),
    faults.JobAborted(),
    faults.JobGone(),
    faults.BulkLimitExceeded("jobs"),
    faults.BulkLimitExceeded("storage"),
]


@dataclass(frozen=True)
class Circumstances:
    """How one run goes: over which API, in which pieces, what it meets, how it dies, and what its target keeps."""

    api: str = "auto"
    most_rows: int = 2
    listed: bool = False
    state_rows: int = 1
    strikes: Sequence[Strike] = ()
    batch: bool = False
    death: Death | DeathAtRequest | None = None
    keeps_uncommitted: bool = True
    verify_counts: bool = False


@dataclass(frozen=True)
class Event:
    """Something that happens in the org: what a method of the machine does."""

    what: str
    given: dict[str, Any]


class World:
    """An org that lives on, and the tables that runs make of it with the state that is kept."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self.org = empty_org(Clock(NOW))
        self.server = self._open.enter_context(Server(self.org))
        self.warehouse = Warehouse()
        self._folder = self._open.enter_context(TemporaryDirectory())
        self.state: Mapping[str, Any] | None = None
        self.latest = NOW
        (self.fleeting,) = [
            field for field in self.org.object(MODIFIED).describe["fields"] if field["name"] == FLEETING
        ]

    def close(self) -> None:
        """Let go of the org."""
        self._open.close()

    def settle(self) -> None:
        """Whatever happened, one run without faults makes the tables whole."""
        self.org.clock.set(self.latest + timedelta(seconds=1))
        self.run(Circumstances())

    # What happens in the org

    def _at(self, late: int) -> datetime:
        return self.org.clock.now() - timedelta(seconds=late)

    def _one_of(self, name: str, which: int, *, deleted: bool = False) -> str | None:
        rows = [row["Id"] for row in self.org.rows(name) if bool(row.get("IsDeleted")) is deleted]
        return rows[which % len(rows)] if rows else None

    def begin(self, rows: int) -> None:
        """Some rows are there before the first run, some of them of one moment, all of them long ago."""
        for number in range(rows):
            self.come(MODIFIED, 0, number)
            self.come(WHOLE, 0, number)
            self.come(SHARED, 0, number)
            self.pass_time(number % 2)
        self.pass_time(3_600)

    def live_on(self, events: Sequence[Event]) -> None:
        """Something happens in the org, and something more."""
        for event in events:
            getattr(self, event.what)(**event.given)

    def come(self, name: str, late: int, number: int) -> None:
        """A row is seen from now on; it was stamped when its transaction began."""
        at = self._at(late)
        values: dict[str, dict[str, Any]] = {
            MODIFIED: {"LastName": f"Contact {number}"},
            WHOLE: {"Name": f"Account {number}"},
            ADDED: {"LoginTime": f"{at:%Y-%m-%dT%H:%M:%S}.000Z"},
            SHARED: {"AccountId": A_RECORD, **({} if number % 2 else {"LastModifiedDate": None})},
        }
        self.org.insert(name, values[name], at=at)

    def come_together(self, count: int, late: int, number: int) -> None:
        """Rows of one transaction have the same stamp."""
        for each in range(count):
            self.come(MODIFIED, late, number + each)

    def change(self, name: str, which: int, late: int, number: int) -> None:
        """A row changes, and was stamped when its transaction began, if no later one changed it since."""
        identifier = self._one_of(name, which)
        if identifier is not None:
            field = "LastName" if name == MODIFIED else "Name"
            self.org.update(name, identifier, {field: f"Changed {number}"}, at=self._not_before(name, identifier, late))

    def _not_before(self, name: str, identifier: str, late: int) -> datetime:
        (row,) = [row for row in self.org.rows(name) if row["Id"] == identifier]
        return max(self._at(late), datetime.fromisoformat(row["SystemModstamp"].replace("Z", "+00:00")))

    def delete(self, which: int, late: int, name: str) -> None:
        """A row goes into the Recycle Bin."""
        identifier = self._one_of(name, which)
        if identifier is not None:
            self.org.delete(name, identifier, at=self._not_before(name, identifier, late))

    def undelete(self, which: int, late: int) -> None:
        """A row comes back."""
        identifier = self._one_of(MODIFIED, which, deleted=True)
        if identifier is not None:
            self.org.undelete(MODIFIED, identifier, at=self._not_before(MODIFIED, identifier, late))

    def purge(self, which: int, name: str, *, deleted: bool) -> None:
        """A row is gone for good; no incremental read can tell."""
        identifier = self._one_of(name, which, deleted=deleted)
        if identifier is not None:
            self.org.hard_delete(name, identifier)

    def pass_time(self, seconds: int) -> None:
        """Time passes; after a week, jobs are gone."""
        self.org.clock.advance(timedelta(seconds=seconds))
        self.latest = max(self.latest, self.org.clock.now())

    def look_at_another_clock(self, seconds: int) -> None:
        """Another one of Salesforce's servers answers, whose clock is behind."""
        self.org.clock.set(max(self._at(seconds), self.latest - timedelta(seconds=SKEW)))

    def change_fields(self) -> None:
        """A field goes, or comes back."""
        if self.org.object(MODIFIED).has(FLEETING):
            self.org.drop_field(MODIFIED, FLEETING)
        else:
            self.org.add_field(MODIFIED, self.fleeting)

    def end_sessions(self) -> None:
        """Nobody is logged in any more."""
        self.org.expire_sessions()

    # What is read of it

    def run(self, circumstances: Circumstances) -> Life:
        """Have a run come; when it says that it was whole, it was."""
        for strike in circumstances.strikes:
            self.org.faults.add(strike.fault, path=strike.path, nth=strike.nth, count=strike.count)
        life = self._live(circumstances)
        self.org.faults.clear()
        kept = life.output if circumstances.keeps_uncommitted else life.committed
        self.warehouse.load(as_records(kept))
        if kept.state:
            self.state = json.loads(json.dumps(kept.state))
        if not circumstances.strikes and not life.died:
            assert life.error is None
        if life.error is None and not life.died:
            self._assert_whole(life)
        return life

    def _live(self, circumstances: Circumstances) -> Life:
        self.org.rest_page_rows = self.org.bulk_page_rows = self.org.bulk_most_rows = circumstances.most_rows
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tap_run, "STATE_ROWS", circumstances.state_rows)
            patch.setattr(reader, "BULK_FROM_ROWS", 4)
            if circumstances.listed:
                patch.setattr(reader, "rows_per_page", lambda *_: 1)
            chosen: dict[str, Any] = {"api_type": circumstances.api, "verify_counts": circumstances.verify_counts}
            if circumstances.batch:
                chosen["batch_config"] = {**BATCH, "storage": {"root": self._folder}}
            return live(self.server, circumstances.death, state=self.state, **chosen, **SETTINGS)

    def _assert_whole(self, life: Life) -> None:
        now = f"{self.org.clock.now():%Y-%m-%dT%H:%M:%S}.000Z"
        for name, key in (
            (MODIFIED, "SystemModstamp"),
            (ADDED, "LoginTime"),
            (SHARED, "LastModifiedDate"),
            (WHOLE, None),
        ):
            schema = life.output.schema(f"sf_{name}")
            schema["properties"].pop(FLEETING, None)
            truth = {
                row: values
                for row, values in expected(self.org, name, schema).items()
                if self._is_due(values, key, now)
            }
            found = {row: _lasting(values) for row, values in self.warehouse.rows(f"sf_{name}").items()}
            for row, values in truth.items():
                assert found.get(row) == values
            if key is None:
                assert found.keys() == truth.keys()

    def _is_due(self, row: Record, key: str | None, now: str) -> bool:
        """Say whether a row's moment has passed: what is stamped within the present second comes with the next run."""
        return key is None or row[key] is None or row[key] < now


def _lasting(row: Record) -> Record:
    return {name: value for name, value in row.items() if name != FLEETING}
