"""Promises of the demo org's objects, of its hard values, and of the company that lives in it."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import demo_org, empty_org, live_on
from tap_salesforce_ci.demo.hard_values import CASE_TWINS, LONGEST, TEXTS, hard_rows, populate
from tap_salesforce_ci.demo.ids import canonical
from tap_salesforce_ci.demo.life import FOUNDED, LivingOrg, build_company
from tap_salesforce_ci.demo.objects import describes
from tap_salesforce_ci.demo.refusals import SalesforceError
from tap_salesforce_ci.demo.values import Number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_salesforce_ci.demo.org import Org

FIXTURES = Path(__file__).parents[3] / "shared" / "reference" / "fixtures"
OBJECTS = describes()
RECORDED = ("Account", "Contact", "Lead", "Opportunity", "Case", "Event", "OpportunityContactRole")
BEFORE_V52 = {"Account", "Case", "OpportunityContactRole"}
OWN_CHOICE = {"picklistValues", "referenceTo", "inlineHelpText"}
DOCUMENTED_TYPES = (
    "id reference string picklist multipicklist combobox base64 boolean currency textarea int long double percent "
    "phone date datetime time url email encryptedstring datacategorygroupreference location address anyType "
    "complexvalue json junctionidlist"
)
QUARTER = FOUNDED + timedelta(days=90)
TODAY = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)

Row = dict[str, Any]


def recording(name: str) -> dict[str, Any]:
    """A describe recorded from a real org, where the recordings are at hand."""
    file = FIXTURES / f"describe_{name}.json"
    if not file.exists():
        pytest.skip(f"{file} is not here: recordings are kept beside the repository, not in it")
    body: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return body


def company_until(until: datetime, *, seed: int = 1, scale: float = 1.0) -> LivingOrg:
    """The demo org at that moment."""
    return demo_org(Clock(until), seed=seed, scale=scale)


def everything(org: Org) -> dict[str, list[Row]]:
    """Every record of the org, by object."""
    return {source.name: org.rows(source.name) for source in org.objects.values()}


def records(org: Org) -> Iterator[tuple[str, Row]]:
    """Every record with its object's name."""
    for name, rows in everything(org).items():
        for row in rows:
            yield name, row


@pytest.fixture(scope="module")
def org() -> Org:
    """The demo org after fourteen months."""
    return company_until(TODAY)


# -- objects ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in RECORDED if name not in BEFORE_V52])
def test_describes_have_the_recorded_keys_in_the_recorded_order(name: str) -> None:
    """Key for key, an object describes itself as a real one does."""
    recorded = recording(f"{name}.cumulusci")

    assert list(OBJECTS[name]) == list(recorded)
    assert {tuple(field) for field in OBJECTS[name]["fields"]} == {tuple(recorded["fields"][0])}


@pytest.mark.parametrize("name", RECORDED)
def test_standard_fields_are_as_recorded(name: str) -> None:
    """A standard field has every attribute of its recording, but for values and parents an org chooses itself."""
    recorded = {field["name"]: field for field in recording(f"{name}.cumulusci")["fields"]}

    ours = {
        field["name"]: {key: value for key, value in field.items() if key not in OWN_CHOICE}
        for field in OBJECTS[name]["fields"]
    }
    theirs = {field: {key: value for key, value in recorded[field].items() if key not in OWN_CHOICE} for field in ours}

    assert theirs == ours


@pytest.mark.parametrize("name", RECORDED)
def test_standard_fields_come_in_the_recorded_order(name: str) -> None:
    """What SELECT lists from a describe comes in the order a real org has it."""
    ours = [field["name"] for field in OBJECTS[name]["fields"]]

    assert [field["name"] for field in recording(f"{name}.cumulusci")["fields"] if field["name"] in ours] == ours


def test_an_objects_own_attributes_are_as_recorded() -> None:
    """Whether a Lead can be merged, searched or undeleted is what the recording says."""
    for name in RECORDED:
        recorded = recording(f"{name}.cumulusci")
        plain = {key for key, value in recorded.items() if not isinstance(value, (list, dict))}

        assert {key: recorded[key] for key in plain} == {key: OBJECTS[name][key] for key in plain}


def test_a_custom_time_field_is_as_recorded() -> None:
    """The custom date, datetime and time fields of a v62 org look like ours."""
    recorded = {field["type"]: field for field in recording("DateTestObject__c.v62.nifi")["fields"]}
    ours = {field["type"]: field for field in OBJECTS["Every_Type__c"]["fields"] if field["custom"]}
    named = {"name", "label"}

    for kind in ("date", "datetime", "time"):
        if kind in recorded and recorded[kind]["custom"]:
            expected = {key: value for key, value in recorded[kind].items() if key not in named}
            assert expected == {key: value for key, value in ours[kind].items() if key not in named}


def test_one_object_has_a_field_of_every_type() -> None:
    """Every documented type is met, and one that nobody has heard of."""
    types = {field["type"] for field in OBJECTS["Every_Type__c"]["fields"]}

    assert {*DOCUMENTED_TYPES.split(), "hologram"} == types


def test_names_of_fields_and_objects_are_unique() -> None:
    """No object has two fields of one name, and no two objects share the prefix of their ids."""
    for describe in OBJECTS.values():
        names = Counter(field["name"].lower() for field in describe["fields"])
        assert {name for name, times in names.items() if times > 1} == set()
    prefixes = [describe["keyPrefix"] for describe in OBJECTS.values() if describe["keyPrefix"]]
    assert sorted(set(prefixes)) == sorted(prefixes)


def test_parts_of_compound_fields_name_their_whole() -> None:
    """Whatever a part says it belongs to is there."""
    for describe in OBJECTS.values():
        fields = {field["name"] for field in describe["fields"]}
        wholes = {field["compoundFieldName"] for field in describe["fields"]} - {None}
        assert wholes <= fields


def test_a_parent_knows_its_children() -> None:
    """Every reference is a child relationship of the object it points to."""
    children = {(each["childSObject"], each["field"]) for each in OBJECTS["Account"]["childRelationships"]}

    assert {("Contact", "AccountId"), ("Opportunity", "AccountId"), ("Invoice__c", "Account__c")} <= children


def test_the_wide_object_does_not_fit_an_address() -> None:
    """To select all of Wide__c takes more than the 16,384 bytes Salesforce allows a URL."""
    fields = ",".join(field["name"] for field in OBJECTS["Wide__c"]["fields"])

    assert len(quote(f"SELECT {fields} FROM Wide__c")) > 16_384
    assert max(len(field["name"]) for field in OBJECTS["Wide__c"]["fields"]) <= 43


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


# -- values -----------------------------------------------------------------------------------------------


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


# -- life -------------------------------------------------------------------------------------------------


def test_the_same_seed_tells_the_same_history() -> None:
    """Two starts give the same records with the same ids, to the last value."""
    assert everything(company_until(QUARTER)) == everything(company_until(QUARTER))


def test_another_seed_tells_another_history() -> None:
    """Chance is real."""
    assert company_until(QUARTER).rows("Lead") != company_until(QUARTER, seed=2).rows("Lead")


def test_a_later_start_tells_the_same_and_what_happened_since() -> None:
    """A company that lived on is the one that a later start would find."""
    lived_on = company_until(QUARTER)
    live_on(lived_on, days=30)

    assert everything(company_until(QUARTER + timedelta(days=30))) == everything(lived_on)


def test_where_one_stops_to_look_changes_nothing() -> None:
    """Days or hours at a time, the history is the same."""
    by_hours = company_until(QUARTER)
    for _ in range(20):
        live_on(by_hours, days=1 / 4)

    assert everything(company_until(QUARTER + timedelta(days=5))) == everything(by_hours)


def test_history_is_not_rewritten() -> None:
    """What was there keeps its id and its CreatedDate for as long as it is not purged."""
    org = company_until(QUARTER)
    before = {row["Id"]: row["CreatedDate"] for _, row in records(org) if "Id" in row and "CreatedDate" in row}
    live_on(org, days=14)
    after = {row["Id"]: row["CreatedDate"] for _, row in records(org) if "Id" in row and "CreatedDate" in row}

    assert {key: after[key] for key in before if key in after} == {key: before[key] for key in before if key in after}
    assert 0.98 * len(before) < len(before.keys() & after.keys())


def test_a_day_changes_some_records_and_leaves_most() -> None:
    """A second run has something to load, and far less than everything."""
    org = company_until(QUARTER)
    for _ in range(14):
        before = dict(iter_stamps(org))
        live_on(org, days=1)
        changed = {key for key, stamp in iter_stamps(org) if before.get(key) != stamp}
        assert 0 < len(changed) < 0.1 * len(before)


def test_automated_processes_move_the_system_stamp_alone(org: Org) -> None:
    """Some lead changed after its LastModifiedDate: who reads by that date misses the change."""
    stamps = [(lead["LastModifiedDate"], lead["SystemModstamp"]) for lead in org.rows("Lead")]

    assert all(modified <= stamp for modified, stamp in stamps)
    assert any(modified < stamp and not modified.startswith(stamp[:10]) for modified, stamp in stamps)


def iter_stamps(org: Org) -> Iterator[tuple[str, str]]:
    """The id and SystemModstamp of every record that has both."""
    for _, row in records(org):
        if row.get("SystemModstamp") and "Id" in row:
            yield row["Id"], row["SystemModstamp"]


def test_nothing_is_stamped_with_a_time_to_come(org: Org) -> None:
    """The clock stands where it was told to, and no record knows more."""
    assert org.clock.now() == TODAY
    assert max(stamp for _, stamp in iter_stamps(org)) <= f"{TODAY:%Y-%m-%dT%H:%M:%S}.000Z"


def test_overdue_events_happen_now_when_the_clock_was_moved() -> None:
    """Whoever moves the clock by hand gets no stamps from a past that a reader has already passed."""
    org = company_until(QUARTER)
    before = dict(iter_stamps(org))
    org.clock.advance(timedelta(days=10))
    passed = f"{org.clock.now():%Y-%m-%dT%H:%M:%S}.000Z"
    live_on(org, days=1)

    fresh = [stamp for key, stamp in iter_stamps(org) if before.get(key) != stamp]

    assert fresh
    assert min(fresh) >= passed


def test_the_funnel_is_plausible(org: Org) -> None:
    """About a quarter of the leads that had their time are converted, about three in ten of those won."""
    ripe = f"{TODAY - timedelta(days=180):%Y-%m-%d}"
    leads = [lead for lead in org.rows("Lead") if lead["CreatedDate"] < ripe]
    won = {deal["Id"] for deal in org.rows("Opportunity") if deal["IsWon"]}
    converted = [lead for lead in leads if lead["IsConverted"]]

    assert len({lead["CreatedDate"][:7] for lead in org.rows("Lead")}) >= 12
    assert 0.2 < len(converted) / len(leads) < 0.35
    assert 0.2 < sum(lead["ConvertedOpportunityId"] in won for lead in converted) / len(converted) < 0.4


def test_converted_leads_point_at_what_became_of_them(org: Org) -> None:
    """A converted lead knows its account, contact, opportunity and day; another knows none of them."""
    marks = ("ConvertedDate", "ConvertedAccountId", "ConvertedContactId", "ConvertedOpportunityId")

    for lead in org.rows("Lead"):
        assert {lead["IsConverted"]} == {lead[mark] is not None for mark in marks}


def test_closed_opportunities_agree_with_their_stage(org: Org) -> None:
    """IsClosed and IsWon say what StageName says."""
    for deal in org.rows("Opportunity"):
        assert deal["IsClosed"] == deal["StageName"].startswith("Closed")
        assert deal["IsWon"] == (deal["StageName"] == "Closed Won")


def test_records_are_deleted_restored_merged_and_purged() -> None:
    """Within a year the Recycle Bin sees every kind of traffic."""
    org = company_until(FOUNDED)
    seen: Counter[str] = Counter()
    deleted: set[str] = set()
    for _ in range(60):
        live_on(org, days=5)
        rows = {row["Id"]: row for name in ("Lead", "Contact") for row in org.rows(name)}
        seen["restored"] += sum(key in rows and not rows[key]["IsDeleted"] for key in deleted)
        seen["purged"] += sum(key not in rows for key in deleted)
        seen["merged"] += sum(bool(row["IsDeleted"] and row["MasterRecordId"]) for row in rows.values())
        deleted = {key for key, row in rows.items() if row["IsDeleted"]}

    assert {"restored", "purged", "merged"} == {what for what, times in seen.items() if times}


def test_formulas_and_roll_ups_change_behind_the_stamp(org: Org) -> None:
    """Some invoice was paid after its SystemModstamp: only a recheck finds out."""
    paid = {payment["Invoice__c"]: payment["CreatedDate"] for payment in org.rows("Payment__c")}
    invoices = {invoice["Id"]: invoice for invoice in org.rows("Invoice__c")}

    assert any(invoices[key]["SystemModstamp"] < moment for key, moment in paid.items())
    for invoice in invoices.values():
        sums = (invoice["Paid_Amount__c"], invoice["Open_Amount__c"])
        assert sum(sums) == invoice["Net_Amount__c"]


def test_scale_multiplies_the_leads() -> None:
    """Four times the scale brings about four times the leads."""
    few, many = (len(company_until(QUARTER, scale=scale).rows("Lead")) for scale in (1, 4))

    assert 3 < many / few < 5


def test_a_running_clock_gives_the_same_history() -> None:
    """With a clock that ticks while the history is told, no stamp differs."""
    ticking, standing = empty_org(Clock()), empty_org(Clock(QUARTER))
    for org in (ticking, standing):
        build_company(org, until=QUARTER)

    assert everything(standing) == everything(ticking)
