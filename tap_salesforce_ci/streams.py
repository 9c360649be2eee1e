"""
One object's sync: the only room that sees both Salesforce and Singer.

The SDK's private `_sync_records` and `_sync_batches` are replaced here and nowhere else: rows are written a page or a
file at a time. Under stream maps, flattening and `--test` the SDK's own record path is used, fed by `get_records`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, TypeVar
from uuid import uuid4

import pyarrow as pa
from singer_sdk import metrics
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import ActivateVersionMessage, Metadata, MetadataMapping
from singer_sdk.streams.core import Stream
from singer_sdk.tap_base import Tap

from tap_salesforce_ci import bookmarks, schema
from tap_salesforce_ci.batch import BatchFiles, Encoding, Filed, Storage, filed
from tap_salesforce_ci.bookmarks import Bookmark, Reading
from tap_salesforce_ci.client import split
from tap_salesforce_ci.client.describe import SObject
from tap_salesforce_ci.client.soql import Condition
from tap_salesforce_ci.definitions import FULL_TABLE, Definition
from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.encode.json_records import RecordParser
from tap_salesforce_ci.encode.lines import RecordLines
from tap_salesforce_ci.encode.pages import PageRows
from tap_salesforce_ci.encode.plain import records
from tap_salesforce_ci.encode.typed import TypedColumns
from tap_salesforce_ci.errors import BrokenPromise, TapError
from tap_salesforce_ci.plan import Table, every_row, next_read
from tap_salesforce_ci.reader import Begin, Item, Page, Reader, Whole
from tap_salesforce_ci.run import Run

METRIC_SECONDS = 1.0
"""Between two counts of records in the log: one for each page, unless pages come fast."""

PartT = TypeVar("PartT", Page, Filed)
"""What is written at a time."""


class SalesforceStream(Stream):
    """The table of one object."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    def __init__(self, tap: Tap, definition: Definition, run: Callable[[], Run], select_fields: bool) -> None:  # noqa: FBT001
        super().__init__(tap, name=definition.name, schema=dict(definition.json_schema))
        self.definition = definition
        self.primary_keys = definition.keys
        self.replication_key = definition.replication_key
        self._get_run = run
        self._select_fields = select_fields
        self._bookmark = Bookmark()

    # What is read

    @property
    def metadata(self) -> MetadataMapping:
        """The stream's metadata: unsupported fields are marked, fields are selected by default or not."""
        if self._metadata is not None or self._tap_input_catalog is not None:
            return super().metadata
        mapping = super().metadata
        for each in self.definition.sobject.fields if self.definition.sobject else ():
            entry = mapping["properties", each.name]
            if schema.unsupported(each):
                entry.inclusion = Metadata.InclusionType.UNSUPPORTED
            elif entry.inclusion == Metadata.InclusionType.AVAILABLE:
                entry.selected_by_default = self._select_fields
        return mapping

    @property
    def columns(self) -> tuple[Column, ...]:
        """The selected fields, in the schema's order; one that vanished from the org is written as null."""
        known = {each.name: each for each in (self.definition.sobject.fields if self.definition.sobject else ())}
        columns = []
        for name in self.effective_schema["properties"]:
            field = known.get(name)
            if not self.mask["properties", name] or (field is not None and schema.unsupported(field)):
                continue
            columns.append(schema.column(field) if field else Column(name, Kind.TEXT, vanished=True))
        return tuple(columns)

    def table(self, condition: Condition | None, *, include_deleted: bool) -> Table:
        """Return what is read: the selected fields, and the key unless the whole table is wanted."""
        sobject = self.definition.sobject
        assert sobject is not None, "a stream that is not read has no table"
        key = None if self.replication_method == FULL_TABLE else self.replication_key
        described = sobject.field(key) if key else None
        columns = tuple(column for column in self.columns if not column.vanished)
        return Table(
            object=sobject.name,
            columns=columns or self._any_column(sobject),
            key=described.name if described else None,
            key_nillable=bool(described and described.nillable),
            id="Id" if sobject.field("Id") else None,
            where=condition,
            include_deleted=include_deleted,
        )

    def _any_column(self, sobject: SObject) -> tuple[Column, ...]:
        return tuple(schema.column(each) for each in sobject.fields if schema.unsupported(each) is None)[:1]

    @property
    def is_read(self) -> bool:
        """Whether a run reads this stream."""
        return self.selected and self.definition.sobject is not None and self.definition.absence is None

    def _own_table(self) -> Table:
        settings = self._run.settings
        return self.table(settings.condition_on(self.definition.object), include_deleted=settings.include_deleted)

    @property
    def _run(self) -> Run:
        return self._get_run()

    def source(self, reader: Reader) -> Iterator[Item]:
        """Yield the items of all reads that are due: one that was left unfinished, and what came since."""
        table = self._own_table()
        settings = self._run.settings
        bookmark = bookmarks.read(self.tap_state, self.name, self.definition.object, table.key)
        while True:
            read = next_read(
                table,
                bookmark,
                start=settings.start_date,
                lookback=settings.lookback_window,
                until=self._run.client.server_time,
            )
            dropped = bookmark.reading.job if bookmark.reading and read.resume is None else None
            if dropped:
                reader.tidy_up(dropped.id)
            if table.key and read.window.empty:
                return
            until = None
            for item in reader.items(read):
                yield item
                until = item.until if isinstance(item, Whole) else until
            if read.resume is None or table.key is None or until is None:
                return
            bookmark = replace(bookmark, value=until, reading=None)

    # How it is written

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

    # How it is written to files

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
        sync = f"{self.tap_name}--{self.name}-{uuid4()}"
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

    # How far it has come

    def _items(self) -> Iterator[Item]:
        self._bookmark = bookmarks.read(self.tap_state, self.name, self.definition.object, self._own_table().key)
        return self._run.items(self.name)

    def _pages(self) -> Iterator[Page]:
        return self._written(self._items())

    def _written(self, items: Iterator[Begin | PartT | Whole]) -> Generator[PartT, None, None]:
        """Yield the pages or files to write; when the next one is asked for, the last one counts as written."""
        for item in items:
            if isinstance(item, Begin):
                self._begin(item)
            elif isinstance(item, Whole):
                self._complete(item)
            else:
                yield item
                self._run.wrote(self.name, item.num_rows)
                self._move(item.left, at_once=isinstance(item, Filed))

    def _begin(self, begin: Begin) -> None:
        if self._bookmark.key is None and not (begin.resumed and self._bookmark.version):
            # Rows of an earlier beginning in this run must not outlive this one.
            newer = (self._stream_version or 0) + 1
            self._bookmark = replace(self._bookmark, version=max(self._initialized_at, newer))
        self._stream_version = self._bookmark.version if self._bookmark.key is None else None
        self._move(begin.left, at_once=begin.left is not None)

    def _move(self, left: Reading | None, *, at_once: bool = False) -> None:
        self._bookmark = replace(self._bookmark, reading=left)
        self._run.move(self.name, self._bookmark, at_once=at_once)

    def _complete(self, whole: Whole) -> None:
        if self._bookmark.key is None and self._stream_version is not None:
            for stream_map in self.stream_maps:
                self._tap.write_message(ActivateVersionMessage(stream_map.stream_alias, self._stream_version))
        value = whole.until if self._bookmark.key else None
        self._bookmark = replace(self._bookmark, value=value, reading=None)
        self._run.move(self.name, self._bookmark)
        if whole.job:
            self._run.tidy_up(whole.job)

    # The SDK's own bookkeeping, which would put other values beside these

    def _increment_stream_state(self, latest_record: Mapping[str, Any], *, context: Any = None) -> None:
        """Do nothing: the bookmark is the end of the window, never a value that was seen."""

    def _write_starting_replication_value(self, context: Any) -> None:
        """Do nothing: the window's beginning is in the state already."""

    def get_replication_key_signpost(self, context: Any = None) -> None:  # noqa: ARG002
        """Return none: the window ends by Salesforce's clock."""
        return

    def _finalize_state(self, state: Any = None) -> None:
        """Do nothing: there are no progress markers."""

    def finalize_state_progress_markers(self, state: Any = None) -> None:
        """Do nothing: there are no progress markers."""

    def _write_state_message(self) -> None:
        """Write the state after a dry run, unchanged; else do nothing: the run writes it when a page is written."""
        if self.ABORT_AT_RECORD_COUNT is not None:
            self._run.write_state(even_unmoved=True)

    def log_sync_costs(self) -> None:
        """End the run; the SDK calls this when all streams have been synced."""
        self._run.conclude()
