"""
Each fault at each kind of call: either every row arrives, or the run says who acts and what to do, and loses nothing.

Faults of pages of rows and of jobs stand in `test_no_row_is_lost`; here are all the calls around them.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from tap_salesforce_ci import reader, run
from tap_salesforce_ci.client import bulk, transport
from tap_salesforce_ci.client.room import Room
from tap_salesforce_ci.client.transport import Transport
from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import empty_org
from tap_salesforce_ci.demo.faults import (
    CorruptGzip,
    CutBody,
    ExpireSession,
    Fault,
    HtmlError,
    JobStuck,
    NotAcceptable,
    OAuthRefused,
    Refused,
    RequestLimitExceeded,
    ResetConnection,
    RetryAfter,
    RevokeGrants,
    ServerError,
    Stall,
    TornText,
)
from tap_salesforce_ci.demo.grants import SCOPE
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.request_log import Request
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.errors import TapError
from tap_salesforce_ci.run import RunFailed
from tap_salesforce_ci.tap import SalesforceTap
from tests import mortal
from tests.client.staged import Meanwhile
from tests.mortal import live
from tests.singer import Output, Record, Warehouse, make_tap, sync
from tests.truth import expected

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
ROWS = 5
STREAM = "sf_Contact"
NOWHERE = "http://127.0.0.1:1"
"""An address where nobody listens."""

PATIENCE = 0.2
"""Seconds without a byte after which a request counts as stalled here."""


@dataclass(frozen=True)
class Call:
    """A kind of call: its address, which of them is meant, over which APIs it is made, and by which settings."""

    path: str
    method: str = "GET"
    nth: int = 1
    apis: tuple[str, ...] = ("rest", "bulk2", "auto")
    settings: Mapping[str, Any] = field(default_factory=dict)


BULK = ("bulk2", "auto with a job")
REST = ("rest", "auto")
JOB = r"/jobs/query/\w+$"
CALLS: dict[str, Call] = {
    "login": Call("/oauth2/token", "POST"),
    "list of objects": Call("/sobjects/?$"),
    "permissions": Call("PermissionSetAssignment", settings={"describe_cache": None}),
    "describe": Call("/describe$"),
    "describes together": Call("/composite$", "POST", settings={"max_workers": 1, "streams": ["Contact", "Lead"]}),
    "about how many rows": Call("/limits/recordCount", apis=("auto", "auto with a job")),
    "COUNT()": Call("q=SELECT%20COUNT", apis=("rest", "bulk2"), settings={"verify_counts": True}),
    "first page": Call(r"/queryAll\?q=SELECT%20(?!COUNT)", apis=REST),
    "next page": Call("/query/0r8", apis=REST),
    "making of a job": Call("/jobs/query$", "POST", apis=BULK),
    "look at a job": Call(JOB, apis=BULK),
    "list of result pages": Call("/resultPages", apis=BULK),
    "first result page": Call(r"/results\b", apis=BULK),
    "later result page": Call(r"/results\b", nth=2, apis=BULK),
    "end of a job": Call(JOB, "DELETE", apis=BULK),
}
METHODS = ("modified_at", "full_table")
WAYS = [(name, api) for name, call in CALLS.items() for api in call.apis]
DAY = timedelta(days=1)


class World:
    """An org with a few rows, the table that runs make of it, and the state that is kept."""

    def __init__(self, org: Org, server: Server, **settings: Any) -> None:
        self.org = org
        self.server = server
        self.settings = {"streams": ["Contact"], "describe_cache": "off", "quiet": True, **settings}
        self.warehouse = Warehouse()
        self.state: dict[str, Any] | None = None

    def run(self, **settings: Any) -> Output:
        """Have a run come, and keep what it wrote."""
        output = sync(self.server, state=self.state, **{**self.settings, **settings})
        self.keep(output)
        return output

    def keep(self, output: Output) -> None:
        """Load what a run wrote, and keep its state."""
        self.warehouse.load(output)
        self.state = json.loads(json.dumps(output.state)) or self.state

    def rows(self) -> dict[tuple[Any, ...], Record]:
        """Return what the table holds."""
        return self.warehouse.rows(STREAM)

    def assert_whole(self, output: Output) -> None:
        """Assert that a run ended well, and that the table has what the org has."""
        assert output.error is None, str(output.error)
        assert self.rows() == expected(self.org, "Contact", output.schema(STREAM))

    def assert_nothing_is_lost(self) -> None:
        """Assert that a run without faults makes the table whole, rows that came since included."""
        self.org.faults.clear()
        self.org.clock.advance(timedelta(hours=1))
        self.org.insert("Contact", {"LastName": "since"})
        self.org.clock.advance(timedelta(hours=1))
        self.assert_whole(self.run())


@pytest.fixture
def org() -> Org:
    """An org with a few rows, two to a page, and jobs that are done when they are looked at."""
    org = empty_org(Clock(NOW))
    for number in range(ROWS):
        org.insert("Contact", {"LastName": f"Zoë {number}"}, at=NOW - timedelta(hours=number + 1))
    org.rest_page_rows = org.bulk_page_rows = org.bulk_most_rows = 2
    org.bulk_polls = 0
    return org


@pytest.fixture
def server(org: Org) -> Iterator[Server]:
    with Server(org) as server:
        yield server


MakeWorld = Callable[..., World]


@pytest.fixture
def world(org: Org, server: Server, monkeypatch: pytest.MonkeyPatch) -> MakeWorld:
    """Make a world that is read over an API, by one method, its result pages listed."""

    def make(api: str, method: str = "modified_at", **settings: Any) -> World:
        monkeypatch.setattr(reader, "rows_per_page", lambda *_: 1)
        monkeypatch.setattr(reader, "BULK_FROM_ROWS", 1 if api == "auto with a job" else 10_000)
        return World(org, server, api_type=api.split(maxsplit=1)[0], replication={"*": method}, **settings)

    return make


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a byte no longer than a moment."""

    def made(user_agent: str, _timeout: float, connections: int) -> Transport:
        return Transport(user_agent, PATIENCE, connections)

    monkeypatch.setattr(transport, "Transport", made)


def assert_told(error: TapError | None, code: int, remedy: str) -> None:
    """Assert that an error has its exit code and three lines: what, where, and what to do next."""
    assert error is not None
    assert error.exit_code == code
    lines = str(error).splitlines()
    if isinstance(error, RunFailed):
        assert lines[:2] == ["1 of 1 streams failed.", f"{STREAM} failed:"]
        lines = lines[2:]
    assert len(lines) == 3
    assert all(line.strip() for line in lines)
    assert remedy in lines[-1]


# Once: the run recovers


TOGETHER: dict[str, list[Fault]] = {
    "the line fails": [
        ResetConnection(),
        ResetConnection(0.5),
        CutBody(0.5),
        CutBody(0.5, "chunked"),
        CorruptGzip(),
    ],
    "Salesforce is busy": [HtmlError(408), HtmlError(420), HtmlError(429), RetryAfter(429), RetryAfter(503)],
    "Salesforce fails": [
        ServerError(500),
        HtmlError(502),
        ServerError(503, html=True),
        RequestLimitExceeded("concurrent"),
        NotAcceptable(),
    ],
    "the session ends": [ExpireSession(), Refused(400, "InvalidSessionId", "Invalid session id")],
    "the text is torn": [TornText()],
}
"""Faults that strike one call one after the other: more than one try survives is in none."""

NO_TRIAL = {"login": {"the session ends"}}
"""What can't happen: before the login there is no session."""


@pytest.mark.parametrize("kind", TOGETHER)
@pytest.mark.parametrize(("name", "api"), WAYS)
def test_what_passes_costs_no_row(world: MakeWorld, name: str, api: str, kind: str) -> None:
    """Every try of a call fails in another way, and then the table is whole."""
    if kind in NO_TRIAL.get(name, ()):
        pytest.skip("there is no session yet")
    method = METHODS[(WAYS.index((name, api)) + list(TOGETHER).index(kind)) % len(METHODS)]
    call = CALLS[name]
    at = world(api, method, **call.settings)
    # The login is no API call, and has nothing to describe.
    of_calls = RequestLimitExceeded | NotAcceptable
    kinds = [fault for fault in TOGETHER[kind] if name != "login" or not isinstance(fault, of_calls)]
    struck = [
        at.org.faults.add(fault, path=call.path, method=call.method, nth=call.nth + number if number else call.nth)
        for number, fault in enumerate(kinds)
    ]

    output = at.run()

    assert struck[0].hits == 1
    at.assert_whole(output)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("at", [0.0, 0.7])
@pytest.mark.parametrize("name", CALLS)
def test_an_answer_that_never_comes_costs_no_row(world: MakeWorld, name: str, at: float) -> None:
    """Silence for `request_timeout`, before an answer or within it, is another try."""
    call = CALLS[name]
    there = world(call.apis[-1], **call.settings)
    stall = Stall(at)
    struck = there.org.faults.add(stall, path=call.path, method=call.method, nth=call.nth)

    output = there.run()
    stall.release()

    assert struck.hits == 1
    there.assert_whole(output)


# For ever: the run says so


AGAIN, CONNECT, LATER, ANYTHING = "run again", "tap-salesforce-ci connect", "later", ""


@dataclass(frozen=True)
class Lasting:
    """A fault that stays: the exit code it leads to, unless a call can be done without, and the remedy."""

    fault: Fault
    code: int
    remedy: str
    survived: frozenset[str] = frozenset()
    differs: Mapping[str, int | None] = field(default_factory=dict)


CONVENIENT = frozenset(
    {"permissions", "describes together", "about how many rows", "list of result pages", "end of a job"}
)
"""Calls that a run does without."""

OTHERWISE = frozenset({"making of a job", "look at a job", "first result page", "later result page", "COUNT()"})
"""Calls whose refusal leads to another way: over REST, or uncounted."""

LASTING = {
    "the line fails": Lasting(ResetConnection(), 1, AGAIN, CONVENIENT),
    "Salesforce fails": Lasting(HtmlError(503), 1, AGAIN, CONVENIENT),
    "the text is torn": Lasting(
        TornText(), 4, "un again", CONVENIENT | {"making of a job"}, {"login": 1, "next page": None}
    ),
    "no session is accepted": Lasting(ExpireSession(), 2, CONNECT, frozenset({"login", "end of a job"})),
    "grants are revoked": Lasting(RevokeGrants(), 2, CONNECT, frozenset({"end of a job"})),
    "the day's calls are spent": Lasting(
        RequestLimitExceeded("daily"), 3, LATER, frozenset({"end of a job"}), {"login": 2}
    ),
    "it is refused": Lasting(Refused(403, "FORBIDDEN", "no"), 2, ANYTHING, CONVENIENT | OTHERWISE),
    "another version": Lasting(Refused(409, "API_ERROR", "no"), 2, ANYTHING, CONVENIENT | OTHERWISE),
}


@pytest.mark.parametrize("kind", LASTING)
@pytest.mark.parametrize("name", CALLS)
def test_what_stays_is_told_and_loses_no_row(world: MakeWorld, name: str, kind: str) -> None:
    """The exit code says who acts, three lines what to do, and from the state that is kept the table becomes whole."""
    lasting, call = LASTING[kind], CALLS[name]
    place = list(CALLS).index(name) + list(LASTING).index(kind)
    settings = {**call.settings, "streams": ["Contact"]} if "streams" not in call.settings else call.settings
    at = world(call.apis[place % len(call.apis)], METHODS[place % len(METHODS)], **settings)
    struck = at.org.faults.add(lasting.fault, path=call.path, method=call.method, nth=call.nth, count=None)

    output = at.run()

    assert struck.hits
    code = lasting.differs.get(name, lasting.code)
    if name in lasting.survived or (code is None and output.error is None):
        at.assert_whole(output)
    elif len(at.settings["streams"]) == 1:
        assert_told(output.error, code or lasting.code, lasting.remedy if code == lasting.code else ANYTHING)
    else:
        assert output.error is not None
        assert output.error.exit_code == code
    reconnect(at.org)
    at.assert_nothing_is_lost()


def reconnect(org: Org) -> None:
    """Have the administrator grant access again."""
    if org.grants.find_grant(oauth.REFRESH_TOKEN) is None:
        org.grants.grant(org.users[oauth.USERNAME], org.apps[oauth.CLIENT_ID], SCOPE, oauth.REFRESH_TOKEN)


@pytest.mark.usefixtures("impatient")
def test_a_salesforce_that_is_silent_for_ever_is_told(world: MakeWorld) -> None:
    """The tries come to an end: exit code 1."""
    at, stall = world("rest"), Stall()
    at.org.faults.add(stall, path=CALLS["next page"].path, count=None)

    output = at.run()
    stall.release()

    assert_told(output.error, 1, AGAIN)
    at.assert_nothing_is_lost()


@pytest.mark.parametrize(
    ("name", "api"), [("login", "rest"), ("describe", "rest"), ("next page", "rest"), ("later result page", "bulk2")]
)
def test_an_org_that_nobody_reaches_any_more_is_told(world: MakeWorld, name: str, api: str) -> None:
    """A connection that is refused from some call on ends the run with exit code 1, and costs no row."""
    at, call = world(api), CALLS[name]

    def move() -> None:
        at.org.instance_url = NOWHERE
        if name != "login":
            at.org.expire_sessions()

    at.org.faults.add(Meanwhile(move), path=call.path, nth=call.nth)
    output = at.run()
    at.org.instance_url = at.server.url

    assert_told(output.error, 1, AGAIN)
    assert "127.0.0.1:1 failed" in str(output.error)
    at.assert_nothing_is_lost()


@pytest.mark.parametrize("api", ["rest", "bulk2", "auto"])
@pytest.mark.parametrize("calls", [3, 4, 5])
def test_a_run_whose_calls_are_spent_goes_on_the_next_day(world: MakeWorld, api: str, calls: int) -> None:
    """Somebody else spends the org's allowance meanwhile: exit code 3, and the rest comes when the day is over."""
    at = world(api)
    limits = at.org.limits
    at.org.faults.add(Meanwhile(lambda: setattr(limits, "daily_used", limits.daily_max)), path="/data/v", nth=calls)

    output = at.run()

    assert_told(output.error, 3, LATER)
    at.org.clock.advance(DAY)
    at.assert_whole(at.run())


def test_limits_that_may_not_be_seen_stop_nobody(world: MakeWorld) -> None:
    """The allowance stands in every answer; `/limits` and what lies below it are not needed."""
    at = world("auto")
    at.org.faults.add(Refused(403, "FORBIDDEN", "You do not have access"), path="/limits", count=None)

    at.assert_whole(at.run())
    assert not [request for request in at.org.requests if request.path.endswith("/limits")]


# Sessions


def test_sessions_that_end_under_several_downloads_are_renewed_once(world: MakeWorld) -> None:
    """All threads find out at the same time, one logs in, and every page arrives."""
    at = world("bulk2", max_workers=4)
    at.org.bulk_page_rows = at.org.bulk_most_rows = 1
    together = threading.Barrier(3, at.org.expire_sessions)
    downloads = at.org.faults.add(Meanwhile(partial(together.wait, 60)), path=r"/results\b", nth=2, count=3)

    output = at.run()

    assert downloads.hits == 3
    at.assert_whole(output)
    assert len(at.org.requests.to("/oauth2/token")) == 2


# Jobs


@pytest.mark.parametrize("method", METHODS)
def test_a_job_that_never_begins_is_read_over_rest(
    world: MakeWorld, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A job that stays in UploadComplete is waited for, a day long, and then done without."""
    monkeypatch.setattr(bulk, "LONGEST_JOB", 1)
    at = world("bulk2", method)
    at.org.faults.add(JobStuck(), count=None)

    at.assert_whole(at.run())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["look at a job", "list of result pages", "first result page", "later result page"])
def test_results_that_expire_are_asked_for_again(world: MakeWorld, name: str, method: str) -> None:
    """A run that is held up for a week in the middle of a job finds another one."""
    call = CALLS[name]
    at = world("bulk2", method)
    at.org.faults.add(Meanwhile(lambda: at.org.clock.advance(8 * DAY)), path=call.path, nth=call.nth)

    at.assert_whole(at.run())


@pytest.mark.parametrize("method", METHODS)
def test_a_job_of_another_version_is_done_without(world: MakeWorld, method: str) -> None:
    """Whoever changes `api_version` between two runs reads the window again from its start."""
    at = world("bulk2", method)
    at.org.faults.add(ResetConnection(), path=r"/results\b", nth=2, count=None)
    at.run()
    assert at.state is not None
    assert at.state["bookmarks"][STREAM]["reading"]["job"]["api_version"] == "66.0"
    at.org.faults.clear()

    at.assert_whole(at.run(api_version="65.0"))


# Signals


@dataclass(frozen=True)
class Signalled(Stall):
    """The process is sent a signal, and the answer never comes."""

    number: int = signal.SIGTERM

    def instead(self, org: Any, request: Request) -> None:
        """Send it."""
        os.kill(os.getpid(), self.number)


@pytest.mark.parametrize(
    ("name", "api", "number"),
    [(name, api, number) for (name, api), number in zip(WAYS, cycle([signal.SIGTERM, signal.SIGINT]), strict=False)],
)
def test_a_signal_at_any_call_leaves_whole_lines_and_loses_no_row(
    world: MakeWorld, monkeypatch: pytest.MonkeyPatch, name: str, api: str, number: int
) -> None:
    """The run doesn't wait for the answer; what it wrote ends with a state from which the next one goes on."""
    call = CALLS[name]
    at = world(api, METHODS[WAYS.index((name, api)) % len(METHODS)], **call.settings)
    monkeypatch.setattr(mortal, "make_tap", heeding_signals)
    waiting = Signalled(number=number)
    at.org.faults.add(waiting, path=call.path, method=call.method, nth=call.nth)

    life = live(at.server, None, state=None, at_end=waiting.release, **at.settings)

    assert life.died
    assert life.lines in {b"", life.lines[: life.lines.rfind(b"\n") + 1]}
    if life.lines:
        assert life.output.messages[-1]["type"] in {"STATE", "SCHEMA"}
    at.keep(life.output)
    at.assert_nothing_is_lost()


def heeding_signals(settings: Mapping[str, Any], **given: Any) -> SalesforceTap:
    """Make a tap that keeps the signal handlers it has installed."""
    tap = make_tap(settings, **given)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, tap._handle_termination)
    return tap


# Clocks


def test_a_clock_that_is_set_back_takes_no_version_back(world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets drop the rows below the version that is activated: it is higher than every one before it."""
    at = world("rest", "full_table")
    machine = time.time  # noqa: TID251 - the clock that is wrong
    versions = []
    for hours in (0, -5, -9):
        monkeypatch.setattr(time, "time", partial(_shifted, machine, hours))
        output = at.run()
        versions += [each["version"] for each in output.messages if each["type"] == "ACTIVATE_VERSION"]

    assert len(versions) == 3
    assert versions == sorted(set(versions))


@pytest.mark.parametrize("hours", [-30, -5, 5, 30])
@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_the_machines_clock_moves_no_bookmark(
    world: MakeWorld, monkeypatch: pytest.MonkeyPatch, api: str, hours: int
) -> None:
    """However wrong it is, the window ends by Salesforce's clock."""
    at = world(api)
    monkeypatch.setattr(time, "time", partial(_shifted, time.time, hours))  # noqa: TID251 - it is what is wrong here

    output = at.run()

    at.assert_whole(output)
    assert output.state["bookmarks"][STREAM]["replication_key_value"] == "2026-03-02T09:00:00.000Z"


def _shifted(clock: Callable[[], float], hours: int) -> float:
    return clock() + hours * 3600


JWT = {"client_secret": None, "refresh_token": None, "username": oauth.USERNAME, "private_key": oauth.PRIVATE_KEY}


@pytest.fixture
def punctual(org: Org) -> Org:
    """The org, with the present time on its clock: what an assertion is held against."""
    org.clock.set(org.jwt_clock.now())
    return org


def shift(org: Org, by: timedelta) -> None:
    """Have the machine's clock differ from Salesforce's."""
    org.clock.advance(by)
    org.jwt_clock.advance(by)


@pytest.mark.parametrize("hours", [-9, -1, 1, 9])
def test_a_machine_whose_clock_is_wrong_logs_in_with_a_jwt(world: MakeWorld, punctual: Org, hours: int) -> None:
    """Where Salesforce refuses an assertion for its time, it is made anew by Salesforce's own clock."""
    at = world("rest", **JWT)
    shift(punctual, timedelta(hours=hours))
    if hours < 0:
        # How Salesforce says that an assertion is of the future is not documented.
        punctual.faults.add(OAuthRefused("invalid_grant", "invalid assertion"))

    at.assert_whole(at.run())


def test_an_assertion_is_not_made_anew_where_the_clocks_agree(world: MakeWorld, punctual: Org) -> None:
    """What a right clock does not cure is not asked twice."""
    at = world("rest", **JWT)
    punctual.faults.add(OAuthRefused("invalid_grant", "invalid assertion"), count=None)

    assert_told(at.run().error, 2, "certificate")
    assert len(punctual.requests.to("/oauth2/token")) == 1


def test_an_assertion_that_is_too_old_by_any_clock_leads_to_the_clock(world: MakeWorld, punctual: Org) -> None:
    """Salesforce speaks of an authorization code, of which a JWT login has none: `connect` is no remedy."""
    at = world("rest", **JWT)
    punctual.jwt_clock.advance(timedelta(hours=5))

    error = at.run().error

    assert_told(error, 2, "set this machine's clock right")
    assert "private_key" in str(error)


# Disks


@contextmanager
def full_disk(size: int = 0) -> Iterator[None]:
    """Let no file become longer than so many bytes."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_uses_up_no_refresh_token(world: MakeWorld, tmp_path: Path) -> None:
    """The login waits until there is room for the token that replaces this one; nothing lies about."""
    at = world("rest", token_store=str(tmp_path / "token.json"))
    at.org.rotate_refresh_tokens = True
    with full_disk(1_000):
        output = at.run()

    assert_told(output.error, 2, "token_store")
    assert at.org.requests == []
    assert list(tmp_path.iterdir()) == []
    at.assert_nothing_is_lost()


@pytest.mark.parametrize("size", [0, 200])
@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_a_full_disk_costs_no_row_where_only_describes_and_jobs_are_noted(
    world: MakeWorld, tmp_path: Path, api: str, size: int
) -> None:
    """What is kept to save calls is done without, and no half of it stays."""
    at = world(api, describe_cache=str(tmp_path / "describes.json"))
    with full_disk(size):
        output = at.run()

    at.assert_whole(output)
    assert list(tmp_path.iterdir()) == []
    at.assert_nothing_is_lost()


@pytest.mark.parametrize("full", [True, False], ids=["full", "no such folder"])
def test_a_page_that_fits_neither_memory_nor_disk_comes_over_rest(
    world: MakeWorld,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    full: bool,  # noqa: FBT001
) -> None:
    """Result pages may be too large for both; REST's are smaller."""
    at = world("bulk2")
    monkeypatch.setattr(run, "Room", lambda _most, *, kept: Room(100, kept=50))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path if full else tmp_path / "none"))
    with full_disk():
        output = at.run()

    at.assert_whole(output)
    assert [request for request in at.org.requests if request.path.endswith("/queryAll")]
    assert list(tmp_path.iterdir()) == []
