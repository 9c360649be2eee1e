"""SOQL that says what was meant and nothing else: the emulated org's own parser is the judge."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_salesforce_ci.client import soql
from tap_salesforce_ci.client.soql import Query
from tap_salesforce_ci.demo.refusals import SalesforceError
from tap_salesforce_ci.demo.soql.parser import parse
from tap_salesforce_ci.demo.soql.syntax import Comparison, Junction, Path, Select
from tap_salesforce_ci.errors import UserError
from tests.strategies import api_names, pieces_of_conditions

ZONES = st.sampled_from([timezone.utc, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-8))])
MOMENTS = st.datetimes(timezones=st.just(timezone.utc)).flatmap(
    lambda moment: ZONES.map(lambda zone: moment.astimezone(zone) if 1 < moment.year < 9999 else moment)
)


def paths(query: Select) -> list[str]:
    assert all(isinstance(item, Path) for item in query.items)
    return [item.token.text for item in query.items if isinstance(item, Path)]


def condition(text: str) -> Comparison:
    found = parse(f"SELECT Id FROM Account WHERE {text}").where
    assert isinstance(found, Comparison)
    return found


# Names


@given(st.text())
@example("Id FROM Account WHERE Id != null--")
@example("Ид")
@example("A.B.C")
@example("Id\n")
@example("")
def test_a_name_is_one_name_or_is_refused(text: str) -> None:
    """Whatever is taken for a field's name is read as one field by Salesforce."""
    try:
        name = soql.name(text)
    except UserError as error:
        assert error.remedy  # noqa: PT017 - either end is right
        return
    assert paths(parse(f"SELECT {name}, Id FROM Account")) == [text, "Id"]


@pytest.mark.parametrize("name", ["Id", "Invoice__c", "Owner.Profile.Name", "My_NS__Thing__c", "L1__Latitude__s"])
def test_api_names_are_taken_as_they_are(name: str) -> None:
    """Custom names, namespaces and parents' fields are names."""
    assert soql.name(name) == name


# Literals


@given(MOMENTS)
@example(datetime(1, 1, 1, tzinfo=timezone.utc))
@example(datetime(1700, 1, 1, tzinfo=timezone.utc))
@example(datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc))
def test_a_moment_is_the_same_moment_to_salesforce(moment: datetime) -> None:
    """Unquoted, in UTC, four digits of year: read back it is the moment to the millisecond, never a later one."""
    (token,) = condition(f"SystemModstamp >= {soql.moment(moment)}").values

    assert token.kind == "moment"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", token.text)
    read = datetime.fromisoformat(token.text.replace("Z", "+00:00"))
    assert timedelta(0) <= moment - read < timedelta(milliseconds=1)


def test_conditions_say_what_they_are_named() -> None:
    """Lower bound inclusive, upper bound exclusive, null as null."""
    moment = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)

    assert str(soql.at_least("SystemModstamp", moment)) == "SystemModstamp >= 2026-03-02T09:00:00Z"
    assert str(soql.before("SystemModstamp", moment)) == "SystemModstamp < 2026-03-02T09:00:00Z"
    assert str(soql.is_null("SystemModstamp")) == "SystemModstamp = null"
    both = soql.either(soql.before("CreatedDate", moment), soql.is_null("CreatedDate"))
    assert str(both) == "(CreatedDate < 2026-03-02T09:00:00Z OR CreatedDate = null)"


# What the user wrote


def in_a_query(text: str) -> Select:
    query = Query("Account", ("Id", "Name"), (soql.is_null("ParentId"), soql.given(text, "where.Account")), ("Id",), 7)
    return parse(str(query))


@given(pieces_of_conditions())
@example("Name = 'x') OR (Name != 'y'")
@example("Name = 'x' LIMIT 1")
@example("Name = 'a\\' OR Name = ' OR Id != null")
@example("Name = 'a\\\\' OR Name = 'b'")
@example("Name = 'x'\\')OR(Id!=null)OR(Name=\\''")
@example("((Name = 'x')")
@example("Name = '")
def test_a_given_condition_cannot_break_out(text: str) -> None:
    """However it is written, it is refused here, or by Salesforce, or is one factor of the WHERE and no more."""
    try:
        query = in_a_query(text)
    except (UserError, SalesforceError):
        return
    assert isinstance(query.where, Junction)
    assert query.where.word == "AND"
    assert len(query.where.conditions) == 2
    first = query.where.conditions[0]
    assert isinstance(first, Comparison)
    assert first.path.token.text == "ParentId"
    assert (query.source.text, query.limit, query.offset) == ("Account", 7, None)
    assert paths(query) == ["Id", "Name"]


@pytest.mark.parametrize(
    "text",
    [
        "IsDeleted = false",
        "  StageName = 'Closed Won'\n",
        "Name = 'O\\'Brien (senior'",
        "Name = 'a) LIMIT 1'",
        "Name LIKE '%)%' OR Name LIKE '(%'",
        "Amount > 1e5 AND (CloseDate = LAST_N_DAYS:30 OR NOT Name = null)",
        "Order__c = 'x' OR Limit__c > 5",
        "Owner.Profile.Name IN ('ORDER BY', 'FROM')",
        "CreatedDate >= 2024-01-01T00:00:00Z",
    ],
)
def test_an_honest_condition_is_kept_as_it_was_written(text: str) -> None:
    """Quotes, parentheses in texts, fields named like clauses and dates are all fine."""
    assert str(soql.given(text, "where.Account")) == f"({text.strip()})"
    assert in_a_query(text).limit == 7


def test_a_semi_join_is_a_condition() -> None:
    """Clauses within parentheses belong to the condition."""
    text = "Id IN (SELECT AccountId FROM Contact WHERE Email != null LIMIT 10)"

    assert str(soql.given(text, "where.Account")) == f"({text})"


@pytest.mark.parametrize(
    "text", ["", "   ", "(", ")", "Name = 'x", "a = 1 ORDER BY Id", "a = 1 GROUP BY b", "a = 1) OR (b = 1", "LIMIT 1"]
)
def test_what_is_not_one_whole_condition_is_refused_at_its_setting(text: str) -> None:
    """The refusal names the object's filter and shows what one looks like."""
    with pytest.raises(UserError) as refused:
        soql.given(text, "where.Account")
    assert refused.value.where == "where.Account"
    assert "StageName = 'Closed Won'" in refused.value.remedy


# Queries


@given(
    api_names(),
    st.lists(api_names(), min_size=1, max_size=30, unique=True),
    st.lists(api_names(), max_size=2),
    st.none() | st.integers(0, 10**6),
)
def test_a_query_reads_back_as_it_was_made(
    object_name: str, fields: list[str], order: list[str], limit: int | None
) -> None:
    """Fields in their order, object, order and limit survive the way through Salesforce's parser."""
    read = parse(str(Query(object_name, fields, (), tuple(order), limit)))

    assert paths(read) == fields
    assert read.source.text == object_name
    assert [each.path.token.text for each in read.order] == order
    assert not [each for each in read.order if each.descending]
    assert read.limit == limit


@given(
    st.lists(api_names(), min_size=1, max_size=60, unique=True),
    st.integers(0, 500),
    st.lists(api_names(), max_size=3, unique=True),
)
def test_the_parts_of_a_query_cover_all_its_fields(fields: list[str], most: int, keep: list[str]) -> None:
    """Each field is in exactly one part, in the old order; every part has the kept fields and the rest of the query."""
    whole = Query("Account", fields, (soql.is_null("ParentId"),), ("Id",))

    parts = whole.split(most, keep=keep)

    asked = [field for part in parts for field in part.fields[len(keep) :]]
    assert asked == [field for field in fields if field not in keep]
    for part in parts:
        assert list(part.fields[: len(keep)]) == keep
        assert (part.object, part.where, part.order) == (whole.object, whole.where, whole.order)
        assert len(str(part)) <= most or len(part.fields) <= len(keep) + 1
