"""Promises of the hot room: what a page says is what the lines say, digit for digit and character for character."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tap_salesforce_ci.encode import lines
from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.encode.json_records import RecordParser
from tap_salesforce_ci.encode.lines import RecordLines
from tap_salesforce_ci.encode.pages import PageRows, Rows
from tap_salesforce_ci.encode.plain import records
from tests.strategies import CELLS, NULL, NUMBERS, Printed, Table, parse_csv, tables, text

EXTRACTED = "2026-01-01T00:00:00+00:00"
often = settings(max_examples=100, deadline=None)
A_NULL = Table((Column("A", Kind.NUMBER),), ((NULL,),))


def messages(blocks: Iterable[bytes | memoryview]) -> list[dict[str, Any]]:
    """Return the messages of blocks of whole lines, numbers as the digits that were printed."""
    joined = b"".join(blocks)
    assert joined == b"" or joined.endswith(b"\n")
    texts = joined.decode("utf-8").split("\n")[:-1]
    return [json.loads(each, parse_int=Digits, parse_float=Digits) for each in texts]


class Digits(str):
    """A number's own digits; no text is equal to it."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digits) and str(self) == str(other)

    __hash__ = str.__hash__


def encoded(rows: PageRows, columns: Iterable[Column]) -> list[dict[str, Any]]:
    """Return the records of a page's lines."""
    found = messages(RecordLines("sf_X", tuple(columns)).encode(rows, EXTRACTED))
    return [message["record"] for message in found]


def printed(table: Table) -> list[dict[str, Any]]:
    """Return the records that a page has to become, numbers as their digits."""
    return [
        {name: json.loads(token, parse_int=Digits, parse_float=Digits) for name, token in row.items()}
        for row in table.truth
    ]


def by_value(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with Decimals for digits."""
    return {name: Decimal(value) if isinstance(value, Digits) else value for name, value in record.items()}


@often
@example(A_NULL)
@given(tables())
def test_a_csv_page_says_the_same_as_its_lines(table: Table) -> None:
    """Whatever stands in a Bulk result page stands in the RECORD lines, one line a row."""
    assert printed(table) == encoded(table.csv_rows(), table.columns)


@often
@example(A_NULL)
@given(tables())
def test_a_rest_page_says_the_same_as_its_lines(table: Table) -> None:
    """Whatever stands in a REST query page stands in the RECORD lines: a row is the same over both APIs."""
    assert printed(table) == encoded(table.json_rows(), table.columns)
    assert printed(table) == encoded(table.json_page(), table.columns)


@often
@given(tables())
def test_the_plain_way_says_the_same_as_the_fast_one(table: Table) -> None:
    """The records that the SDK's path gets are those that the lines hold, over both APIs."""
    expected = [by_value(record) for record in printed(table)]

    assert expected == list(records(table.csv_rows(), table.columns))
    assert expected == list(records(table.json_rows(), table.columns))


@often
@given(
    st.lists(NUMBERS, min_size=1, max_size=5),
    st.lists(st.sampled_from(["+5", ".5", "5.", "007", "-00.10"]), max_size=2),
)
def test_numbers_keep_their_digits_beside_odd_ones(usual: list[str], odd: list[str]) -> None:
    """An odd spelling in a page becomes legal JSON of the same value, and changes no digit of its neighbours."""
    cells = [(Printed(digits, digits, digits),) for digits in usual + odd]
    table = Table((Column("N", Kind.NUMBER),), tuple(cells))

    found = [record["N"] for record in encoded(table.csv_rows(), table.columns)]

    assert [Digits(digits) for digits in usual] == found[: len(usual)]
    assert [Decimal(digits) for digits in odd] == [Decimal(digits) for digits in found[len(usual) :]]


@pytest.mark.parametrize(
    ("given_as", "becomes"),
    [
        ("2024-01-01T00:00:00.000+0000", "2024-01-01T00:00:00.000Z"),
        ("2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00.000Z"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000Z"),
        ("2024-01-01T00:00:00.5Z", "2024-01-01T00:00:00.500Z"),
        ("2024-01-01 00:00:00", "2024-01-01T00:00:00.000Z"),
        ("2024-01-01T01:30:00.007+01:30", "2024-01-01T00:00:00.007Z"),
        ("2023-12-31T16:00:00.000-0800", "2024-01-01T00:00:00.000Z"),
        ("0001-01-02T00:00:00.000+1400", "0001-01-01T10:00:00.000Z"),
        ("1700-01-01T00:00:00.000-0000", "1700-01-01T00:00:00.000Z"),
        ("4000-12-31T23:59:59.999+0000", "4000-12-31T23:59:59.999Z"),
    ],
)
def test_a_moment_has_one_spelling(given_as: str, becomes: str) -> None:
    """However a dateTime is spelled, the record has it in UTC with milliseconds and a Z."""
    table = Table((Column("At", Kind.DATETIME),), ((Printed(f'"{given_as}"', given_as, ""),),))

    assert [{"At": becomes}] == encoded(table.csv_rows(), table.columns)
    assert [{"At": becomes}] == encoded(table.json_rows(), table.columns)
    assert [{"At": becomes}] == encoded(table.json_page(), table.columns)
    assert [{"At": becomes}] == list(records(table.csv_rows(), table.columns))


@pytest.mark.parametrize("token", ['{"street":"1 \\"Old\\" Road"}', '["a","b"]', "12.50", "true", "null", '""'])
def test_what_is_no_text_is_the_text_of_itself(token: str) -> None:
    """An anyType value is written as the text that Salesforce printed; no value and an empty one are null."""
    column = Column("Any", Kind.TEXT)
    rows = RecordParser([column]).rows(f'[{{"Any":{token}}},{{"Any":"a text"}}]'.encode())
    expected = [{"Any": None if token in {"null", '""'} else token}, {"Any": "a text"}]

    assert expected == encoded(rows, [column])
    assert expected == list(records(rows, [column]))


@pytest.mark.parametrize("kind", Kind)
def test_an_empty_text_is_null_whatever_its_field(kind: Kind) -> None:
    """Both APIs' ways to print nothing are null, for every kind of field and both paths."""
    column = Column("A", kind)
    rows = RecordParser([column]).rows(b'[{"A":""},{"A":null}]')

    assert encoded(rows, [column]) == [{"A": None}] * 2
    assert list(records(rows, [column])) == [{"A": None}] * 2


@pytest.mark.parametrize("length", [32_000, 131_072, 1 << 20, 3 << 20])
def test_long_values_cross_the_parser_s_blocks_unharmed(length: int) -> None:
    """A text longer than what is parsed at once arrives whole, and so do the rows around it."""
    story = ('a "long" story,\r\nü\\' * (length // 18 + 1))[:length]
    cells = [text(f"{number}: {'x' * 500}\n") for number in range(1500)] + [text(story)] + [text("after")] * 1500
    table = Table((Column("Id", Kind.TEXT), Column("Story", Kind.TEXT)), tuple((text("1"), cell) for cell in cells))

    expected = [{"Id": "1", "Story": json.loads(cell.record)} for cell in cells]

    assert expected == encoded(table.csv_rows(), table.columns)
    assert expected == encoded(table.json_rows(), table.columns)
    assert expected == encoded(table.json_page(), table.columns)


def test_a_large_page_is_many_blocks_of_whole_lines() -> None:
    """A page of several megabytes is handed out in parts, none of them torn, in the order of its rows."""
    rows = tuple((Printed("", str(number), ""), text(f"{number}\n" * 120)) for number in range(20_000))
    table = Table((Column("N", Kind.INTEGER), Column("T", Kind.TEXT)), rows)

    blocks = list(RecordLines("sf_X", table.columns).encode(table.csv_rows(), EXTRACTED))

    assert len(blocks) > 2
    assert all(bytes(block).endswith(b"}\n") for block in blocks)
    assert [str(number) for number in range(20_000)] == [message["record"]["N"] + "" for message in messages(blocks)]


def test_the_names_of_many_fields_take_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where names outweigh values, no more lines are made at once than are worth it, and no row is lost."""
    columns = [Column(f"A_Field_Whose_Name_Says_What_It_Is_{number}__c", Kind.TEXT) for number in range(200)]
    rows = 4_000
    texts = [pa.array(["" if (row + place) % 2 else "x" for row in range(rows)]) for place in range(len(columns))]
    page = Rows(pa.table(texts, names=[column.name for column in columns]))
    monkeypatch.setattr(lines, "LARGEST_BLOCK", 2 << 20)
    held, written, count, before = 0, 0, 0, pa.total_allocated_bytes()

    for block in RecordLines("sf_X", columns).encode(page, EXTRACTED):
        held = max(held, pa.total_allocated_bytes() - before)
        written += block.nbytes
        count += bytes(block).count(b"\n")

    assert count == rows
    assert held < written / 4


@settings(max_examples=50, deadline=None)
@example([10] * 60, 300)
@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 2000))
def test_however_a_page_is_cut_into_blocks_no_row_is_lost(sizes: list[int], most: int) -> None:
    """Blocks may hold many rows or one, and a row larger than a block is a block of its own."""
    rows = tuple((text(f"{number}:{'x' * size}"),) for number, size in enumerate(sizes))
    table = Table((Column("T", Kind.TEXT),), rows)

    with pytest.MonkeyPatch.context() as patched:
        # The real bound is so large that only pages of tens of megabytes reach it.
        patched.setattr(lines, "LARGEST_BLOCK", most)
        blocks = list(RecordLines("sf_X", table.columns).encode(table.csv_rows(), EXTRACTED))

    assert [record["T"] for record in printed(table)] == [message["record"]["T"] for message in messages(blocks)]
    assert len(blocks) >= min(len(rows), sum(sizes) // most)


@settings(max_examples=5, deadline=None)
@given(st.data())
def test_a_wide_page_keeps_every_field_in_its_place(data: st.DataObject) -> None:
    """Five hundred fields of all kinds arrive under their own names."""
    kinds = [*Kind] * 100
    columns = tuple(Column(f"Field_{number}__c", kind) for number, kind in enumerate(kinds))
    few = {kind: data.draw(st.lists(CELLS[kind], min_size=3, max_size=3)) for kind in Kind}
    rows = tuple(tuple([*few[kind], NULL][(row + place) % 4] for place, kind in enumerate(kinds)) for row in range(5))
    table = Table(columns, rows)

    assert printed(table) == encoded(table.csv_rows(), columns)
    assert printed(table) == encoded(table.json_rows(), columns)
    assert printed(table) == encoded(table.json_page(), columns)


@often
@given(tables(), st.randoms(use_true_random=False))
def test_a_header_in_another_order_or_case_changes_nothing(table: Table, chance: Random) -> None:
    """Columns are found by name, and API names know no case."""
    order = list(range(len(table.columns)))
    chance.shuffle(order)
    shuffled = Table(
        tuple(replace(table.columns[place], name=table.columns[place].name.upper()) for place in order),
        tuple(tuple(row[place] for place in order) for row in table.rows),
    )

    assert printed(table) == encoded(parse_csv(shuffled.csv(), table.names), table.columns)
    assert printed(table) == encoded(RecordParser(table.columns).rows(shuffled.json()), table.columns)


@often
@given(tables(), st.integers(0, 5), st.one_of(st.none(), st.integers(1, 2**53)))
def test_vanished_fields_are_null_in_their_place(table: Table, place: int, version: int | None) -> None:
    """A field that is gone from the org is null in every record; the table's version is on every line."""
    place = min(place, len(table.columns))
    columns = [*table.columns[:place], Column("Gone__c", Kind.TEXT, vanished=True), *table.columns[place:]]
    writer = RecordLines("sf_X", columns)
    expected = [record | {"Gone__c": None} for record in printed(table)]

    for rows in (table.csv_rows(), table.json_rows(), table.json_page()):
        found = messages(writer.encode(rows, EXTRACTED, version))
        assert expected == [message["record"] for message in found]
        assert all([column.name for column in columns] == list(message["record"]) for message in found)
        assert all(message.get("version") == (None if version is None else Digits(version)) for message in found)


def test_all_fields_may_have_vanished() -> None:
    """Rows are still rows when no field is left."""
    table = Table((Column("Id", Kind.TEXT),), ((text("1"),), (text("2"),)))
    gone = [Column("A", Kind.TEXT, vanished=True), Column("B", Kind.NUMBER, vanished=True)]

    assert encoded(table.csv_rows(), gone) == [{"A": None, "B": None}] * 2
    assert encoded(table.json_rows(), gone) == [{"A": None, "B": None}] * 2
    assert encoded(table.json_page(), gone) == [{"A": None, "B": None}] * 2


@often
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(min_size=1))
def test_any_name_of_a_stream_is_told_as_it_is(stream: str, moment: str) -> None:
    """Whatever prefix a user chose, the line is one line of JSON and names the stream exactly."""
    table = Table((Column("Id", Kind.TEXT),), ((text("1"),),))

    (message,) = messages(RecordLines(stream, table.columns).encode(table.csv_rows(), moment))

    assert {"type": "RECORD", "stream": stream, "record": {"Id": "1"}, "time_extracted": moment} == message


def test_the_fields_stand_in_the_order_of_the_columns() -> None:
    """A reader of the lines finds the fields in the schema's order, whatever order the page had."""
    table = Table((Column("B", Kind.TEXT), Column("A", Kind.TEXT)), ((text("b"), text("a")),))

    assert list(encoded(table.csv_rows(), [Column("A", Kind.TEXT), Column("B", Kind.TEXT)])[0]) == ["A", "B"]
