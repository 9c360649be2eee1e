"""Promises of reading a page: whole rows of the columns that were asked for, or an error that tells no secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.encode.json_records import PrintedRows, RecordParser
from tap_salesforce_ci.encode.lines import RecordLines
from tap_salesforce_ci.encode.pages import PageRows
from tap_salesforce_ci.encode.plain import records
from tests.strategies import Table, parse_csv, tables

Path = Callable[[PageRows, list[Column]], Iterator[Any]]


def lines(rows: PageRows, columns: list[Column]) -> Iterator[Any]:
    """Write a page the fast way."""
    return RecordLines("sf_X", columns).encode(rows, "now")


PATHS = pytest.mark.parametrize("path", [lines, records])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b'"Id","Name"\n',
        b'"Id","Name"\r\n',
        b'"Id","Name"',
        b"Records not found for this query\n",
    ],
)
def test_a_page_may_have_no_rows(body: bytes) -> None:
    """However Salesforce says that nothing matched, there are no rows and no lines."""
    rows = parse_csv(body, ["Id", "Name"])

    assert rows.num_rows == 0
    assert b"".join(lines(rows, [Column("Id", Kind.TEXT), Column("Name", Kind.NUMBER)])) == b""
    assert list(records(rows, [Column("Id", Kind.TEXT)])) == []


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("fields", [1, 2])
def test_a_page_of_nothing_but_nulls_has_its_rows(fields: int, ending: str) -> None:
    """Rows without any value count, be it one column."""
    names = ["A", "B"][:fields]
    line = ",".join(['""'] * fields) + ending

    rows = parse_csv((",".join(names) + ending + line * 3).encode(), names)

    assert [dict.fromkeys(names)] * 3 == list(records(rows, [Column(name, Kind.TEXT) for name in names]))


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    """A page that begins with a mark is read like any other."""
    rows = parse_csv(b'\xef\xbb\xbf"Id"\n"1"\n', ["Id"])

    assert list(records(rows, [Column("Id", Kind.TEXT)])) == [{"Id": "1"}]


@settings(max_examples=100, deadline=None)
@given(tables(), st.booleans())
def test_the_last_line_may_lack_its_end(table: Table, crlf: bool) -> None:  # noqa: FBT001
    """A server that ends lines otherwise, or the last one not at all, sends the same rows."""
    ending = "\r\n" if crlf else "\n"
    unended = table.csv(ending).removesuffix(ending.encode())

    assert table.csv_rows().table.equals(parse_csv(table.csv(ending), table.names).table)
    assert table.csv_rows().table.equals(parse_csv(unended, table.names).table)


@settings(max_examples=150, deadline=None)
@given(tables(), st.data())
def test_a_page_cut_within_a_value_or_between_two_is_refused(table: Table, data: st.DataObject) -> None:
    """Wherever a page is cut within its last row, only what ends right behind a quote can pass for whole."""
    assume(table.rows)
    body = table.csv()
    last_row = len(replace(table, rows=table.rows[:-1]).csv())
    place = data.draw(st.integers(last_row + 1, len(body) - 2))
    try:
        found = parse_csv(body[:place], table.names)
    except ValueError:
        return

    # What is left may look whole only where the cut is right behind a quote.
    assert body[:place].endswith((b'"', b"\n"))
    assert found.num_rows <= len(table.rows)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'"Id","Name"\n"SECRET","SECRET\n', "cut"),
        (b'"Id","Name"\n"SECRET",', "cut"),
        (b'"Id","Name"\n"SECRET","a"\n"SECRE', "cut"),
        (b'"Id","Name"\n"SECRET"\n', "1 columns, not 2"),
        (b'"Id","Name"\n"SECRET","a","b"\n', "3 columns, not 2"),
        (b'"Id","Other"\n"SECRET","a"\n', "the columns Name are missing"),
        (b"<html>\nSECRET</html>\n", "the columns Id, Name are missing"),
        (b'"Id","Name"\n"SECRET","\xff\xfe"\n', "field Name: its text is not UTF-8"),
        (b'"Name","Id"\n"\xc3","SECRET"\n', "field Name: its text is not UTF-8"),
    ],
)
def test_a_page_that_is_not_whole_rows_is_refused(body: bytes, problem: str) -> None:
    """The refusal says what is wrong, and shows nothing of the rows."""
    with pytest.raises(ValueError, match=problem) as refused:
        parse_csv(body, ["Id", "Name"])

    assert "SECRE" not in str(refused.value)


WRONG = [
    (Kind.NUMBER, "twelve"),
    (Kind.NUMBER, "1,234.5"),
    (Kind.NUMBER, "NaN"),
    (Kind.NUMBER, "Infinity"),
    (Kind.NUMBER, "12\n"),
    (Kind.NUMBER, " 12"),
    (Kind.NUMBER, "1_000"),
    (Kind.NUMBER, "0x1F"),
    (Kind.NUMBER, "\u0661"),
    (Kind.NUMBER, "1e99999999999999999999"),
    (Kind.INTEGER, "1.5"),
    (Kind.INTEGER, "twelve"),
    (Kind.INTEGER, "7\n"),
    (Kind.INTEGER, "1e99999999999999999999"),
    (Kind.BOOLEAN, "yes"),
    (Kind.BOOLEAN, "1"),
    (Kind.DATETIME, "2024-01-01"),
    (Kind.DATETIME, "yesterday"),
    (Kind.DATETIME, "2024-01-01T00:00:00.000Z\n"),
    (Kind.DATETIME, "2024-13-01T00:00:00.000+0100"),
    (Kind.DATETIME, "0001-01-01T00:00:00.000+1400"),
]


@PATHS
@pytest.mark.parametrize(("kind", "text"), WRONG)
def test_a_value_that_is_not_of_its_kind_names_its_field(path: Path, kind: Kind, text: str) -> None:
    """Nothing is guessed over either API: the error names the field and shows no other value of the row."""
    columns = [Column("Owner", Kind.TEXT), Column("Amount", kind)]
    names = [column.name for column in columns]
    token = '"' + text.replace("\n", "\\n") + '"'
    pages: list[PageRows] = [
        parse_csv(f'"Owner","Amount"\n"SECRET",""\n"SECRET","{text}"\n'.encode(), names),
        RecordParser(columns).rows(
            f'[{{"Owner":"SECRET","Amount":null}},{{"Owner":"SECRET","Amount":{token}}}]'.encode()
        ),
    ]

    for page in pages:
        with pytest.raises(ValueError, match=r"^field Amount: ") as refused:
            list(path(page, columns))
        assert "SECRET" not in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_row_without_a_field_names_it() -> None:
    """A REST row that lacks what was asked for is an error, not a null."""
    parse = RecordParser([Column("Id", Kind.TEXT), Column("Name", Kind.TEXT)])

    with pytest.raises(ValueError, match=r"^field Name: a row lacks") as refused:
        parse.rows(b'[{"Id":"1","Name":"n"},{"Id":"SECRET"}]')

    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b'"\xff"', "^field Name: its text is not UTF-8"),
        (b'"\\ud800"', "can't be read as JSON"),
        (b'"\\udc00x"', "can't be read as JSON"),
    ],
)
def test_what_is_no_text_is_refused(value: bytes, told: str, kind: Kind) -> None:
    """A REST value that is not UTF-8, or half a surrogate pair, is refused, whatever the field should hold."""
    with pytest.raises(ValueError, match=told) as refused:
        RecordParser([Column("Id", Kind.TEXT), Column("Name", kind)]).rows(b'[{"Id":"SECRET","Name":' + value + b"}]")

    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("records", [b"null", b"{}", b"[null]", b'["Id"]', b'[{"Id":"1"}', b"[{'Id':1}]", b""])
def test_records_that_are_no_rows_are_refused(records: bytes) -> None:
    """Nothing but an array of objects is a page's records."""
    with pytest.raises(ValueError, match="can't be read as JSON"):
        RecordParser([Column("Id", Kind.TEXT)]).rows(records)


@pytest.mark.parametrize("records", [b"[]", b" [ ] "])
def test_a_query_page_may_have_no_rows(records: bytes) -> None:
    """No records are no rows and no lines."""
    columns = [Column("Id", Kind.TEXT), Column("N", Kind.NUMBER)]
    rows = RecordParser(columns).rows(records)

    assert rows.num_rows == 0
    assert list(lines(rows, columns)) == []


def printed(body: bytes, columns: list[Column]) -> PrintedRows:
    """Take the records of an answer as they are printed."""
    return RecordParser(columns)(msgspec.json.decode(body, type=list[msgspec.Raw]))


def test_the_first_and_the_last_row_tell_their_texts_before_a_page_is_read() -> None:
    """Where a page begins and ends is known to whoever fetches it, whatever case the names are in."""
    columns = [Column("Id", Kind.TEXT), Column("At", Kind.DATETIME)]
    body = b'[{"Id":"1","at":"2024-01-01T00:00:00.000+0000"},{"Id":"x"},{"Id":"2","At":null}]'
    rows = printed(body, columns)

    assert (rows.text(0, "Id"), rows.text(-1, "Id")) == ("1", "2")
    assert (rows.text(0, "At"), rows.text(-1, "At")) == ("2024-01-01T00:00:00.000+0000", None)
    assert rows.text(0, "Name") is None
    assert printed(b"[]", columns).text(0, "Id") is None
    assert printed(b"[null]", columns).text(0, "Id") is None


@settings(max_examples=50, deadline=None)
@given(tables())
def test_records_become_the_same_columns_later(table: Table) -> None:
    """A page is counted and weighed when it comes, and read when it is written."""
    rows = printed(table.json(), list(table.columns))

    assert rows.num_rows == len(table.rows)
    assert rows.size == len(table.json() if table.rows else b"")
    assert rows.table.equals(table.json_rows().table)
    assert b"".join(lines(rows, list(table.columns))) == b"".join(lines(table.csv_rows(), list(table.columns)))


def test_records_that_can_t_be_read_are_refused_when_they_are_written() -> None:
    """A row that lacks a field is an error of its stream."""
    columns = [Column("Id", Kind.TEXT), Column("Name", Kind.TEXT)]

    with pytest.raises(ValueError, match="field Name: a row lacks"):
        list(lines(printed(b'[{"Id":"1"}]', columns), columns))


def test_rows_know_their_size() -> None:
    """A page says how many bytes it holds, so that pages in flight can be bounded."""
    rows = parse_csv(b'"Id"\n' + b'"' + b"x" * 10_000 + b'"\n', ["Id"])

    assert 10_000 <= rows.size <= 20_000
