"""The org's misbehaviours, over HTTP."""

from __future__ import annotations

import csv
import io
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tap_salesforce_ci.demo.faults import (
    ApiDisabled,
    BadDescribe,
    BulkLimitExceeded,
    CorruptGzip,
    CutBody,
    DuplicatePage,
    ExpireSession,
    Fault,
    HtmlError,
    InvalidLocator,
    JobAborted,
    JobFails,
    JobGone,
    JobStuck,
    MissingLocator,
    NotAcceptable,
    OAuthRefused,
    Refused,
    RepeatedLocator,
    RequestLimitExceeded,
    ResetConnection,
    RetryAfter,
    RevokeGrants,
    ServerError,
    ShortResults,
    Stall,
    TornText,
    WrongCount,
)
from tap_salesforce_ci.demo.grants import REFRESH_TOKEN

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.deliveries import Length
    from tap_salesforce_ci.demo.org import Org
    from tests.demo.conftest import Caller

PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture
def busy(org: Org) -> Org:
    """An org of six accounts, two to a page."""
    for number in range(6):
        org.insert("Account", {"Name": str(number)})
    org.rest_page_rows = org.bulk_page_rows = 2
    org.bulk_polls = 0
    return org


def job(caller: Caller, soql: str = "SELECT Id FROM Account ORDER BY Id") -> str:
    """The path of a job that has been looked at once."""
    path = f"/jobs/query/{caller.post('/jobs/query', {'operation': 'query', 'query': soql}).json()['id']}"
    caller.get(path)
    return path


def ids(answer: requests.Response) -> list[str]:
    """The ids on a result page."""
    return [row["Id"] for row in csv.DictReader(io.StringIO(answer.text))]


def test_a_fault_strikes_the_nth_request_that_fits(caller: Caller, org: Org) -> None:
    """Only requests that match are counted, and only so many are struck."""
    trigger = org.faults.add(ServerError(503), path="/limits", nth=2, count=2)
    caller.get("/sobjects/")
    statuses = [caller.get("/limits").status_code for _ in range(4)]

    assert statuses == [200, 503, 503, 200]
    assert (trigger.seen, trigger.hits) == (4, 2)


def test_a_fault_without_a_count_goes_on_until_cleared(caller: Caller, org: Org) -> None:
    """It strikes for ever, or until all faults are cleared."""
    org.faults.add(HtmlError(420), count=None)
    during = [caller.get("/limits").status_code for _ in range(3)]
    org.faults.clear()

    assert during == [420] * 3
    assert caller.get("/limits").status_code == 200


def test_a_fault_may_be_of_one_method(caller: Caller, org: Org) -> None:
    """A POST is struck where a GET is not."""
    org.faults.add(ServerError(), path="/jobs/query", method="POST")

    assert caller.get("/jobs/query").status_code == 200
    assert caller.post("/jobs/query", {}).status_code == 500


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        (ServerError(), 500, '"errorCode":"UNKNOWN_EXCEPTION"'),
        (ServerError(503), 503, '"errorCode":"SERVER_UNAVAILABLE"'),
        (ServerError(503, html=True), 503, "<html>"),
        (HtmlError(502), 502, "<html>"),
        (Refused(400, "QUERY_TIMEOUT", "too long"), 400, '[{"message":"too long","errorCode":"QUERY_TIMEOUT"}]'),
        (RequestLimitExceeded(), 403, "TotalRequests Limit exceeded."),
        (RequestLimitExceeded("concurrent"), 403, "Concurrent API Requests"),
        (ApiDisabled(), 403, '"errorCode":"API_DISABLED_FOR_ORG"'),
        (ApiDisabled("user"), 403, '"errorCode":"API_CURRENTLY_DISABLED"'),
        (ExpireSession(), 401, '"errorCode":"INVALID_SESSION_ID"'),
    ],
)
def test_a_refusal_comes_instead_of_the_answer(caller: Caller, org: Org, fault: Fault, status: int, text: str) -> None:
    """Each has the status and words of the real thing."""
    org.faults.add(fault)
    answer = caller.get("/limits")

    assert answer.status_code == status
    assert text in answer.text


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_org_says_when_to_come_back(caller: Caller, org: Org, status: Any) -> None:
    """Retry-After is in whole or part seconds."""
    org.faults.add(RetryAfter(status, seconds=0.5))
    answer = caller.get("/limits")

    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "0.5")


def test_an_expired_session_stays_expired(caller: Caller, org: Org) -> None:
    """The request is refused, and so is the next one with the same token."""
    org.faults.add(ExpireSession(), path="/limits", nth=2)

    assert [caller.get("/limits").status_code for _ in range(3)] == [200, 401, 401]


def test_grants_may_be_revoked(caller: Caller, org: Org) -> None:
    """No session is left, and no refresh token opens another one."""
    org.faults.add(RevokeGrants(), path="/limits")

    assert caller.get("/limits").status_code == 401
    assert org.grants.find_grant(REFRESH_TOKEN) is None


def test_a_describe_may_be_not_acceptable(caller: Caller, org: Org) -> None:
    """A 406 strikes describes only, and once."""
    org.faults.add(NotAcceptable())

    assert caller.get("/limits").status_code == 200
    assert [caller.get("/sobjects/Account/describe").status_code for _ in range(2)] == [406, 200]


def test_one_describe_may_be_bad(caller: Caller, org: Org) -> None:
    """One object fails, within a composite request too, the others do not."""
    org.faults.add(BadDescribe("Lead"), count=None)
    batch = [{"method": "GET", "url": f"v66.0/sobjects/{name}/describe"} for name in ("Account", "Lead")]
    results = caller.post("/composite/batch", {"batchRequests": batch}).json()["results"]
    org.faults.clear()
    org.faults.add(BadDescribe("Lead", body={"name": "Lead"}))

    assert [each["statusCode"] for each in results] == [200, 500]
    assert caller.get("/sobjects/Lead/describe").json() == {"name": "Lead"}


def test_a_login_may_be_refused_for_any_reason(caller: Caller, org: Org) -> None:
    """The token endpoint gives the error it was told to."""
    org.faults.add(OAuthRefused("inactive_org", "organization is locked"))
    answer = requests.post(f"{caller.url}/services/oauth2/token", timeout=30)

    assert (answer.status_code, answer.json()["error"]) == (400, "inactive_org")


def test_a_body_cut_short_of_its_length_is_noticed(caller: Caller, org: Org) -> None:
    """The headers promise more than comes."""
    org.faults.add(CutBody(at=0.5))

    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        caller.get("/sobjects/Account/describe", headers=PLAIN)


def test_chunks_cut_short_are_noticed(caller: Caller, org: Org) -> None:
    """The last chunk never comes."""
    org.faults.add(CutBody(at=0.5, length="chunked"))

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        caller.get("/sobjects/Account/describe", headers=PLAIN)


@pytest.mark.parametrize("length", ["cut", "none"])
def test_some_cuts_only_counting_can_find(caller: Caller, busy: Org, length: Length) -> None:
    """A page whose headers agree with the cut looks whole, but for its count."""
    path = job(caller)
    whole = caller.get(f"{path}/results?maxRecords=6", headers=PLAIN)
    busy.faults.add(CutBody(at=0.7, length=length), path="/results")
    cut = caller.get(f"{path}/results?maxRecords=6", headers=PLAIN)

    assert cut.headers["Sforce-NumberOfRecords"] == "6"
    assert whole.content.startswith(cut.content)
    assert 0 < len(cut.content) < len(whole.content)


def test_a_stalled_answer_comes_when_released(caller: Caller, org: Org) -> None:
    """Nothing arrives until the fault lets go; then all of it does."""
    stall = Stall(at=0.1)
    org.faults.add(stall)
    arrived: list[int] = []
    waiting = threading.Thread(target=lambda: arrived.append(caller.get("/limits").status_code))
    waiting.start()
    while not org.requests:
        pass
    before = list(arrived)
    stall.release()
    waiting.join()

    assert (before, arrived) == ([], [200])


def test_a_stalled_answer_ends_with_the_server(caller: Caller, org: Org) -> None:
    """A client with a timeout gives up, and the server can still be stopped."""
    org.faults.add(Stall())

    with pytest.raises(requests.exceptions.ReadTimeout):
        caller.get("/limits", timeout=0.1)


@pytest.mark.parametrize("at", [0.0, 0.5])
def test_a_connection_may_be_reset(caller: Caller, org: Org, at: float) -> None:
    """The line is torn down before or within the answer."""
    org.faults.add(ResetConnection(at=at))

    with pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        caller.get("/sobjects/Account/describe")


def test_compressed_bytes_may_be_corrupt(caller: Caller, org: Org) -> None:
    """What arrives does not pass its checksum."""
    org.faults.add(CorruptGzip())

    with pytest.raises(requests.exceptions.ContentDecodingError):
        caller.get("/sobjects/Account/describe")


def test_a_locator_may_be_gone_early(caller: Caller, busy: Org) -> None:
    """A later page, of either API, is refused though the first was given."""
    busy.faults.add(InvalidLocator(), count=2)
    first = caller.query("SELECT Id FROM Account").json()
    path = job(caller)
    locator = caller.get(f"{path}/results").headers["Sforce-Locator"]

    for following in (first["nextRecordsUrl"], f"{path}/results?locator={locator}"):
        answer = caller.get(following)
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_QUERY_LOCATOR")


@pytest.mark.parametrize("limit", ["jobs", "storage"])
def test_bulks_own_limits_may_be_spent(caller: Caller, org: Org, limit: Any) -> None:
    """Jobs are refused, looking at the list is not."""
    org.faults.add(BulkLimitExceeded(limit))

    assert caller.get("/jobs/query").status_code == 200
    answer = caller.post("/jobs/query", {"operation": "query", "query": "SELECT Id FROM Account"})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "LIMIT_EXCEEDED")


def test_a_job_may_fail(caller: Caller, busy: Org) -> None:
    """The job is made, and ends with a message."""
    busy.faults.add(JobFails("QUERY_TIMEOUT: too long"))
    told = caller.get(job(caller)).json()

    assert (told["state"], told["errorMessage"]) == ("Failed", "QUERY_TIMEOUT: too long")


def test_a_job_may_be_aborted_by_others(caller: Caller, busy: Org) -> None:
    """The job is made, and ends early."""
    busy.faults.add(JobAborted())

    assert caller.get(job(caller)).json()["state"] == "Aborted"


def test_a_job_may_be_gone(caller: Caller, busy: Org) -> None:
    """Once gone, the job is not found again."""
    path = job(caller)
    busy.faults.add(JobGone(), path="/results")

    assert [caller.get(address).status_code for address in (path, f"{path}/results", path)] == [200, 404, 404]


def test_a_job_may_never_begin(caller: Caller, busy: Org) -> None:
    """However often it is looked at, it stays as it was made."""
    busy.faults.add(JobStuck())
    path = job(caller)

    assert caller.get(path).json()["state"] == caller.get(path).json()["state"] == "UploadComplete"


def test_a_page_may_be_miscounted(caller: Caller, busy: Org) -> None:
    """The count announced is not that of the rows, in either API."""
    path = job(caller)
    busy.faults.add(WrongCount(by=3), count=2)
    page, answer = caller.get(f"{path}/results"), caller.query("SELECT Id FROM Account")

    assert (page.headers["Sforce-NumberOfRecords"], len(ids(page))) == ("5", 2)
    assert answer.json()["totalSize"] == 9


def test_a_page_may_not_say_where_it_goes_on(caller: Caller, busy: Org) -> None:
    """The locator is missing though there is more."""
    path = job(caller)
    busy.faults.add(MissingLocator(), count=2)
    page, answer = caller.get(f"{path}/results"), caller.query("SELECT Id FROM Account").json()

    assert "Sforce-Locator" not in page.headers
    assert (answer["done"], "nextRecordsUrl" in answer) == (False, False)


def test_a_page_may_lead_to_itself(caller: Caller, busy: Org) -> None:
    """Following the locator brings the same rows again."""
    path = job(caller)
    busy.faults.add(RepeatedLocator(), count=3)
    page, answer = caller.get(f"{path}/results"), caller.query("SELECT Id FROM Account").json()
    again = caller.get(f"{path}/results?locator={page.headers['Sforce-Locator']}")

    assert ids(again) == ids(page)
    assert again.headers["Sforce-Locator"] == page.headers["Sforce-Locator"]
    assert caller.get(answer["nextRecordsUrl"]).json()["records"] == answer["records"]


def test_a_page_may_be_short(caller: Caller, busy: Org) -> None:
    """Rows are missing though every count says they are there."""
    path = job(caller)
    busy.faults.add(ShortResults(rows=1), count=2)
    page, answer = caller.get(f"{path}/results"), caller.query("SELECT Id FROM Account").json()

    assert (page.headers["Sforce-NumberOfRecords"], len(ids(page))) == ("2", 1)
    assert (answer["totalSize"], len(answer["records"])) == (6, 1)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_text_may_end_within_a_character(caller: Caller, org: Org, encoding: str) -> None:
    """Nothing around it tells, however it is packed."""
    org.insert("Account", {"Name": "é" * 1_000})
    org.faults.add(TornText(), path="q=")
    answer = caller.query("SELECT Name FROM Account", headers={"Accept-Encoding": encoding})

    assert answer.status_code == 200
    with pytest.raises(UnicodeDecodeError):
        answer.content.decode()


def test_a_page_may_come_twice(caller: Caller, busy: Org) -> None:
    """A later page brings the first rows again, with the right count."""
    path = job(caller)
    first = caller.get(f"{path}/results")
    query = caller.query("SELECT Id FROM Account").json()
    busy.faults.add(DuplicatePage(), count=2)
    second = caller.get(f"{path}/results?locator={first.headers['Sforce-Locator']}")

    assert ids(second) == ids(first)
    assert second.headers["Sforce-NumberOfRecords"] == "2"
    assert caller.get(query["nextRecordsUrl"]).json()["records"] == query["records"]
