"""
How an object's table is written, as records or as files.

The SDK's private `_sync_records` and `_sync_batches` are replaced here and nowhere else: rows are written a page or a
file at a time. Under stream maps, flattening and `--test` the SDK's own record path is used, fed by `get_records`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

import pyarrow as pa
from singer_sdk import metrics
from singer_sdk.mapper import SameRecordTransform

from tap_salesforce_ci.batch import BatchFiles, Encoding, Filed, Storage, filed
from tap_salesforce_ci.client import split
from tap_salesforce_ci.encode.json_records import RecordParser
from tap_salesforce_ci.encode.lines import RecordLines
from tap_salesforce_ci.encode.pages import PageRows
from tap_salesforce_ci.encode.plain import records
from tap_salesforce_ci.encode.typed import TypedColumns
from tap_salesforce_ci.errors import BrokenPromise, TapError
from tap_salesforce_ci.items import Page
from tap_salesforce_ci.plan import every_row
from tap_salesforce_ci.tables import TableStream

METRIC_SECONDS = 1.0
"""Between two counts of records in the log: one for each page, unless pages come fast."""


class SalesforceStream(TableStream):
    """The stream of one object: its table, written."""

    # Records

    def _sync_records(
        self, context: Mapping[str, Any] | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        """Write the stream's records; a stream that fails is noted, and the others go on."""
        if self.ABORT_AT_RECORD_COUNT is not None:
            yield from super()._sync_records(context, write_messages=write_messages)
            return
        if self.definition.absence:
            self._run.note(self.name, self.definition.absence)
            return
        with self._failing_alone():
            self._insist_on_definition()
            if self.is_plain:
                self._write_pages()
            else:
                yield from super()._sync_records(context, write_messages=write_messages)

    @contextmanager
    def _failing_alone(self) -> Iterator[None]:
        try:
            yield
        except TapError as error:
            self._run.fail(self.name, error.at(f"object: {self.definition.object}"))

    def _insist_on_definition(self) -> None:
        if self.definition.error:
            raise self.definition.error

    @property
    def is_plain(self) -> bool:
        """Whether rows are written as they are: the SDK neither maps nor flattens them."""
        maps = self.stream_maps
        return len(maps) == 1 and type(maps[0]) is SameRecordTransform and not maps[0].flattening_enabled

    def get_record_counter(
        self, *, endpoint: str | None = None, log_interval: float = METRIC_SECONDS
    ) -> metrics.Counter:
        """Return a counter that logs a page's records when they are written, and not much more than that."""
        return super().get_record_counter(endpoint=endpoint, log_interval=log_interval)

    def _write_pages(self) -> None:
        lines = RecordLines(self.name, self.columns)
        with self.get_record_counter() as counter, self.get_sync_timer():
            for page in self._pages():
                for block in self._encoded(page, lines):
                    self._run.writer.write_block(block)
                counter.increment(page.rows.num_rows)

    def _encoded(self, page: Page, lines: RecordLines) -> Iterator[memoryview]:
        now = datetime.now(timezone.utc).isoformat()  # noqa: TID251 - the moment of extraction
        try:
            yield from lines.encode(page.rows, now, self._stream_version)
        except ValueError as error:
            raise self._unexpected(error) from None

    def _unexpected(self, error: ValueError) -> BrokenPromise:
        return BrokenPromise(
            f"A value is not what the describe says: {error}",
            where=f"object: {self.definition.object}",
            remedy="Refresh the catalog; report it if it stays. Deselecting the field lets the others through.",
        )

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Yield records for the SDK's own path: all that are due, or as many as a dry run asks for."""
        dry_run = self.ABORT_AT_RECORD_COUNT is not None
        pages = self._sample() if dry_run else (page.rows for page in self._pages())
        columns = self.columns
        for rows in pages:
            try:
                yield from records(rows, columns)
            except ValueError as error:
                raise self._unexpected(error) from None

    def _sample(self) -> Iterator[PageRows]:
        if self.definition.sobject is None:
            return
        table = self._own_table()
        query = replace(every_row(table), limit=self.ABORT_AT_RECORD_COUNT)
        parse = RecordParser(table.columns)
        for page in split.query_pages(self._run.client, query, parse, include_deleted=table.include_deleted):
            yield page.rows

    # Files

    def get_batch_config(self, config: Mapping[str, Any]) -> Any:  # noqa: ARG002 - it is checked and in the settings
        """Return `batch_config` as the SDK has it, or None where RECORD messages are written."""
        batch = self._run.settings.batch
        if batch is None or not self.is_plain or self.ABORT_AT_RECORD_COUNT is not None:
            return None
        return super().get_batch_config({"batch_config": batch.as_config()})

    def _sync_batches(self, batch_config: Any, context: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Write the stream's files, and a BATCH message for each; a failure is noted, and the other streams go on."""
        if self.definition.absence:
            self._run.note(self.name, self.definition.absence)
            return
        with (
            self._failing_alone(),
            closing(self._files()) as files,
            self.get_batch_counter() as batches,
            self.get_record_counter() as rows,
            self.get_sync_timer(),
        ):
            self._insist_on_definition()
            for each in files:
                self._hand_over(each, batch_config.encoding)
                batches.increment()
                rows.increment(each.num_rows)

    def _hand_over(self, filed: Filed, encoding: Any) -> None:
        # Undisturbed: a file that has its name is named in a message.
        with self._run.writer.undisturbed():
            manifest = [filed.file.hand_over()]
            try:
                self._write_batch_message(encoding, manifest)
            except SystemExit:
                filed.file.discard()
                raise

    def _generate_batch_messages(self, encoding: Any, manifest: list[str]) -> Generator[Any, None, None]:
        for message in super()._generate_batch_messages(encoding, manifest):
            message.version = self._stream_version
            yield message

    def get_batches(
        self,
        batch_config: Any,
        context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Iterator[tuple[Any, list[str]]]:
        """Yield each file's encoding and manifest; when the next one is asked for, the last one counts as written."""
        with closing(self._files()) as files:
            for each in files:
                yield batch_config.encoding, [each.file.hand_over()]

    def _files(self) -> Generator[Filed, None, None]:
        batch = self._run.settings.batch
        assert batch is not None, "files are written where a setting asks for them"
        storage = Storage(batch)
        # A catalog may hold any name; as it is, it could lead out of the storage.
        sync = re.sub(r"[^\w.-]", "_", f"{self.tap_name}--{self.name}-{uuid4()}")
        names = (f"{sync}-{number}" for number in itertools.count(1))

        def begun() -> BatchFiles:
            encoding = Encoding(batch, self.columns, self.effective_schema["properties"], self._stream_version)
            return BatchFiles(storage, encoding, batch.batch_size, names)

        try:
            with closing(filed(self._items(), begun)) as items:
                yield from self._written(items)
        except ValueError as error:
            raise self._unexpected(error) from None

    def get_record_batches(self, context: Mapping[str, Any] | None) -> Iterator[pa.RecordBatch] | None:  # noqa: ARG002
        """Return typed Arrow data, as SDK 0.55 asks for it; None where it has to go record by record."""
        if not self.is_plain or self.ABORT_AT_RECORD_COUNT is not None:
            return None
        return self._typed_blocks()

    def _typed_blocks(self) -> Iterator[pa.RecordBatch]:
        typed = TypedColumns(self.columns, self.effective_schema["properties"])
        try:
            for page in self._pages():
                yield from map(typed.typed, page.rows.blocks())
        except ValueError as error:
            raise self._unexpected(error) from None
