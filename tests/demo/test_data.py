"""Promises of what is in the demo org: every value fits, the hard ones arrive, and some objects refuse."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests

from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import demo_org, empty_org
from tap_salesforce_ci.demo.hard_values import CASE_TWINS, LONGEST, TEXTS, WIDE_ROWS, hard_rows, populate
from tap_salesforce_ci.demo.ids import canonical
from tap_salesforce_ci.demo.life import FOUNDED
from tap_salesforce_ci.demo.objects import describes
from tap_salesforce_ci.demo.refusals import SalesforceError
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.demo.values import Number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_salesforce_ci.demo.org import Org

OBJECTS = describes()
TODAY = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)

Row = dict[str, Any]


def records(org: Org) -> Iterator[tuple[str, Row]]:
    """Every record with its object's name."""
    for source in org.objects.values():
        for row in org.rows(source.name):
            yield source.name, row


@pytest.fixture(scope="module")
def org() -> Org:
    """The demo org after fourteen months."""
    return demo_org(Clock(TODAY))


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id FROM ActivityHistory", "INVALID_TYPE_FOR_OPERATION"),
        ("SELECT Id FROM AccountChangeEvent", "INVALID_TYPE_FOR_OPERATION"),
        ("SELECT Id FROM ContentDocumentLink", "MALFORMED_QUERY"),
    ],
)
def test_some_objects_refuse_a_plain_query(org: Org, soql: str, code: str) -> None:
    """The org holds objects that discovery must leave out with the reason."""
    with pytest.raises(SalesforceError) as refused:
        org.query(soql)

    assert code == refused.value.code


def test_bulk_refuses_what_rest_reads(org: Org) -> None:
    """CaseStatus is there for REST only."""
    org.query("SELECT Id FROM CaseStatus")

    with pytest.raises(SalesforceError) as refused:
        org.bulk_query("SELECT Id FROM CaseStatus")

    assert refused.value.code == "INVALIDENTITY"


def fits(field: dict[str, Any], value: Any) -> bool:
    """Whether a value is one that Salesforce could have in a field described like this."""
    if value is None:
        return bool(field["nillable"])
    kind = field["type"]
    checks: dict[str, Callable[[], bool]] = {
        "id": lambda: canonical(value) == value,
        "reference": lambda: canonical(value) == value,
        "boolean": lambda: isinstance(value, bool),
        "int": lambda: type(value) is int and -(2**31) <= value < 2**31,
        "long": lambda: type(value) is int and -(2**63) <= value < 2**63,
        "date": lambda: date.fromisoformat(value).isoformat() == value,
        "datetime": lambda: value.endswith(".000Z") and bool(datetime.fromisoformat(value[:19])),
        "time": lambda: len(value) == len("00:00:00.000Z") and value.endswith("Z"),
        "base64": lambda: isinstance(value, bytes),
        "anyType": lambda: isinstance(value, (str, bool, int, Decimal)),
        "complexvalue": lambda: isinstance(value, dict),
        "junctionidlist": lambda: all(canonical(each) == each for each in value),
        "email": lambda: value == value.lower() and "@" in value,
    }
    if kind in {"double", "currency", "percent"}:
        return isinstance(value, (int, Decimal, Number)) and not isinstance(value, bool)
    return bool(checks[kind]()) if kind in checks else fits_text(field, value)


def fits_text(field: dict[str, Any], value: Any) -> bool:
    """Whether a text is short enough, and one of the values where only some are allowed."""
    allowed = {each["value"] for each in field["picklistValues"]}
    if field["restrictedPicklist"] and value not in allowed:
        return False
    return isinstance(value, str) and bool(value) and (not field["length"] or len(value) <= field["length"])


def test_every_value_fits_its_field(org: Org) -> None:
    """No record holds what its own describe rules out."""
    fields = {name: {each["name"]: each for each in OBJECTS[name]["fields"]} for name in OBJECTS}

    misfits = [
        (name, field, value)
        for name, row in records(org)
        for field, value in row.items()
        if not fits(fields[name][field], value)
    ]

    assert misfits == []


def test_ids_are_unique_and_tell_their_object(org: Org) -> None:
    """Of all ids no two are the same, and each begins with its object's prefix."""
    owned = [(name, row["Id"]) for name, row in records(org) if "Id" in row]

    assert len(owned) == len({identifier for _, identifier in owned})
    assert all(identifier.startswith(OBJECTS[name]["keyPrefix"]) for name, identifier in owned)


def test_references_lead_somewhere(org: Org) -> None:
    """A reference to one of the org's objects holds the id of a record that is there."""
    there = {row["Id"] for _, row in records(org) if "Id" in row}
    references = {
        name: [field["name"] for field in describe["fields"] if field["type"] == "reference"]
        for name, describe in OBJECTS.items()
    }

    lost = [
        (name, field, row[field])
        for name, row in records(org)
        for field in references[name]
        if row[field] and row[field] not in there
    ]

    assert lost == []


def test_hard_texts_arrive_as_they_are(org: Org) -> None:
    """Each hard text is in the org, character for character."""
    kept = {row["Text__c"] for row in org.rows("Every_Type__c")}

    assert set(TEXTS) <= kept


def test_hard_values_reach_their_limits(org: Org) -> None:
    """The longest text, the widest numbers and the oldest and farthest days are among the hard values."""
    rows = org.rows("Every_Type__c")

    assert max(len(row["Long_Text__c"] or "") for row in rows) == LONGEST
    assert {9_007_199_254_740_993, 9_223_372_036_854_775_807, -9_223_372_036_854_775_808} <= {
        row["Long__c"] for row in rows
    }
    assert {"0001-01-01", "1700-01-01", "4000-12-31"} <= {row["Date__c"] for row in rows}
    assert any(isinstance(row["Number__c"], Number) for row in rows)
    assert "-0.0" in {str(row["Number__c"]) for row in rows}


def test_every_field_of_every_type_is_filled_and_empty_somewhere(org: Org) -> None:
    """Each field has a value in some record, and none in another where that is allowed."""
    rows = org.rows("Every_Type__c")
    derived = {"Parent__c", "Anything__c", "HomeState", "HomePostalCode", "HomeCountry", "HomeGeocodeAccuracy"}

    for field in OBJECTS["Every_Type__c"]["fields"]:
        name = field["name"]
        if name in rows[0] and name not in derived:
            assert any(row[name] is not None for row in rows), name
            assert not field["nillable"] or any(row[name] is None for row in rows), name


def test_ids_may_differ_by_case_alone(org: Org) -> None:
    """Two records are one and the same for whoever compares ids without regard to case."""
    ids = {row["Id"][:15] for row in org.rows("Every_Type__c")}

    assert set(CASE_TWINS) <= ids
    assert len({twin.lower() for twin in CASE_TWINS}) == 1


def test_hard_rows_all_bear_one_stamp() -> None:
    """Wherever a page of them ends, the next begins with the same SystemModstamp."""
    org = empty_org(Clock(FOUNDED))

    populate(org)

    assert len({row["SystemModstamp"] for row in org.rows("Every_Type__c")}) == 1
    assert len(org.rows("Every_Type__c")) == len(list(hard_rows()))


def test_a_replication_key_may_be_null(org: Org) -> None:
    """Some shares have no LastModifiedDate, the only key AccountShare can be replicated by."""
    stamps = [row["LastModifiedDate"] for row in org.rows("AccountShare")]

    assert None in stamps
    assert any(stamps)


# -- over the wire ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wire(org: Org) -> Iterator[Wire]:
    """The demo org behind HTTP."""
    with Server(org) as server, requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {org.open_session()}"
        yield Wire(session, f"{server.url}/services/data/v66.0")


@dataclass(frozen=True)
class Wire:
    """A session with the org, as any HTTP client would have it."""

    session: requests.Session
    url: str

    def rest(self, soql: str) -> list[Row]:
        """The records that REST answers, which all fit one page."""
        answer = self.session.get(f"{self.url}/queryAll", params={"q": soql}, timeout=30).json()
        assert answer["done"]
        rows: list[Row] = answer["records"]
        return rows

    def bulk(self, soql: str) -> list[Row]:
        """The records of a Bulk 2.0 job, null for what is empty."""
        body = {"operation": "queryAll", "query": soql}
        created = self.session.post(f"{self.url}/jobs/query", json=body, timeout=30).json()
        job = f"{self.url}/jobs/query/{created['id']}"
        while self.session.get(job, timeout=30).json()["state"] != "JobComplete":
            pass
        page = self.session.get(f"{job}/results", timeout=30).content.decode()
        lines = csv.DictReader(io.StringIO(page, newline=""), strict=True)
        return [{name: value or None for name, value in line.items()} for line in lines]


def test_hard_texts_cross_rest_and_bulk_unharmed(org: Org, wire: Wire) -> None:
    """What the org holds is what either API hands over, character for character."""
    texts = ("Text__c", "Text_Area__c", "Long_Text__c", "Rich_Text__c", "Combobox__c", "Hologram__c")
    soql = f"SELECT Id,{','.join(texts)} FROM Every_Type__c"
    held = {row["Id"]: {name: row[name] for name in texts} for row in org.rows("Every_Type__c")}

    assert held == {row["Id"]: {name: row[name] for name in texts} for row in wire.rest(soql)}
    assert held == {row["Id"]: {name: row[name] for name in texts} for row in wire.bulk(soql)}


def test_every_object_that_can_be_read_is_read_whole(org: Org, wire: Wire) -> None:
    """Whatever object is asked for, REST counts every record that the org holds, deleted ones too."""
    refused = {"ActivityHistory", "AccountChangeEvent", "ContentDocumentLink"}

    for name in OBJECTS.keys() - refused:
        answer = wire.session.get(f"{wire.url}/queryAll", params={"q": f"SELECT COUNT() FROM {name}"}, timeout=30)
        assert answer.json()["totalSize"] == len(org.rows(name)), name


def test_the_wide_object_is_too_long_for_a_get(wire: Wire) -> None:
    """Its full SELECT is refused as an address and answered as the body of a composite request."""
    fields = ",".join(field["name"] for field in OBJECTS["Wide__c"]["fields"])
    soql = quote(f"SELECT {fields} FROM Wide__c")
    inner = {"method": "GET", "url": f"/services/data/v66.0/query?q={soql}", "referenceId": "wide"}

    refused = wire.session.get(f"{wire.url}/query?q={soql}", timeout=30)
    answered = wire.session.post(f"{wire.url}/composite", json={"compositeRequest": [inner]}, timeout=30).json()

    assert refused.status_code == 414
    assert answered["compositeResponse"][0]["body"]["totalSize"] == WIDE_ROWS


def test_the_analysts_answer_can_be_asked_for(org: Org, wire: Wire) -> None:
    """Leads with what became of them come back over one parent lookup."""
    soql = "SELECT CreatedDate,ConvertedOpportunity.IsWon FROM Lead WHERE IsConverted = true AND IsDeleted = false"
    won = {deal["Id"] for deal in org.rows("Opportunity") if deal["IsWon"]}

    answered = sum(lead["ConvertedOpportunity"]["IsWon"] for lead in wire.rest(soql))

    assert answered == sum(lead["ConvertedOpportunityId"] in won for lead in org.rows("Lead"))
