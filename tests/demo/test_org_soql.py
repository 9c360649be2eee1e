"""The org's SOQL: what it finds and what it refuses."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_salesforce_ci.demo.objects import describes
from tap_salesforce_ci.demo.org import Clock, Org
from tap_salesforce_ci.demo.refusals import SalesforceError
from tap_salesforce_ci.demo.soql.dates import stretch
from tap_salesforce_ci.demo.soql.tokens import pattern_of, text_of, tokens

if TYPE_CHECKING:
    from tests.demo.conftest import Caller

UTC = timezone.utc
ANY_CHARACTER = st.characters(exclude_categories=["Cs"])


def found(org: Org, where: str, source: str = "Account") -> list[str]:
    """The names of the records a condition finds, in Id order."""
    query = org.query(f"SELECT Id FROM {source} WHERE {where}")
    return [row["Name"] for _, row in query.records(deleted=False)]


def quoted(text: str) -> str:
    """A text as a SOQL literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r") + "'"


@pytest.fixture
def company(org: Org) -> Org:
    """Three accounts that differ in every way a condition may ask about."""
    rows: tuple[dict[str, Any], ...] = (
        {"Name": "Acme", "AnnualRevenue": Decimal("100.5"), "Industry": "Energy", "NumberOfEmployees": 3},
        {"Name": "bravo", "AnnualRevenue": 7, "Industry": None},
        {"Name": "Charlie's", "AnnualRevenue": None, "Industry": "Retail", "NumberOfEmployees": 30},
    )
    for hour, row in enumerate(rows):
        org.insert("Account", row, at=datetime(2026, 1, 1, hour, tzinfo=UTC))
    return org


SCRATCH = Org(Clock(datetime(2026, 1, 1, tzinfo=UTC)))
SCRATCH.add_object(describes()["Account"])
SCRATCH.insert("Account", {"Name": "x", "AnnualRevenue": 5})


@given(st.text(ANY_CHARACTER, max_size=200))
def test_any_text_survives_a_literal(text: str) -> None:
    """What is quoted for SOQL is what the reader understands."""
    token, end = tokens(quoted(text))

    assert (token.kind, end.kind) == ("text", "end")
    assert text_of(token.text) == text


@given(st.text(ANY_CHARACTER, min_size=1, max_size=30))
def test_escaped_text_is_like_itself_only(text: str) -> None:
    """LIKE takes an escaped percent sign or underscore for what it is."""
    literal = quoted(text).replace("%", "\\%").replace("_", "\\_")

    assert pattern_of(literal).fullmatch(text)
    assert not pattern_of(literal).fullmatch(text + "x")


@given(text=st.text(st.sampled_from("ab'\\%_\n\"é"), max_size=8))
def test_a_record_is_found_by_its_own_name(text: str) -> None:
    """Equality with a quoted value finds the record that has it."""
    org = Org(Clock(datetime(2026, 1, 1, tzinfo=UTC)))
    org.add_object(describes()["Account"])
    org.insert("Account", {"Name": text or None})

    assert len(org.query(f"SELECT Id FROM Account WHERE Name = {quoted(text)}").records(deleted=False)) == 1


WORDS = [
    *"SELECT FROM WHERE AND OR NOT LIKE IN INCLUDES NULL LIMIT OFFSET DESC TYPEOF true ( ) , = != < >= - \\".split(),
    *"Id Name Account Owner.Name CreatedDate AnnualRevenue IsDeleted COUNT() FIELDS(ALL) 'x' 5 1e9".split(),
    *"2026-01-01 0001-01-01T00:00:00Z 9999-12-31T23:59:59-12:00 LAST_N_YEARS:5000 NEXT_N_DAYS:9".split(),
    *("ORDER BY", "GROUP BY", "NULLS LAST", "'001000000000000AAA'"),
]
CONDITIONS = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)


@given(st.one_of(CONDITIONS, CONDITIONS.map("SELECT Id FROM Account WHERE CreatedDate >= ".__add__),
                 CONDITIONS.map("SELECT Id FROM Account WHERE Name = 'x' AND ".__add__)))  # fmt: skip
def test_no_words_break_the_org(soql: str) -> None:
    """Whatever is sent finds records or is refused with a code."""
    try:
        SCRATCH.query(soql).records(deleted=True)
    except SalesforceError as error:
        assert error.code.isupper()  # noqa: PT017


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("Name = 'ACME'", ["Acme"]),
        ("Name != 'acme'", ["bravo", "Charlie's"]),
        ("Name <> 'acme'", ["bravo", "Charlie's"]),
        ("Name = 'Charlie\\'s'", ["Charlie's"]),
        ("Name > 'b'", ["bravo", "Charlie's"]),
        ("Name LIKE '%A%'", ["Acme", "bravo", "Charlie's"]),
        ("Name LIKE '_cme'", ["Acme"]),
        ("Name IN ('acme', 'BRAVO')", ["Acme", "bravo"]),
        ("Name NOT IN ('acme', 'BRAVO')", ["Charlie's"]),
        ("Industry = null", ["bravo"]),
        ("Industry != NULL", ["Acme", "Charlie's"]),
        ("Industry != 'Energy'", ["bravo", "Charlie's"]),
        ("Industry = ''", ["bravo"]),
        ("AnnualRevenue > 7", ["Acme"]),
        ("AnnualRevenue >= 7.00", ["Acme", "bravo"]),
        ("AnnualRevenue < 1e2", ["bravo"]),
        ("AnnualRevenue = 100.50", ["Acme"]),
        ("NumberOfEmployees IN (3, 4)", ["Acme"]),
        ("IsDeleted = FALSE", ["Acme", "bravo", "Charlie's"]),
        ("IsDeleted = true", []),
        ("CreatedDate >= 2026-01-01T01:00:00Z", ["bravo", "Charlie's"]),
        ("CreatedDate > 2026-01-01T01:00:00.000Z", ["Charlie's"]),
        ("CreatedDate > 2026-01-01T00:59:59.999+00:00", ["bravo", "Charlie's"]),
        ("CreatedDate = 2026-01-01T02:00:00+0100", ["bravo"]),
        ("CreatedDate < 2025-12-31T20:30:00.5-04:00", ["Acme"]),
        ("CreatedDate = TODAY", ["Acme", "bravo", "Charlie's"]),
        ("CreatedDate < today", []),
        ("CreatedDate = LAST_N_DAYS:3", ["Acme", "bravo", "Charlie's"]),
        ("CreatedDate != this_year", []),
        ("Name = 'acme' OR Name = 'bravo' OR Industry = 'retail'", ["Acme", "bravo", "Charlie's"]),
        ("(Name = 'acme' OR Name = 'bravo') AND Industry = null", ["bravo"]),
        ("NOT (Name = 'acme' OR Name = 'bravo')", ["Charlie's"]),
        ("NOT Name LIKE 'a%' AND Industry != null", ["Charlie's"]),
        ("Owner.Name = null", ["Acme", "bravo", "Charlie's"]),
        ("Account.Name = 'acme'", ["Acme"]),
    ],
)
def test_conditions_find_what_salesforce_finds(company: Org, where: str, names: list[str]) -> None:
    """Text is compared without case, null is a value, moments are instants, parentheses count."""
    assert found(company, where) == names


def test_ids_are_compared_with_their_case(org: Org) -> None:
    """Two ids that differ in case are two, and the 15-character form means the same record."""
    lower = org.insert("Account", {"Name": "lower", "Id": "001Hs00000aaaaa"})
    org.insert("Account", {"Name": "upper", "Id": "001Hs00000AAAAA"})

    assert found(org, f"Id = '{lower}'") == ["lower"]
    assert found(org, "Id = '001Hs00000aaaaa'") == ["lower"]
    assert found(org, "Id > '001Hs00000AAAAA'") == ["lower"]


def test_multipicklists_are_asked_by_what_they_include(org: Org) -> None:
    """INCLUDES finds any of several choices or all of a combination; EXCLUDES the rest."""
    for name, chosen in (("one", "four"), ("two", "four;six"), ("none", None)):
        org.insert("Every_Type__c", {"Name": name, "Multi_Picklist__c": chosen})

    assert found(org, "Multi_Picklist__c INCLUDES ('four;six')", "Every_Type__c") == ["two"]
    assert found(org, "Multi_Picklist__c INCLUDES ('six', 'four')", "Every_Type__c") == ["one", "two"]
    assert found(org, "Multi_Picklist__c EXCLUDES ('six')", "Every_Type__c") == ["one", "none"]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("Name", ["Acme", "bravo", "Charlie's"]),
        ("Name DESC", ["Charlie's", "bravo", "Acme"]),
        ("Industry, Name", ["bravo", "Acme", "Charlie's"]),
        ("Industry NULLS LAST", ["Acme", "Charlie's", "bravo"]),
        ("Industry DESC NULLS LAST", ["Charlie's", "Acme", "bravo"]),
        ("AnnualRevenue DESC", ["Charlie's", "Acme", "bravo"]),
        ("NumberOfEmployees ASC NULLS FIRST LIMIT 2", ["bravo", "Acme"]),
        ("Name LIMIT 1 OFFSET 1", ["bravo"]),
    ],
)
def test_records_come_in_the_order_asked(company: Org, order: str, names: list[str]) -> None:
    """Several keys, both directions, nulls first unless told, then LIMIT and OFFSET."""
    records = company.query(f"SELECT Name FROM Account ORDER BY {order}").records(deleted=False)

    assert [row["Name"] for _, row in records] == names


def test_records_that_sort_alike_come_in_no_promised_order(org: Org) -> None:
    """Two queries may disagree about the order of equal keys, and both hold every record."""
    for number in range(50):
        org.insert("Account", {"Name": str(number)})
    query = org.query("SELECT Id FROM Account ORDER BY SystemModstamp")
    one = query.records(deleted=False, shuffle=org.shuffle())
    other = query.records(deleted=False, shuffle=org.shuffle())

    assert one != other
    assert sorted(one, key=lambda record: record[0]) == sorted(other, key=lambda record: record[0])


@pytest.mark.parametrize(
    ("word", "start", "end"),
    [
        ("YESTERDAY", date(2026, 5, 12), date(2026, 5, 13)),
        ("TOMORROW", date(2026, 5, 14), date(2026, 5, 15)),
        ("THIS_WEEK", date(2026, 5, 10), date(2026, 5, 17)),
        ("LAST_MONTH", date(2026, 4, 1), date(2026, 5, 1)),
        ("NEXT_QUARTER", date(2026, 7, 1), date(2026, 10, 1)),
        ("THIS_YEAR", date(2026, 1, 1), date(2027, 1, 1)),
        ("LAST_90_DAYS", date(2026, 2, 12), date(2026, 5, 14)),
        ("NEXT_90_DAYS", date(2026, 5, 14), date(2026, 8, 12)),
        ("LAST_N_DAYS:2", date(2026, 5, 11), date(2026, 5, 14)),
        ("NEXT_N_DAYS:2", date(2026, 5, 14), date(2026, 5, 16)),
        ("LAST_N_MONTHS:5", date(2025, 12, 1), date(2026, 5, 1)),
        ("NEXT_N_YEARS:1", date(2027, 1, 1), date(2028, 1, 1)),
        ("N_DAYS_AGO:2", date(2026, 5, 11), date(2026, 5, 12)),
        ("N_QUARTERS_AGO:2", date(2025, 10, 1), date(2026, 1, 1)),
    ],
)
def test_named_stretches_of_time_are_the_documented_ones(word: str, start: date, end: date) -> None:
    """On Wednesday 13 May 2026, each word means these days."""
    assert stretch(word, date(2026, 5, 13)) == (start, end)


def test_a_word_that_names_no_stretch_is_none() -> None:
    """Not every word is a date."""
    assert stretch("SOMETIME", date(2026, 5, 13)) is None


@pytest.mark.parametrize(
    ("soql", "code", "message"),
    [
        ("", "MALFORMED_QUERY", "A query string has to be specified"),
        ("SELEKT Id FROM Account", "MALFORMED_QUERY", "unexpected token: SELEKT"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id, FROM Account", "MALFORMED_QUERY", "unexpected token: 'FROM'"),
        ("SELECT * FROM Account", "MALFORMED_QUERY", "line 1:7 no viable alternative at character '*'"),
        ("SELECT Id FROM Account WHERE Name = 'x", "MALFORMED_QUERY", "no viable alternative at character '<EOF>'"),
        ("SELECT Id FROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY", "'OR'"),
        ("SELECT Id FROM Account WHERE Name = '\\q'", "MALFORMED_QUERY", "Illegal character sequence"),
        ("SELECT Id FROM Account LIMIT -1", "MALFORMED_QUERY", "unexpected token: '-1'"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"),
        ("SELECT Id FROM Account WHERE CreatedDate > 2026-01-01T00:00:00 00:00", "MALFORMED_QUERY", "no viable"),
        ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY", "must have a LIMIT of at most 200"),
        ("SELECT FIELDS(ALL) FROM Account LIMIT 201", "MALFORMED_QUERY", "must have a LIMIT of at most 200"),
        ("SELECT Id, id FROM Account", "INVALID_FIELD", "duplicate field selected: Id"),
        ("SELECT Nothing.Name FROM Contact", "INVALID_FIELD", "Didn't understand relationship 'Nothing'"),
        ("SELECT Account.Nothing FROM Contact", "INVALID_FIELD", "No such column 'Nothing' on entity 'Account'"),
        ("SELECT (SELECT Id FROM Nothings) FROM Account", "INVALID_TYPE", "Didn't understand relationship 'Nothings'"),
        ("SELECT Name, COUNT(Id) FROM Account", "MALFORMED_QUERY", "Field must be grouped or aggregated: Name"),
        ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD", "can not be filtered in a query call"),
        ("SELECT Id FROM Account ORDER BY Description", "INVALID_FIELD", "can not be sorted in a query call"),
        (
            "SELECT Id FROM Account WHERE SystemModstamp > '2026-01-01T00:00:00Z'",
            "INVALID_FIELD",
            "for field 'SystemModstamp' must be of type dateTime and should not be enclosed in quotes",
        ),
        ("SELECT Id FROM Account WHERE CreatedDate > 2026-01-01", "INVALID_FIELD", "must be of type dateTime"),
        (
            "SELECT Id FROM Account WHERE CreatedDate > 2026-13-01T00:00:00Z",
            "INVALID_FIELD",
            "Invalid date: 2026-13-01",
        ),
        ("SELECT Id FROM Account WHERE CreatedDate > 0001-01-01T00:00:00+05:00", "INVALID_FIELD", "Invalid date: 0001"),
        ("SELECT Id FROM Account WHERE CreatedDate > LAST_N_DAYS:99999999", "INVALID_FIELD", "Invalid date: LAST_N"),
        ("SELECT Id FROM Account WHERE LastActivityDate = 2026-02-30", "INVALID_FIELD", "Invalid date: 2026-02-30"),
        (
            "SELECT Id FROM Account WHERE LastActivityDate = 2026-02-01T00:00:00Z",
            "INVALID_FIELD",
            "must be of type date",
        ),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD", "type string and should be enclosed in quotes"),
        ("SELECT Id FROM Account WHERE AnnualRevenue = '5'", "INVALID_FIELD", "must be of type double"),
        ("SELECT Id FROM Account WHERE IsDeleted = 'true'", "INVALID_FIELD", "must be of type boolean"),
        ("SELECT Id FROM Account WHERE Id = 'abc'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: abc"),
        ("SELECT Id FROM Account WHERE AnnualRevenue LIKE '5%'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator"),
        ("SELECT Id FROM Account WHERE IsDeleted > true", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator"),
        ("SELECT Id FROM AccountChangeEvent", "INVALID_TYPE_FOR_OPERATION", "does not support query"),
        ("SELECT Id FROM ContentDocumentLink", "MALFORMED_QUERY", "Implementation restriction: ContentDocumentLink"),
    ],
)
def test_what_salesforce_refuses_is_refused(caller: Caller, soql: str, code: str, message: str) -> None:
    """Each refusal has Salesforce's status, code and words."""
    status, told_code, told = caller.refused(soql)

    assert (status, told_code) == (400, code)
    assert message in told


def test_a_filter_on_the_parent_opens_the_object(org: Org) -> None:
    """An object that needs a filter answers when every record is asked for by its parent."""
    org.insert("ContentDocumentLink", {"LinkedEntityId": "001Hs0000000001", "ContentDocumentId": "069Hs0000000001"})
    by_parent = "SELECT Id FROM ContentDocumentLink WHERE LinkedEntityId = '001Hs0000000001' AND IsDeleted = false"
    by_either = "SELECT Id FROM ContentDocumentLink WHERE LinkedEntityId = '001Hs0000000001' OR IsDeleted = false"

    assert len(org.query(by_parent).records(deleted=False)) == 1
    with pytest.raises(SalesforceError, match="Implementation restriction"):
        org.query(by_either)


def test_the_window_of_an_error_shows_the_place(caller: Caller) -> None:
    """In a long query the caret stands under the word, and the column counts from the query's beginning."""
    soql = "SELECT " + ", ".join(["Id", "Name"] + ["Owner.Name"] * 40) + ", Bacon__c FROM Account"
    _, _, message = caller.refused(soql)
    _, window, caret, place, _ = message.split("\n")

    assert window[len(caret) - 1 :].startswith("Bacon__c")
    assert place == f"ERROR at Row:1:Column:{soql.index('Bacon__c') + 1}"
    assert len(window) < len(soql)


def test_the_place_of_an_error_is_told_by_row(caller: Caller) -> None:
    """A query over several lines is quoted by the line that is wrong."""
    _, _, message = caller.refused("SELECT Id,\n  Bacon__c\nFROM Account")

    assert message.startswith("\n  Bacon__c\n  ^\nERROR at Row:2:Column:3\n")


def test_answers_are_spelled_as_described(caller: Caller, org: Org) -> None:
    """Whatever case was asked in, fields come in the order asked and the describe's capitals."""
    parent = org.insert("Account", {"Name": "Acme"})
    org.insert("Contact", {"LastName": "King", "AccountId": parent})

    (record,) = caller.records("select lastname, ACCOUNT.name, iD, account.id from CONTACT c where C.LASTNAME = 'king'")
    assert list(record) == ["LastName", "Account", "Id"]
    assert list(record["Account"]) == ["attributes", "Name", "Id"]


def test_aggregates_are_counted_and_grouped(caller: Caller, org: Org) -> None:
    """Results are named by alias or number, nulls do not count, groups come with their values."""
    for name, revenue in (("a", 1), ("a", 2), ("b", None)):
        org.insert("Account", {"Name": name, "AnnualRevenue": revenue})

    assert caller.query("SELECT COUNT() FROM Account").json() == {"totalSize": 3, "done": True, "records": []}
    assert caller.records("SELECT COUNT(AnnualRevenue), MAX(AnnualRevenue) most FROM Account") == [
        {"expr0": 2, "most": 2.0}
    ]
    assert caller.records("SELECT Name, COUNT(Id) n, SUM(AnnualRevenue) FROM Account GROUP BY Name") == [
        {"Name": "a", "n": 2, "expr1": 3.0},
        {"Name": "b", "n": 1, "expr1": None},
    ]


def test_fields_functions_list_what_they_say(caller: Caller, org: Org) -> None:
    """FIELDS(STANDARD) has no limit; FIELDS(CUSTOM) has only custom fields."""
    org.insert("Invoice__c", {"Name": "1"})
    (standard,) = caller.records("SELECT FIELDS(STANDARD) FROM Invoice__c")
    (custom,) = caller.records("SELECT FIELDS(CUSTOM) FROM Invoice__c LIMIT 200")

    assert "Name" in standard
    assert not any(name.endswith("__c") for name in standard)
    assert custom
    assert all("__" in name for name in custom)


def test_deleted_and_archived_records_are_for_query_all(caller: Caller, org: Org) -> None:
    """QueryAll finds the Recycle Bin and archived activities; query neither."""
    org.delete("Account", org.insert("Account", {"Name": "gone"}))
    org.insert("Task", {"Subject": "old", "IsArchived": True})

    assert caller.records("SELECT Name FROM Account") == caller.records("SELECT Subject FROM Task") == []
    assert caller.records("SELECT Name, IsDeleted FROM Account", "queryAll") == [{"Name": "gone", "IsDeleted": True}]
    assert caller.records("SELECT Subject FROM Task", "queryAll") == [{"Subject": "old"}]


def test_a_field_without_permission_is_not_there(caller: Caller, org: Org) -> None:
    """A dropped field is in no describe and no query; back again, it has its values."""
    org.insert("Account", {"Name": "a", "Site": "north"})
    body = next(each for each in org.object("Account").describe["fields"] if each["name"] == "Site")
    org.drop_field("Account", "Site")
    status, code, _ = caller.refused("SELECT Site FROM Account")
    org.add_field("Account", body)

    assert (status, code) == (400, "INVALID_FIELD")
    assert caller.records("SELECT Site FROM Account") == [{"Site": "north"}]


def test_a_reference_to_several_objects_is_read_by_name(caller: Caller, org: Org) -> None:
    """A polymorphic parent has a Name and a Type, whatever it is."""
    account = org.insert("Account", {"Name": "Acme"})
    contact = org.insert("Contact", {"FirstName": "Ada", "LastName": "King"})
    org.insert("Event", {"Subject": "meet", "WhatId": account, "WhoId": contact})
    org.insert("Event", {"Subject": "alone"})

    records = caller.records("SELECT What.Name, What.Type, Who.FirstName FROM Event WHERE What.Type != 'Case'")
    assert [(r["What"] and r["What"]["Type"], r["Who"] and r["Who"]["FirstName"]) for r in records] == [
        ("Account", "Ada"),
        (None, None),
    ]


def test_a_query_too_long_is_too_complicated(org: Org) -> None:
    """SOQL ends at 100,000 characters."""
    with pytest.raises(SalesforceError) as refused:
        org.query("SELECT Id FROM Account WHERE Name IN ('" + "x" * 100_000 + "')")

    assert refused.value.code == "QUERY_TOO_COMPLICATED"


def test_a_day_passes_for_date_words(company: Org) -> None:
    """TODAY is the org's day, not the machine's."""
    company.clock.advance(timedelta(days=1))

    assert found(company, "CreatedDate = TODAY") == []
    assert found(company, "CreatedDate = YESTERDAY") == ["Acme", "bravo", "Charlie's"]
