"""The org's Bulk API 2.0, over HTTP."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tap_salesforce_ci.demo.org import Number, Org

if TYPE_CHECKING:
    import requests

    from tests.demo.conftest import Caller

CREATED = [
    "id",
    "operation",
    "object",
    "createdById",
    "createdDate",
    "systemModstamp",
    "state",
    "concurrencyMode",
    "contentType",
    "apiVersion",
    "lineEnding",
    "columnDelimiter",
]


def create(caller: Caller, soql: str, **more: str) -> requests.Response:
    """The answer to the making of a job."""
    return caller.post("/jobs/query", {"operation": "query", "query": soql, **more})


def complete(caller: Caller, soql: str, **more: str) -> str:
    """The path of a job that is done."""
    answer = create(caller, soql, **more)
    assert answer.status_code == 200, answer.text
    path = f"/jobs/query/{answer.json()['id']}"
    while caller.get(path).json()["state"] != "JobComplete":
        pass
    return path


def rows(answer: requests.Response) -> list[list[str]]:
    """The lines of a result page, the header first."""
    return list(csv.reader(io.StringIO(answer.content.decode(), newline="")))


def many(org: Org, count: int) -> list[str]:
    """That many accounts."""
    return [org.insert("Account", {"Name": str(number)}) for number in range(count)]


def test_a_job_is_told_in_salesforces_order(caller: Caller) -> None:
    """The keys of a new job and of a finished one are those of the documentation, the version a number."""
    made = create(caller, "SELECT Id FROM Account")
    path = f"/jobs/query/{made.json()['id']}"
    running, done = caller.get(path).json(), caller.get(path).json()

    assert made.status_code == 200
    assert list(made.json()) == CREATED
    assert made.json()["state"] == "UploadComplete"
    assert '"apiVersion":66.0' in made.text
    assert (running["state"], done["state"]) == ("InProgress", "JobComplete")
    assert list(done) == [
        *CREATED[:10],
        "jobType",
        *CREATED[10:],
        "numberRecordsProcessed",
        "retries",
        "totalProcessingTime",
        "isPkChunkingSupported",
    ]


def test_a_job_takes_the_polls_it_is_told_to(caller: Caller, org: Org) -> None:
    """The org decides how often a job is found unfinished."""
    org.bulk_polls = 3
    path = f"/jobs/query/{create(caller, 'SELECT Id FROM Account').json()['id']}"

    assert [caller.get(path).json()["state"] for _ in range(4)] == ["InProgress"] * 3 + ["JobComplete"]


def test_results_are_not_there_before_the_job_is_done(caller: Caller, org: Org) -> None:
    """Reading too early is refused."""
    path = f"/jobs/query/{create(caller, 'SELECT Id FROM Account').json()['id']}"

    for resource in ("results", "resultPages"):
        answer = caller.get(f"{path}/{resource}")
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALIDJOBSTATE")


def test_every_page_repeats_the_header(caller: Caller, org: Org) -> None:
    """Pages follow their locators to the literal null, and their counts add up to the job's."""
    ids = many(org, 5)
    path = complete(caller, "SELECT Id, Name FROM Account")
    found, locator, counts = [], "", []
    while locator != "null":
        page = caller.get(
            f"{path}/results", params={"maxRecords": "2", "locator": locator} if locator else "maxRecords=2"
        )
        header, *body = rows(page)
        assert header == ["Id", "Name"]
        assert page.headers["Content-Type"].startswith("text/csv")
        found += [row[0] for row in body]
        counts.append(int(page.headers["Sforce-NumberOfRecords"]))
        locator = page.headers["Sforce-Locator"]

    assert counts == [2, 2, 1]
    assert sorted(found) == ids
    assert caller.get(path).json()["numberRecordsProcessed"] == 5


def test_records_come_in_no_order_unless_sorted(caller: Caller, org: Org) -> None:
    """Without ORDER BY a job deals the records out; with it they are in order."""
    ids = many(org, 40)

    def found(soql: str) -> list[str]:
        return [row[0] for row in rows(caller.get(f"{complete(caller, soql)}/results"))[1:]]

    dealt, ordered = found("SELECT Id FROM Account"), found("SELECT Id FROM Account ORDER BY Id")
    assert dealt != ids
    assert sorted(dealt) == ordered == ids


def test_a_page_can_be_read_again(caller: Caller, org: Org) -> None:
    """A locator names the same rows for as long as the job is there."""
    many(org, 5)
    path = complete(caller, "SELECT Id FROM Account")
    locator = caller.get(f"{path}/results?maxRecords=2").headers["Sforce-Locator"]
    once = caller.get(f"{path}/results?maxRecords=2&locator={locator}")
    org.insert("Account", {"Name": "later"})
    again = caller.get(f"{path}/results?maxRecords=2&locator={locator}")

    assert once.content == again.content
    assert caller.get(f"{path}/results?locator=nonsense").status_code == 400


def test_no_records_make_a_page_of_a_header(caller: Caller) -> None:
    """An empty result is a header line, a count of zero and no locator."""
    page = caller.get(complete(caller, "SELECT Id, Name FROM Account") + "/results")

    assert page.content == b'"Id","Name"\n'
    assert (page.headers["Sforce-NumberOfRecords"], page.headers["Sforce-Locator"]) == ("0", "null")


def test_values_are_printed_as_bulk_prints_them(caller: Caller, org: Org) -> None:
    """Everything is quoted, quotes are doubled, null is empty, moments end in Z, numbers keep their digits."""
    parent = org.insert("Account", {"Name": 'The "A"\r\nteam', "AnnualRevenue": Number(rest="9.5E8", bulk="9.5E8")})
    org.insert("Account", {"Name": "b", "ParentId": parent, "AnnualRevenue": Decimal(3), "NumberOfEmployees": 7})
    columns = "Name, AnnualRevenue, NumberOfEmployees, IsDeleted, CreatedDate, Parent.Name, Site"
    path = complete(caller, f"SELECT {columns} FROM Account ORDER BY Id")

    assert caller.get(f"{path}/results").content == (
        b'"Name","AnnualRevenue","NumberOfEmployees","IsDeleted","CreatedDate","Parent.Name","Site"\n'
        b'"The ""A""\r\nteam","9.5E8","","false","2026-01-01T08:00:00.000Z","",""\n'
        b'"b","3.0","7","false","2026-01-01T08:00:00.000Z","The ""A""\r\nteam",""\n'
    )


def test_delimiter_and_line_ending_are_as_asked(caller: Caller, org: Org) -> None:
    """Columns and lines end as the job was told."""
    org.insert("Account", {"Name": "a|b"})
    path = complete(caller, "SELECT Name, Site FROM Account", columnDelimiter="PIPE", lineEnding="CRLF")

    assert caller.get(f"{path}/results").content == b'"Name"|"Site"\r\n"a|b"|""\r\n'


def test_deleted_records_are_for_query_all(caller: Caller, org: Org) -> None:
    """The operation decides whether the Recycle Bin is read."""
    org.delete("Account", org.insert("Account", {"Name": "gone"}))

    for operation, count in (("query", "0"), ("queryAll", "1")):
        path = complete(caller, "SELECT Id FROM Account", operation=operation)
        assert caller.get(f"{path}/results").headers["Sforce-NumberOfRecords"] == count


def test_pages_can_be_listed_five_at_a_time(caller: Caller, org: Org) -> None:
    """ResultPages lists the addresses of all pages, five by five, and they hold every record once."""
    ids = many(org, 13)
    org.bulk_page_rows = 2
    path = complete(caller, "SELECT Id FROM Account")
    first = caller.get(f"{path}/resultPages").json()
    second = caller.get(first["nextRecordsUrl"]).json()

    assert list(first) == ["resultPages", "nextRecordsUrl", "done"]
    assert "/resultpages?locator=" in first["nextRecordsUrl"]
    assert (len(first["resultPages"]), first["done"]) == (5, False)
    assert (len(second["resultPages"]), second["done"], "nextRecordsUrl" in second) == (2, True, False)
    pages = [caller.get(each["resultUrl"]) for each in first["resultPages"] + second["resultPages"]]
    assert [page.headers["Sforce-NumberOfRecords"] for page in pages] == ["2"] * 6 + ["1"]
    assert sorted(row[0] for page in pages for row in rows(page)[1:]) == ids


def test_result_pages_came_with_version_58(caller: Caller) -> None:
    """Before 58.0 there is no such resource, and before 47.0 no query job at all."""
    caller.version = "57.0"
    path = complete(caller, "SELECT Id FROM Account")

    assert caller.get(f"{path}/resultPages").status_code == 404
    caller.version = "46.0"
    assert create(caller, "SELECT Id FROM Account").status_code == 404


def test_results_of_another_version_are_a_conflict(caller: Caller) -> None:
    """A job is read with the version it was made with."""
    path = complete(caller, "SELECT Id FROM Account")
    caller.version = "65.0"

    assert caller.get(f"{path}/results").status_code == 409


def test_a_job_can_be_aborted_until_it_is_done(caller: Caller) -> None:
    """Aborting stops a running job and is refused for a finished one."""
    path = f"/jobs/query/{create(caller, 'SELECT Id FROM Account').json()['id']}"
    aborted = caller.call("PATCH", path, json={"state": "Aborted"})
    done = complete(caller, "SELECT Id FROM Account")
    refused = caller.call("PATCH", done, json={"state": "Aborted"})

    assert (aborted.status_code, aborted.json()["state"]) == (200, "Aborted")
    assert caller.get(path).json()["state"] == "Aborted"
    assert refused.status_code == 400
    assert refused.json() == [{"errorCode": "INVALIDJOBSTATE", "message": "Aborting already Completed Job not allowed"}]


def test_a_job_can_be_deleted_once_it_is_done(caller: Caller) -> None:
    """A running job stays, a finished one goes, and then it is not found."""
    path = f"/jobs/query/{create(caller, 'SELECT Id FROM Account').json()['id']}"
    refused = caller.call("DELETE", path)
    done = complete(caller, "SELECT Id FROM Account")
    deleted = caller.call("DELETE", done)

    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "API_ERROR")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert caller.get(done).json() == [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]


def test_a_job_is_kept_for_seven_days(caller: Caller, org: Org) -> None:
    """A week later the job and its results are gone."""
    path = complete(caller, "SELECT Id FROM Account")
    org.clock.advance(timedelta(days=7, seconds=1))
    caller.token = org.open_session()

    assert caller.get(path).status_code == caller.get(f"{path}/results").status_code == 404


def test_jobs_are_listed(caller: Caller) -> None:
    """The list has every query job and no ingest job."""
    ids = {create(caller, "SELECT Id FROM Account").json()["id"] for _ in range(2)}
    listed = caller.get("/jobs/query?jobType=V2Query").json()

    assert {job["id"] for job in listed["records"]} == ids
    assert (listed["done"], listed["nextRecordsUrl"]) == (True, None)
    assert caller.get("/jobs/query?jobType=V2Ingest").json()["records"] == []


@pytest.mark.parametrize(
    ("soql", "code", "message"),
    [
        ("SELECT BillingAddress FROM Account", "API_ERROR", "Selecting compound data not supported in Bulk Query"),
        ("SELECT Id FROM CaseStatus", "INVALIDENTITY", "Entity 'CaseStatus' is not supported by the Bulk API."),
        ("SELECT Id FROM AccountChangeEvent", "INVALID_TYPE_FOR_OPERATION", "does not support query"),
        ("SELECT COUNT() FROM Account", "FEATURENOTENABLED", "Aggregate Relationships not supported in Bulk Query"),
        ("SELECT Name FROM Account GROUP BY Name", "FEATURENOTENABLED", "Aggregate Relationships not supported"),
        ("SELECT (SELECT Id FROM Contacts) FROM Account", "FEATURENOTENABLED", "Aggregate Relationships not supported"),
        ("SELECT Id FROM Account LIMIT 5 OFFSET 5", "FEATURENOTENABLED", "OFFSET not supported in Bulk Query"),
        ("SELECT VersionData FROM ContentVersion", "FEATURENOTENABLED", "Binary field not supported"),
        ("SELECT Id FROM ContentDocumentLink", "API_ERROR", "Implementation restriction: ContentDocumentLink"),
        ("SELECT Bacon__c FROM Account", "INVALID_FIELD", "No such column 'Bacon__c' on entity 'Account'"),
        ("SELECT Id FROM XYZZY", "INVALID_TYPE", "sObject type 'XYZZY' is not supported"),
        ("SELEKT", "MALFORMED_QUERY", "unexpected token: SELEKT"),
    ],
)
def test_what_bulk_refuses_is_refused_at_creation(caller: Caller, soql: str, code: str, message: str) -> None:
    """A job Bulk cannot do is never made."""
    answer = create(caller, soql)
    (error,) = answer.json()

    assert (answer.status_code, error["errorCode"]) == (400, code)
    assert message in error["message"]


@pytest.mark.parametrize(
    "wrong",
    [{"operation": "insert"}, {"contentType": "JSON"}, {"columnDelimiter": "DOT"}, {"lineEnding": "CR"}, {"query": ""}],
)
def test_a_job_asked_for_wrongly_is_refused(caller: Caller, wrong: dict[str, Any]) -> None:
    """Only documented values make a job."""
    asked = {"operation": "query", "query": "SELECT Id FROM Account", **wrong}

    assert caller.post("/jobs/query", asked).status_code == 400


def test_an_org_can_refuse_an_object_to_bulk(caller: Caller, org: Org) -> None:
    """A test may close any object to Bulk, or to any query."""
    org.refuse_bulk("Lead")
    org.refuse_query("Case", "INSUFFICIENT_ACCESS", "no")
    org.needs_filter("Contact", "AccountId", message="Implementation restriction: filter!")

    assert create(caller, "SELECT Id FROM Lead").json()[0]["errorCode"] == "INVALIDENTITY"
    assert caller.query("SELECT Id FROM Lead").status_code == 200
    assert caller.refused("SELECT Id FROM Case")[1:] == ("INSUFFICIENT_ACCESS", "no")
    assert caller.refused("SELECT Id FROM Contact")[1] == "MALFORMED_QUERY"


def test_a_days_jobs_are_limited(caller: Caller, org: Org) -> None:
    """After the last job of the day the next is refused with the numbers."""
    org.limits.bulk_jobs_max = 1
    create(caller, "SELECT Id FROM Account")

    assert create(caller, "SELECT Id FROM Account").json() == [
        {"errorCode": "LIMIT_EXCEEDED", "message": "Max bulk v2 query jobs (1) per 24 hrs has been reached (2)"}
    ]
