"""Columns of text to rows of text: what stands in a row one behind the other, copied once, to where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

INDEX = pa.int32()
ONE = pa.scalar(1, INDEX)
WAYS = 4
"""A text between two values reads one way for each case of which of them are there."""


def interleaved(
    columns: Sequence[pa.Array], between: Sequence[Sequence[str]], num_rows: int, size: int
) -> Iterator[memoryview]:
    """
    Yield rows in pieces of about `size` bytes: before, between and behind the values of the columns, a text.

    So there is one of `between` more than there are columns. Each is told for the case that neither of its neighbours
    has a value (is not empty), that the left one has, the right one, both; at the ends of a row, the neighbour that is
    not there counts as one that has.

    All texts lie in one array; a row is told by where in it its parts are, so that what is the same in every row need
    not be copied to be joined.
    """
    if not num_rows:
        return
    few = pa.array([text for ways in between for text in ways], pa.string())
    everything = pa.concat_arrays([*columns, few])
    cells = len(columns) * num_rows
    places = _by_row(_places(cells), _places_between(everything.slice(0, cells), len(between), num_rows), num_rows)
    texts = pc.take(everything, places, boundscheck=False)
    parts = len(places) // num_rows
    rows = max(1, num_rows * size // max(1, len(data_of(texts))))
    for start in range(0, len(texts), rows * parts):
        yield data_of(texts.slice(start, rows * parts))


def _places(cells: int) -> pa.Array:
    """Return where the values are: at the beginning."""
    return pc.cumulative_sum(pa.repeat(ONE, cells), start=pa.scalar(-1, INDEX))


def _places_between(values: pa.Array, count: int, num_rows: int) -> pa.Array:
    """Return where what stands between the values is, for all columns at once: behind the values."""
    ends = pa.repeat(ONE, num_rows)
    is_there = pa.concat_arrays([ends, pc.min_element_wise(pc.binary_length(values), ONE), ends])
    left, right = is_there.slice(0, count * num_rows), is_there.slice(num_rows)
    first = pa.RunEndEncodedArray.from_arrays(
        pa.array(range(num_rows, (count + 1) * num_rows, num_rows), INDEX),
        pa.array(range(len(values), len(values) + count * WAYS, WAYS), INDEX),
    )
    return pc.add(pc.run_end_decode(first), pc.add(left, pc.shift_left(right, ONE)))


def _by_row(values: pa.Array, between: pa.Array, num_rows: int) -> pa.Array:
    """Return the places row by row."""
    columns = []
    for start in range(0, len(values), num_rows):
        columns += [between.slice(start, num_rows), values.slice(start, num_rows)]
    columns.append(between.slice(len(values), num_rows))
    by_row = pa.RecordBatch.from_arrays(columns, names=[""] * len(columns)).to_tensor(row_major=True)
    return pa.Array.from_buffers(INDEX, len(columns) * num_rows, [None, pa.py_buffer(by_row)])


def data_of(texts: pa.Array) -> memoryview:
    """Return the texts one behind the other: that is how Arrow holds them already, so nothing is copied."""
    offsets = memoryview(texts.buffers()[1]).cast("i")
    start, end = offsets[texts.offset], offsets[texts.offset + len(texts)]
    data = texts.buffers()[2]
    return memoryview(b"") if data is None else memoryview(data)[start:end]
