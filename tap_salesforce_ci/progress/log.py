"""
What the log says of a run: when a stream begins and ends, and the SDK's metrics.

The `extra` fields are those that the SDK's `StructuredFormatter` prints; `stream_name` is its own word.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from singer_sdk import metrics

from tap_salesforce_ci.client.messages import Request, Response
from tap_salesforce_ci.progress.report import StreamReport, at_work
from tap_salesforce_ci.progress.table import size
from tap_salesforce_ci.redaction import redacted

logger = logging.getLogger(__name__)

PAGE = re.compile(r"/services/data/v[\d.]+(/query|/queryAll|/jobs/query)(/[^/]+)?(/results)?")
"""The path of a page of rows: a REST query, what follows it, or a page of a job's results."""

JOBS = "/jobs/query"
BEGINNING = "Beginning sync of '%s' in %s mode"
DESELECTED = "Skipping deselected stream '%s'."
"""Messages of the SDK. The first is told in more words here; the second is a line for each table nobody asked for."""


def begins(object_name: str, api: str, window: tuple[datetime | None, datetime], job: str | None = None) -> None:
    """Log that a stream's rows are asked for: over which API, from when until when, by which job."""
    report = at_work.get()
    name = report.name if report else object_name
    since, until = (moment.isoformat(timespec="milliseconds") if moment else None for moment in window)
    told = f"{since or 'the beginning'} to {until}" + (f", job {job}" if job else "")
    fields = {"stream_name": name, "api": api, "since": since, "until": until, "job_id": job}
    logger.info("%s: reading over %s, %s", name, api, told, extra=fields)


def ends(report: StreamReport) -> None:
    """Log what became of a stream: an error if it failed."""
    fields = {
        "stream_name": report.name,
        "outcome": report.outcome,
        "rows": report.rows,
        "pages": report.pages,
        "seconds": round(report.seconds, 3),
        "wire_bytes": report.tally.wire_bytes,
        "api_calls": report.tally.calls,
    }
    level = logging.ERROR if report.error else logging.INFO
    told = (report.rows, report.seconds, size(report.tally.wire_bytes), report.tally.calls)
    logger.log(
        level, "%s: %s; %d rows, %.1f seconds, %s, %d API calls", report.name, report.outcome, *told, extra=fields
    )


def deselected(count: int) -> None:
    """Log how many streams are not read because they are not selected."""
    if count:
        logger.info("%d streams of the catalog are not selected.", count)


def ended_by_signal(code: object, signalled: int) -> None:
    """Log that a signal ended the run, if that is what the exit code says."""
    signals = {signalled + each: each.name for each in (signal.SIGINT, signal.SIGTERM)}
    if code in signals:
        logger.warning("Ended by %s. The state holds what has been written; the next run goes on there.", signals[code])


def answered(request: Request, response: Response, seconds: float) -> None:
    """Log how long a page of rows took to come, as the SDK's REST streams do; no other request."""
    report = at_work.get()
    match = PAGE.fullmatch(urlsplit(request.url).path)
    if report is None or match is None or (match[1] == JOBS and not match[3]):
        return
    tags: dict[str, Any] = {
        metrics.Tag.STREAM: report.name,
        metrics.Tag.ENDPOINT: match[1] + (match[3] or ""),
        metrics.Tag.HTTP_STATUS_CODE: response.status,
        metrics.Tag.STATUS: metrics.Status.SUCCEEDED if response.status < 400 else metrics.Status.FAILED,  # noqa: PLR2004
        metrics.Tag.PID: os.getpid(),
    }
    point = metrics.Point("timer", metrics.Metric.HTTP_REQUEST_DURATION, seconds, tags)
    metrics.log(metrics.get_metrics_logger(), point)


def job_timer(job: str) -> metrics.Timer:
    """Return a timer of a job, from its creation or its rediscovery to its end."""
    report = at_work.get()
    return metrics.Timer(metrics.Metric.JOB_DURATION, {metrics.Tag.STREAM: report and report.name, "job_id": job})


class StderrFilter(logging.Filter):
    """
    Keeps off stderr what nobody wants to read there; log files get everything.

    `quiet` lets warnings and errors through only. While `drawn`, what the display shows is not logged as well, unless
    someone chose a log level or a log configuration.
    """

    def __init__(self) -> None:
        super().__init__()
        self.quiet = False
        self.drawn = False
        self.chosen = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a line is printed."""
        if record.levelno >= logging.WARNING:
            return True
        if self.quiet:
            return False
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            return True
        told_otherwise = record.msg in {BEGINNING, DESELECTED}
        return not told_otherwise and (self.chosen or not self.drawn or not _is_routine(record))


def _is_routine(record: logging.LogRecord) -> bool:
    return record.name in {metrics.METRICS_LOGGER_NAME, logger.name}


class RedactedFormatter(logging.Formatter):
    """Formats as another one does, without secrets: a log configuration may write to files, too."""

    def __init__(self, formatter: logging.Formatter | None) -> None:
        super().__init__()
        self._formatter = formatter or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """Return what is written of a record."""
        return redacted(self._formatter.format(record))


_FILTER = StderrFilter()
"""stderr belongs to the whole process, and so does what is kept off it."""


def settle(*, quiet: bool, tap: str) -> None:
    """
    Have the handlers that write to stderr heed `quiet`, and the SDK's variables for the log of this tap.

    Whatever they write to, no handler writes a secret.
    """
    variables = (f"{tap.upper().replace('-', '_')}_LOGLEVEL", "LOGLEVEL", "SINGER_SDK_LOG_CONFIG")
    _FILTER.quiet = quiet
    _FILTER.chosen = any(os.environ.get(name) for name in variables)
    for handler in _handlers():
        if not isinstance(handler.formatter, RedactedFormatter):
            handler.setFormatter(RedactedFormatter(handler.formatter))
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            handler.addFilter(_FILTER)


def _handlers() -> Iterator[logging.Handler]:
    yield from logging.getLogger().handlers
    for each in list(logging.Logger.manager.loggerDict.values()):
        yield from getattr(each, "handlers", ())


@contextmanager
def drawn() -> Iterator[None]:
    """Leave out of the log, for the time of the block, what a display shows."""
    _FILTER.drawn = True
    try:
        yield
    finally:
        _FILTER.drawn = False
