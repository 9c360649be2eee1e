"""
Describe calls: which objects an org has, and which fields.

Source: REST API Developer Guide, "Describe Global" (`resources_describeGlobal.htm`), "sObject Describe" and
"Batch" (`resources_composite_batch.htm`, at most 25 subrequests). Keys that older versions lack have defaults.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec

from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.messages import Response
from tap_salesforce_ci.client.refusals import refusal
from tap_salesforce_ci.errors import BrokenPromise, BudgetError, LoginRefused, TapError, TransientError

BATCH = 25


class ObjectSummary(msgspec.Struct, frozen=True, rename="camel"):
    """An object as describeGlobal lists it."""

    name: str
    label: str | None = None
    queryable: bool = True
    deprecated_and_hidden: bool = False


class Field(msgspec.Struct, frozen=True, rename="camel"):
    """One field of an object, as far as the tap needs it."""

    name: str
    type: str = "string"
    label: str | None = None
    inline_help_text: str | None = None
    soap_type: str | None = None
    compound_field_name: str | None = None
    nillable: bool = True
    filterable: bool = True
    sortable: bool = True
    calculated: bool = False
    deprecated_and_hidden: bool = False


class SObject(msgspec.Struct, frozen=True, rename="camel"):
    """An object and its fields, in describe order."""

    name: str
    fields: tuple[Field, ...] = ()
    label: str | None = None
    queryable: bool = True

    def field(self, name: str) -> Field | None:
        """Return the field of that exact name."""
        return next((field for field in self.fields if field.name == name), None)


class _Global(msgspec.Struct):
    sobjects: tuple[ObjectSummary, ...]


class _Subresult(msgspec.Struct, rename="camel"):
    status_code: int
    result: msgspec.Raw = msgspec.Raw()


class _Batch(msgspec.Struct):
    results: tuple[_Subresult, ...]


# Made here, once: threads that let msgspec build a nested type at the same time can crash the process.
_GLOBALS = msgspec.json.Decoder(_Global)
_SOBJECTS = msgspec.json.Decoder(SObject)
_BATCHES = msgspec.json.Decoder(_Batch)

AnswerT = TypeVar("AnswerT")


def _decode(body: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[AnswerT], where: str) -> AnswerT:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokenPromise(
            f"Salesforce's answer to a describe can't be read: {error}",
            where=where,
            remedy="Run again; report it if it stays.",
        ) from None


def describe_global(client: Client) -> tuple[ObjectSummary, ...]:
    """Return every object that this user may see, in one call."""
    path = f"{client.data_path}/sobjects"
    return _decode(client.get(path).body, _GLOBALS, path).sobjects


def describe(client: Client, name: str) -> SObject:
    """Return one object's describe."""
    answer = client.get(f"{client.data_path}/sobjects/{name}/describe")
    return _decode(answer.body, _SOBJECTS, f"object: {name}")


def describe_all(client: Client, names: Sequence[str]) -> Iterator[tuple[str, SObject | TapError]]:
    """
    Yield each object's describe, or why there is none, in the order of the names.

    A few objects are asked for one by one, many in batches; either way `max_workers` at once.
    """
    workers = client.max_workers
    size = 1 if len(names) <= workers else min(BATCH, math.ceil(len(names) / workers))
    batches = [names[start : start + size] for start in range(0, len(names), size)]
    pool = ThreadPoolExecutor(workers, thread_name_prefix="describe")
    try:
        for described in pool.map(lambda batch: _describe_batch(client, batch), batches):
            yield from described
    finally:
        # Not waited for: a signal must end the run while Salesforce keeps a describe waiting.
        pool.shutdown(wait=False, cancel_futures=True)


def _describe_batch(client: Client, names: Sequence[str]) -> list[tuple[str, SObject | TapError]]:
    if len(names) == 1:
        return [(names[0], _or_reason(client, names[0]))]
    version = f"v{client.api_version}"
    requests = [{"method": "GET", "url": f"{version}/sobjects/{name}/describe"} for name in names]
    body = {"batchRequests": requests, "haltOnError": False}
    try:
        answer = client.post(f"{client.data_path}/composite/batch", body, counted=len(names))
        batch = _decode(answer.body, _BATCHES, "composite/batch")
    except (BudgetError, LoginRefused):
        raise
    except TapError:
        return [(name, _or_reason(client, name)) for name in names]
    if len(batch.results) != len(names):
        return [(name, _or_reason(client, name)) for name in names]
    return [(name, _in_batch(client, name, part)) for name, part in zip(names, batch.results, strict=True)]


def _in_batch(client: Client, name: str, part: _Subresult) -> SObject | TapError:
    if part.status_code == 200:  # noqa: PLR2004
        try:
            return _decode(part.result, _SOBJECTS, f"object: {name}")
        except BrokenPromise as error:
            return error
    reason = refusal(Response(part.status_code, bytes(part.result)), f"object: {name}")
    # What fails within a batch (406, a slow describe) often passes alone; a refusal does not.
    return _or_reason(client, name) if isinstance(reason, TransientError) else reason


def _or_reason(client: Client, name: str) -> SObject | TapError:
    try:
        return describe(client, name)
    except (BudgetError, LoginRefused):
        raise
    except TapError as error:
        return error.at(f"object: {name}")
