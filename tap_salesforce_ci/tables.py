"""
One object's table as the SDK's stream: what is read of it, and how far it has come.

The SDK's own bookkeeping, which would put other values into the state, is replaced here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib import ActivateVersionMessage, Metadata, MetadataMapping
from singer_sdk.streams.core import Stream
from singer_sdk.tap_base import Tap

from tap_salesforce_ci import bookmarks, schema
from tap_salesforce_ci.batch import Filed
from tap_salesforce_ci.bookmarks import Bookmark, Reading
from tap_salesforce_ci.client.describe import SObject
from tap_salesforce_ci.client.soql import Condition
from tap_salesforce_ci.definitions import FULL_TABLE, Definition
from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.items import Begin, Item, Page, Whole
from tap_salesforce_ci.plan import Table, next_read
from tap_salesforce_ci.reader import Reader
from tap_salesforce_ci.run import Run

PartT = TypeVar("PartT", Page, Filed)
"""What is written at a time."""


class TableStream(Stream):
    """The table of one object, read; how it is written is its subclass's to say."""

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
        """Yield the items of all reads that are due: one that was left unfinished, and what came since, or all."""
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
            if read.resume is None or until is None:
                return
            # What was left unfinished shows the table as it was then.
            bookmark = replace(bookmark, value=until, reading=None)

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
                # A result page is not asked for twice, and no file is written twice, because a state came late.
                moved = item.left is not None and item.left.job is not None and item.left != self._bookmark.reading
                self._move(item.left, at_once=moved or isinstance(item, Filed))

    def _begin(self, begin: Begin) -> None:
        if self._bookmark.key is None and not (begin.resumed and self._bookmark.version):
            # Rows of an earlier beginning must not outlive this one, though this machine's clock was set back since:
            # targets drop what has a lower version than the one that is activated.
            newer = max(self._stream_version or 0, self._bookmark.version or 0) + 1
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
        # The job goes only when no state asks for it any more.
        self._run.move(self.name, self._bookmark, at_once=whole.job is not None)
        if whole.job:
            self._run.tidy_up(whole.job)

    # The SDK's own bookkeeping

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
