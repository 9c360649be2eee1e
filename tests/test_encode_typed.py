"""Promises of typed columns: the values of the records, exactly, or an error that names the field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.encode.pages import Rows
from tap_salesforce_ci.encode.plain import records
from tap_salesforce_ci.encode.typed import TypedColumns
from tests.batch_files import spelled
from tests.strategies import NULL, NUMBERS, Printed, Table, tables

often = settings(max_examples=200, deadline=None)
JSON_TYPES: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": ["string", "null"]},
    Kind.NUMBER: {"type": ["number", "null"]},
    Kind.INTEGER: {"type": ["integer", "null"]},
    Kind.BOOLEAN: {"type": ["boolean", "null"]},
    Kind.DATETIME: {"type": ["string", "null"], "format": "date-time"},
}


def typed(rows: Rows, columns: tuple[Column, ...]) -> pa.Table:
    """Return a page's typed columns."""
    properties = {column.name: JSON_TYPES[column.kind] for column in columns}
    made = TypedColumns(columns, properties)
    return pa.Table.from_batches([made.typed(block) for block in rows.blocks()])


def plain(rows: Rows, columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    """Return the records, as the plain twin says them."""
    return list(records(rows, columns))


def as_record(row: dict[str, Any], columns: tuple[Column, ...]) -> dict[str, Any]:
    """Return a typed row as the plain twin would say it."""
    numbers = {column.name for column in columns if column.kind is Kind.NUMBER}
    return {
        name: Decimal(value) if name in numbers and value is not None else spelled(value) for name, value in row.items()
    }


@often
@given(tables())
@example(Table((Column("A", Kind.NUMBER),), ((Printed(*["123456789012345678.9"] * 3),), (Printed(*["1E-30"] * 3),))))
def test_typed_columns_hold_what_the_plain_records_hold(table: Table) -> None:
    """For any text of any kind, over either API, no value is another one."""
    for rows in (table.csv_rows(), table.json_rows()):
        if rows.num_rows:
            found = [as_record(row, table.columns) for row in typed(rows, table.columns).to_pylist()]
            assert found == plain(rows, table.columns)


@often
@given(st.lists(st.one_of(NUMBERS, st.none()), max_size=6))
@example(["84047608733265236222E-57"])
@example(["123456789012345678.9", "1E-25"])
@example(["99999999999999999999.5", "1E20"])
@example(["1.7976931348623157E308", "-0.0", "0E9999"])
def test_a_number_is_never_another_one(texts: list[str | None]) -> None:
    """Whatever its digits and exponent, a column that holds it holds it exactly, alone and among others."""
    column = Column("A", Kind.NUMBER)
    made = TypedColumns([column], {"A": JSON_TYPES[Kind.NUMBER]})
    for group in ([each] for each in texts), [texts]:
        for part in group:
            texts = pa.array([each or "" for each in part], pa.string())
            array = made.typed(pa.RecordBatch.from_pydict({"A": texts})).column("A")
            assert [None if each is None else Decimal(each) for each in array.to_pylist()] == [
                None if each is None else Decimal(each) for each in part
            ]


@pytest.mark.parametrize(
    ("described", "printed", "value"),
    [
        ({"type": ["string", "null"], "format": "date"}, "1700-02-28", "1700-02-28"),
        ({"type": ["string", "null"], "format": "date"}, "4000-12-31", "4000-12-31"),
        ({"type": ["string", "null"], "format": "time"}, "13:05:30.001Z", "13:05:30.001Z"),
        ({"type": ["string", "null"], "format": "time"}, "00:00:00Z", "00:00:00.000Z"),
        ({"type": ["string", "null"], "format": "email"}, "a@b.c", "a@b.c"),
        ({"type": "string"}, "007", "007"),
    ],
)
def test_formats_are_types_too(described: dict[str, Any], printed: str, value: str) -> None:
    """Dates and times of day have Arrow's own types; other formats are text."""
    made = TypedColumns([Column("A", Kind.TEXT)], {"A": described})
    array = made.typed(pa.RecordBatch.from_pydict({"A": [printed, ""]})).column("A")
    assert [spelled(each) for each in array.to_pylist()] == [value, None]
    assert (array.type == pa.string()) == (described.get("format") not in ("date", "time"))


@pytest.mark.parametrize(
    ("kind", "described", "wrong"),
    [
        (Kind.NUMBER, {}, "12,5"),
        (Kind.NUMBER, {}, "NaN"),
        (Kind.NUMBER, {}, "Infinity"),
        (Kind.NUMBER, {}, "0x1F"),
        (Kind.INTEGER, {}, "1.5"),
        (Kind.INTEGER, {}, "0x1F"),
        (Kind.INTEGER, {}, "9223372036854775808"),
        (Kind.BOOLEAN, {}, "1"),
        (Kind.BOOLEAN, {}, "yes"),
        (Kind.DATETIME, {}, "2024-01-01"),
        (Kind.DATETIME, {}, "2024-01-01T00:00Z"),
        (Kind.DATETIME, {}, "2024-13-01T00:00:00.000Z"),
        (Kind.DATETIME, {}, "2024-01-01T00:00:00.123456Z"),
        (Kind.TEXT, {"type": "string", "format": "date"}, "2024-02-30"),
        (Kind.TEXT, {"type": "string", "format": "time"}, "25:00:00.000Z"),
        (Kind.TEXT, {"type": "string", "format": "time"}, "13:05:30.0005Z"),
    ],
)
def test_what_is_not_of_its_kind_is_refused(kind: Kind, described: dict[str, Any], wrong: str) -> None:
    """Never rounded, never guessed: the error names the field and shows the value."""
    made = TypedColumns([Column("Odd__c", kind)], {"Odd__c": described or JSON_TYPES[kind]})
    with pytest.raises(ValueError, match=r"field Odd__c: ") as refused:
        made.typed(pa.RecordBatch.from_pydict({"Odd__c": pa.array(["", wrong])}))
    assert repr(wrong) in str(refused.value)


@pytest.mark.parametrize("described", [*JSON_TYPES.values(), {"type": ["null", "object"]}, {}])
def test_a_vanished_field_is_null_in_the_type_of_its_schema(described: dict[str, Any]) -> None:
    """Targets meet the column that the SCHEMA promised them."""
    gone = Column("Gone__c", Kind.TEXT, vanished=True)
    made = TypedColumns([Column("A", Kind.TEXT), gone], {"A": {"type": "string"}, "Gone__c": described}, version=7)
    batch = made.typed(pa.RecordBatch.from_pydict({"A": ["x", "y"]}))
    assert batch.schema.names == ["A", "Gone__c", "_sdc_table_version"]
    assert batch.column("Gone__c").null_count == 2
    assert batch.column("_sdc_table_version").to_pylist() == [7, 7]


def test_a_column_of_nulls_has_its_type() -> None:
    """A page without a single value doesn't change what a file is made of."""
    table = Table(tuple(Column(kind.name, kind) for kind in Kind), (tuple(NULL for _ in Kind),))
    types = typed(table.csv_rows(), table.columns).schema.types
    assert types == [pa.string(), pa.decimal128(38, 18), pa.int64(), pa.bool_(), pa.timestamp("ms", tz="UTC")]


def test_a_part_of_a_block_is_typed_alone() -> None:
    """Blocks may be cut before they are typed."""
    block = pa.RecordBatch.from_pydict({"A": ["x", "", "y", "z"], "B": ["1", "2", "", "4"]})
    made = TypedColumns(
        [Column("A", Kind.TEXT), Column("B", Kind.INTEGER)],
        {"A": JSON_TYPES[Kind.TEXT], "B": JSON_TYPES[Kind.INTEGER]},
    )
    assert made.typed(block.slice(1, 2)).to_pylist() == [{"A": None, "B": 2}, {"A": "y", "B": None}]
