"""What goes wrong in the middle: either the run recovers and every row arrives, or it says so and loses nothing."""

from __future__ import annotations

import copy
import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from tap_salesforce_ci.bookmarks import Reading, begin
from tap_salesforce_ci.client.transport import LEAST_PROGRESS, LONGEST_DOWNLOAD, StallWatch
from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import empty_org
from tap_salesforce_ci.demo.faults import BadDescribe, ExpireSession, Fault, JobFails, Refused, ShortResults, Stall
from tap_salesforce_ci.demo.faults.triggers import Struck
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.request_log import Request
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.demo.wire import Response
from tap_salesforce_ci.errors import TransientError, UserError
from tap_salesforce_ci.run import RunFailed
from tests.mortal import Cause, Death, live
from tests.singer import Output, Warehouse, config, discover, messages_in, sync
from tests.truth import expected

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
ACCOUNTS: dict[str, Any] = {"streams": ["Account"]}


@pytest.fixture
def org() -> Org:
    org = empty_org(Clock(NOW))
    for n in range(30):
        org.insert("Account", {"Name": f"Account {n}"}, at=NOW - timedelta(minutes=n + 1))
    return org


@pytest.fixture
def server(org: Org) -> Iterator[Server]:
    with Server(org) as server:
        yield server


def assert_whole(org: Org, *outputs: Output, stream: str = "sf_Account") -> None:
    warehouse = Warehouse()
    for output in outputs:
        warehouse.load(output)
    object_name = stream.removeprefix("sf_")
    assert expected(org, object_name, outputs[-1].schema(stream)) == warehouse.rows(stream)


@dataclass(frozen=True)
class WrongDate(Fault):
    """An answer tells another time than the org's."""

    ahead: timedelta
    status: int | None = None

    def spoiled(self, org: Struck, request: Request, response: Response) -> Response:
        """The answer with its wrong date."""
        date = format_datetime(NOW + self.ahead, usegmt=True)
        return replace(response, status=self.status or response.status, headers={**response.headers, "Date": date})


@pytest.mark.parametrize(
    ("fault", "path"),
    [
        (WrongDate(timedelta(days=3), 502), "describe"),
        (WrongDate(timedelta(days=3)), "describe"),
        (WrongDate(timedelta(days=3)), "oauth2"),
        (WrongDate(timedelta(seconds=2)), "sobjects"),
    ],
)
@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_an_answer_with_a_wrong_date_moves_no_bookmark(
    org: Org, server: Server, fault: WrongDate, path: str, api: str
) -> None:
    """The window never ends after the moment at which the org itself was asked: what was written since comes next."""
    org.faults.add(fault, path=path)
    first = sync(server, api_type=api, **ACCOUNTS)
    org.clock.advance(timedelta(minutes=1))
    org.insert("Account", {"Name": "since"})
    org.clock.advance(timedelta(hours=1))
    second = sync(server, api_type=api, state=first.state, **ACCOUNTS)

    assert first.state["bookmarks"]["sf_Account"]["replication_key_value"] == "2026-03-02T09:00:00.000Z"
    assert_whole(org, first, second)


def test_a_bookmark_ahead_of_salesforces_clock_is_told(org: Org, server: Server) -> None:
    """A state from which nothing would ever be read is an error with its remedy, not a success."""
    ahead = {"replication_key": "SystemModstamp", "replication_key_value": "2027-01-01T00:00:00.000Z"}

    output = sync(server, state={"bookmarks": {"sf_Account": ahead}}, **ACCOUNTS)

    assert isinstance(output.error, RunFailed)
    assert output.error.exit_code == 2
    assert "ahead of Salesforce's clock" in str(output.error)


@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_rows_without_a_key_are_part_of_every_read(org: Org, server: Server, api: str) -> None:
    """A row that never gets a replication key arrives although it came after the first run."""
    account = org.rows("Account")[0]["Id"]
    org.insert("AccountShare", {"AccountId": account})
    org.clock.advance(timedelta(minutes=1))
    settings: dict[str, Any] = {"streams": ["AccountShare"], "api_type": api}
    first = sync(server, start_date="2020-01-01T00:00:00Z", **settings)
    org.insert("AccountShare", {"AccountId": account, "LastModifiedDate": None})
    org.clock.advance(timedelta(minutes=1))
    second = sync(server, start_date="2020-01-01T00:00:00Z", state=first.state, **settings)

    assert_whole(org, first, second, stream="sf_AccountShare")


@pytest.mark.parametrize("fault", [Refused(403, "INSUFFICIENT_ACCESS", "no"), BadDescribe("Contact")], ids=repr)
def test_a_describe_that_fails_under_a_catalog_fails_its_stream_only(org: Org, server: Server, fault: Fault) -> None:
    """The other streams go on, and the run says which one failed."""
    catalog = discover(server, streams=["Account", "Contact"])
    org.faults.add(fault, path="Contact/describe", count=None)

    output = sync(server, catalog=catalog)

    assert isinstance(output.error, RunFailed)
    assert "sf_Contact failed" in str(output.error)
    assert len(output.records("sf_Account")) == 30


REFUSALS = [
    Refused(400, "INVALID_LOCATOR", "no such locator"),
    Refused(400, "INVALID_QUERY_LOCATOR", "invalid query locator"),
    Refused(400, "API_ERROR", "no"),
    Refused(403, "INSUFFICIENT_ACCESS", "no"),
    Refused(404, "NOT_FOUND", "gone"),
    Refused(409, "VERSION", "another version"),
]


def test_a_describe_that_fails_without_a_catalog_fails_the_run(org: Org, server: Server) -> None:
    """The other tables arrive, and the run that lacks one does not look like success."""
    org.faults.add(BadDescribe("Contact"), path="Contact/describe", count=None)

    output = sync(server, streams=["Account", "Contact"])

    assert isinstance(output.error, RunFailed)
    assert "sf_Contact" in str(output.error)
    assert "sf_Account" not in str(output.error)
    assert_whole(org, output)


@pytest.mark.parametrize("streams", [["Acount"], ["Nothing*", "Acount"]])
def test_a_run_for_which_nothing_is_left_is_no_success(server: Server, streams: list[str]) -> None:
    """Misspelled names end the run with the setting, not with an empty warehouse and exit code 0."""
    output = sync(server, streams=streams)

    assert isinstance(output.error, UserError)
    assert f"setting: streams ({', '.join(streams)})" in str(output.error)
    assert discover(server, streams=streams) == {"streams": []}


def test_a_run_whose_only_describe_fails_says_how(org: Org, server: Server) -> None:
    """What Salesforce answered is told, not that a name may be misspelled."""
    org.faults.add(Refused(503, "SERVER_UNAVAILABLE", "later"), path="describe$|composite", count=None)

    output = sync(server, streams=["Contact"])

    assert isinstance(output.error, TransientError)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_a_job_of_the_last_run_that_cant_be_read_on_is_replaced(org: Org, server: Server, refusal: Refused) -> None:
    """Whatever Salesforce says of the old job, the window is read again from its start."""
    whole = sync(server, api_type="bulk2", **ACCOUNTS)
    state = next(message["value"] for message in whole.messages if message["type"] == "STATE")
    job = state["bookmarks"]["sf_Account"]["reading"]["job"]["id"]
    org.faults.add(refusal, path=f"{job}", method="GET", count=None)

    output = sync(server, api_type="bulk2", state=state, **ACCOUNTS)

    assert output.error is None
    assert_whole(org, output)
    assert "reading" not in output.state["bookmarks"]["sf_Account"]


@pytest.mark.parametrize("refusal", [*REFUSALS, Refused(400, "INVALIDJOBSTATE", "not yet")], ids=lambda each: each.code)
@pytest.mark.parametrize("count", [1, 2])
def test_results_that_are_refused_are_read_another_way(org: Org, server: Server, refusal: Refused, count: int) -> None:
    """A refusal of a result page costs another try, another job or the way over REST, no row."""
    org.faults.add(refusal, path=r"/results", count=count)

    output = sync(server, api_type="bulk2", **ACCOUNTS)

    assert output.error is None
    assert_whole(org, output)


@pytest.mark.parametrize(
    "refusal",
    [
        Refused(400, "API_ERROR", "Das Auswählen zusammengesetzter Daten wird nicht unterstützt"),
        Refused(400, "INVALIDJOB", "no"),
        Refused(400, "MALFORMED_QUERY", "no"),
        Refused(403, "INSUFFICIENT_ACCESS", "no"),
        Refused(404, "NOT_FOUND", "no"),
        Refused(400, "INVALID_TYPE_FOR_OPERATION", "no"),
    ],
    ids=lambda refusal: refusal.code,
)
def test_whatever_bulk_refuses_rest_has_the_last_word(org: Org, server: Server, refusal: Refused) -> None:
    """A job that can't be made, in whatever language it is said, is read over REST."""
    org.faults.add(refusal, path="/jobs/query$", method="POST", count=None)

    output = sync(server, api_type="bulk2", **ACCOUNTS)

    assert output.error is None
    assert_whole(org, output)


def test_a_job_that_timed_out_is_read_over_rest(org: Org, server: Server) -> None:
    """QUERY_TIMEOUT ends a job, not the read."""
    org.faults.add(JobFails("QUERY_TIMEOUT: Your query request was running for too long."))

    output = sync(server, api_type="bulk2", **ACCOUNTS)

    assert output.error is None
    assert_whole(org, output)


@pytest.mark.parametrize("status", [400, 403, 405, 500])
def test_where_result_pages_cant_be_listed_locators_are_followed(
    org: Org, server: Server, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """`resultPages` is a convenience: without it the pages come one after the other."""
    monkeypatch.setattr("tap_salesforce_ci.client.results.MOST_ROWS_PER_PAGE", 10)
    monkeypatch.setattr("tap_salesforce_ci.client.results.FEWEST_ROWS_PER_PAGE", 10)
    listed = org.faults.add(Refused(status, "NO_SUCH_THING", "no"), path="resultPages", count=None)

    output = sync(server, api_type="bulk2", **ACCOUNTS)

    assert listed.hits > 0
    assert output.error is None
    assert_whole(org, output)
    assert not any(each.method == "POST" and each.path.endswith("/query") for each in list(org.requests)[-3:])


def test_jobs_that_run_already_are_in_the_state_before_their_rows_are_consumed(org: Org, server: Server) -> None:
    """A run that dies at its first stream leaves no job of the later ones behind unknown."""
    org.insert("Contact", {"LastName": "x"}, at=NOW - timedelta(minutes=5))
    settings: dict[str, Any] = {"streams": ["Account", "Contact"], "api_type": "bulk2"}
    output = sync(server, **settings)
    created = [each for each in org.requests if each.method == "POST" and each.path.endswith("/jobs/query")]
    assert len(created) == 2

    told = {
        entry["reading"]["job"]["id"]
        for message in output.messages
        if message["type"] == "STATE"
        for entry in message["value"]["bookmarks"].values()
        if "reading" in entry
    }
    assert len(told) == 2
    assert not any("reading" in entry for entry in output.state["bookmarks"].values())


def test_numbers_keep_their_digits_on_the_sdks_own_path(org: Org, server: Server) -> None:
    """Under stream maps a number is written as Salesforce printed it, too."""
    org.insert("Every_Type__c", {"Name": "x"}, at=NOW - timedelta(minutes=5))
    plain = sync(server, streams=["Every_Type__c"], api_type="bulk2")
    mapped = sync(
        server, streams=["Every_Type__c"], api_type="bulk2", stream_maps={"sf_Every_Type__c": {"Extra": "Name"}}
    )

    def told(output: Output) -> list[dict[str, str]]:
        rows = output.records("sf_Every_Type__c")
        return sorted(({name: str(value) for name, value in row.items() if name != "Extra"} for row in rows), key=str)

    assert told(plain) == told(mapped)


@pytest.mark.parametrize("state", [{"bookmarks": None}, {"value": {"bookmarks": {}}}, {}])
def test_a_state_without_bookmarks_reads_everything(org: Org, server: Server, state: dict[str, Any]) -> None:
    """An empty state, in whatever form, is no error."""
    output = sync(server, state=state, **ACCOUNTS)

    assert output.error is None
    assert_whole(org, output)


def test_a_whole_state_message_is_taken_as_its_value(org: Org, server: Server) -> None:
    """A line of the output can be given back as it is."""
    first = sync(server, **ACCOUNTS)
    org.clock.advance(timedelta(hours=1))

    second = sync(server, lookback_window=0, state={"type": "STATE", "value": first.state}, **ACCOUNTS)

    assert second.records("sf_Account") == []


@pytest.mark.parametrize("state", [{"bookmarks": []}, {"bookmarks": {"sf_Account": "2024-01-01"}}])
def test_what_is_no_state_is_told(server: Server, state: dict[str, Any]) -> None:
    """A state that no tap has written is refused by name."""
    output = sync(server, state=state, **ACCOUNTS)

    assert output.error is not None
    assert output.error.exit_code == 2
    assert "state: bookmarks" in output.error.where


def test_a_reader_that_goes_away_ends_the_run_quietly(org: Org, server: Server, tmp_path: Path) -> None:
    """A closed pipe is no traceback: the exit code is a shell's for it."""
    for n in range(3000):
        org.insert("Account", {"Name": f"more {n}"}, at=NOW - timedelta(hours=1))
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config(server, **ACCOUNTS)))
    command = [sys.executable, "-m", "tap_salesforce_ci", "--config", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert messages_in(process.stdout.readline())
        process.stdout.close()
        said = process.stderr.read().decode()

    assert process.returncode == 141
    assert "Traceback" not in said


@dataclass(frozen=True)
class Announced(Fault):
    """Nothing wrong; somebody is told that the request came."""

    came: threading.Event

    def instead(self, org: Struck, request: Request) -> None:
        """Tell."""
        self.came.set()


def test_a_run_that_waits_for_a_describe_can_be_killed(org: Org, server: Server, tmp_path: Path) -> None:
    """A signal ends discovery at once, though Salesforce keeps a describe waiting."""
    came = threading.Event()
    org.faults.add(Announced(came), path="describe")
    org.faults.add(Stall(), path="describe", count=None)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config(server, **ACCOUNTS)))
    command = [sys.executable, "-m", "tap_salesforce_ci", "--config", str(file), "--discover"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert came.wait(60)
        process.terminate()
        printed, _ = process.communicate(timeout=60)

    assert process.returncode == 143
    assert printed == b""


def test_a_download_that_all_but_stands_still_is_stalled() -> None:
    """A byte now and then is no progress; enough of them within the time are."""
    now = [0.0]
    watch = StallWatch(3, lambda: now[0])
    for _ in range(3):
        now[0] += 1.5
        watch.saw(LEAST_PROGRESS)
    watch = StallWatch(3, lambda: now[0])
    now[0] += 2
    watch.saw(LEAST_PROGRESS - 2)
    now[0] += 2
    with pytest.raises(TimeoutError):
        watch.saw(1)


def test_a_download_takes_no_longer_than_salesforce_allows() -> None:
    """Twenty minutes are the most, however many bytes come."""
    now = [0.0]
    watch = StallWatch(300, lambda: now[0])
    while now[0] + 60 <= LONGEST_DOWNLOAD:
        now[0] += 60
        watch.saw(1 << 20)
    now[0] += 60
    with pytest.raises(TimeoutError):
        watch.saw(1 << 20)


def test_each_selected_stream_is_read_once(org: Org, server: Server) -> None:
    """However many threads ask for the run that they belong to, there is one: no query is asked twice."""
    streams = ["Account", "Contact", "Lead", "Opportunity", "Case", "Task", "Event", "User"]
    for _ in range(5):
        org.requests.clear()
        output = sync(server, streams=streams, api_type="rest")
        asked = [each for each in org.requests if each.path.endswith("/queryAll")]
        assert len(asked) == len(streams)
        assert output.error is None


def test_a_full_table_that_resumes_a_job_gets_a_version_of_its_own(org: Org, server: Server) -> None:
    """A job noted before its rows were written doesn't bring an older read's version back: what is gone goes."""
    settings: dict[str, Any] = {"streams": ["Account"], "api_type": "bulk2", "replication": {"*": "full_table"}}
    first = sync(server, **settings)
    org.hard_delete("Account", org.rows("Account")[0]["Id"])
    state = copy.deepcopy(first.state)
    begin(state, "sf_Account", None, Reading(None, NOW, "another query"))
    second = sync(server, state=state, **settings)

    assert "version" not in state["bookmarks"]["sf_Account"]
    assert_whole(org, first, second)


@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_rows_that_are_read_again_of_a_table_without_a_key_are_not_doubled(
    org: Org, server: Server, monkeypatch: pytest.MonkeyPatch, api: str
) -> None:
    """A second beginning within one run has a version of its own, and only that one is activated."""
    monkeypatch.setattr("tap_salesforce_ci.client.results.MOST_ROWS_PER_PAGE", 10)
    monkeypatch.setattr("tap_salesforce_ci.client.results.FEWEST_ROWS_PER_PAGE", 10)
    org.rest_page_rows = org.bulk_page_rows = 10
    org.faults.add(Refused(404, "NOT_FOUND", "gone"), path=r"/query/0r|/results\?", nth=2)

    output = sync(server, api_type=api, replication={"*": "full_table"}, **ACCOUNTS)

    versions = [message["version"] for message in output.messages if message["type"] == "ACTIVATE_VERSION"]
    active = [m["record"]["Id"] for m in output.messages if m["type"] == "RECORD" and m["version"] == versions[-1]]
    assert output.error is None
    assert len(versions) == 1
    assert sorted(active) == sorted(row["Id"] for row in org.rows("Account"))
    assert api == "bulk2" or len(output.records("sf_Account")) > len(active)


@pytest.mark.parametrize("written", ["FULL_TABLE", {"replication-method": "FULL_TABLE", "reason": "no key"}])
def test_catalogs_of_other_taps_keep_their_keys_and_methods(org: Org, server: Server, written: Any) -> None:
    """Keys and forced methods that stand in the metadata only, as older taps write them, are heeded."""
    entry = discover(server, **ACCOUNTS)["streams"][0]
    for name in ("key_properties", "replication_key", "replication_method"):
        entry.pop(name, None)
    root = next(each["metadata"] for each in entry["metadata"] if not each["breadcrumb"])
    root |= {"selected": True, "table-key-properties": ["Id"], "forced-replication-method": written}

    output = sync(server, catalog={"streams": [entry]})

    schema = next(message for message in output.messages if message["type"] == "SCHEMA")
    assert output.error is None
    assert schema["key_properties"] == ["Id"]
    assert {message["type"] for message in output.messages} >= {"ACTIVATE_VERSION", "RECORD"}


def test_a_row_that_changes_between_its_parts_is_asked_for_again(org: Org, server: Server) -> None:
    """A wide row of a full table never mixes what it was with what it became."""
    fields = [each.name for each in org.object("Wide__c").stored if each.name.endswith("__c")]
    texts = [each.name for each in org.object("Wide__c").stored if each.type == "string" and each.name in fields]
    row = org.insert("Wide__c", dict.fromkeys(texts, "before"))

    @dataclass(frozen=True)
    class Meanwhile(Fault):
        """Somebody changes the row while its parts are read."""

        def instead(self, _org: Struck, request: Request) -> None:
            """Change it."""
            org.clock.advance(timedelta(seconds=1))
            org.update("Wide__c", row, dict.fromkeys(texts, "after"))

    org.faults.add(Meanwhile(), path="queryAll", nth=2)
    output = sync(server, streams=["Wide__c"], api_type="rest", replication={"*": "full_table"})

    (record,) = output.records("sf_Wide__c")
    assert output.error is None
    assert {record[name] for name in texts} == {"after"}


@pytest.mark.parametrize("count", [2, 3, None])
def test_rows_that_a_page_in_the_middle_lacks_are_asked_for(org: Org, server: Server, count: int | None) -> None:
    """The read goes on behind the last page that is known to be whole, in this run and in the next."""
    org.rest_page_rows = 7
    org.faults.add(ShortResults(), path="queryAll|/query/", nth=2, count=count)
    first = sync(server, api_type="rest", **ACCOUNTS)
    org.faults.clear()
    second = sync(server, api_type="rest", lookback_window=0, state=first.state, **ACCOUNTS)

    assert (first.error is None) == (count is not None)
    assert second.error is None
    assert_whole(org, first, second)


def test_a_run_that_dies_behind_a_short_page_reads_it_again(org: Org, server: Server) -> None:
    """What the state tells as reached is never behind rows that have not come."""
    for message in itertools.count(1):
        org.rest_page_rows = 7
        org.faults.add(ShortResults(), path="queryAll|/query/", nth=2, count=None)
        settings: dict[str, Any] = {"api_type": "rest", "lookback_window": 0, "quiet": True, **ACCOUNTS}
        first = live(server, Death(message, 1, Cause.KILLED), state=None, **settings)
        org.faults.clear()
        second = live(server, None, state=first.output.state, **settings)

        assert second.error is None
        assert_whole(org, first.output, second.output)
        if not first.died:
            break


def test_two_sessions_that_end_under_one_request_cost_no_stream(org: Org, server: Server) -> None:
    """A request is replayed with a new session, and once more."""
    org.faults.add(ExpireSession(), path="queryAll", count=2)

    output = sync(server, api_type="rest", **ACCOUNTS)

    assert output.error is None
    assert_whole(org, output)


def test_a_job_of_the_last_run_that_fails_for_good_is_replaced(org: Org, server: Server) -> None:
    """A job that answers 500 for ever is given up, and its window is read anew."""
    whole = sync(server, api_type="bulk2", **ACCOUNTS)
    state = next(message["value"] for message in whole.messages if message["type"] == "STATE")
    job = state["bookmarks"]["sf_Account"]["reading"]["job"]["id"]
    org.faults.add(Refused(500, "UNKNOWN_EXCEPTION", "no"), path=job, count=None)

    output = sync(server, api_type="bulk2", state=state, **ACCOUNTS)

    assert output.error is None
    assert_whole(org, output)
