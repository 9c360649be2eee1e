"""
Describe calls: which objects an org has, and which fields.

Source: REST API Developer Guide, "Describe Global" (`resources_describeGlobal.htm`) and "sObject Describe"
(`resources_sobject_describe.htm`). Keys that older versions lack have defaults.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

import msgspec

from tap_salesforce_ci.client.composite import MOST_SUBREQUESTS, OK, Composite, ManyGets, Subrequest, Subresponse
from tap_salesforce_ci.client.http import NOT_MODIFIED, Client
from tap_salesforce_ci.client.messages import Response
from tap_salesforce_ci.client.refusals import refusal
from tap_salesforce_ci.errors import BrokenPromise, BudgetError, LoginRefused, NotFound, TapError, TransientError
from tap_salesforce_ci.heard import result_of

LAST_MODIFIED = "last-modified"
MODIFIED_SINCE = "If-Modified-Since"
"""Source: REST API Developer Guide, "Conditional Request Headers" (`headers_conditional.htm`)."""

LONGEST_DESCRIBE = 64 << 20
"""Bytes that no object's describe reaches: 800 fields with long picklists take some ten megabytes."""


class ObjectSummary(msgspec.Struct, frozen=True, rename="camel"):
    """An object as describeGlobal lists it."""

    name: str
    label: str | None = None
    queryable: bool = True
    deprecated_and_hidden: bool = False


class Field(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
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


class SObject(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """An object and its fields, in describe order."""

    name: str
    fields: tuple[Field, ...] = ()
    label: str | None = None
    queryable: bool = True

    def field(self, name: str) -> Field | None:
        """Return the field of that exact name."""
        return next((field for field in self.fields if field.name == name), None)


class Kept(msgspec.Struct, array_like=True, frozen=True):
    """A describe from an earlier run: its `Last-Modified`, and the SObject as JSON, decoded only if it still holds."""

    last_modified: str
    sobject: msgspec.Raw


class _Global(msgspec.Struct):
    sobjects: tuple[ObjectSummary, ...]


# Made here, once: threads that let msgspec build a nested type at the same time can crash the process.
_GLOBALS = msgspec.json.Decoder(_Global)
_SOBJECTS = msgspec.json.Decoder(SObject)
_COMPOSITES = msgspec.json.Decoder(Composite[SObject | list[Any] | None])

AnswerT = TypeVar("AnswerT")
Described: TypeAlias = "tuple[SObject | TapError, Kept | None]"
"""A describe or why there is none, and what of it is new to keep."""


def _decode(body: bytes, decoder: msgspec.json.Decoder[AnswerT], where: str) -> AnswerT:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokenPromise(
            f"Salesforce's answer to a describe can't be read: {error}",
            where=where,
            remedy="Run again; report it if it stays.",
        ) from None


def describe_global(client: Client) -> tuple[ObjectSummary, ...]:
    """Return every object that this user may see, in one call; a list that can't be read is asked for once more."""
    path = f"{client.data_path}/sobjects"
    body = client.get(path).body
    try:
        return _decode(body, _GLOBALS, path).sobjects
    except BrokenPromise:
        return _decode(client.get(path).body, _GLOBALS, path).sobjects


def describe(client: Client, name: str) -> SObject:
    """Return one object's describe."""
    return _decode(client.get(_path(client, name), longest=LONGEST_DESCRIBE).body, _SOBJECTS, f"object: {name}")


def describe_all(
    client: Client, names: Sequence[str], kept: MutableMapping[str, Kept] | None = None
) -> Iterator[tuple[str, SObject | TapError]]:
    """
    Yield each object's describe, or why there is none, in the order of the names.

    A few objects are asked for one by one, many in composites; either way `max_workers` at once. What is kept is
    asked for only if it was modified since, and is brought up to date; describes without `Last-Modified` are not kept.
    """
    workers = client.max_workers
    size = 1 if len(names) <= workers else min(MOST_SUBREQUESTS, math.ceil(len(names) / workers))
    batches = [names[start : start + size] for start in range(0, len(names), size)]
    describer = _Describer(client, {} if kept is None else kept)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="describe")
    try:
        under_way = deque(pool.submit(describer.describe, batch) for batch in batches)
        answered: Iterator[list[Described]] = (result_of(under_way.popleft()) for _ in batches)
        described = chain.from_iterable(answered)
        for name, (answer, to_keep) in zip(names, described, strict=True):
            if kept is not None:
                _keep(kept, name, answer, to_keep)
            yield name, answer
    finally:
        # Not waited for: a signal must end the run while Salesforce keeps a describe waiting.
        pool.shutdown(wait=False, cancel_futures=True)


def _keep(kept: MutableMapping[str, Kept], name: str, answer: SObject | TapError, to_keep: Kept | None) -> None:
    if to_keep is not None:
        kept[name] = to_keep
    elif isinstance(answer, NotFound):
        kept.pop(name, None)


class _Describer:
    """Describes objects, many of them in one request; `kept` is only read here."""

    def __init__(self, client: Client, kept: Mapping[str, Kept]) -> None:
        self._client = client
        self._kept = kept
        self._gets = ManyGets(client, SObject, _COMPOSITES)

    def describe(self, names: Sequence[str]) -> list[Described]:
        """Return the describes of at most 25 objects, or the reasons, and what is new to keep of each."""
        parts = self._gets.ask([self._subrequest(name) for name in names]) if len(names) > 1 else None
        if parts is None:
            return [self._alone(name) for name in names]
        return [self._in_part(name, part) for name, part in zip(names, parts, strict=True)]

    def _subrequest(self, name: str) -> Subrequest:
        kept = self._kept.get(name)
        return Subrequest(_path(self._client, name), {MODIFIED_SINCE: kept.last_modified} if kept else {})

    def _alone(self, name: str, *, afresh: bool = False, again: bool = False) -> Described:
        """Ask for one describe, `afresh` whatever is kept; one that can't be read is asked for `again`."""
        asked = Subrequest(_path(self._client, name)) if afresh else self._subrequest(name)
        try:
            answer = self._client.get(asked.path, headers=dict(asked.headers), longest=LONGEST_DESCRIBE)
        except (BudgetError, LoginRefused):
            raise
        except TapError as error:
            return error.at(f"object: {name}"), None
        if answer.status == NOT_MODIFIED and afresh:
            what = "Salesforce says that a describe did not change, and was not asked that."
            return BrokenPromise(what, where=f"object: {name}"), None
        described = self._described(name, answer.status, answer.body, answer.headers.get(LAST_MODIFIED))
        if answer.status == OK and isinstance(described[0], BrokenPromise) and not again:
            return self._alone(name, afresh=afresh, again=True)
        return described

    def _in_part(self, name: str, part: Subresponse[SObject]) -> Described:
        if part.status in {OK, NOT_MODIFIED}:
            return self._described(name, part.status, part.body, part.headers.get(LAST_MODIFIED))
        body = part.body if isinstance(part.body, bytes) else b""
        reason = refusal(Response(part.status, body), f"object: {name}")
        # What fails within a composite (406, a slow describe) often passes alone; a refusal does not.
        return self._alone(name) if isinstance(reason, TransientError) else (reason, None)

    def _described(self, name: str, status: int, body: bytes | SObject, last_modified: str | None) -> Described:
        if status == NOT_MODIFIED:
            return self._as_kept(name)
        try:
            sobject = body if isinstance(body, SObject) else _decode(body, _SOBJECTS, f"object: {name}")
        except BrokenPromise as error:
            return error, None
        return sobject, Kept(last_modified, msgspec.Raw(msgspec.json.encode(sobject))) if last_modified else None

    def _as_kept(self, name: str) -> Described:
        try:
            return _SOBJECTS.decode(self._kept[name].sobject), None
        except (KeyError, msgspec.DecodeError, UnicodeDecodeError):
            return self._alone(name, afresh=True)


def _path(client: Client, name: str) -> str:
    # A catalog may hold any name; as it is, it could name another resource.
    return f"{client.data_path}/sobjects/{quote(name, safe='', errors='replace')}/describe"
