"""
Many GETs in few requests.

Sources: REST API Developer Guide, "Composite" (`resources_composite_composite.htm`: one API call for at most 25
subrequests, each with headers of its own) and "Batch" (`resources_composite_batch.htm`: each subrequest is a call).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.errors import BrokenPromise, BudgetError, LoginRefused, TapError

OK = 200
MOST_SUBREQUESTS = 25
DATA_ROOT = "/services/data/"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subrequest:
    """A GET within another request; `path` begins at the host."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)


BodyT = TypeVar("BodyT")
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class Subresponse(Generic[BodyT]):
    """What one subrequest was answered: decoded, or JSON where it isn't of the kind; header names in lower case."""

    status: int
    body: BodyT | bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Part(msgspec.Struct, Generic[BodyT], rename="camel"):
    """One part of a composite answer."""

    http_status_code: int
    reference_id: str
    body: BodyT | msgspec.UnsetType = msgspec.UNSET
    http_headers: dict[str, str] | None = None


class Composite(msgspec.Struct, Generic[BodyT], rename="camel"):
    """A composite answer; with a refusal, the body is a list, and nothing where nothing was modified."""

    composite_response: tuple[Part[BodyT], ...]


class _Result(msgspec.Struct, rename="camel"):
    status_code: int
    result: msgspec.Raw = msgspec.Raw()


class _Batch(msgspec.Struct):
    results: tuple[_Result, ...]


# Made here, once: threads that let msgspec build a nested type at the same time can crash the process.
_COMPOSITES = msgspec.json.Decoder(Composite[msgspec.Raw])
_BATCHES = msgspec.json.Decoder(_Batch)


class ManyGets(Generic[BodyT]):
    """
    Asks for many resources of a kind at once, in the first form that the org answers: composite, or batch.

    `decoder` reads composites of that kind. A form that failed is not tried again. Safe for many threads.
    """

    def __init__(
        self, client: Client, kind: type[BodyT], decoder: msgspec.json.Decoder[Composite[BodyT | list[Any] | None]]
    ) -> None:
        self._client = client
        self._kind = kind
        self._decoder = decoder
        self._failed: set[str] = set()
        self._forms: dict[str, Callable[[Sequence[Subrequest]], list[Subresponse[BodyT]]]] = {
            "composite": self._composite,
            "composite/batch": self._batch,
        }

    def ask(self, subrequests: Sequence[Subrequest]) -> list[Subresponse[BodyT]] | None:
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

    def _composite(self, subrequests: Sequence[Subrequest]) -> list[Subresponse[BodyT]]:
        requests = [
            {"method": "GET", "url": each.path, "referenceId": f"get{number}", "httpHeaders": dict(each.headers)}
            for number, each in enumerate(subrequests)
        ]
        path = f"{self._client.data_path}/composite"
        answer = self._client.post(path, {"allOrNone": False, "compositeRequest": requests})
        parts = {part.reference_id: part for part in self._parts(answer.body, path)}
        if parts.keys() != {request["referenceId"] for request in requests}:
            raise _incomplete(path)
        return [self._of_part(parts[f"get{number}"]) for number in range(len(subrequests))]

    def _parts(self, body: bytes, path: str) -> Sequence[Part[Any]]:
        try:
            return self._decoder.decode(body).composite_response
        except (msgspec.DecodeError, UnicodeDecodeError):
            # One body that is not of the kind spoils them all: then each is for whoever asked to read.
            return _decoded(_COMPOSITES, body, path).composite_response

    def _of_part(self, part: Part[Any]) -> Subresponse[BodyT]:
        headers = {name.lower(): value for name, value in (part.http_headers or {}).items()}
        body = None if part.body is msgspec.UNSET else part.body
        is_read = isinstance(body, self._kind) and part.http_status_code == OK
        return Subresponse(part.http_status_code, body if is_read else msgspec.json.encode(body), headers)

    def _batch(self, subrequests: Sequence[Subrequest]) -> list[Subresponse[BodyT]]:
        requests = [{"method": "GET", "url": each.path.removeprefix(DATA_ROOT)} for each in subrequests]
        path = f"{self._client.data_path}/composite/batch"
        body = {"batchRequests": requests, "haltOnError": False}
        answer = self._client.post(path, body, counted=len(subrequests))
        results = _decoded(_BATCHES, answer.body, path).results
        if len(results) != len(subrequests):
            raise _incomplete(path)
        return [Subresponse(result.status_code, bytes(result.result)) for result in results]


def _decoded(decoder: msgspec.json.Decoder[AnswerT], body: bytes, path: str) -> AnswerT:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokenPromise(f"Salesforce's answer can't be read: {error}", where=path) from None


def _incomplete(path: str) -> BrokenPromise:
    return BrokenPromise("Salesforce did not answer every subrequest.", where=path)
