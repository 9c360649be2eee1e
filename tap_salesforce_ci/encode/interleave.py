"""Columns of text to rows of text: what stands in a row one behind the other, copied once, to where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

INDEX = pa.int32()
ONE = pa.scalar(1, INDEX)


class Interleaved:
    """
    Rows that are put together from the left to the right.

    Each part of a row is a column's text, or one of a few texts. All of these lie in one array; a row is told by where
    in it its parts are, so that what is the same in every row need not be copied to be joined.
    """

    def __init__(self, num_rows: int) -> None:
        self._num_rows = num_rows
        self._few: list[str] = []
        self._columns: list[pa.Array] = []
        self._parts: list[pa.Array | None] = []
        """For each part, where its texts are among the few; None for the next column."""

    def add(self, column: pa.Array) -> None:
        """Add the texts of a column, one for each row."""
        self._parts.append(None)
        self._columns.append(column)

    def add_one_of(self, texts: Sequence[str], which: pa.Array | None = None) -> None:
        """Add one of some texts, `which` (int32, from 0 on) being told for each row; without it, the first in all."""
        first = pa.scalar(len(self._few), INDEX)
        self._parts.append(pa.repeat(first, self._num_rows) if which is None else pc.add(which, first))
        self._few += texts

    def pieces(self, size: int) -> Iterator[memoryview]:
        """Yield the rows in pieces of about `size` bytes."""
        if not self._num_rows:
            return
        texts = pc.take(
            pa.concat_arrays([pa.array(self._few, pa.string()), *self._columns]), self._places(), boundscheck=False
        )
        parts = len(self._parts)
        rows = max(1, self._num_rows * size // max(1, len(data_of(texts))))
        for start in range(0, len(texts), rows * parts):
            yield data_of(texts.slice(start, rows * parts))

    def _places(self) -> pa.Array:
        """Return where the parts are, row by row."""
        places, number = [], 0
        # From 1 on.
        counted = pc.cumulative_sum(pa.repeat(ONE, self._num_rows))
        for part in self._parts:
            if part is None:
                before = len(self._few) + number * self._num_rows - 1
                places.append(pc.add(counted, pa.scalar(before, INDEX)))
                number += 1
            else:
                places.append(part)
        by_row = pa.RecordBatch.from_arrays(places, names=[""] * len(places)).to_tensor(row_major=True)
        return pa.Array.from_buffers(INDEX, len(places) * self._num_rows, [None, pa.py_buffer(by_row)])


def data_of(texts: pa.Array) -> memoryview:
    """Return the texts one behind the other: that is how Arrow holds them already, so nothing is copied."""
    offsets = memoryview(texts.buffers()[1]).cast("i")
    start, end = offsets[texts.offset], offsets[texts.offset + len(texts)]
    data = texts.buffers()[2]
    return memoryview(b"") if data is None else memoryview(data)[start:end]
