"""
Answers packed once: gzip bodies put together from pieces that were compressed beforehand.

A page of 50,000 rows costs the org's process next to nothing this way, so that what is measured is the reader.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from bench.shapes import Field, Row, csv_line, json_bytes, json_record, record_id, rows

BLOCK_CELLS = 80_000
"""Cells of the rows that differ; a longer page repeats them, far beyond the 32 kB in which gzip looks back."""

REST_PAGE_ROWS = 2_000
CELLS_PER_RESULT_PAGE = 2_000_000
MOST_ROWS_PER_RESULT_PAGE = 50_000

PAGES_KEPT = 16

GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
LAST_BLOCK = b"\x03\x00"
"""An empty deflate block that ends the stream (RFC 1951)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes, and the same compressed so that other pieces may stand before and behind."""

    plain: bytes
    packed: bytes


def piece(plain: bytes) -> Piece:
    """Compress some bytes on their own."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return Piece(plain, packer.compress(plain) + packer.flush(zlib.Z_FULL_FLUSH))


def gzipped(pieces: Sequence[Piece]) -> bytes:
    """Return one gzip member that holds the pieces one behind the other (RFC 1952)."""
    checksum = size = 0
    for each in pieces:
        checksum = zlib.crc32(each.plain, checksum)
        size += len(each.plain)
    tail = struct.pack("<II", checksum, size & 0xFFFFFFFF)
    return b"".join([GZIP_HEAD, *(each.packed for each in pieces), LAST_BLOCK, tail])


class Table:
    """
    The rows of an object, as result pages and as query pages.

    Every page begins with a row whose Id is its own; the rows behind it are the same on every page.
    """

    def __init__(self, name: str, fields: Sequence[Field], num_rows: int) -> None:
        self.name = name
        self.fields = fields
        self.num_rows = num_rows
        self.page_rows = min(MOST_ROWS_PER_RESULT_PAGE, CELLS_PER_RESULT_PAGE // len(fields))
        self._cut = lru_cache(maxsize=None)(self._packed_rows)
        self.result_page = lru_cache(maxsize=PAGES_KEPT)(self._result_page)

    @cached_property
    def _block(self) -> list[Row]:
        return rows(self.fields, max(1, min(self.num_rows, BLOCK_CELLS // len(self.fields))))

    @cached_property
    def _csv(self) -> list[bytes]:
        return [csv_line(list(row.values())) for row in self._block]

    @cached_property
    def _json(self) -> list[bytes]:
        return [b"," + json_record(self.name, row) for row in self._block]

    def _result_page(self, start: int, most: int | None) -> tuple[bytes, int]:
        """Return a gzipped CSV of the rows from `start` on, and how many they are."""
        count = max(0, min(most or self.page_rows, self.num_rows - start))
        header = csv_line([field.name for field in self.fields])
        if not count:
            return gzipped([piece(header)]), 0
        first = csv_line(list(self._first(start).values()))
        return gzipped([piece(header + first), *self._repeated("csv", count - 1)]), count

    def query_page(self, start: int, next_url: str | None) -> bytes:
        """Return a gzipped query answer of the rows from `start` on."""
        count = max(0, min(REST_PAGE_ROWS, self.num_rows - start))
        envelope = {"totalSize": self.num_rows, "done": next_url is None}
        told = json_bytes(envelope | ({"nextRecordsUrl": next_url} if next_url else {}))
        first = json_record(self.name, self._first(start)) if count else b""
        begin = piece(told[:-1] + b',"records":[' + first)
        return gzipped([begin, *self._repeated("json", count - 1), piece(b"]}")])

    def _first(self, start: int) -> Row:
        return {**self._block[0], "Id": record_id("a01", start)}

    def _repeated(self, form: str, count: int) -> list[Piece]:
        """Return pieces of so many rows: whole blocks, then a part of one."""
        if count <= 0:
            return []
        blocks, rest = divmod(count, len(self._block))
        return [*[self._cut(form, len(self._block))] * blocks, *([self._cut(form, rest)] if rest else [])]

    def _packed_rows(self, form: str, count: int) -> Piece:
        return piece(b"".join((self._csv if form == "csv" else self._json)[:count]))
