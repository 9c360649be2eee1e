"""
A prepared org: what the tap asks of Salesforce, answered without work.

It knows describes, queries whose WHERE it takes no notice of, and jobs of Bulk API 2.0 and 1.0. It is no judge of a
tap: that is the emulated org of `tap_salesforce_ci.demo`, which is too slow to be read at full speed.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from urllib.parse import urlsplit

from bench.answers import CSV, NOT_FOUND, Answer, Request, as_json
from bench.batches import BatchJobs
from bench.pages import REST_PAGE_ROWS, Piece, Table, gzipped, piece
from bench.shapes import SHAPES, field_describe, json_bytes

TOKEN = "00D000000000001!bench"  # noqa: S105 - opens nothing
RESULT_PAGES_LISTED = 5
"""At most so many pages are listed at once (Bulk API 2.0, "Get Parallel Results")."""

ORG_ID, USER_ID = "00D000000000001AAA", "005000000000001AAA"
LIMITS = {
    name: {"Max": 1_000_000, "Remaining": 1_000_000}
    for name in ("DailyApiRequests", "DailyBulkApiBatches", "DailyBulkApiRequests")
}
"""The batches of Bulk API 1.0 by both of their names: before version 49.0 they were called requests."""
LAST_CHANGE = "Thu, 01 Jan 2026 00:00:00 GMT"
DATA = r"/services/data/v[0-9.]+"
SELECT = re.compile(
    r"SELECT\s+(?P<fields>.+?)\s+FROM\s+(?P<object>\w+)(?:.*\sLIMIT\s+(?P<limit>\d+))?", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What the org is like: object names to shape and number of rows, seconds per request and per Bulk job.

    `listed_rows` are on each page that `resultPages` lists; None: as many as on any result page.
    """

    objects: Mapping[str, tuple[str, int]]
    latency: float = 0.0
    job_seconds: float = 0.0
    listed_rows: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A Bulk query job and when it is complete, on the org's clock in seconds."""

    id: str
    table: Table
    ready: float


class Org:
    """Answers requests; `monotonic` is a clock in seconds. Safe for many threads."""

    def __init__(self, plan: Plan, monotonic: Callable[[], float]) -> None:
        self.url = ""
        self.calls = 0
        self._plan = plan
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._jobs: dict[str, Job] = {}
        self._cursors: dict[str, Table] = {}
        self._table = lru_cache(maxsize=None)(Table)
        self._fields_told = lru_cache(maxsize=None)(self._told_fields)
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
            (method, re.compile(path, re.IGNORECASE), answer)
            for method, path, answer in (
                ("POST", "/services/oauth2/token", self._log_in),
                (
                    "GET",
                    "/services/data/?",
                    lambda _request: as_json([{"version": "66.0", "url": "/services/data/v66.0"}]),
                ),
                ("GET", f"{DATA}/?", self._resources),
                ("GET", f"{DATA}/sobjects/?", self._objects),
                ("GET", rf"{DATA}/sobjects/(\w+)/describe/?", self._describe),
                ("POST", f"{DATA}/composite/?", self._composite),
                ("POST", f"{DATA}/composite/batch", self._batch),
                ("GET", f"{DATA}/limits/recordCount", self._record_count),
                ("GET", rf"{DATA}/(?:query|queryAll)/?", self._query),
                ("GET", rf"{DATA}/(?:query|queryAll)/(\w+)-(\d+)", self._query_more),
                ("GET", f"{DATA}/limits/?", lambda _request: as_json(LIMITS)),
                ("POST", f"{DATA}/jobs/query", self._create_job),
                ("GET", rf"{DATA}/jobs/query/(\w+)", self._job_state),
                ("DELETE", rf"{DATA}/jobs/query/(\w+)", lambda _request, _job: Answer(status=204)),
                ("GET", rf"{DATA}/jobs/query/(\w+)/results", self._results),
                ("GET", rf"{DATA}/jobs/query/(\w+)/resultPages", self._result_pages),
                *BatchJobs(self._asked).routes(),
            )
        ]

    def respond(self, request: Request) -> Answer:
        """Answer a request."""
        with self._lock:
            self.calls += 1
        for method, path, answer in self._routes:
            if method == request.method and (match := path.fullmatch(request.path)):
                return answer(request, *match.groups())
        return NOT_FOUND

    # Login and describes

    def _log_in(self, _request: Request) -> Answer:
        return as_json({"access_token": TOKEN, "instance_url": self.url, "id": self._identity, "issued_at": "0"})

    @property
    def _identity(self) -> str:
        return f"{self.url}/id/{ORG_ID}/{USER_ID}"

    def _resources(self, _request: Request) -> Answer:
        return as_json({"sobjects": "/services/data/v66.0/sobjects", "identity": self._identity})

    def _objects(self, request: Request) -> Answer:
        return self._unless_known(request, self._listing)

    @cached_property
    def _listing(self) -> bytes:
        flags = {"custom": True, "deprecatedAndHidden": False, "queryable": True, "replicateable": True}
        listed = [{"name": name, "label": name, "labelPlural": name, **flags} for name in self._plan.objects]
        return gzipped([piece(json_bytes({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": listed}))])

    def _describe(self, request: Request, name: str) -> Answer:
        if name not in self._plan.objects:
            return NOT_FOUND
        return self._unless_known(request, gzipped(self._describe_pieces(name)))

    def _unless_known(self, request: Request, packed: bytes) -> Answer:
        if "if-modified-since" in request.headers:
            return Answer(status=304, headers={"Last-Modified": LAST_CHANGE})
        return Answer(packed, headers={"Last-Modified": LAST_CHANGE}, gzip=True)

    def _describe_pieces(self, name: str) -> list[Piece]:
        own = {"label": name, "labelPlural": name, "name": name, "queryable": True, "replicateable": True}
        return [self._fields_told(self._plan.objects[name][0]), piece(b"," + json_bytes(own)[1:])]

    def _told_fields(self, shape: str) -> Piece:
        fields = [field_describe(field) for field in SHAPES[shape]]
        return piece(json_bytes({"actionOverrides": [], "custom": True, "fields": fields})[:-1])

    def _composite(self, request: Request) -> Answer:
        pieces = [piece(b'{"compositeResponse":[')]
        for number, part in enumerate(json.loads(request.body)["compositeRequest"]):
            known = "If-Modified-Since" in part.get("httpHeaders", {})
            told = {"httpHeaders": {"Last-Modified": LAST_CHANGE}, "httpStatusCode": 304 if known else 200}
            tail = b"," + json_bytes({**told, "referenceId": part["referenceId"]})[1:]
            name = urlsplit(part["url"]).path.split("/")[-2]
            body = [piece(b"null")] if known else self._describe_pieces(name)
            pieces += [piece((b"," if number else b"") + b'{"body":'), *body, piece(tail)]
        return Answer(gzipped([*pieces, piece(b"]}")]), gzip=True)

    def _batch(self, request: Request) -> Answer:
        asked = [urlsplit(part["url"]).path.split("/")[-2] for part in json.loads(request.body)["batchRequests"]]
        pieces = [piece(b'{"hasErrors":false,"results":[')]
        for number, name in enumerate(asked):
            head = piece((b"," if number else b"") + b'{"statusCode":200,"result":')
            pieces += [head, *self._describe_pieces(name), piece(b"}")]
        return Answer(gzipped([*pieces, piece(b"]}")]), gzip=True)

    # Rows

    def _asked(self, query: str) -> Table | None:
        """Return what a query asks for; queries of the same fields share a table, so that its pages are packed once."""
        match = SELECT.match(query)
        if match is None or match["object"] not in self._plan.objects:
            return None
        shape, rows = self._plan.objects[match["object"]]
        known = {field.name.lower(): field for field in SHAPES[shape]}
        names = [name.strip().lower() for name in match["fields"].split(",")]
        fields = tuple(known[name] for name in names if name in known) or SHAPES[shape]
        return self._table(match["object"], fields, min(rows, int(match["limit"] or rows)))

    def _record_count(self, request: Request) -> Answer:
        names = (request.argument("sObjects") or "").split(",")
        counts = [{"name": name, "count": self._plan.objects[name][1]} for name in names if name in self._plan.objects]
        return as_json({"sObjects": counts})

    def _query(self, request: Request) -> Answer:
        query = request.argument("q") or ""
        if "PermissionSetAssignment" in query:
            assigned = {"PermissionSetId": "0PS000000000001AAA", "PermissionSetGroupId": None}
            return as_json({"totalSize": 1, "done": True, "records": [assigned]})
        table = self._asked(query)
        if table is None:
            return NOT_FOUND
        cursor = f"01g{next(self._numbers):012d}AAA"
        self._cursors[cursor] = table
        return self._query_more(request, cursor, "0")

    def _query_more(self, _request: Request, cursor: str, start: str) -> Answer:
        table = self._cursors[cursor]
        following = int(start) + REST_PAGE_ROWS
        next_url = f"/services/data/v66.0/query/{cursor}-{following}" if following < table.num_rows else None
        return Answer(table.query_page(int(start), next_url), gzip=True)

    # Jobs

    def _create_job(self, request: Request) -> Answer:
        table = self._asked(json.loads(request.body)["query"])
        if table is None:
            return NOT_FOUND
        job = Job(f"750{next(self._numbers):012d}AAA", table, self._monotonic() + self._plan.job_seconds)
        self._jobs[job.id] = job
        return as_json({"id": job.id, "state": "UploadComplete", "object": table.name, "contentType": "CSV"})

    def _job_state(self, _request: Request, job_id: str) -> Answer:
        job = self._jobs.get(job_id)
        if job is None:
            return NOT_FOUND
        done = self._monotonic() >= job.ready
        told = {"state": "JobComplete" if done else "InProgress", "jobType": "V2Query"}
        return as_json({"id": job.id, **told, "numberRecordsProcessed": job.table.num_rows if done else 0})

    def _results(self, request: Request, job_id: str) -> Answer:
        table = self._jobs[job_id].table
        start, most = int(request.argument("locator") or 0), request.argument("maxRecords")
        body, count = table.result_page(start, int(most) if most else self._plan.listed_rows)
        end = start + count
        headers = {"Sforce-NumberOfRecords": str(count), "Sforce-Locator": str(end) if end < table.num_rows else "null"}
        return Answer(body, headers={**headers, "Content-Type": CSV}, gzip=True)

    def _result_pages(self, request: Request, job_id: str) -> Answer:
        table = self._jobs[job_id].table
        page_rows = self._plan.listed_rows or table.page_rows
        starts = range(int(request.argument("locator") or 0), table.num_rows, page_rows)
        here = f"/services/data/v66.0/jobs/query/{job_id}"
        listed = [{"resultUrl": f"{here}/results?locator={start}"} for start in starts[:RESULT_PAGES_LISTED]]
        more = starts[RESULT_PAGES_LISTED:]
        following = {"nextRecordsUrl": f"{here}/resultPages?locator={more[0]}"} if more else {}
        return as_json({"resultPages": listed, **following, "done": not more})
