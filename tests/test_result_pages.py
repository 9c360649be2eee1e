"""Promises of result pages as they come: the same rows however they are cut, whether there is room for them or not."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_salesforce_ci.encode import result_pages
from tap_salesforce_ci.encode.result_pages import PackedRows, ResultPageParser
from tests.strategies import Table, tables

NAMES = ["Id", "Text"]
TEXTS = st.text(st.sampled_from('"\n\r,aé\u2028'), max_size=6)
ROWS = st.lists(st.tuples(TEXTS, TEXTS), max_size=12)


@dataclass
class Parts:
    """A body that is read once more."""

    content: Sequence[bytes]
    packed_in_memory: int = 0
    closed: list[bool] = field(default_factory=list)

    def parts(self) -> Iterator[bytes]:
        return iter(self.content)

    def close(self) -> None:
        self.closed.append(True)


def cut(body: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut a body at some places."""
    ends = sorted({place % (len(body) + 1) for place in places} | {len(body)})
    return [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def read(parts: Sequence[bytes], names: Sequence[str], drop_at: int | None = None) -> pa.Table:
    """Read a page of these parts; at one of them there may be no room left."""
    parser = ResultPageParser(names)
    for number, part in enumerate(parts):
        if number == drop_at:
            parser.drop()
        parser.feed(part)
    rows = parser.rows(Parts(parts))
    if not isinstance(rows, PackedRows):
        return rows.table
    found = [part.table for part in rows.parts()]
    assert sum(table.num_rows for table in found) == rows.num_rows
    return pa.concat_tables(found) if found else pa.table({name: pa.array([], pa.string()) for name in names})


def page(rows: Sequence[Sequence[str]], quoting: Literal[0, 1], ending: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, lineterminator=ending).writerows([NAMES, *rows])
    return text.getvalue().encode()


@pytest.fixture(autouse=True, params=[1, 7, 64, result_pages.BLOCK])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks from a byte on: each is as long as the rows in it need."""
    monkeypatch.setattr(result_pages, "BLOCK", request.param)
    size: int = request.param
    return size


@settings(max_examples=150, deadline=None)
@given(
    rows=ROWS,
    ending=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    places=st.lists(st.integers(0, 500), max_size=6),
    drop_at=st.none() | st.integers(0, 6),
)
def test_rows_are_the_same_however_the_page_comes(
    rows: list[tuple[str, str]], ending: str, quoting: Literal[0, 1], places: list[int], drop_at: int | None
) -> None:
    """Line breaks, quotes and commas within values, cut anywhere, counted first or read at once: always these rows."""
    if quoting == csv.QUOTE_MINIMAL:
        # Python's writer leaves a lone carriage return bare, which ends a line for every reader.
        rows = [(one.replace("\r", ""), other.replace("\r", "")) for one, other in rows]
    table = read(cut(page(rows, quoting, ending), places), NAMES, drop_at)

    assert table.to_pylist() == [{"Id": one, "Text": other} for one, other in rows]


@settings(max_examples=100, deadline=None)
@given(tables(), st.lists(st.integers(0, 2000), max_size=5), st.none() | st.integers(0, 3))
def test_tables_of_every_kind_are_read_whole(table: Table, places: list[int], drop_at: int | None) -> None:
    """Whatever an object's rows hold, they come out as they came."""
    found = read(cut(table.csv(), places), table.names, drop_at)

    truth = [[cell.bulk for cell in row] for row in table.rows]
    assert [list(row.values()) for row in found.to_pylist()] == truth


@settings(max_examples=150, deadline=None)
@given(ROWS.filter(bool), st.data())
def test_a_page_that_is_cut_within_a_row_is_never_taken_for_whole(
    rows: list[tuple[str, str]], data: st.DataObject
) -> None:
    """Cut anywhere, the page is refused, or has only whole rows, fewer than there were, which the count tells."""
    body = page(rows, csv.QUOTE_ALL, "\n")
    end = data.draw(st.integers(1, len(body) - 2))
    try:
        found = read([body[:end]], NAMES).to_pylist()
    except ValueError:
        return
    truth = [{"Id": one, "Text": other} for one, other in rows]
    # Cut within the doubled quote of a last value, a row looks whole; its line lacks its end, which is told apart.
    assert found == truth[: len(found)] or not body[:end].endswith(b"\n")
    assert len(found) <= len(truth)


@pytest.mark.parametrize("drop_at", [None, 0])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'"Id","Text"\n"1","\xff"\n', "UTF-8"),
        (b'"Id","Text"\n"1"\n', "has 1 columns, not 2"),
        (b'"Id"\n"1"\n', "columns Text are missing"),
        (b'"Id","Text"\n"1","cut', "last row is cut"),
        (b'"Id","Text"\n"1",', "last row is cut"),
        (b"<html>down</html>", "last row is cut"),
        (b"x" * (2 << 20), "no header line"),
    ],
)
def test_what_is_no_page_is_refused_while_it_comes(body: bytes, reason: str, drop_at: int | None) -> None:
    """Counting alone finds all that reading finds, so that no row of such a page is ever handed on."""
    with pytest.raises(ValueError, match=reason):
        read([body], NAMES, drop_at)


@pytest.mark.parametrize("drop_at", [None, 0])
@pytest.mark.parametrize("body", [b"", b"\n", b'"Id","Text"\n', b'"Id","Text"', b"Records not found for this query\n"])
def test_a_page_may_have_no_rows(body: bytes, drop_at: int | None) -> None:
    """However Salesforce says that nothing matched, there are no rows."""
    assert read([body], NAMES, drop_at).num_rows == 0


def test_a_row_longer_than_a_block_makes_its_block_longer() -> None:
    """A value may be larger than what is parsed at once."""
    text = "x" * (3 * result_pages.BLOCK)
    body = page([("1", text), ("2", "y")], csv.QUOTE_ALL, "\n")

    assert read(cut(body, range(0, len(body), 1 << 20)), NAMES).to_pylist() == [
        {"Id": "1", "Text": text},
        {"Id": "2", "Text": "y"},
    ]
