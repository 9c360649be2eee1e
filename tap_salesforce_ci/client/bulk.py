"""
A Bulk API 2.0 query job: create, wait, tidy up. Its rows are read by `results`.

Source: Bulk API 2.0 Developer Guide, "Query" (`queries.htm` and the `query_*` pages). No ORDER BY and no LIMIT in a
job's query: they switch Salesforce's own PK chunking off.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import TypeVar

import msgspec

from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.soql import Query
from tap_salesforce_ci.errors import BrokenPromise, BulkRefused, NotFound, QueryTimeout, TapError

SHORTEST_WAIT = 0.3
LONGEST_WAIT = 30.0
LATE = 1 / 6
"""
Of the time a job has taken, this part may pass before it is seen to be done: of 3 seconds half a one, at the cost of
ten polls; an hour costs 150.
"""

LONGEST_JOB = 24 * 3600.0
"""Seconds of polling before a job is given up; a large org's job may well take hours."""


class JobState(str, Enum):
    """The states of a query job ("Get Information About a Query Job")."""

    UPLOAD_COMPLETE = "UploadComplete"
    IN_PROGRESS = "InProgress"
    JOB_COMPLETE = "JobComplete"
    FAILED = "Failed"
    ABORTED = "Aborted"


class Job(msgspec.Struct, frozen=True, rename="camel"):
    """
    A query job as Salesforce tells of it; `number_records_processed` counts once it is complete.

    `asked_at` is the moment on the server's clock at which it took the job.
    """

    id: str
    state: str
    number_records_processed: int | None = None
    error_message: str | None = None
    asked_at: datetime | None = None


AnswerT = TypeVar("AnswerT")

# Made here, once: threads that let msgspec build a nested type at the same time can crash the process.
_JOBS = msgspec.json.Decoder(Job)


def read_answer(body: bytes, decoder: msgspec.json.Decoder[AnswerT], where: str) -> AnswerT:
    """Decode an answer about a job; raises BrokenPromise, saying where, for what is none."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BrokenPromise(
            "Salesforce's answer about a Bulk job can't be read.", where=where, remedy="Run again; the state is kept."
        ) from None


def jobs_path(client: Client, job_id: str | None = None) -> str:
    """
    Return the path of all query jobs, or of one.

    Raises BrokenPromise for what is no id: as part of a path, it could name something else to be read or deleted.
    """
    path = f"{client.data_path}/jobs/query"
    if job_id is None:
        return path
    if not (job_id.isascii() and job_id.isalnum()):
        raise BrokenPromise(f"{job_id[:40]!r} is no id of a Bulk job.", remedy="Run again; the state is kept.")
    return f"{path}/{job_id}"


def create(client: Client, query: Query, *, include_deleted: bool) -> Job:
    """
    Start a query job.

    Raises BulkRefused where Bulk won't answer such a query.
    """
    body = {
        "operation": "queryAll" if include_deleted else "query",
        "query": str(query),
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
    }
    answer = client.post(jobs_path(client), body)
    job = read_answer(answer.body, _JOBS, f"object: {query.object}")
    return msgspec.structs.replace(job, asked_at=answer.date)


def status(client: Client, job_id: str) -> Job:
    """
    Ask for a job's state; an answer that can't be read is asked for once more.

    Raises NotFound where it is deleted or expired (seven days after completion).
    """
    path, where = jobs_path(client, job_id), f"job: {job_id}"
    body = client.get(path).body
    try:
        return read_answer(body, _JOBS, where)
    except BrokenPromise:
        return read_answer(client.get(path).body, _JOBS, where)


def wait(client: Client, job_id: str, told: Callable[[Job], None] = lambda _job: None) -> Job:
    """
    Poll until the job is complete, soon at first and then ever less often: each poll is an API call.

    `told` hears what each poll says. Raises QueryTimeout or BulkRefused where it failed, and where someone aborted it.
    """
    waited = 0.0
    while True:
        job = status(client, job_id)
        told(job)
        if job.state == JobState.JOB_COMPLETE:
            return job
        if job.state not in {JobState.UPLOAD_COMPLETE, JobState.IN_PROGRESS}:
            raise _ended(job)
        if waited > LONGEST_JOB:
            raise QueryTimeout(
                f"The job is still {job.state} after {waited / 3600:.0f} hours.",
                where=f"job: {job_id}",
                remedy="Look at Bulk Data Load Jobs in Salesforce Setup; read less with `start_date` or `where`.",
            )
        pause = min(LONGEST_WAIT, max(SHORTEST_WAIT, waited * LATE))
        client.sleep(pause)
        waited += pause


def _ended(job: Job) -> TapError:
    reason = job.error_message or "no reason given"
    if job.state == JobState.ABORTED:
        return BulkRefused("The job was aborted in Salesforce.", where=f"job: {job.id}", remedy="Run again.")
    if job.state != JobState.FAILED:
        return BrokenPromise(f"The job is in an unknown state: {job.state!r}.", where=f"job: {job.id}")
    if "TIMEOUT" in reason.upper() or "retried more than" in reason.casefold():
        return QueryTimeout(
            f"The job failed: {reason}",
            where=f"job: {job.id}",
            remedy="Read less at once: set `start_date`, add a `where`, or deselect wide fields.",
        )
    return BulkRefused(f"The job failed: {reason}", where=f"job: {job.id}", remedy="REST is used instead.")


def discard(client: Client, job_id: str) -> bool:
    """
    Delete a job and its results, and say whether it is gone; one that is not over yet is aborted first.

    Each is tried once: no read depends on it, and the end of a run should not wait for it. What is left Salesforce
    deletes by itself after seven days.
    """
    path = jobs_path(client, job_id)
    for abort in (False, True):
        try:
            if abort:
                client.request("PATCH", path, body={"state": JobState.ABORTED.value}, patient=False)
            client.request("DELETE", path, patient=False)
        except NotFound:
            return True
        except TapError:
            continue
        return True
    return False
