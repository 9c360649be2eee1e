"""
What could unpack a result page, and what could make RECORD lines of it: `python -m bench.engines NAME FOLDER TIMES`.

The folder holds what `python -m bench.engines write FOLDER` puts there: a result page, gzipped and plain. Lines go to
stdout. Each contender is imported where it is used, so that none pays for another.
"""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.pages import MOST_ROWS_PER_RESULT_PAGE, Table
from bench.shapes import TYPICAL

PACKED, PLAIN = "page.csv.gz", "page.csv"

GZIP = 31
"""The `wbits` of a gzip member."""

PART = 256 * 1024
"""Bytes handed to an unpacker, or to a parser, at once: about what the tap reads from a socket."""

FieldTypes = Sequence[tuple[str, str]]


def with_zlib(packed: bytes) -> int:
    """Unpack with Python's own."""
    import zlib  # noqa: PLC0415 - each contender pays for itself alone

    return _unpacked(zlib.decompressobj(GZIP), packed)


def with_zlib_ng(packed: bytes) -> int:
    """Unpack with zlib-ng."""
    from zlib_ng import zlib_ng  # noqa: PLC0415

    return _unpacked(zlib_ng.decompressobj(GZIP), packed)


def with_isal(packed: bytes) -> int:
    """Unpack with Intel's library."""
    from isal import isal_zlib  # noqa: PLC0415

    return _unpacked(isal_zlib.decompressobj(GZIP), packed)


def _unpacked(unpacker: Any, packed: bytes) -> int:
    return sum(len(unpacker.decompress(packed[start : start + PART])) for start in range(0, len(packed), PART))


def with_tap(page: Path, fields: FieldTypes) -> Iterator[memoryview]:
    """Make lines as the tap does, with Arrow."""
    from tap_salesforce_ci.encode.columns import Column, Kind  # noqa: PLC0415
    from tap_salesforce_ci.encode.lines import RecordLines  # noqa: PLC0415
    from tap_salesforce_ci.encode.result_pages import ResultPageParser  # noqa: PLC0415

    kinds = {"boolean": Kind.BOOLEAN, "int": Kind.INTEGER, "datetime": Kind.DATETIME}
    kinds |= dict.fromkeys(NUMBERS, Kind.NUMBER)
    columns = [Column(name, kinds.get(type_, Kind.TEXT)) for name, type_ in fields]
    parser = ResultPageParser([name for name, _ in fields])
    with page.open("rb") as file:
        while part := file.read(PART):
            parser.feed(part)
    yield from RecordLines(STREAM, columns).encode(parser.rows(_Nothing()), MOMENT)


class _Nothing:
    """The body of a page whose rows all lie in memory."""

    packed_in_memory = 0

    def parts(self) -> Iterator[bytes]:
        raise NotImplementedError

    def close(self) -> None: ...


def with_polars(page: Path, fields: FieldTypes) -> Iterator[memoryview]:
    """
    Make lines with polars' expressions.

    It escapes texts only as part of a struct, so all texts are one; numbers and booleans are put behind them.
    """
    import polars as pl  # noqa: PLC0415

    table = pl.read_csv(page, infer_schema=False, null_values=[""])
    texts = [name for name, type_ in fields if type_ not in BARE]
    parts = [pl.lit(HEAD), pl.struct(texts).struct.json_encode().str.head(-1)]
    for name, type_ in fields:
        if type_ in BARE:
            parts += [pl.lit(f',"{name}":'), pl.col(name).fill_null("null")]
    lines = table.select(pl.concat_str([*parts, pl.lit(TAIL)]))
    yield from _data_of(lines.to_arrow())


def with_duckdb(page: Path, fields: FieldTypes) -> Iterator[memoryview]:
    """Make lines with DuckDB's SQL, the texts as a struct's JSON here, too."""
    import duckdb  # noqa: PLC0415

    texts = ", ".join(f'"{name}" := "{name}"' for name, type_ in fields if type_ not in BARE)
    bare = ", ".join(f"""',"{name}":', coalesce("{name}", 'null')""" for name, type_ in fields if type_ in BARE)
    line = f"concat('{HEAD}', rtrim(to_json(struct_pack({texts}))::VARCHAR, '}}'), {bare}, '{TAIL}')"
    source = f"read_csv('{page}', header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"')"
    connection = duckdb.connect(config={"threads": 1})
    yield from _data_of(connection.sql(f"SELECT {line} FROM {source}").to_arrow_table())  # noqa: S608 - our own words


def _data_of(lines: Any) -> Iterator[memoryview]:
    """Yield the one column of an Arrow table, which is text, as the bytes in which it lies."""
    for chunk in lines.column(0).chunks:
        _, offsets, data = chunk.buffers()
        ends = memoryview(offsets).cast("q" if str(chunk.type).startswith("large") else "i")
        yield memoryview(data)[ends[chunk.offset] : ends[chunk.offset + len(chunk)]]


NUMBERS = ("double", "currency", "percent")
BARE = {*NUMBERS, "int", "boolean"}
"""Types of fields whose values stand in JSON without quotes."""

STREAM, MOMENT = "sf_Typical__c", "2026-01-01T00:00:00.000Z"
HEAD = f'{{"type":"RECORD","stream":"{STREAM}","record":'
TAIL = f'}},"time_extracted":"{MOMENT}"}}\n'

UNPACKERS: Mapping[str, Callable[[bytes], int]] = {"zlib": with_zlib, "zlib-ng": with_zlib_ng, "isal": with_isal}
ENCODERS: Mapping[str, Callable[[Path, FieldTypes], Iterator[memoryview]]] = {
    "pyarrow": with_tap,
    "polars": with_polars,
    "duckdb": with_duckdb,
}


def write(folder: Path) -> int:
    """Write a result page to the folder, and return how many rows it has."""
    page, rows = Table("Typical__c", TYPICAL, MOST_ROWS_PER_RESULT_PAGE).result_page(0, None)
    (folder / PACKED).write_bytes(page)
    (folder / PLAIN).write_bytes(gzip.decompress(page))
    return rows


def run(name: str, folder: Path, times: int) -> None:
    """Have a contender do its work so many times."""
    for _ in range(times):
        if name in UNPACKERS:
            UNPACKERS[name]((folder / PACKED).read_bytes())
            continue
        for lines in ENCODERS[name](folder / PLAIN, [(field.name, field.type) for field in TYPICAL]):
            rest = lines
            while rest:
                rest = rest[os.write(sys.stdout.fileno(), rest) :]


def main(name: str, folder: str, times: str = "1") -> None:
    """Write the page, or do something with it."""
    if name == "write":
        sys.stdout.write(f"{write(Path(folder))}\n")
    else:
        run(name, Path(folder), int(times))


if __name__ == "__main__":
    main(*sys.argv[1:])
