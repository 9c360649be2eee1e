"""What tests draw their examples from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timezone

import msgspec
from hypothesis import strategies as st

from tap_salesforce_ci.bookmarks import Bookmark, JobProgress, Reading
from tap_salesforce_ci.client.body import Body
from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.encode.json_records import PrintedRows, RecordParser
from tap_salesforce_ci.encode.pages import Rows
from tap_salesforce_ci.encode.result_pages import ResultPageParser

# -- pages of rows, as both APIs print them -------------------------------------------------------------


@dataclass(frozen=True)
class Printed:
    """One value: its JSON text in a REST answer, its CSV text in a Bulk result, its JSON text in a record."""

    rest: str
    bulk: str
    record: str


NULL = Printed("null", "", "null")


@dataclass(frozen=True)
class Table:
    """A page of an object's rows."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Printed, ...], ...]

    @property
    def names(self) -> list[str]:
        """The fields, in the order of the query."""
        return [column.name for column in self.columns]

    @property
    def truth(self) -> list[dict[str, str]]:
        """Each row's values as the JSON texts that a record has to hold."""
        return [dict(zip(self.names, (cell.record for cell in row), strict=True)) for row in self.rows]

    def csv(self, ending: str = "\n") -> bytes:
        """The page as Bulk 2.0 sends it: everything quoted, quotes doubled, a header line."""
        lines = [self.names, *([cell.bulk for cell in row] for row in self.rows)]
        quoted = [",".join('"' + text.replace('"', '""') + '"' for text in line) for line in lines]
        return "".join(line + ending for line in quoted).encode()

    def json(self) -> bytes:
        """The page's records as REST sends them."""
        attributes = '"attributes":{"type":"X","url":"/x"}'
        rows = [
            ",".join(
                [attributes, *(f"{json.dumps(name)}:{cell.rest}" for name, cell in zip(self.names, row, strict=True))]
            )
            for row in self.rows
        ]
        return f"[{','.join(f'{{{row}}}' for row in rows)}]".encode()

    def csv_rows(self) -> Rows:
        """The CSV page, read."""
        return parse_csv(self.csv(), self.names)

    def json_rows(self) -> Rows:
        """The JSON page, read."""
        return RecordParser(self.columns).rows(self.json())

    def json_page(self) -> PrintedRows:
        """The JSON page, as it is handed to whoever writes it."""
        return RecordParser(self.columns)(msgspec.json.decode(self.json(), type=list[msgspec.Raw]))


def parse_csv(body: bytes, names: Sequence[str]) -> Rows:
    """Read a result page that has come whole."""
    parser = ResultPageParser(names)
    parser.feed(body)
    rows = parser.rows(Body())
    assert isinstance(rows, Rows)
    return rows


def text(value: str) -> Printed:
    """A text; Salesforce stores no empty one."""
    token = json.dumps(value, ensure_ascii=False)
    return Printed(token, value, token if value else "null")


HARD_TEXTS = (
    "", " ", "null", "NULL", "N/A", "NaN", "#N/A", "true", "007", "1e5", "-", '"', '""', "'", "\\", '\\"', "\\n", "\n",
    "\r\n", "\r", "\t", "\x00", "\x01\x1f\x7f", "\u0085", "\u2028\u2029", "\ufeff", "\u00a0", "é e\u0301", "\U0001f600",
    ",", '","', '"\n"', "a,b\nc", "{}", "[]", "%s %d %%", "{0}", "00D\u0000", "a;b", "שלום", "=1+1", "\ufffe\uffff",
)  # fmt: skip

TEXTS = st.one_of(
    st.sampled_from(HARD_TEXTS),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.text(st.sampled_from('"\\,\n\r ;ab\u2028é😀\x00\x1b'), max_size=30),
)
ESCAPED = TEXTS.map(lambda value: Printed(json.dumps(value), value, json.dumps(value) if value else "null"))
SCALARS = st.sampled_from(["true", "false", "0", "-7", "12.5", "1E+3", "-0.0", "12345678901234567890.123"])
NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
    fullmatch=True,
    alphabet=st.characters(codec="ascii"),
)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
MOMENTS = st.builds(
    lambda moment, milliseconds: f"{moment.replace(microsecond=0).isoformat()}.{milliseconds:03d}",
    st.datetimes(),
    st.integers(0, 999),
)

CELLS: dict[Kind, st.SearchStrategy[Printed]] = {
    Kind.TEXT: st.one_of(
        TEXTS.map(text),
        ESCAPED,
        SCALARS.map(lambda token: Printed(token, token, f'"{token}"')),
        st.dates().map(lambda day: text(day.isoformat())),
        st.times().map(lambda time: text(f"{time.replace(microsecond=0).isoformat()}.000Z")),
    ),
    Kind.NUMBER: NUMBERS.map(lambda digits: Printed(digits, digits, digits)),
    Kind.INTEGER: st.one_of(
        INTEGERS.map(lambda value: Printed(str(value), str(value), str(value))),
        INTEGERS.map(lambda value: Printed(f"{value}.0", f"{value}", f"{value}")),
    ),
    Kind.BOOLEAN: st.sampled_from(["true", "false"]).map(lambda truth: Printed(truth, truth, truth)),
    Kind.DATETIME: MOMENTS.map(lambda moment: Printed(f'"{moment}+0000"', f"{moment}Z", f'"{moment}Z"')),
}

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,11}", fullmatch=True, alphabet=st.characters(codec="ascii"))


def columns(most: int = 6) -> st.SearchStrategy[tuple[Column, ...]]:
    """Columns of all kinds; API names know no case."""
    names = st.lists(NAMES, min_size=1, max_size=most, unique_by=str.casefold)
    return names.flatmap(
        lambda found: st.tuples(*(st.builds(Column, st.just(name), st.sampled_from(Kind)) for name in found))
    )


def tables(most_rows: int = 8) -> st.SearchStrategy[Table]:
    """Pages of rows of all kinds, nulls among them."""

    def filled(found: Sequence[Column]) -> st.SearchStrategy[Table]:
        row = st.tuples(*(st.one_of(CELLS[column.kind], st.just(NULL)) for column in found))
        return st.builds(Table, st.just(tuple(found)), st.lists(row, max_size=most_rows).map(tuple))

    return columns().flatmap(filled)


# -- states and reads --------------------------------------------------------------------------------------

INSTANTS = st.datetimes(timezones=st.just(timezone.utc)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
"""Moments as precise as Salesforce's: to the millisecond."""

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)

JOBS = st.builds(
    JobProgress,
    id=st.text("0123456789ABCDEFabcdef", min_size=15, max_size=18),
    api_version=st.sampled_from(["58.0", "66.0"]),
    locator=st.one_of(st.none(), st.text(min_size=1, max_size=12)),
    rows=st.integers(0, 10**9),
)
READINGS = st.builds(
    Reading,
    since=st.one_of(st.none(), INSTANTS),
    until=INSTANTS,
    query=st.text("0123456789abcdef", min_size=32, max_size=32),
    job=st.one_of(st.none(), JOBS),
    reached=st.one_of(st.none(), INSTANTS),
)
VERSIONS = st.one_of(st.none(), st.integers(1, 2**53))
BOOKMARKS = st.one_of(
    st.builds(
        Bookmark,
        key=st.sampled_from(["SystemModstamp", "LoginTime"]),
        value=st.one_of(st.none(), INSTANTS),
        reading=st.one_of(st.none(), READINGS),
        version=VERSIONS,
    ),
    st.builds(Bookmark, key=st.none(), value=st.none(), reading=st.one_of(st.none(), READINGS), version=VERSIONS),
)


# -- SOQL -----------------------------------------------------------------------------------------------

RESERVED = frozenset(
    "ALL AND ASC AVG COUNT COUNT_DISTINCT DESC EXCLUDES FIELDS FOR FROM GROUP HAVING IN INCLUDES LIKE LIMIT MAX MIN "
    "NOT NULLS OFFSET OR ORDER SELECT SUM TYPEOF USING WHERE WITH".split()
)


def api_names() -> st.SearchStrategy[str]:
    """API names of objects and fields; none is a word of SOQL's own."""
    return st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,20}(__c)?", fullmatch=True).filter(
        lambda name: name.upper() not in RESERVED
    )


def pieces_of_conditions() -> st.SearchStrategy[str]:
    """Texts in which conditions, halves of conditions and attempts to end one stand in any order."""
    whole = ["Name = 'x'", "Id != null", "Name = 'O\\'Brien'", "Name = 'a\\\\'", "NOT IsDeleted = true"]
    torn = ["'", "\\'", "\\", "\\\\", "(", ")", '"', "Name", "=", "!=", "null", ",", "--", "/*", "\n", "\u2028", "''"]
    clauses = [" AND ", " OR ", " NOT ", " LIMIT 1", " ORDER BY Id", " GROUP BY Id", " OFFSET 5", " FROM Contact "]
    return st.lists(st.sampled_from(whole + torn + clauses), max_size=9).map("".join)
