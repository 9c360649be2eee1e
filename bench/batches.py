"""Queries over Bulk API 1.0, for taps that know no later one: a job, a batch that holds the query, one result."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.answers import CSV, NOT_FOUND, Answer, Request, as_json
from bench.pages import Table

JOB = r"/services/async/[0-9.]+/job"
NAMESPACE = "http://www.force.com/2009/06/asyncapi/dataload"
NOTHING_FOUND = b"Records not found for this query"
"""What a result without rows holds, instead of a header."""
NOT_ENABLED = as_json({"exceptionCode": "FeatureNotEnabled", "exceptionMessage": "Async API not enabled"}, 400)
"""Sends those that would have JSON to REST."""

Route = tuple[str, str, Callable[..., Answer]]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of one query, which is complete as soon as it is added."""

    id: str
    table: Table


class BatchJobs:
    """
    Jobs for CSV; `asked` returns the table that a query reads.

    They are created and closed in JSON; of their batches XML tells, since that goes with CSV.
    """

    def __init__(self, asked: Callable[[str], Table | None]) -> None:
        self._asked = asked
        self._numbers = itertools.count(1)
        self._batches: dict[str, Batch] = {}

    def routes(self) -> Iterator[Route]:
        """Yield methods, paths, and what answers them."""
        batch = rf"{JOB}/(\w+)/batch/(\w+)"
        yield "POST", JOB, self._create
        yield "POST", rf"{JOB}/(\w+)", lambda _request, job: as_json({"id": job, "state": "Closed"})
        yield "POST", rf"{JOB}/(\w+)/batch", self._add
        yield "GET", batch, lambda _request, job, number: self._told(job, self._batches[number])
        yield "GET", rf"{batch}/result", lambda _request, _job, number: _as_xml("result-list", result=number)
        yield "GET", rf"{batch}/result/(\w+)", lambda _request, _job, _batch, number: self._result(number)

    def _create(self, request: Request) -> Answer:
        told = json.loads(request.body)
        if told["contentType"] != "CSV":
            return NOT_ENABLED
        return as_json({**told, "id": self._id("750"), "state": "Open", "concurrencyMode": "Parallel"}, 201)

    def _add(self, request: Request, job: str) -> Answer:
        table = self._asked(request.body.decode())
        if table is None:
            return NOT_FOUND
        batch = Batch(self._id("751"), table)
        self._batches[batch.id] = batch
        return self._told(job, batch, 201)

    def _told(self, job: str, batch: Batch, status: int = 200) -> Answer:
        rows = str(batch.table.num_rows)
        values = {"id": batch.id, "jobId": job, "state": "Completed", "numberRecordsProcessed": rows}
        return _as_xml("batchInfo", status, **values)

    def _result(self, number: str) -> Answer:
        table = self._batches[number].table
        headers = {"Content-Type": CSV}
        if not table.num_rows:
            return Answer(NOTHING_FOUND, headers=headers)
        body, _ = table.result_page(0, table.num_rows)
        return Answer(body, headers=headers, gzip=True)

    def _id(self, prefix: str) -> str:
        return f"{prefix}{next(self._numbers):012d}AAA"


def _as_xml(name: str, status: int = 200, /, **values: str) -> Answer:
    told = "".join(f"<{each}>{value}</{each}>" for each, value in values.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="{NAMESPACE}">{told}</{name}>'
    return Answer(body.encode(), status, {"Content-Type": "application/xml"})
