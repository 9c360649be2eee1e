"""
Files of rows for BATCH messages: whole or not there, of at most so many rows, written block by block.

What a BATCH message may name: https://sdk.meltano.com/en/latest/batch.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, Protocol

import pyarrow as pa
from isal import igzip

from tap_salesforce_ci.batch.storage import Storage, Stored
from tap_salesforce_ci.encode.columns import Column
from tap_salesforce_ci.encode.lines import JsonLines
from tap_salesforce_ci.encode.pages import Rows
from tap_salesforce_ci.encode.typed import TypedColumns
from tap_salesforce_ci.settings import BatchSettings

GZIP_LEVEL = 2
"""Of ISA-L's 0 to 3: a tenth of the time that zlib's level 6 takes, for files two fifths larger that are soon gone."""

PARQUET_GZIP_LEVEL = 1
"""Of zlib's 1 to 9; pyarrow's own choice takes ten times as long."""

ROW_GROUP = 32 << 20
"""Bytes of columns that make a row group in Parquet; all that is held of a file."""


class Writer(Protocol):
    """Writes one file's blocks."""

    def write(self, block: pa.RecordBatch) -> None:
        """Write a block of the file's schema."""

    def close(self) -> None:
        """Write what is still held and the file's end."""


class _JsonLinesWriter:
    def __init__(self, out: IO[bytes], compression: str, lines: JsonLines, tail: str) -> None:
        self._packer = igzip.IGzipFile(None, "wb", GZIP_LEVEL, out) if compression == "gzip" else None  # type: ignore[no-untyped-call]
        self._out = self._packer or out
        self._lines = lines
        self._tail = tail

    def write(self, block: pa.RecordBatch) -> None:
        for piece in self._lines.encode(Rows(pa.Table.from_batches([block])), "{", self._tail):
            self._out.write(piece)

    def close(self) -> None:
        if self._packer is not None:
            self._packer.close()


class _ParquetWriter:
    def __init__(self, out: IO[bytes], compression: str, schema: pa.Schema) -> None:
        # Imported where it is used: it would make every start slower.
        from pyarrow import parquet  # noqa: PLC0415

        level = PARQUET_GZIP_LEVEL if compression == "gzip" else None
        self._writer = parquet.ParquetWriter(out, schema, compression=compression, compression_level=level)
        self._held: list[pa.RecordBatch] = []

    def write(self, block: pa.RecordBatch) -> None:
        self._held.append(block)
        if sum(held.nbytes for held in self._held) >= ROW_GROUP:
            self._write_held()

    def _write_held(self) -> None:
        # Rows that could not be written are not tried again.
        held, self._held = self._held, []
        if held:
            self._writer.write_table(pa.Table.from_batches(held))

    def close(self) -> None:
        try:
            self._write_held()
        finally:
            self._writer.close()


class _ArrowWriter:
    def __init__(self, out: IO[bytes], schema: pa.Schema) -> None:
        self._writer = pa.ipc.new_file(out, schema)

    def write(self, block: pa.RecordBatch) -> None:
        self._writer.write_batch(block)

    def close(self) -> None:
        self._writer.close()


class Encoding:
    """
    How the rows of one stream are written to files.

    `properties` are those of its JSON Schema; with a `version`, every row carries it as `_sdc_table_version`.
    """

    def __init__(
        self,
        settings: BatchSettings,
        columns: Sequence[Column],
        properties: Mapping[str, Mapping[str, Any]],
        version: int | None,
    ) -> None:
        self._settings = settings
        self._typed = TypedColumns(columns, properties, version)
        self._lines = JsonLines(columns)
        self._tail = "}\n" if version is None else f',"_sdc_table_version":{version:d}}}\n'

    @property
    def suffix(self) -> str:
        """What the files' names end with."""
        if self._settings.format == "jsonl" and self._settings.compression == "gzip":
            return ".jsonl.gz"
        return f".{self._settings.format}"

    def prepared(self, block: pa.RecordBatch) -> pa.RecordBatch:
        """Return a block of text columns as a writer takes it; raises ValueError, naming the field."""
        return block if self._settings.format == "jsonl" else self._typed.typed(block)

    def writer(self, out: IO[bytes], schema: pa.Schema) -> Writer:
        """Return a writer of blocks of that schema."""
        if self._settings.format == "jsonl":
            return _JsonLinesWriter(out, self._settings.compression, self._lines, self._tail)
        if self._settings.format == "parquet":
            return _ParquetWriter(out, self._settings.compression, schema)
        return _ArrowWriter(out, schema)


class BatchFile:
    """
    A file of `rows` rows; it is whole when it is handed over.

    Raises UserError where the storage does not take it.
    """

    def __init__(self, storage: Storage, stored: Stored, writer: Writer, schema: pa.Schema) -> None:
        self._storage = storage
        self._stored = stored
        self._writer = writer
        self.schema = schema
        self.rows = 0
        self.is_handed_over = False

    def write(self, block: pa.RecordBatch) -> None:
        """Write a block."""
        with self._storage.failing_clearly():
            self._writer.write(block)
        self.rows += block.num_rows

    def finish(self) -> None:
        """Write the file to its last byte, still under its temporary name."""
        with self._storage.failing_clearly():
            self._writer.close()
            self._stored.out.close()

    def hand_over(self) -> str:
        """Give the file its name, and return its URL: from now on it is the target's."""
        with self._storage.failing_clearly():
            self._stored.commit()
        self.is_handed_over = True
        return self._stored.url

    def discard(self) -> None:
        """Remove the file."""
        with suppress(OSError, ValueError, pa.ArrowException):
            self._writer.close()
        self._stored.discard()


class BatchFiles:
    """
    Cuts a stream's blocks into files of at most so many rows.

    `names` are theirs, without a suffix. Raises UserError where a file can't be written, and ValueError, naming the
    field, for a value that is not what the describe says it is.
    """

    def __init__(self, storage: Storage, encoding: Encoding, most_rows: int, names: Iterator[str]) -> None:
        self._storage = storage
        self._encoding = encoding
        self._most_rows = most_rows
        self._names = names
        self._open: BatchFile | None = None

    def add(self, block: pa.RecordBatch) -> Iterator[BatchFile]:
        """Write a block of text columns; yield the files that were full before its last row."""
        rows = self._encoding.prepared(block)
        while rows.num_rows:
            if self._open is not None and (self._room == 0 or self._open.schema != rows.schema):
                yield from self.rest()
            part = rows.slice(0, self._room)
            self._begun(rows.schema).write(part)
            rows = rows.slice(part.num_rows)

    @property
    def _room(self) -> int:
        return self._most_rows - (self._open.rows if self._open else 0)

    def _begun(self, schema: pa.Schema) -> BatchFile:
        if self._open is None:
            with self._storage.failing_clearly():
                stored = self._storage.create(next(self._names) + self._encoding.suffix)
                try:
                    writer = self._encoding.writer(stored.out, schema)
                except BaseException:
                    stored.discard()
                    raise
            self._open = BatchFile(self._storage, stored, writer, schema)
        return self._open

    def full(self) -> Iterator[BatchFile]:
        """Yield the file that is being written if it has no more room."""
        if self._room == 0:
            yield from self.rest()

    def rest(self) -> Iterator[BatchFile]:
        """Yield the file that is being written, if there is one; it is removed if it is not handed over then."""
        file = self._open
        if file is None:
            return
        file.finish()
        self._open = None
        try:
            yield file
        finally:
            if not file.is_handed_over:
                file.discard()

    def discard(self) -> None:
        """Remove the file that is being written."""
        if self._open is not None:
            self._open.discard()
            self._open = None
