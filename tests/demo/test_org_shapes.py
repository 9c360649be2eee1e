"""The org's answers beside recordings of real orgs: the same keys in the same order, the same words."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tap_salesforce_ci.demo.oauth import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from tap_salesforce_ci.demo.wire import pretty

if TYPE_CHECKING:
    from pathlib import Path

    from tap_salesforce_ci.demo.org import Org
    from tests.demo.conftest import Caller

RECORDED = ("query-unknown-column", "query-malformed-soql")


def read(recordings: Path, name: str) -> Any:
    """One recording."""
    return json.loads((recordings / name).read_text(encoding="utf-8"))


def shape(value: Any) -> Any:
    """The keys of a value in their order, all the way down; lists by their first member."""
    if isinstance(value, dict):
        return [(key, shape(member)) for key, member in value.items()]
    if isinstance(value, list):
        return [shape(member) for member in value[:1]]
    return None


@pytest.mark.parametrize("name", RECORDED)
def test_refusals_are_word_for_word_those_recorded(caller: Caller, recordings: Path, name: str) -> None:
    """The same query is refused with the same body."""
    recorded = read(recordings, f"recorded/wiremock.{name}.json")
    soql = recorded["request"]["queryParameters"]["q"]["equalTo"]
    answer = caller.query(soql)

    assert answer.status_code == recorded["response"]["status"]
    assert answer.text == recorded["response"]["body"]


@pytest.mark.parametrize("name", ["query", "query-malformed-soql", "query-with-next-records-url"])
def test_headers_are_those_recorded(caller: Caller, recordings: Path, name: str) -> None:
    """Every header of a real answer is there, in the same form."""
    recorded = read(recordings, f"recorded/wiremock.{name}.json")["response"]["headers"]
    told = caller.query("SELECT Name FROM Account").headers

    assert set(recorded) <= set(told)
    for same in ("X-Content-Type-Options", "X-Robots-Tag", "Cache-Control", "Content-Type"):
        assert told[same] == recorded[same]


def test_a_page_has_the_keys_recorded(caller: Caller, org: Org, recordings: Path) -> None:
    """Total, done, next address, records, each with its attributes first."""
    recorded = json.loads(read(recordings, "recorded/wiremock.query-with-next-records-url.json")["response"]["body"])
    for number in range(3):
        org.insert("Account", {"Name": str(number)})
    org.rest_page_rows = 2
    answer = caller.query("SELECT Name, Site FROM Account").json()

    assert list(answer) == list(recorded)
    assert list(answer["records"][0]) == ["attributes", "Name", "Site"]
    assert shape(answer["records"][0]["attributes"]) == shape(recorded["records"][0]["attributes"])


def test_parents_and_children_have_the_shape_recorded(caller: Caller, org: Org, recordings: Path) -> None:
    """A parent is an object, children are an answer of their own, and where there are none there is null."""
    account = org.insert("Account", {"Name": "Acme"})
    org.insert("Account", {"Name": "Childless"})
    org.insert("Contact", {"FirstName": "Edna", "LastName": "Frank", "AccountId": account})
    org.insert("User", {"Username": "x@example.com", "LastName": "Smiley", "Id": org.users["admin@example.com"].id})
    children = read(recordings, "recorded/wiremock.query-with-subquery.json")
    parents = read(recordings, "recorded/wiremock.query-with-associated-data.json")

    for recorded in (children, parents):
        soql = recorded["request"]["queryParameters"]["q"]["equalTo"]
        records = caller.query(soql).json()["records"]
        assert shape(records) == shape(json.loads(recorded["response"]["body"])["records"])
    childless = caller.query("SELECT Name, (SELECT LastName FROM Contacts) FROM Account").json()["records"][1]
    assert childless["Contacts"] is None


def test_moments_dates_and_times_are_printed_as_recorded(caller: Caller, org: Org, recordings: Path) -> None:
    """The record of a real org, put into ours, is printed the same."""
    org.add_object(read(recordings, "describe_DateTestObject__c.v62.nifi.json"))
    recorded = read(recordings, "query_DateTestObject__c.v62.nifi.json")["records"][0]
    values = {name: value for name, value in recorded.items() if name != "attributes"}
    identifier = recorded["attributes"]["url"].rsplit("/", 1)[1]
    fields = {field.name for field in org.object("DateTestObject__c").stored}
    org.insert("DateTestObject__c", values | ({"Id": identifier} if "Id" in fields else {}))

    answer = caller.query(f"SELECT {', '.join(values)} FROM DateTestObject__c").json()
    assert {name: answer["records"][0][name] for name in values} == values


@pytest.mark.parametrize("soql", ["select count() from XYZZY", "select count() from Account"])
def test_composite_answers_have_the_shape_recorded(caller: Caller, exchanges: list[dict[str, Any]], soql: str) -> None:
    """Body, headers, status, reference: in this order, with the bodies recorded."""
    for exchange in exchanges:
        if not exchange["uri"].endswith("/composite") or soql not in str(exchange["body"]) or not exchange["response"]:
            continue
        asked = json.loads(exchange["body"].replace("vxx.0", "v66.0"))["compositeRequest"]
        recorded = {each["referenceId"]: each for each in json.loads(exchange["response"])["compositeResponse"]}
        told = caller.post("/composite", {"compositeRequest": asked}).json()["compositeResponse"]
        for each in told:
            assert shape(each) == shape(recorded[each["referenceId"]])
            if each["httpStatusCode"] >= 400:
                assert each == recorded[each["referenceId"]]
        return
    pytest.fail("nothing recorded was compared")


def test_counts_have_the_shape_recorded(caller: Caller, org: Org, exchanges: list[dict[str, Any]]) -> None:
    """RecordCount and COUNT are printed as recorded, spaces included."""
    for number in range(3):
        org.insert("Account", {"Name": str(number)})
    recorded = next(each for each in exchanges if "v62.0/limits/recordCount?sObjects=Account" in each["uri"])
    empty = next(each for each in exchanges if "recordCount?sObjects=Opportunity" in each["uri"])
    printed = {"X-PrettyPrint": "1"}

    assert caller.get("/limits/recordCount?sObjects=Account", headers=printed).text == recorded["response"]
    assert caller.get("/limits/recordCount?sObjects=Case", headers=printed).text == empty["response"]


def test_pretty_print_is_that_of_real_orgs(exchanges: list[dict[str, Any]]) -> None:
    """Every pretty answer recorded is reprinted to the letter."""
    compared = 0
    for exchange in exchanges:
        text = exchange["response"]
        if isinstance(text, str) and text.startswith(("{\n", "[ {\n")) and "/query" in exchange["uri"]:
            assert pretty(text) == text.rstrip("\n")
            compared += 1

    assert compared > 20


def test_recorded_queries_are_understood(org: Org, exchanges: list[dict[str, Any]]) -> None:
    """SOQL that real clients sent to real orgs is read; only TYPEOF is beyond this org."""
    from tap_salesforce_ci.demo.soql.parser import parse  # noqa: PLC0415

    sent = {
        parse_qs(urlsplit(each["uri"]).query)["q"][0]
        for each in exchanges
        if "/query/?q=" in each["uri"] and "tooling" not in each["uri"]
    }

    assert len(sent) > 10
    assert all(parse(soql).items for soql in sent)


@pytest.mark.parametrize("name", ["Account_PersonAccount", "Contact", "Lead", "Event", "Opportunity"])
def test_a_recorded_describe_comes_back_as_it_was(caller: Caller, org: Org, recordings: Path, name: str) -> None:
    """A real describe put into the org is served key for key, apart from its addresses."""
    recorded = read(recordings, f"describe_{name}.cumulusci.json")
    org.add_object(recorded)
    told = caller.get(f"/sobjects/{recorded['name']}/describe").json()

    assert list(told) == list(recorded)
    assert told == json.loads(re.sub(r"/services/data/v[^/]+/", "/services/data/v66.0/", json.dumps(recorded)))


def test_the_list_of_objects_has_the_keys_recorded(caller: Caller, recordings: Path) -> None:
    """Every entry of describeGlobal has the keys of a real one, in its order."""
    recorded = read(recordings, "describeGlobal_v52_partial110.cumulusci.json")
    told = caller.get("/sobjects/").json()
    real = {each["name"]: each for each in recorded["sobjects"]}
    assert list(told) == list(recorded)
    for each in told["sobjects"]:
        assert list(each) == list(real["Account"])


@pytest.mark.parametrize("name", ["Account", "Contact", "Opportunity", "OpportunityContactRole"])
def test_the_list_of_objects_says_less_than_describes(caller: Caller, org: Org, recordings: Path, name: str) -> None:
    """From a real describe the entry of the real list is made, but for what differs between the two orgs."""
    recorded = read(recordings, "describeGlobal_v52_partial110.cumulusci.json")["sobjects"]
    real = next(each for each in recorded if each["name"] == name)
    org.add_object(read(recordings, f"describe_{name}.cumulusci.json"))
    caller.version = "52.0"
    told = next(each for each in caller.get("/sobjects/").json()["sobjects"] if each["name"] == name)

    assert told["urls"] == real["urls"]
    assert {key for key in real if told[key] != real[key]} <= {"deepCloneable", "feedEnabled", "hasSubtypes"}


def test_the_identity_has_the_keys_recorded(caller: Caller, recordings: Path) -> None:
    """The identity has every key of a real one, in its order, down to the addresses."""
    form = {"grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN, "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET}  # fmt: skip
    token = requests.post(f"{caller.url}/services/oauth2/token", data=form, timeout=30).json()
    told = requests.get(token["id"], headers={"Authorization": f"Bearer {token['access_token']}"}, timeout=30).json()

    assert shape(told) == shape(read(recordings, "identity.swiftlysalesforce.json"))


def test_limits_have_the_form_recorded(caller: Caller, recordings: Path) -> None:
    """Each limit known here is known there, as Max and Remaining, in alphabetical order."""
    recorded = read(recordings, "limits.v51-53.swiftlysalesforce.json")
    told = caller.get("/limits").json()

    assert list(told) == sorted(told)
    assert set(told) <= set(recorded)
    assert {"DailyApiRequests", "DailyBulkV2QueryJobs", "DailyBulkV2QueryFileStorageMB"} <= set(told)
    assert all(list(each) == ["Max", "Remaining"] for each in told.values())


def test_a_file_has_the_address_and_type_recorded(caller: Caller, org: Org, recordings: Path) -> None:
    """A blob is queried and fetched as it was from a real org."""
    queried = read(recordings, "recorded/wiremock.query-binary-data.json")
    fetched = read(recordings, "recorded/wiremock.query-binary-data-subsequent-request.json")
    identifier = json.loads(queried["response"]["body"])["records"][0]["Id"]
    org.insert("ContentVersion", {"Id": identifier, "Title": "x", "VersionData": b"x"})
    caller.version = "53.0"

    soql = queried["request"]["queryParameters"]["q"]["equalTo"]
    assert caller.query(soql).text == queried["response"]["body"]
    answer = caller.get(fetched["request"]["url"])
    assert answer.headers["Content-Type"] == fetched["response"]["headers"]["Content-Type"]


def test_a_whole_record_has_the_shape_recorded(caller: Caller, org: Org, recordings: Path) -> None:
    """A real account, described as it was, is read field for field as it was."""
    org.clock.set(datetime(2022, 1, 1, tzinfo=timezone.utc))
    caller.token = org.open_session()
    recorded = read(recordings, "record_Account.v51.swiftlysalesforce.json")
    org.add_object(read(recordings, "describe_Account.v53.swiftlysalesforce.json"))
    known = {field.name for field in org.object("Account").stored}
    org.insert("Account", {name: value for name, value in recorded.items() if name in known})
    caller.version = "51.0"
    told = caller.get(recorded["attributes"]["url"]).json()

    same = [name for name in recorded if name in told and name != "BillingAddress"]
    assert len(same) > 50
    assert {name: told[name] for name in same} == {name: recorded[name] for name in same}
    assert list(told["BillingAddress"]) == list(recorded["BillingAddress"])
