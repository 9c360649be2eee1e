"""
Many GETs in few requests.

Sources: REST API Developer Guide, "Composite" (`resources_composite_composite.htm`: one API call for at most 25
subrequests, each with headers of its own) and "Batch" (`resources_composite_batch.htm`: each subrequest is a call).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.errors import BrokenPromise, BudgetError, LoginRefused, TapError

MOST_SUBREQUESTS = 25
DATA_ROOT = "/services/data/"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subrequest:
    """A GET within another request; `path` begins at the host."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subresponse:
    """What one subrequest was answered; `body` is JSON, header names are in lower case."""

    status: int
    body: msgspec.Raw
    headers: Mapping[str, str] = field(default_factory=dict)


class _Part(msgspec.Struct, rename="camel"):
    http_status_code: int
    reference_id: str
    body: msgspec.Raw = msgspec.Raw()
    http_headers: dict[str, str] | None = None


class _Composite(msgspec.Struct, rename="camel"):
    composite_response: tuple[_Part, ...]


class _Result(msgspec.Struct, rename="camel"):
    status_code: int
    result: msgspec.Raw = msgspec.Raw()


class _Batch(msgspec.Struct):
    results: tuple[_Result, ...]


# Made here, once: threads that let msgspec build a nested type at the same time can crash the process.
_COMPOSITES = msgspec.json.Decoder(_Composite)
_BATCHES = msgspec.json.Decoder(_Batch)

Form = Callable[[Sequence[Subrequest]], list[Subresponse]]
AnswerT = TypeVar("AnswerT")


class ManyGets:
    """
    Asks for many resources at once, in the first form that the org answers: composite, or batch.

    A form that failed is not tried again. Safe for many threads.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._failed: set[str] = set()
        self._forms: dict[str, Form] = {"composite": self._composite, "composite/batch": self._batch}

    def ask(self, subrequests: Sequence[Subrequest]) -> list[Subresponse] | None:
        """
        Return the answers in the order of the (at most 25) subrequests; None where they must be asked for one by one.

        A batch knows no headers, so that its answers are never "not modified".
        Raises BudgetError and LoginRefused, which no other form would escape.
        """
        for name, form in self._forms.items():
            if name in self._failed:
                continue
            try:
                return form(subrequests)
            except (BudgetError, LoginRefused):
                raise
            except TapError as error:
                self._failed.add(name)
                logger.info("Requests to %s are given up: %s", name, error.what)
        return None

    def _composite(self, subrequests: Sequence[Subrequest]) -> list[Subresponse]:
        requests = [
            {"method": "GET", "url": each.path, "referenceId": f"get{number}", "httpHeaders": dict(each.headers)}
            for number, each in enumerate(subrequests)
        ]
        path = f"{self._client.data_path}/composite"
        answer = self._client.post(path, {"allOrNone": False, "compositeRequest": requests})
        parts = {part.reference_id: part for part in _decoded(_COMPOSITES, answer.body, path).composite_response}
        return [_of_part(parts.get(f"get{number}"), path) for number in range(len(subrequests))]

    def _batch(self, subrequests: Sequence[Subrequest]) -> list[Subresponse]:
        requests = [{"method": "GET", "url": each.path.removeprefix(DATA_ROOT)} for each in subrequests]
        path = f"{self._client.data_path}/composite/batch"
        body = {"batchRequests": requests, "haltOnError": False}
        answer = self._client.post(path, body, counted=len(subrequests))
        results = _decoded(_BATCHES, answer.body, path).results
        if len(results) != len(subrequests):
            raise _incomplete(path)
        return [Subresponse(result.status_code, result.result) for result in results]


def _decoded(decoder: msgspec.json.Decoder[AnswerT], body: bytes, path: str) -> AnswerT:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokenPromise(f"Salesforce's answer can't be read: {error}", where=path) from None


def _of_part(part: _Part | None, path: str) -> Subresponse:
    if part is None:
        raise _incomplete(path)
    headers = {name.lower(): value for name, value in (part.http_headers or {}).items()}
    return Subresponse(part.http_status_code, part.body, headers)


def _incomplete(path: str) -> BrokenPromise:
    return BrokenPromise("Salesforce did not answer every subrequest.", where=path)
