"""One run: the sources at work, the state as it moves on, what failed, and the end."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import pyarrow as pa
from singer_sdk.singerlib import StateMessage

from tap_salesforce_ci import bookmarks, progress
from tap_salesforce_ci.bookmarks import Bookmark
from tap_salesforce_ci.client import rest
from tap_salesforce_ci.client.http import Client, tally
from tap_salesforce_ci.client.job_notes import JobNotes
from tap_salesforce_ci.client.room import Room, StoppedError
from tap_salesforce_ci.errors import (
    BrokenPromise,
    BudgetError,
    Defect,
    LoginRefused,
    TapError,
    TransientError,
    UserError,
)
from tap_salesforce_ci.items import Begin, Item, Page
from tap_salesforce_ci.pipeline import Pipeline
from tap_salesforce_ci.progress import NOT_STARTED, UNFINISHED, WHOLE, StreamReport, log, on_terminal
from tap_salesforce_ci.reader import Reader
from tap_salesforce_ci.settings import ApiType, Settings
from tap_salesforce_ci.writer import BlockWriter

MOST_SOURCES_AT_ONCE = 256
"""Threads that wait for jobs or room, one for each stream; requests are bounded by `max_workers` all the same."""

FRUGAL = "jemalloc"
"""The allocator of Arrow's that gives memory back which one thread took and another one let go of; see `bench`."""

COUNTED = 0.65
"""
The part of the memory for rows that is handed out by count.

The rest goes into what allocators round up and keep for a while, and into the lines that are made of the rows.
"""

STATE_SECONDS = 1.0
STATE_ROWS = 100_000

READ_AHEAD = "page read, its turn to be written comes"

BY_URGENCY = (UserError, BrokenPromise, Defect, TransientError, BudgetError)
"""Which error decides the exit code: first those that someone must act upon."""


class RunFailed(TapError):
    """Some streams did not finish; the others did, and the state says so."""

    def __init__(self, reports: list[StreamReport]) -> None:
        errors = [report.error for report in reports if report.error is not None]
        super().__init__(f"{len(errors)} of {len(reports)} streams failed.", where=progress.failures(reports))
        self._worst = min(errors, key=_urgency)

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """The exit code of the most urgent failure."""
        return self._worst.exit_code


def _urgency(error: TapError) -> int:
    kinds = [isinstance(error, kind) for kind in BY_URGENCY]
    return kinds.index(True) if True in kinds else 0


def _release(item: Item) -> None:
    if isinstance(item, Page):
        item.release()


Source = Callable[[Reader], Iterator[Item]]


class Run:
    """
    Reads several streams at once and hands each one's items over in order.

    `state` is the Singer state, written to stdout as it moves on; `job_notes` makes what keeps a killed run's Bulk jobs
    from being forgotten; `monotonic` is a clock in seconds. `sources` tells of all streams to read (stream name to
    object name and source) when the first one's items are asked for: from then on they are all at work.
    """

    def __init__(
        self,
        client: Client,
        settings: Settings,
        writer: BlockWriter,
        state: MutableMapping[str, Any],
        *,
        job_notes: Callable[[], JobNotes],
        monotonic: Callable[[], float],
        sources: Callable[[], Mapping[str, tuple[str, Source]]],
    ) -> None:
        self.client = client
        self.settings = settings
        self.writer = writer
        self.reports: dict[str, StreamReport] = {}
        self._state = state
        self._job_notes = job_notes
        self._monotonic = monotonic
        self._sources = sources
        self._pipeline: Pipeline[Item] | None = None
        room = int(settings.max_bytes_in_flight * COUNTED)
        # Half of it is left to the stream that is being written, however much the others read ahead.
        self._room = Room(room, kept=room // 2)
        self._downloads = ThreadPoolExecutor(settings.max_workers, thread_name_prefix="download")
        self._begun: dict[str, Begin] = {}
        self._exit_code: int | None = None
        self._stopped: BudgetError | LoginRefused | None = None
        self._rows_since_state = 0
        self._state_written = monotonic()
        self._state_moved = False
        self._concluded = False

    def _start(self) -> Pipeline[Item]:
        sources = self._sources()
        for name in sources:
            self.reports.setdefault(name, StreamReport(name))
        objects = {name: object_name for name, (object_name, _) in sources.items()}
        reader = Reader(
            self.client,
            self.settings.api_type,
            self._downloads,
            self._room,
            self._expected(objects),
            discarded=self._notes.gone,
            verify_counts=self.settings.verify_counts,
        )
        self._reader = reader
        for job in self._notes.left_behind() - bookmarks.jobs_in(self._state):
            self._notes.made(job)
            reader.tidy_up(job)
        if FRUGAL in pa.supported_memory_backends():
            pa.set_memory_pool(getattr(pa, f"{FRUGAL}_memory_pool")())
        pipeline: Pipeline[Item] = Pipeline(
            {name: self._counted(name, source, reader) for name, (_, source) in sources.items()},
            threads=min(len(sources), MOST_SOURCES_AT_ONCE),
            room=self._room,
            consumed=_release,
        )
        self._pipeline = pipeline
        pipeline.start()
        return pipeline

    @cached_property
    def _notes(self) -> JobNotes:
        return self._job_notes()

    def _expected(self, objects: Mapping[str, str]) -> Mapping[str, int]:
        """Ask about how many rows the tables have that are to be read from their beginning."""
        if self.settings.api_type is not ApiType.AUTO:
            return {}
        unread = [object_name for name, object_name in objects.items() if not bookmarks.knows(self._state, name)]
        return rest.record_counts(self.client, unread)

    def _counted(self, name: str, source: Source, reader: Reader) -> Callable[[], Iterator[Item]]:
        def items() -> Iterator[Item]:
            report = self.reports[name]
            tally.set(report.tally)
            progress.at_work.set(report)
            report.begin()
            began = self._monotonic()
            try:
                for item in source(reader):
                    self._note(report, item)
                    yield item
                    report.doing = ""
                report.all_read = True
            finally:
                report.seconds = self._monotonic() - began

        return items

    def _note(self, report: StreamReport, item: Item) -> None:
        if isinstance(item, Begin):
            report.begin()
            if item.left is not None and item.left.job is not None:
                self._notes.made(item.left.job.id)
                self._begun[report.name] = item
        elif isinstance(item, Page):
            report.read(item.rows.num_rows, whole=bool(item.wire_bytes))
            report.doing = READ_AHEAD

    def items(self, stream: str) -> Iterator[Item]:
        """
        Yield a stream's items.

        Raises the TapError that ended it, and for every stream after one that stopped the run, that one's; SystemExit
        where the run was told to stop: whoever swallowed the first one must not take the rest for read or failed.
        """
        if self._exit_code is not None:
            raise self._end()
        if self._stopped is not None:
            raise copy.copy(self._stopped)
        pipeline = self._pipeline or self._start()
        report = self.reports[stream]
        report.outcome = UNFINISHED
        self.client.slots.put_first(stream)
        try:
            yield from pipeline.items(stream)
        except StoppedError:
            raise self._end() from None
        report.outcome = WHOLE
        log.ends(report)

    def _end(self) -> SystemExit:
        return SystemExit(1 if self._exit_code is None else self._exit_code)

    def fail(self, stream: str, error: TapError) -> None:
        """Note that a stream did not finish; the others go on, unless they would meet the same end."""
        report = self.reports.setdefault(stream, StreamReport(stream))
        report.error = error
        report.outcome = f"FAILED: {error.what}"
        if self._stopped is None:
            # What stopped the run is told once, not for each stream behind it.
            log.ends(report)
        if isinstance(error, BudgetError | LoginRefused):
            self._stopped = error

    def note(self, stream: str, outcome: str) -> None:
        """Note what became of a stream that is not read."""
        self.reports.setdefault(stream, StreamReport(stream)).outcome = outcome

    def wrote(self, stream: str, rows: int) -> None:
        """Count rows that have been written."""
        self.reports[stream].rows += rows
        self._rows_since_state += rows

    def move(self, stream: str, bookmark: Bookmark, *, at_once: bool = False) -> None:
        """Set a stream's bookmark, and write the state if it is time to."""
        with self.writer.undisturbed():
            bookmarks.write(bookmarks.entry_of(self._state, stream), bookmark)
            self._state_moved = True
            due = self._monotonic() - self._state_written >= STATE_SECONDS or self._rows_since_state >= STATE_ROWS
            if at_once or due:
                self.write_state()

    def write_state(self, *, even_unmoved: bool = False) -> None:
        """Write the state, if it moved since it was written last or if it is wanted even so."""
        if not self._state_moved and not even_unmoved:
            return
        self._note_begun()
        self.writer.write_message(StateMessage(value=dict(self._state)))
        self._state_moved = False
        self._rows_since_state = 0
        self._state_written = self._monotonic()

    def _note_begun(self) -> None:
        """Have the state tell of jobs that run already, though their rows are not consumed yet: none is orphaned."""
        for stream, begin in list(self._begun.items()):
            if begin.left is not None and self.reports[stream].outcome == NOT_STARTED:
                bookmarks.begin(self._state, stream, begin.key, begin.left)

    def tidy_up(self, job: str) -> None:
        """Delete a job that has served, while other things go on."""
        self._reader.tidy_up(job)

    def stop(self, exit_code: int) -> None:
        """Have everything end at its next step, with an exit code; safe in a signal handler."""
        self._exit_code = exit_code
        if self._pipeline is not None:
            self._pipeline.stop()

    def conclude(self) -> None:
        """
        Write the last state and the table of the run.

        Raises RunFailed where a stream did not finish. Calling it again does nothing.
        """
        if self._concluded:
            return
        self._concluded = True
        self.write_state()
        self._downloads.shutdown(wait=True)
        if self._pipeline is not None:
            self._pipeline.close()
            self._notes.close()
        self.tell()
        reports = list(self.reports.values())
        if any(report.error for report in reports):
            raise RunFailed(reports)

    def tell(self) -> None:
        """Write the table of the run to stderr: what has become of each stream by now."""
        if self.settings.quiet:
            return
        allowance, brief = self.client.allowance, on_terminal(sys.stderr)
        reports = list(self.reports.values())
        print(  # noqa: T201
            progress.table(reports, calls=allowance.calls, calls_left=allowance.left, brief=brief), file=sys.stderr
        )
