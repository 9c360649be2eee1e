"""Pages of either API as blocks of text columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pyarrow as pa

from tap_salesforce_ci.encode.columns import Column
from tap_salesforce_ci.encode.pages import CsvRows, JsonRows


def text_blocks(rows: CsvRows | JsonRows, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    """
    Yield a page's rows in blocks: a column of text for each field that has not vanished, null for no value.

    Raises ValueError, naming the field, where a row lacks one that was asked for.
    """
    if isinstance(rows, CsvRows):
        yield from rows.blocks()
        return
    names = [column.name for column in columns if not column.vanished]
    yield pa.RecordBatch.from_arrays([_texts(rows, name) for name in names], names=names)


def _texts(rows: JsonRows, name: str) -> pa.Array:
    try:
        return pa.array([_text(token) for token in rows.tokens(name).to_pylist()], pa.string())
    except ValueError as error:
        raise ValueError(f"field {name}: {error}") from None


def _text(printed: str) -> str | None:
    if printed == "null":
        return None
    return (json.loads(printed) or None) if printed.startswith('"') else printed
