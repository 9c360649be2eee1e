"""Bulk 2.0 query jobs: a result set fixed when the job is made, read once the job is complete."""

from __future__ import annotations

import base64
import hashlib
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from tap_salesforce_ci.demo.ids import canonical, record_id
from tap_salesforce_ci.demo.refusals import SalesforceError, not_found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_salesforce_ci.demo.clock import Clock
    from tap_salesforce_ci.demo.limits import Limits
    from tap_salesforce_ci.demo.soql.query import Query, Record

# https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/
# salesforce_app_limits_cheatsheet/salesforce_app_limits_platform_bulkapi.htm
LIFE = timedelta(days=7)
UNFINISHED = frozenset({"UploadComplete", "InProgress"})


@dataclass(frozen=True)
class Order:
    """What a job was asked to do."""

    operation: str
    version: str
    delimiter: str = "COMMA"
    ending: str = "LF"

    @property
    def deleted(self) -> bool:
        """Whether deleted records are wanted too."""
        return self.operation == "queryAll"


@dataclass(frozen=True)
class Pace:
    """How fast new jobs are done, and how much of their results the server puts on a page by itself."""

    polls: int = 1
    seconds: float = 0.0
    page_rows: int = 50_000


@dataclass
class Job:
    """One job: what it was asked, what it found, and how far it is."""

    id: str
    order: Order
    query: Query
    records: list[Record]
    created: datetime
    created_by: str
    # The job is complete after so many polls, and not before this moment.
    polls_left: int
    ready_at: float
    state: str = "UploadComplete"
    # What becomes of the job, and why when that is no good end.
    end: Literal["JobComplete", "Failed", "Aborted"] = "JobComplete"
    error: str | None = None
    # Whether it never begins.
    stuck: bool = False
    page_rows: int = 50_000
    _offsets: dict[str, int] = field(default_factory=dict, repr=False)

    def poll(self) -> None:
        """Let the job get on, as it does between two looks at it."""
        if self.state not in UNFINISHED or self.stuck:
            return
        if self.polls_left <= 0 and time.monotonic() >= self.ready_at:
            self.state = self.end
            return
        self.state = "InProgress"
        self.polls_left -= 1

    def locator(self, offset: int) -> str:
        """The opaque name of a place in the results."""
        digest = hashlib.blake2b(f"{self.id}/{offset}".encode(), digest_size=9).digest()
        name = base64.urlsafe_b64encode(digest).decode()
        self._offsets[name] = offset
        return name

    def offset(self, locator: str) -> int:
        """The place a locator names."""
        if locator not in self._offsets:
            raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator", code_first=True)
        return self._offsets[locator]

    def page_starts(self) -> range:
        """Where each of the server's own result pages begins; even no record makes a page."""
        return range(0, max(1, len(self.records)), self.page_rows)


class Jobs:
    """The query jobs of the org."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._made = 0

    def create(self, order: Order, query: Query, created_by: str, pace: Pace) -> Job:
        """A new job; its records are dealt in an order of the job's own unless the query sorts them."""
        with self._lock:
            self._count()
            self._made += 1
            identifier = record_id("750", self._made)
            records = query.records(deleted=order.deleted, shuffle=random.Random(identifier))
            job = Job(
                id=identifier,
                order=order,
                query=query,
                records=records,
                created=self._clock.now(),
                created_by=created_by,
                polls_left=pace.polls,
                ready_at=time.monotonic() + pace.seconds,
                page_rows=pace.page_rows,
            )
            self._jobs[identifier] = job
            return job

    def find(self, identifier: str) -> Job:
        """The job of this id, while it is kept."""
        with self._lock:
            job = self._jobs.get(canonical(identifier) or "")
            if job is None or self._clock.now() - job.created > LIFE:
                raise not_found()
            return job

    def every(self) -> Iterator[Job]:
        """The jobs there are, the newest first."""
        with self._lock:
            return reversed(list(self._jobs.values()))

    def poll(self, identifier: str) -> Job:
        """A job as it is now."""
        with self._lock:
            job = self.find(identifier)
            job.poll()
            return job

    def abort(self, identifier: str) -> Job:
        """Stop a job that is not finished."""
        with self._lock:
            job = self.find(identifier)
            if job.state not in UNFINISHED:
                state = {"JobComplete": "Completed"}.get(job.state, job.state)
                text = f"Aborting already {state} Job not allowed"
                raise SalesforceError("INVALIDJOBSTATE", text, code_first=True)
            job.state = "Aborted"
            return job

    def delete(self, identifier: str) -> None:
        """Forget a job that is finished."""
        with self._lock:
            job = self.find(identifier)
            if job.state in UNFINISHED:
                text = "Error encountered when deleting the job because the job is not terminated"
                raise SalesforceError("API_ERROR", text, code_first=True)
            del self._jobs[job.id]

    def forget(self, identifier: str) -> None:
        """Lose a job whatever its state, as when its results have expired."""
        with self._lock:
            self._jobs.pop(identifier, None)

    def _count(self) -> None:
        most = self._limits.bulk_jobs_max
        if self._limits.bulk_jobs_used >= most:
            used = self._limits.bulk_jobs_used + 1
            text = f"Max bulk v2 query jobs ({most}) per 24 hrs has been reached ({used})"
            raise SalesforceError("LIMIT_EXCEEDED", text, code_first=True)
        self._limits.bulk_jobs_used += 1
