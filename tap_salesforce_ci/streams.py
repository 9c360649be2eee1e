"""
One object's sync: the only room that sees both Salesforce and Singer.

The SDK's private `_sync_records` is replaced here and nowhere else: rows are written a page at a time. Under stream
maps, flattening and `--test` the SDK's own record path is used, fed by `get_records`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from singer_sdk import metrics
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import ActivateVersionMessage, Metadata, MetadataMapping
from singer_sdk.streams.core import Stream
from singer_sdk.tap_base import Tap

from tap_salesforce_ci import bookmarks, schema
from tap_salesforce_ci.bookmarks import Bookmark, Reading
from tap_salesforce_ci.client import split
from tap_salesforce_ci.client.describe import SObject
from tap_salesforce_ci.client.soql import Condition
from tap_salesforce_ci.definitions import FULL_TABLE, Definition
from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.encode.json_records import RecordParser
from tap_salesforce_ci.encode.lines import RecordLines
from tap_salesforce_ci.encode.pages import Rows
from tap_salesforce_ci.encode.plain import records
from tap_salesforce_ci.errors import BrokenPromise, TapError
from tap_salesforce_ci.plan import Table, every_row, next_read
from tap_salesforce_ci.reader import Begin, Item, Page, Reader, Whole
from tap_salesforce_ci.run import Run

METRIC_SECONDS = 1.0
"""Between two counts of records in the log: one for each page, unless pages come fast."""


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
        try:
            if self.definition.error:
                raise self.definition.error
            if self._is_plain:
                self._write_pages()
            else:
                yield from super()._sync_records(context, write_messages=write_messages)
        except TapError as error:
            self._run.fail(self.name, error.at(f"object: {self.definition.object}"))

    @property
    def _is_plain(self) -> bool:
        maps = self.stream_maps
        return len(maps) == 1 and type(maps[0]) is SameRecordTransform and not maps[0].flattening_enabled

    def get_record_counter(
        self, *, endpoint: str | None = None, log_interval: float = METRIC_SECONDS
    ) -> metrics.Counter:
        """Return a counter that logs a page's records when they are written, and not much more than that."""
        return super().get_record_counter(endpoint=endpoint, log_interval=log_interval)

    def _write_pages(self) -> None:
        with self.get_record_counter() as counter, self.get_sync_timer():
            for page in self._pages():
                now = datetime.now(timezone.utc).isoformat()  # noqa: TID251 - the moment of extraction
                for lines in self._encoded(page, now):
                    self._run.writer.write_block(lines)
                counter.increment(page.rows.num_rows)

    def _encoded(self, page: Page, now: str) -> Iterator[memoryview]:
        lines = RecordLines(self.name, self.columns, self._stream_version)
        try:
            yield from lines.encode(page.rows, now)
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

    def _sample(self) -> Iterator[Rows]:
        if self.definition.sobject is None:
            return
        table = self._own_table()
        query = replace(every_row(table), limit=self.ABORT_AT_RECORD_COUNT)
        parse = RecordParser(table.columns)
        for page in split.query_pages(self._run.client, query, parse, include_deleted=table.include_deleted):
            yield page.rows

    # How far it has come

    def _pages(self) -> Iterator[Page]:
        """Yield the pages to write; when the next one is asked for, the last one counts as written."""
        table = self._own_table()
        self._bookmark = bookmarks.read(self.tap_state, self.name, self.definition.object, table.key)
        for item in self._run.items(self.name):
            if isinstance(item, Page):
                yield item
                self._run.wrote(self.name, item.rows.num_rows)
                self._move(item.left)
            elif isinstance(item, Begin):
                self._begin(item)
            else:
                self._complete(item)

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
