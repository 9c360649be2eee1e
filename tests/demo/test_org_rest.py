"""The org's REST API, over HTTP."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from tap_salesforce_ci.demo.org import Number, Org

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.server import Server
    from tests.demo.conftest import Caller

UTC = timezone.utc
NOT_FOUND = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]


def test_versions_are_free_and_open(server: Server, org: Org) -> None:
    """The list of versions needs no session, costs nothing, and tells nothing of the allowance."""
    answer = requests.get(f"{server.url}/services/data", timeout=30)

    assert answer.json()[0] == {"label": "Summer '14", "url": "/services/data/v31.0", "version": "31.0"}
    assert answer.json()[-1] == {"label": "Winter '27", "url": "/services/data/v68.0", "version": "68.0"}
    assert {each["version"]: each["label"] for each in answer.json()}["66.0"] == "Spring '26"
    assert "Sforce-Limit-Info" not in answer.headers
    assert org.limits.daily_used == 0


@pytest.mark.parametrize(("version", "status", "code"), [("20.0", 410, "GONE"), ("69.0", 404, "NOT_FOUND")])
def test_versions_not_spoken_are_refused(caller: Caller, version: str, status: int, code: str) -> None:
    """Retired versions are gone, future ones not there."""
    answer = caller.get(f"/services/data/v{version}/limits")

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (status, code)


def test_the_root_lists_the_resources(caller: Caller) -> None:
    """The root of a version leads to everything else."""
    listed = caller.get("/").json()

    assert listed["queryAll"] == "/services/data/v66.0/queryAll"
    assert caller.get(listed["sobjects"]).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic abc"}])
def test_without_a_session_there_is_nothing(server: Server, headers: dict[str, str]) -> None:
    """No token, or one nobody gave, is a session expired or invalid."""
    answer = requests.get(f"{server.url}/services/data/v66.0/limits", headers=headers, timeout=30)

    assert answer.status_code == 401
    assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    assert "Sforce-Limit-Info" not in answer.headers


def test_a_session_ends_two_hours_after_its_last_use(caller: Caller, org: Org) -> None:
    """Use prolongs a session, silence ends it."""
    statuses = []
    for hours in (1.5, 1.5, 2):
        org.clock.advance(timedelta(hours=hours))
        statuses.append(caller.get("/limits").status_code)

    assert statuses == [200, 200, 401]


def test_a_user_without_the_api_is_told_so(caller: Caller, org: Org) -> None:
    """Whoever may not use the API is refused though the session is good."""
    org.users["admin@example.com"].api_enabled = False
    answer = caller.get("/limits")

    assert answer.status_code == 403
    assert answer.json() == [{"message": "API is disabled for this User", "errorCode": "API_CURRENTLY_DISABLED"}]


def test_every_answer_bears_the_orgs_time_and_usage(caller: Caller, org: Org) -> None:
    """The Date header is the org's clock, and refusals are counted and tell of it like answers."""
    org.clock.set(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    caller.token = org.open_session()
    good, bad = caller.get("/limits"), caller.get("/nothing")

    assert good.headers["Date"] == "Wed, 04 Mar 2026 05:06:07 GMT"
    assert good.headers["Sforce-Limit-Info"] == "api-usage=1/100000"
    assert bad.headers["Sforce-Limit-Info"] == "api-usage=2/100000"
    assert (bad.status_code, bad.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("plain", "api-usage=91/5000"),
        ("per_app", "api-usage=91/5000; per-app-api-usage=1/250(appName=sample-connected-app)"),
        ("bursts", "api-usage=91/5000; api-bursts=91/750"),
    ],
)
def test_usage_is_told_in_every_known_form(caller: Caller, org: Org, form: Any, value: str) -> None:
    """Orgs differ in what else they put into the header."""
    org.limits.daily_used, org.limits.daily_max, org.limits.header_form = 90, 5000, form

    assert caller.get("/limits").headers["Sforce-Limit-Info"] == value


def test_a_spent_allowance_refuses_until_the_next_day(caller: Caller, org: Org) -> None:
    """The call too many is refused and not counted; a day later all is well."""
    org.limits.daily_max = 1
    first, second = caller.get("/limits"), caller.get("/limits")
    org.clock.advance(timedelta(days=1))
    caller.token = org.open_session()

    assert (first.status_code, first.json()["DailyApiRequests"]) == (200, {"Max": 1, "Remaining": 0})
    assert (second.status_code, org.limits.daily_used) == (403, 1)
    assert second.json() == [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    assert caller.get("/limits").status_code == 200


def test_record_counts_leave_out_what_nobody_counted(caller: Caller, org: Org) -> None:
    """Objects without records are not in the answer, and a cached count may be wrong."""
    org.insert("Account", {"Name": "a"})
    org.insert("Contact", {"LastName": "b"})
    org.record_counts["Contact"] = 7

    answer = caller.get("/limits/recordCount", params={"sObjects": "Account,Lead,Contact,Nothing"})
    assert answer.json() == {"sObjects": [{"count": 1, "name": "Account"}, {"count": 7, "name": "Contact"}]}


def test_pages_follow_each_other_to_the_end(caller: Caller, org: Org) -> None:
    """Each page leads to the next, the total is that of all, and the last says done."""
    ids = [org.insert("Account", {"Name": str(number)}) for number in range(5)]
    org.rest_page_rows = 2
    page, seen, addresses = caller.query("SELECT Id FROM Account").json(), [], []
    while True:
        assert page["totalSize"] == 5
        seen += [record["Id"] for record in page["records"]]
        if page["done"]:
            break
        addresses.append(page["nextRecordsUrl"])
        page = caller.get(page["nextRecordsUrl"]).json()

    assert seen == ids
    assert [address.rpartition("-")[2] for address in addresses] == ["2", "4"]
    assert "nextRecordsUrl" not in page


def test_a_cursor_holds_what_was_there(caller: Caller, org: Org) -> None:
    """Changes, deletions and new records after the query are not on its later pages."""
    ids = [org.insert("Account", {"Name": "old"}) for _ in range(3)]
    org.rest_page_rows = 1
    following = caller.query("SELECT Id, Name FROM Account").json()["nextRecordsUrl"]
    org.update("Account", ids[1], {"Name": "new"})
    org.hard_delete("Account", ids[2])
    org.insert("Account", {"Name": "new"})

    second = caller.get(following).json()
    third = caller.get(second["nextRecordsUrl"]).json()
    assert [page["records"][0]["Name"] for page in (second, third)] == ["old", "old"]
    assert third["done"] is True


@pytest.mark.parametrize("locator", ["0r8Hs0000000099IAA-2000", "nonsense", "0r8Hs0000000001IAA-9", "x-1"])
def test_a_locator_nobody_gave_is_refused(caller: Caller, org: Org, locator: str) -> None:
    """A cursor that is not there, or a place behind its end, is an invalid locator."""
    for number in range(3):
        org.insert("Account", {"Name": str(number)})
    org.rest_page_rows = 2
    caller.query("SELECT Id FROM Account")
    answer = caller.get(f"/query/{locator}")

    assert answer.status_code == 400
    assert answer.json() == [{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}]


def test_a_cursor_lives_two_days(caller: Caller, org: Org) -> None:
    """After two days the next page is gone."""
    for number in range(3):
        org.insert("Account", {"Name": str(number)})
    org.rest_page_rows = 1
    following = caller.query("SELECT Id FROM Account").json()["nextRecordsUrl"]
    org.clock.advance(timedelta(days=2))
    caller.token = org.open_session()

    assert caller.get(following).json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_a_batch_size_is_kept_within_bounds(caller: Caller, org: Org) -> None:
    """The smallest page is 200 records, whatever is asked."""
    for number in range(450):
        org.insert("Account", {"Name": str(number)})

    def rows(option: str) -> int:
        answer = caller.query("SELECT Id FROM Account", headers={"Sforce-Query-Options": option})
        return len(answer.json()["records"])

    assert [rows("batchSize=200"), rows("batchSize=1"), rows("batchSize=300"), rows("batchSize=9999")] == [
        200,
        200,
        300,
        450,
    ]


def test_numbers_are_printed_as_rest_prints_them(caller: Caller, org: Org) -> None:
    """Doubles always have a fraction, integers never, and no digit is lost."""
    for value in (3, Decimal("1234567890123456.78"), Decimal("-0.0"), Number(rest="950000000.0", bulk="9.5E8"), 12.5):
        org.insert("Account", {"Name": "a", "AnnualRevenue": value, "NumberOfEmployees": 7})
    text = caller.query("SELECT AnnualRevenue, NumberOfEmployees FROM Account").text

    for printed in ("3.0", "1234567890123456.78", "-0.0", "950000000.0", "12.5"):
        assert f'"AnnualRevenue":{printed},"NumberOfEmployees":7' in text


def test_moments_are_printed_as_rest_prints_them(caller: Caller, org: Org) -> None:
    """Milliseconds and an offset of +0000."""
    org.insert("Account", {"Name": "a"})

    assert caller.records("SELECT CreatedDate FROM Account") == [{"CreatedDate": "2026-01-01T08:00:00.000+0000"}]


def test_an_address_is_an_object_or_nothing(caller: Caller, org: Org) -> None:
    """A compound field has its parts in alphabetical order, and is null when all of them are."""
    org.insert("Account", {"Name": "a", "BillingCity": "Oslo", "BillingLatitude": Decimal("59.91")})
    (record,) = caller.records("SELECT BillingAddress, ShippingAddress FROM Account")

    assert record["ShippingAddress"] is None
    assert list(record["BillingAddress"]) == [
        "city",
        "country",
        "geocodeAccuracy",
        "latitude",
        "longitude",
        "postalCode",
        "state",
        "street",
    ]
    assert (record["BillingAddress"]["city"], record["BillingAddress"]["latitude"]) == ("Oslo", 59.91)


def test_a_file_is_an_address_whose_bytes_can_be_fetched(caller: Caller, org: Org) -> None:
    """A base64 field holds a path, and that path the bytes."""
    content = bytes(range(256))
    org.insert("ContentVersion", {"Title": "file", "VersionData": content})
    (record,) = caller.records("SELECT Id, VersionData FROM ContentVersion")
    fetched = caller.get(record["VersionData"])

    assert record["VersionData"] == f"/services/data/v66.0/sobjects/ContentVersion/{record['Id']}/VersionData"
    assert (fetched.content, fetched.headers["Content-Type"]) == (content, "application/octetstream")


def test_one_record_is_read_by_its_id(caller: Caller, org: Org) -> None:
    """A record is given whole or by fields; a deleted one, an unknown one and no id at all are refused."""
    identifier = org.insert("Account", {"Name": "a"})
    gone = org.insert("Account", {"Name": "b"})
    org.delete("Account", gone)

    whole = caller.get(f"/sobjects/Account/{identifier}").json()
    part = caller.get(f"/sobjects/Account/{identifier[:15]}", params={"fields": "Name,Id"}).json()
    assert whole["attributes"] == {"type": "Account", "url": f"/services/data/v66.0/sobjects/Account/{identifier}"}
    assert {"BillingAddress", "SystemModstamp"} <= set(whole)
    assert part == {"attributes": whole["attributes"], "Name": "a", "Id": identifier}
    assert caller.get(f"/sobjects/Account/{gone}").json() == [
        {"message": "entity is deleted", "errorCode": "ENTITY_IS_DELETED", "fields": []}
    ]
    assert caller.get("/sobjects/Account/001000000000000AAA").json() == NOT_FOUND
    assert caller.get("/sobjects/Account/nonsense").status_code == 404


def test_changes_and_deletions_are_listed_by_time(caller: Caller, org: Org) -> None:
    """The replication calls list ids between two moments, to the minute."""
    kept, gone = org.insert("Account", {"Name": "a"}), org.insert("Account", {"Name": "b"})
    org.clock.advance(timedelta(minutes=10))
    org.delete("Account", gone)
    between = {"start": "2026-01-01T08:00:30+00:00", "end": "2026-01-01T08:30:00+00:00"}

    updated = caller.get("/sobjects/Account/updated/", params=between).json()
    deleted = caller.get("/sobjects/Account/deleted/", params=between).json()
    assert updated == {"ids": [kept], "latestDateCovered": "2026-01-01T08:10:00.000+0000"}
    assert deleted["deletedRecords"] == [{"id": gone, "deletedDate": "2026-01-01T08:10:00.000+0000"}]
    assert list(deleted) == ["deletedRecords", "earliestDateAvailable", "latestDateCovered"]


@pytest.mark.parametrize(
    ("start", "end"),
    [("2026-01-01T08:00:10Z", "2026-01-01T08:00:50Z"), ("2025-11-01T00:00:00Z", "2026-01-01T00:00:00Z")],
)
def test_a_stretch_too_short_or_too_old_is_refused(caller: Caller, start: str, end: str) -> None:
    """Less than a minute, or before what is kept, is no replication date."""
    answer = caller.get("/sobjects/Account/updated", params={"start": start, "end": end})

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_REPLICATION_DATE")


def test_a_describe_not_changed_is_not_sent_again(caller: Caller, org: Org) -> None:
    """If-Modified-Since saves the body until a field changes, even in the same second."""
    first = caller.get("/sobjects/Account/describe")
    since = {"If-Modified-Since": first.headers["Last-Modified"]}
    second = caller.get("/sobjects/Account/describe", headers=since)
    org.drop_field("Account", "Site")
    third = caller.get("/sobjects/Account/describe", headers=since)

    assert (second.status_code, second.content) == (304, b"")
    assert second.headers["ETag"] == first.headers["ETag"]
    assert third.status_code == 200
    assert parsedate_to_datetime(third.headers["Last-Modified"]) > parsedate_to_datetime(since["If-Modified-Since"])


def test_the_list_of_objects_changes_with_them(caller: Caller, org: Org) -> None:
    """DescribeGlobal is stale when an object goes or a field comes."""
    first = caller.get("/sobjects/")
    since = {"If-Modified-Since": first.headers["Last-Modified"]}
    unchanged = caller.get("/sobjects/", headers=since)
    org.drop_object("Lead")
    changed = caller.get("/sobjects/", headers=since)

    assert unchanged.status_code == 304
    assert {"Lead"} == {each["name"] for each in first.json()["sobjects"]} - {
        each["name"] for each in changed.json()["sobjects"]
    }
    assert caller.get("/sobjects/Lead/describe").json() == NOT_FOUND


def test_describes_speak_of_the_version_asked(caller: Caller) -> None:
    """Every address in a describe is of the version it was fetched with."""
    text = caller.get("/services/data/v60.0/sobjects/Account/describe").text

    assert "/services/data/v60.0/sobjects/Account" in text
    assert "/services/data/v66.0" not in text


def test_a_wrong_method_is_not_allowed(caller: Caller) -> None:
    """The resource is there, the method is not."""
    answer = caller.call("DELETE", "/sobjects/Account/describe")

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (405, "METHOD_NOT_ALLOWED")


def test_a_long_address_is_refused_in_html(caller: Caller, org: Org) -> None:
    """Above 16,384 bytes the address, or address and headers together, are too long for Salesforce."""
    fitting = caller.query("SELECT Id FROM Account WHERE Name = '" + "x" * 3_000 + "'")
    too_long = caller.query("SELECT Id FROM Account WHERE Name IN (" + ",".join(["'x'"] * 6_000) + ")")
    headers = caller.get("/limits", headers={"X-Long": "x" * 16_300})

    assert fitting.status_code == 200
    assert (too_long.status_code, headers.status_code) == (414, 431)
    assert too_long.headers["Content-Type"].startswith("text/html")


def test_json_is_compact_or_printed_prettily(caller: Caller, org: Org) -> None:
    """X-PrettyPrint indents as real orgs do and changes no digit."""
    org.insert("Account", {"Name": "a", "AnnualRevenue": Decimal("1234567890123456.78")})
    plain = caller.query("SELECT Name, AnnualRevenue FROM Account")
    pretty = caller.query("SELECT Name, AnnualRevenue FROM Account", headers={"X-PrettyPrint": "1"})

    assert plain.json() == pretty.json()
    assert "\n" not in plain.text
    assert '  "records" : [ {\n    "attributes" : {\n      "type" : "Account",' in pretty.text
    assert '    "AnnualRevenue" : 1234567890123456.78\n  } ]\n}' in pretty.text


def test_answers_are_compressed_when_that_is_accepted(caller: Caller) -> None:
    """Gzip comes in chunks, as from Salesforce; without it the length is told."""
    zipped = caller.get("/sobjects/Account/describe")
    plain = caller.get("/sobjects/Account/describe", headers={"Accept-Encoding": "identity"})

    assert (zipped.headers["Content-Encoding"], zipped.headers["Transfer-Encoding"]) == ("gzip", "chunked")
    assert int(plain.headers["Content-Length"]) == len(plain.content)
    assert zipped.content == plain.content


def test_a_connection_is_kept_for_many_requests(server: Server, org: Org) -> None:
    """Requests of one client travel over one connection."""
    headers = {"Authorization": f"Bearer {org.open_session()}"}
    line = HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    line.connect()
    sockets = []
    for _ in range(3):
        line.request("GET", "/services/data/v66.0/limits", headers=headers)
        assert line.getresponse().read()
        sockets.append(line.sock)
    line.close()

    assert sockets[0] is not None
    assert sockets == [sockets[0]] * 3


def test_requests_are_logged_as_they_were_made(caller: Caller, org: Org) -> None:
    """A test can see each request, its body and how it was answered."""
    org.requests.clear()
    caller.query("SELECT Id FROM Account")
    caller.post("/jobs/query", {"operation": "query"})

    first, second = org.requests
    assert (first.method, first.path, first.status) == ("GET", "/services/data/v66.0/query", 200)
    assert first.query == {"q": "SELECT Id FROM Account"}
    assert first.headers["authorization"] == f"Bearer {caller.token}"
    assert (second.method, second.status, second.body) == ("POST", 400, b'{"operation": "query"}')
    assert org.requests.to("/query") == [first, second]


def test_composite_answers_each_request_by_name(caller: Caller, org: Org) -> None:
    """Describes and queries ride in one call, with their own headers and statuses."""
    since = caller.get("/sobjects/Contact/describe").headers["Last-Modified"]
    before = org.limits.daily_used
    wide = ", ".join(field.name for field in org.object("Wide__c").stored)
    asked: list[dict[str, Any]] = [
        {"method": "GET", "url": "/services/data/v66.0/sobjects/Account/describe", "referenceId": "a"},
        {"method": "GET", "url": "/services/data/v66.0/sobjects/Contact/describe", "referenceId": "b",
         "httpHeaders": {"If-Modified-Since": since}},
        {"method": "GET", "url": "/services/data/v66.0/sobjects/Foo", "referenceId": "c"},
        {"method": "GET", "url": f"/services/data/v66.0/query/?q=SELECT {wide} FROM Wide__c", "referenceId": "d"},
    ]  # fmt: skip
    answers = caller.post("/composite", {"compositeRequest": asked}).json()["compositeResponse"]

    assert [list(each) for each in answers] == [["body", "httpHeaders", "httpStatusCode", "referenceId"]] * 4
    assert [(each["referenceId"], each["httpStatusCode"]) for each in answers] == [
        ("a", 200),
        ("b", 304),
        ("c", 404),
        ("d", 200),
    ]
    assert answers[0]["body"]["name"] == "Account"
    assert (answers[1]["body"], answers[1]["httpHeaders"]["Last-Modified"]) == (None, since)
    assert answers[2]["body"] == NOT_FOUND
    assert len(asked[3]["url"]) > 16_384
    assert answers[3]["body"] == {"totalSize": 0, "done": True, "records": []}
    assert org.limits.daily_used == before + 1


def test_a_batch_counts_each_of_its_requests(caller: Caller, org: Org) -> None:
    """Batched requests cost what they would cost alone, and fail alone."""
    asked = [{"method": "GET", "url": f"v66.0/sobjects/{name}/describe"} for name in ("Account", "Nothing", "Lead")]
    answer = caller.post("/composite/batch", {"batchRequests": asked}).json()

    assert answer["hasErrors"] is True
    assert [each["statusCode"] for each in answer["results"]] == [200, 404, 200]
    assert answer["results"][1]["result"] == NOT_FOUND
    assert org.limits.daily_used == 3


def test_a_batch_may_halt_on_the_first_error(caller: Caller) -> None:
    """With haltOnError what follows a failure is not tried."""
    asked = [{"method": "GET", "url": f"v66.0/sobjects/{name}/describe"} for name in ("Nothing", "Lead")]
    answer = caller.post("/composite/batch", {"batchRequests": asked, "haltOnError": True}).json()

    assert [each["statusCode"] for each in answer["results"]] == [404, 412]


@pytest.mark.parametrize(("path", "key"), [("/composite", "compositeRequest"), ("/composite/batch", "batchRequests")])
def test_more_than_twenty_five_requests_are_too_many(caller: Caller, path: str, key: str) -> None:
    """The limit of requests within a request is 25."""
    one = {"method": "GET", "url": "/services/data/v66.0/limits", "referenceId": "x"}

    assert caller.post(path, {key: [one] * 25}).status_code == 200
    assert caller.post(path, {key: [one] * 26}).status_code == 400


def test_objects_without_an_id_still_have_an_address(caller: Caller, org: Org) -> None:
    """A big object's records have attributes like others, though no Id field."""
    from tap_salesforce_ci.demo.objects import describes  # noqa: PLC0415

    org.add_object(describes()["LightningUriEvent"])
    org.insert("LightningUriEvent", {"EventIdentifier": "3f2c"})

    assert caller.records("SELECT EventIdentifier FROM LightningUriEvent") == [{"EventIdentifier": "3f2c"}]
    assert caller.refused("SELECT Id FROM LightningUriEvent")[1] == "INVALID_FIELD"


def test_any_value_survives_rest(caller: Caller, org: Org) -> None:
    """Text arrives as it was stored, whatever characters it has."""
    texts = ['a "q"', "l\nf", "c\r\nrlf", "\u2028", "\U0001f600", "back\\slash", "\x01", " padded ", "</script>"]
    for text in texts:
        org.insert("Account", {"Name": text})

    assert [record["Name"] for record in caller.records("SELECT Name FROM Account")] == texts


def test_the_server_speaks_base64_names_without_surprise(caller: Caller, org: Org) -> None:
    """A null file has no address."""
    org.insert("ContentVersion", {"Title": "empty"})
    org.insert("ContentVersion", {"Title": "full", "VersionData": base64.b64decode("AAEC")})

    first, second = caller.records("SELECT VersionData FROM ContentVersion")
    assert first["VersionData"] is None
    assert second["VersionData"]
