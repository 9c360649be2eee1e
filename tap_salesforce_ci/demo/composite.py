"""
Several requests in one.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_batch.htm
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from tap_salesforce_ci.demo.exchange import Exchange
from tap_salesforce_ci.demo.refusals import SalesforceError, not_found
from tap_salesforce_ci.demo.request_log import Request
from tap_salesforce_ci.demo.values import json_text
from tap_salesforce_ci.demo.wire import Response, json_bytes, refusal

MOST_REQUESTS, MOST_QUERIES = 25, 5
_SHOWN = ("ETag", "Last-Modified")


def composite(exchange: Exchange) -> Response:
    """Requests by name, one call of the day's allowance in all."""
    requests = _asked(exchange, "compositeRequest")
    if sum("/query" in str(asked.get("url", "")).lower() for asked in requests) > MOST_QUERIES:
        text = f"The number of query and collection subrequests exceeds the limit of {MOST_QUERIES}"
        raise SalesforceError("LIMIT_EXCEEDED", text)
    texts = []
    for asked in requests:
        response = _answered(exchange, asked, str(asked.get("url", "")))
        headers = {name: response.headers[name] for name in _SHOWN if name in response.headers}
        texts.append(
            f'{{"body":{_body(response)},"httpHeaders":{json_text(headers)},'
            f'"httpStatusCode":{response.status},"referenceId":{json_text(asked.get("referenceId"))}}}'
        )
    return json_bytes(f'{{"compositeResponse":[{",".join(texts)}]}}')


def batch(exchange: Exchange) -> Response:
    """Independent requests, each a call of the day's allowance."""
    body = _parsed(exchange)
    texts: list[str] = []
    failed = False
    for asked in _asked(exchange, "batchRequests"):
        if failed and body.get("haltOnError"):
            halted = '[{"errorCode":"BATCH_PROCESSING_HALTED","message":"Batch processing halted per request"}]'
            texts.append(f'{{"statusCode":412,"result":{halted}}}')
            continue
        if texts:
            exchange.org.limits.spend(exchange.org.clock.now())
        response = _answered(exchange, asked, f"/services/data/{str(asked.get('url', '')).lstrip('/')}")
        failed = failed or response.status >= 400  # noqa: PLR2004 - where HTTP's errors begin
        texts.append(f'{{"statusCode":{response.status},"result":{_body(response)}}}')
    return json_bytes(f'{{"hasErrors":{json_text(failed)},"results":[{",".join(texts)}]}}')


def _parsed(exchange: Exchange) -> dict[str, Any]:
    try:
        body = json.loads(exchange.request.body)
    except ValueError:
        raise SalesforceError("JSON_PARSER_ERROR", "Unexpected end-of-input") from None
    return body if isinstance(body, dict) else {}


def _asked(exchange: Exchange, key: str) -> list[dict[str, Any]]:
    asked = _parsed(exchange).get(key)
    if not isinstance(asked, list):
        raise SalesforceError("JSON_PARSER_ERROR", f"Missing required property '{key}'")
    if len(asked) > MOST_REQUESTS:
        text = f"The number of subrequests exceeds the limit of {MOST_REQUESTS}"
        raise SalesforceError("LIMIT_EXCEEDED", text)
    return asked


def _answered(exchange: Exchange, asked: dict[str, Any], url: str) -> Response:
    target = quote(url, safe="/?&=%+:,'()!-._~*;")
    headers = {name.lower(): str(value) for name, value in (asked.get("httpHeaders") or {}).items()}
    body = json_text(asked["body"]).encode() if asked.get("body") else b""
    request = Request(str(asked.get("method", "GET")), target, headers, body)
    if exchange.inner is None or request.path.lower().endswith(("/composite", "/composite/batch")):
        return refusal(not_found())
    return exchange.inner(exchange, request)


def _body(response: Response) -> str:
    if not response.body:
        return "null"
    return response.body.decode() if response.is_json else json_text(response.body.decode("utf-8", "replace"))
