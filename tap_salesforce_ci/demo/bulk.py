"""The Bulk API 2.0's query half: make a job, look how it does, read its pages, tidy up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tap_salesforce_ci.demo.csv_pages import DELIMITERS, ENDINGS, csv_page
from tap_salesforce_ci.demo.exchange import Exchange
from tap_salesforce_ci.demo.grants import ADMIN_ID
from tap_salesforce_ci.demo.ids import record_id
from tap_salesforce_ci.demo.jobs import Job, Order
from tap_salesforce_ci.demo.refusals import SalesforceError
from tap_salesforce_ci.demo.values import moment_text
from tap_salesforce_ci.demo.wire import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

# https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/query_get_parallel_job_results.htm
PAGES_AT_ONCE = 5
JOBS_AT_ONCE = 1_000
_LIST_LOCATOR = record_id("01g", 1)


def create(exchange: Exchange) -> Response:
    """Make a job; Salesforce says 200 to this, not 201."""
    asked = _asked(exchange.request.body)
    order = Order(
        asked["operation"],
        exchange.version,
        asked.get("columnDelimiter", "COMMA"),
        asked.get("lineEnding", "LF"),
    )
    query = exchange.org.bulk_query(asked["query"])
    user = exchange.session.user.id if exchange.session else ADMIN_ID
    job = exchange.org.jobs.create(order, query, user, exchange.org.bulk_pace)
    return json_response(_told(job))


def _asked(body: bytes) -> dict[str, str]:
    try:
        asked = json.loads(body)
    except ValueError:
        raise SalesforceError("JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no "
                              "entity body or it is not JSON.") from None  # fmt: skip
    _check(asked, "operation", {"query", "queryAll"}, needed=True)
    _check(asked, "contentType", {"CSV"})
    _check(asked, "columnDelimiter", set(DELIMITERS))
    _check(asked, "lineEnding", set(ENDINGS))
    if not asked.get("query"):
        raise SalesforceError("INVALIDJOB", "query is required", code_first=True)
    return dict(asked)


def _check(asked: Mapping[str, Any], key: str, allowed: set[str], *, needed: bool = False) -> None:
    value = asked.get(key)
    if (value is None and needed) or (value is not None and value not in allowed):
        text = f"Invalid value for {key}: {value}. Must be one of {', '.join(sorted(allowed))}"
        raise SalesforceError("INVALIDJOB", text, code_first=True)


def look(exchange: Exchange) -> Response:
    """How a job does."""
    return json_response(_told(exchange.org.jobs.poll(exchange.params["job"]), polled=True))


def change(exchange: Exchange) -> Response:
    """Abort a job, the one change there is."""
    try:
        state = json.loads(exchange.request.body or b"{}").get("state")
    except ValueError:
        state = None
    if state != "Aborted":
        raise SalesforceError("INVALIDJOBSTATE", "Only the state Aborted can be set on a query job", code_first=True)
    return json_response(_told(exchange.org.jobs.abort(exchange.params["job"])))


def delete(exchange: Exchange) -> Response:
    """Forget a finished job."""
    exchange.org.jobs.delete(exchange.params["job"])
    return Response(204)


def results(exchange: Exchange) -> Response:
    """A page of results, from a locator on, as long as asked for."""
    job = _complete(exchange)
    asked = exchange.request.query
    start = job.offset(asked["locator"]) if asked.get("locator") else 0
    rows = int(asked["maxRecords"]) if asked.get("maxRecords", "").isdigit() else job.page_rows
    end = start + max(1, min(rows, exchange.org.bulk_most_rows))
    page = job.records[start:end]
    headers = {
        "Content-Type": "text/csv; charset=UTF-8",
        "Sforce-NumberOfRecords": str(len(page)),
        "Sforce-Locator": job.locator(end) if end < len(job.records) else "null",
    }
    body = csv_page(job.query, page, job.order.delimiter, job.order.ending)
    exchange.org.limits.bulk_storage_bytes_used += len(body)
    return Response(200, body, headers)


def result_pages(exchange: Exchange) -> Response:
    """The addresses of up to five result pages, to be read side by side."""
    job = _complete(exchange)
    asked = exchange.request.query.get("locator")
    first = job.offset(asked) if asked else 0
    starts = [start for start in job.page_starts() if start >= first]
    here = f"{exchange.root}/jobs/query/{job.id}"
    locators = [quote(job.locator(start), safe="") for start in starts[:PAGES_AT_ONCE]]
    body: dict[str, Any] = {"resultPages": [{"resultUrl": f"{here}/results?locator={each}"} for each in locators]}
    more = starts[PAGES_AT_ONCE:]
    if more:
        body["nextRecordsUrl"] = f"{here}/resultpages?locator={quote(job.locator(more[0]), safe='')}"
    return json_response({**body, "done": not more})


def every(exchange: Exchange) -> Response:
    """The jobs there are."""
    asked = exchange.request.query
    listed = [] if asked.get("jobType", "V2Query") != "V2Query" else list(exchange.org.jobs.every())
    start = _list_offset(asked.get("queryLocator", ""))
    end = start + JOBS_AT_ONCE
    jobs = [{**_told(job), "jobType": "V2Query"} for job in listed[start:end]]
    more = f"{exchange.root}/jobs/query?queryLocator={_LIST_LOCATOR}-{end}" if end < len(listed) else None
    return json_response({"done": more is None, "records": jobs, "nextRecordsUrl": more})


def _list_offset(locator: str) -> int:
    offset = locator.rpartition("-")[2]
    return int(offset) if offset.isdigit() else 0


def _complete(exchange: Exchange) -> Job:
    job = exchange.org.jobs.find(exchange.params["job"])
    if job.order.version != exchange.version:
        text = f"The job was created with API version {job.order.version}, this request uses {exchange.version}"
        raise SalesforceError("API_ERROR", text, status=409, code_first=True)
    if job.state != "JobComplete":
        text = f"Results are not available while the job is in state {job.state}"
        raise SalesforceError("INVALIDJOBSTATE", text, code_first=True)
    return job


def _told(job: Job, *, polled: bool = False) -> dict[str, Any]:
    made = moment_text(job.created).replace("Z", "+0000")
    told: dict[str, Any] = {
        "id": job.id,
        "operation": job.order.operation,
        "object": job.query.source.name,
        "createdById": job.created_by,
        "createdDate": made,
        "systemModstamp": made,
        "state": job.state,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(job.order.version),
    }
    if polled:
        told["jobType"] = "V2Query"
    if job.state != "Aborted" or polled:
        told |= {"lineEnding": job.order.ending, "columnDelimiter": job.order.delimiter}
    if polled and job.state != "UploadComplete":
        done = job.state == "JobComplete"
        told |= {
            "numberRecordsProcessed": len(job.records) if done else 0,
            "retries": 0,
            "totalProcessingTime": 100 + len(job.records) // 100 if done else 0,
            "isPkChunkingSupported": True,
        }
    if job.error and job.state == "Failed":
        told["errorMessage"] = job.error
    return told
