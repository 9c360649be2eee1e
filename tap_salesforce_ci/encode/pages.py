"""What Salesforce sent, as columns of text: the form that the pages of both APIs are brought to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

ROWS_PER_BLOCK = 4_000
LARGEST_BLOCK = 8 << 20
"""
How much is written at once: some thousand rows, so that the calls that each column takes weigh little, but no more
bytes than processors keep at hand, and what was parsed at once in any case.
"""


class Printed(Protocol):
    """Some records of a page, as a JSON array that Salesforce printed; `read` may raise ValueError."""

    @property
    def array(self) -> bytes:
        """The array."""
        ...

    def read(self) -> Rows:
        """Return them as columns of text."""
        ...


class PageRows(Protocol):
    """The rows of a page, as whoever fetched it hands them to whoever writes them."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        ...

    @property
    def size(self) -> int:
        """Bytes held in memory."""
        ...

    @property
    def printed(self) -> Sequence[Printed]:
        """The rows as they were printed, in parts; none where they are read already."""
        ...

    @property
    def table(self) -> pa.Table:
        """The rows as columns of text, as `Rows` has them; raises ValueError for what is none."""
        ...

    def blocks(self) -> Iterator[pa.RecordBatch]:
        """Yield the same in blocks of some thousand rows or some megabytes."""
        ...


@dataclass(frozen=True, slots=True)
class Rows:
    """
    The rows of a page: for each field a column of what Salesforce printed, as text.

    A text has no quotes or escapes of CSV or JSON around it; it is empty where Salesforce has no value (it stores no
    empty text).
    """

    table: pa.Table

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return int(self.table.num_rows)

    @property
    def size(self) -> int:
        """Bytes held in memory."""
        return int(self.table.nbytes)

    @property
    def printed(self) -> Sequence[Printed]:
        """None: the rows are read already."""
        return ()

    def blocks(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in blocks of some thousand rows or some megabytes."""
        together: list[pa.RecordBatch] = []
        rows = size = 0
        for batch in self.table.to_batches():
            if together and (rows >= ROWS_PER_BLOCK or size + batch.nbytes > LARGEST_BLOCK):
                yield _joined(together)
                together, rows, size = [], 0, 0
            together.append(batch)
            rows += batch.num_rows
            size += batch.nbytes
        if together:
            yield _joined(together)


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    (joined,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return joined


def no_rows(names: Sequence[str]) -> Rows:
    """Return a page of these fields that holds nothing."""
    return Rows(pa.table({name: pa.array([], pa.string()) for name in names}))
