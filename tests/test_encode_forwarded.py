"""Promises of forwarding: a usual REST page is written as it was printed, any other page is put right first."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_salesforce_ci.encode import json_records
from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.encode.forwarded import ForwardedRecords, pieces
from tap_salesforce_ci.encode.json_records import RecordParser
from tap_salesforce_ci.encode.lines import RecordLines
from tests.strategies import HARD_TEXTS, Printed, Table, tables

NOW = "2026-01-01T00:00:00+00:00"

COLUMNS = (
    Column("Id", Kind.TEXT),
    Column("Name", Kind.TEXT),
    Column("Amount", Kind.NUMBER),
    Column("Visits", Kind.INTEGER),
    Column("Active", Kind.BOOLEAN),
    Column("CreatedDate", Kind.DATETIME),
    Column("Gone", Kind.NUMBER, vanished=True),
)
USUAL = {
    "Id": '"1"',
    "Name": '"n"',
    "Amount": "3.50E2",
    "Visits": "7",
    "Active": "true",
    "CreatedDate": '"2024-01-01T00:00:00.000+0000"',
}
NOTHING = dict.fromkeys(USUAL, "null") | {"Id": '"2"'}


def page(*rows: dict[str, str]) -> bytes:
    """Return the records of a query page, each a field's name to its JSON text."""
    attributes = {"attributes": '{"type":"X","url":"/x"}'}
    texts = (",".join(f'"{name}":{token}' for name, token in (attributes | row).items()) for row in rows)
    return f"[{','.join(f'{{{text}}}' for text in texts)}]".encode()


def test_a_usual_page_differs_in_nothing_but_attributes_and_the_ends_of_its_moments() -> None:
    """Digits and texts stand as they were printed; what is null is null, and so is a field that vanished."""
    found = ForwardedRecords(COLUMNS).objects(page(USUAL, NOTHING))

    assert found == (
        b'{"Id":"1","Name":"n","Amount":3.50E2,"Visits":7,"Active":true,'
        b'"CreatedDate":"2024-01-01T00:00:00.000Z","Gone":null}\n'
        b'{"Id":"2","Name":null,"Amount":null,"Visits":null,"Active":null,"CreatedDate":null,"Gone":null}\n'
    )


@pytest.mark.parametrize(
    ("field", "token"),
    [
        ("Name", '""'),
        ("Name", "12.5"),
        ("Name", '{"street":"a"}'),
        ("Name", '"\\ud800"'),
        ("Amount", '"12.5"'),
        ("Amount", '""'),
        ("Amount", "true"),
        ("Amount", "1e99999"),
        ("Amount", "[\n1]"),
        ("Amount", "{}"),
        ("Visits", "5.0"),
        ("Visits", '"5"'),
        ("Active", '"true"'),
        ("Active", "1"),
        ("CreatedDate", '"2024-01-01T00:00:00.000Z"'),
        ("CreatedDate", '"2024-01-01T01:00:00.000+0100"'),
        ("CreatedDate", '"2024-01-01T00:00:00+0000"'),
        ("CreatedDate", '"yesterday"'),
        ("CreatedDate", '""'),
        ("CreatedDate", "1704067200"),
        ("Name", '"2024-01-01T00:00:00.000+0000"'),
        ("Name", '"ends like a moment +0000"'),
    ],
)
def test_a_page_with_an_unusual_value_is_not_forwarded(field: str, token: str) -> None:
    """What is not as its kind usually is, and what only looks like a moment, is left to those who put it right."""
    assert ForwardedRecords(COLUMNS).objects(page(USUAL, USUAL | {field: token})) is None


def test_a_text_that_ends_like_a_moment_does_not_make_up_for_a_moment_elsewhere() -> None:
    """One moment in another zone and one text with the ending that it lacks are as many as there should be."""
    both = USUAL | {"CreatedDate": '"2024-01-01T01:00:00.000+0100"', "Name": '"noon +0000"'}

    assert ForwardedRecords(COLUMNS).objects(page(USUAL, both)) is None


def test_a_record_without_a_field_is_not_forwarded() -> None:
    """A field that was asked for is not made up."""
    assert ForwardedRecords(COLUMNS).objects(page(USUAL, {"Id": '"2"'})) is None


@pytest.mark.parametrize("records", [b"", b"{}", b"[null]", b'[{"Id":"1"}', b'[{"Id":"\xff"}]', b"[1]"])
def test_what_is_no_array_of_records_is_not_forwarded(records: bytes) -> None:
    """Bytes that are no page are left to those who say what is wrong with them."""
    assert ForwardedRecords([Column("Id", Kind.TEXT)]).objects(records) is None


def test_moments_in_the_way_of_bulk_are_forwarded() -> None:
    """Moments that end in Z already stay as they are, whatever texts beside them end in."""
    usual = USUAL | {"CreatedDate": '"2024-01-01T00:00:00.123Z"', "Name": '"+0000"'}

    found = ForwardedRecords(COLUMNS).objects(page(usual, NOTHING))

    assert found is not None
    assert b'"Name":"+0000"' in found
    assert b'"CreatedDate":"2024-01-01T00:00:00.123Z"' in found


@settings(max_examples=200, deadline=None)
@given(tables())
def test_what_is_forwarded_is_what_columns_would_say(table: Table) -> None:
    """The two ways to write a page say the same, to the digit of every number and the order of the fields."""
    forwarded = ForwardedRecords(table.columns).objects(table.json())
    by_columns = b"".join(RecordLines("sf_X", table.columns).encode(table.json_rows(), NOW)).splitlines()

    if forwarded is not None:
        plain = [_exact(line) for line in forwarded.split(b"\n")[:-1]]
        assert plain == [_exact(line)["record"] for line in by_columns]
        assert all(list(one) == table.names for one in plain)


def _exact(line: bytes) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        line, parse_float=lambda digits: ("number", digits), parse_int=lambda digits: ("number", digits)
    )
    return found


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([text for text in HARD_TEXTS if text]), min_size=1, max_size=8))
def test_any_text_is_forwarded(texts: list[str]) -> None:
    """Escapes, quotes and line breaks of any text make neither a second line nor another text."""
    column = Column("T", Kind.TEXT)
    table = Table((column,), tuple((Printed(json.dumps(text), text, json.dumps(text)),) for text in texts))

    found = ForwardedRecords([column]).objects(table.json())

    assert found is not None
    assert [{"T": text} for text in texts] == [json.loads(line) for line in found.split(b"\n")[:-1]]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=20).map(bytes.hex), max_size=20), st.integers(1, 200))
def test_pieces_are_whole_lines_between_head_and_tail(texts: list[str], size: int) -> None:
    """However small the pieces, each ends where a line does, and no line is lost."""
    objects = b"".join(f"{{{text}}}\n".encode() for text in texts)

    found = [bytes(piece) for piece in pieces(objects, b"head", b"tail\n", size)]

    assert all(piece.endswith(b"tail\n") for piece in found)
    assert b"".join(found) == b"".join(f"head{{{text}}}tail\n".encode() for text in texts)
    assert all(len(piece) <= size + len("head{}tail\n") + 40 for piece in found)


def test_a_page_that_is_not_forwarded_is_written_by_columns() -> None:
    """One unusual value changes nothing for the other rows of its page, nor for the next page."""
    writer = RecordLines("sf_X", COLUMNS)
    parse = RecordParser([column for column in COLUMNS if not column.vanished])
    odd = USUAL | {"Visits": "5.0", "Name": '""'}

    for records, visits, names in (([USUAL, odd], [7, 5], ["n", None]), ([USUAL, NOTHING], [7, None], ["n", None])):
        rows = parse(msgspec.json.decode(page(*records), type=list[msgspec.Raw]))
        found = [json.loads(line)["record"] for block in writer.encode(rows, NOW) for line in bytes(block).splitlines()]

        assert visits == [record["Visits"] for record in found]
        assert names == [record["Name"] for record in found]


def test_a_page_of_wide_rows_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """However large a page is, little of it is read at once; its rows stay in order, the odd ones put right."""
    monkeypatch.setattr(json_records, "LARGEST_PART", 1_000)
    records = [USUAL | {"Id": f'"{number}"', "Visits": "5.0" if number % 30 == 0 else "5"} for number in range(200)]
    parse = RecordParser([column for column in COLUMNS if not column.vanished])

    rows = parse(msgspec.json.decode(page(*records), type=list[msgspec.Raw]))
    written = b"".join(RecordLines("sf_X", COLUMNS).encode(rows, NOW)).splitlines()

    assert max(len(part.array) for part in rows.printed) <= 1_100
    assert [str(number) for number in range(200)] == [json.loads(line)["record"]["Id"] for line in written]
    assert {json.loads(line)["record"]["Visits"] for line in written} == {5}
    assert rows.table.num_rows == sum(block.num_rows for block in rows.blocks()) == len(records)


ODD = st.sampled_from(
    [
        *("null", '""', '"+0000"', '"2024-01-01T00:00:00.000+0000"', '"2024-01-01T00:00:00.000Z"', '"null\\n"'),
        *('"2024-01-01T00:00:00.000+0100"', '"x\\n2024-01-01T00:00:00.000+0000"', " 12 ", "-0", "1e5", "1E+400", "5.0"),
        *("12345678901234567890123", "true", "{}", "[1,\n2]", '{"a":"+0000"}', '"\\ud83d\\ude00"', '"\\ud800"', '"12"'),
        *('"\\u0000"', '"true"', '"\\"+0000\\""', '"\u0662\u0660-01-01T00:00:00.000+0000"'),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(list(USUAL)), ODD, max_size=2), min_size=1, max_size=3))
def test_whatever_is_forwarded_is_what_columns_would_say(odd: list[dict[str, str]]) -> None:
    """Values that no field of their kind has are never passed on in another way than the slow one would."""
    columns = [column for column in COLUMNS if not column.vanished]
    body = page(*(USUAL | row for row in odd))
    forwarded = ForwardedRecords(columns).objects(body)

    if forwarded is not None:
        by_columns = b"".join(RecordLines("sf_X", columns).encode(RecordParser(columns).rows(body), NOW)).splitlines()
        assert [_exact(line) for line in forwarded.splitlines()] == [_exact(line)["record"] for line in by_columns]
