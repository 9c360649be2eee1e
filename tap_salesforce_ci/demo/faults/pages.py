"""Faults of content: an answer arrives that Salesforce's documentation says cannot be."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.csv_pages import csv_page
from tap_salesforce_ci.demo.faults.triggers import Fault
from tap_salesforce_ci.demo.records import Printing
from tap_salesforce_ci.demo.refusals import SalesforceError
from tap_salesforce_ci.demo.wire import compact, exact, json_bytes, refusal

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.faults.triggers import Struck
    from tap_salesforce_ci.demo.jobs import Job
    from tap_salesforce_ci.demo.request_log import Request
    from tap_salesforce_ci.demo.wire import Response

_JOB = re.compile(r"/jobs/query/(\w+)", re.IGNORECASE)
_CURSOR = re.compile(r"(/services/data/v[\d.]+)/query/(\w+-\d+)", re.IGNORECASE)
_NEXT = re.compile(r'("nextRecordsUrl":")([^"]*)(",)')
# Every byte of a character but its first (RFC 3629).
_OF_SEVERAL, _LATER = 0xC0, 0x80
_COUNT, _LOCATOR = "Sforce-NumberOfRecords", "Sforce-Locator"


def _job(org: Struck, request: Request) -> Job | None:
    named = _JOB.search(request.path)
    return org.jobs.find(named[1]) if named else None


def _start(job: Job, request: Request) -> int:
    locator = request.query.get("locator")
    return job.offset(locator) if locator else 0


def _rewritten(response: Response, text: str) -> Response:
    return replace(response, body=text.encode("utf-8", "surrogatepass"))


class _OfPages(Fault):
    """A fault of pages of records, whichever API gives them."""

    @property
    def strikes(self) -> str:
        """Result pages and query pages."""
        return r"/results\b|/query(All)?/?(\?|/0r8)"

    def spoiled(self, org: Struck, request: Request, response: Response) -> Response:
        """The page, spoiled as its API has it; a refusal is let through."""
        if response.status != 200:  # noqa: PLR2004 - the status of every good page
            return response
        job = _job(org, request)
        return self.result_page(job, request, response) if job else self.query_page(org, request, response)

    def result_page(self, job: Job, request: Request, response: Response) -> Response:
        """What becomes of a page of Bulk results."""
        del job, request
        return response

    def query_page(self, org: Struck, request: Request, response: Response) -> Response:
        """What becomes of a page of a REST query."""
        del org, request
        return response


@dataclass(frozen=True)
class WrongCount(_OfPages):
    """The number of records announced is not the number there are."""

    by: int = 1

    def result_page(self, job: Job, request: Request, response: Response) -> Response:
        """The page under a wrong header."""
        del job, request
        count = int(response.headers[_COUNT]) + self.by
        return replace(response, headers={**response.headers, _COUNT: str(count)})

    def query_page(self, org: Struck, request: Request, response: Response) -> Response:
        """The page under a wrong total."""
        del org, request
        text = response.body.decode("utf-8", "surrogatepass")
        return _rewritten(
            response, re.sub(r'"totalSize":(\d+)', lambda size: f'"totalSize":{int(size[1]) + self.by}', text, count=1)
        )


@dataclass(frozen=True)
class MissingLocator(_OfPages):
    """A page does not say where the next one is."""

    def result_page(self, job: Job, request: Request, response: Response) -> Response:
        """The page without the header."""
        del job, request
        return replace(response, headers={k: v for k, v in response.headers.items() if k != _LOCATOR})

    def query_page(self, org: Struck, request: Request, response: Response) -> Response:
        """The page, not done, without an address."""
        del org, request
        text = response.body.decode("utf-8", "surrogatepass")
        return _rewritten(response, re.sub(r'"nextRecordsUrl":"[^"]*",', "", text, count=1))


@dataclass(frozen=True)
class RepeatedLocator(_OfPages):
    """A page says that it is itself the next one."""

    def result_page(self, job: Job, request: Request, response: Response) -> Response:
        """The page with its own locator."""
        own = job.locator(_start(job, request))
        return replace(response, headers={**response.headers, _LOCATOR: own})

    def query_page(self, org: Struck, request: Request, response: Response) -> Response:
        """The page with its own address, the first page with an address of the beginning."""
        del org
        text = response.body.decode("utf-8", "surrogatepass")
        cursor = _CURSOR.fullmatch(request.path)

        def own(found: re.Match[str]) -> str:
            address = request.path if cursor else re.sub(r"-\d+$", "-0", found[2])
            return f"{found[1]}{address}{found[3]}"

        return _rewritten(response, _NEXT.sub(own, text, count=1))


@dataclass(frozen=True)
class ShortResults(_OfPages):
    """The last rows of a page are not there, though everything else says they are."""

    rows: int = 1

    def result_page(self, job: Job, request: Request, response: Response) -> Response:
        """The page without its last rows."""
        start, count = _start(job, request), int(response.headers[_COUNT])
        return replace(response, body=_csv(job, start, max(0, count - self.rows)))

    def query_page(self, org: Struck, request: Request, response: Response) -> Response:
        """The page without its last records."""
        del org, request
        return _with_records(response, [compact(each) for each in exact(response.body)["records"][: -self.rows]])


@dataclass(frozen=True)
class DuplicatePage(_OfPages):
    """A later page brings the rows of the first once more, as many as it should have brought of its own."""

    def result_page(self, job: Job, request: Request, response: Response) -> Response:
        """The first rows again."""
        del request
        return replace(response, body=_csv(job, 0, int(response.headers[_COUNT])))

    def query_page(self, org: Struck, request: Request, response: Response) -> Response:
        """The first records again."""
        named = _CURSOR.fullmatch(request.path)
        if named is None:
            return response
        cursor, offset = org.cursors.at(named[2])
        count = min(cursor.page_rows, len(cursor.records) - offset)
        texts = Printing(named[1], org, cursor.deleted).page(cursor.query, cursor.records[:count])
        return _with_records(response, texts)


@dataclass(frozen=True)
class _OfJobs(Fault):
    """A fault of the job a request makes."""

    @property
    def strikes(self) -> str:
        """The making of jobs."""
        return "/jobs/query/?$"

    @property
    def method(self) -> str:
        """Only the making."""
        return "POST"

    def spoiled(self, org: Struck, request: Request, response: Response) -> Response:
        """The answer as it is; the job it tells of is doomed."""
        del request
        if response.status == 200:  # noqa: PLR2004 - Salesforce says 200 to a job made
            self.doom(org.jobs.find(json.loads(response.body)["id"]))
        return response

    def doom(self, job: Job) -> None:
        """Decide how the job ends."""


@dataclass(frozen=True)
class JobFails(_OfJobs):
    """The job made fails in the end."""

    message: str = "QUERY_TIMEOUT: Your query request was running for too long."

    def doom(self, job: Job) -> None:
        """It ends badly."""
        job.end, job.error = "Failed", self.message


@dataclass(frozen=True)
class JobAborted(_OfJobs):
    """Somebody aborts the job made."""

    def doom(self, job: Job) -> None:
        """It ends early."""
        job.end = "Aborted"


@dataclass(frozen=True)
class JobStuck(_OfJobs):
    """The job made never begins."""

    def doom(self, job: Job) -> None:
        """It stays as it is."""
        job.stuck = True


@dataclass(frozen=True)
class JobGone(Fault):
    """The job asked for is gone for good, as after seven days."""

    @property
    def strikes(self) -> str:
        """Whatever is asked of a job."""
        return r"/jobs/query/\w"

    def instead(self, org: Struck, request: Request) -> None:
        """Nothing yet: the org itself will not find the job."""
        named = _JOB.search(request.path)
        if named:
            org.jobs.forget(named[1])


@dataclass(frozen=True)
class TornText(Fault):
    """
    The body ends behind a part of its length, and looks whole: length and packing are those of what is left.

    Where there is a character of several bytes behind that part, it ends within the first one.
    """

    at: float = 0.5

    def spoiled(self, org: Struck, request: Request, response: Response) -> Response:
        """The beginning of the answer."""
        del org, request
        body = response.body
        start = int(len(body) * self.at)
        within = (place for place in range(start, len(body)) if body[place] & _OF_SEVERAL == _LATER)
        return replace(response, body=body[: next(within, start)])


@dataclass(frozen=True)
class BadDescribe(Fault):
    """One object cannot be described: it fails, or answers `body` as if that were a describe."""

    name: str
    body: Any = None

    @property
    def strikes(self) -> str:
        """The object's describe."""
        return rf"/sobjects/{self.name}/describe"

    def instead(self, org: Struck, request: Request) -> Response:
        """The failure."""
        del org, request
        if self.body is not None:
            return json_bytes(json.dumps(self.body))
        return refusal(SalesforceError("UNKNOWN_EXCEPTION", "An unexpected error occurred.", status=500))


def _with_records(response: Response, texts: list[str]) -> Response:
    head = response.body.decode("utf-8", "surrogatepass").partition('"records":[')[0]
    return _rewritten(response, f'{head}"records":[{",".join(texts)}]}}')


def _csv(job: Job, start: int, count: int) -> bytes:
    return csv_page(job.query, job.records[start : start + count], job.order.delimiter, job.order.ending)
