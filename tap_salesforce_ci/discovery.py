"""Which objects become streams, with which keys; and why the others don't."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tap_salesforce_ci import objects, schema
from tap_salesforce_ci.client.describe import Field, ObjectSummary, SObject, describe_all, describe_global
from tap_salesforce_ci.client.describe_cache import DescribeCache
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.errors import TapError, UserError
from tap_salesforce_ci.heard import result_of
from tap_salesforce_ci.settings import Replication, Settings

MODIFIED = ("SystemModstamp", "LastModifiedDate")
ADDED = ("CreatedDate", "LoginTime")
DURABLE_ID = "DurableId"

Answers = Iterable[tuple[str, SObject | TapError]]
Describing = Callable[[Answers, int], Answers]
"""Is handed the describes as they come, and how many there will be; passes them on."""


def unwatched(answers: Answers, _asked: int) -> Answers:
    """Pass the describes on while nobody watches."""
    return answers


@dataclass(frozen=True, slots=True)
class Discovered:
    """An object that becomes a stream; no `replication_key` means that the whole table is read each time."""

    sobject: SObject
    keys: tuple[str, ...]
    replication_key: str | None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An object that doesn't become a stream, and why."""

    object: str
    reason: str


@dataclass(slots=True)
class Discovery:
    """
    What came of it beside the streams.

    `missing` are those left out although the settings name them; `failed`, those whose describe failed, and how.
    """

    streams: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    missing: list[LeftOut] = field(default_factory=list)
    failed: dict[str, TapError] = field(default_factory=dict)
    unknown_types: dict[str, list[str]] = field(default_factory=dict)

    def nothing_to_read(self, settings: Settings) -> TapError:
        """Return why no stream is left: Salesforce's own words where it gave any."""
        return next(iter(self.failed.values()), None) or UserError(
            "No object becomes a stream; the log says why.",
            where=f"setting: streams ({', '.join(settings.streams)})",
            remedy="Write API names such as Account, Invoice__c or *__c, and let the user see these objects.",
        )

    def summary(self) -> str:
        """Say how many objects become streams, and list the others by reason."""
        lines = [f"{self.streams} objects become streams, {len(self.left_out)} are left out."]
        by_reason: dict[str, list[str]] = {}
        for left in self.left_out:
            by_reason.setdefault(left.reason, []).append(left.object)
        lines += [f"Left out: {', '.join(names)}: {reason}" for reason, names in by_reason.items()]
        lines += [
            f"Unknown field type {kind}, read as text: {', '.join(at)}" for kind, at in self.unknown_types.items()
        ]
        return "\n".join(lines)


def discover(
    client: Client,
    settings: Settings,
    discovery: Discovery,
    *,
    cache: DescribeCache | None = None,
    describing: Describing = unwatched,
) -> Iterator[Discovered]:
    """
    List the org's objects, describe those that `streams` asks for, and yield each while others are on their way.

    What else there is to tell is noted in `discovery`. One failing describe leaves one object out, with the reason;
    only a failing list of objects raises. A cache, where there is one, is brought up to date.
    """
    listed = _listed(client, cache)
    discovery.missing = _unknown_names(listed, settings)
    discovery.left_out += discovery.missing
    asked = []
    for summary in listed:
        if not settings.considers(summary.name):
            continue
        reason = refusal_to_list(summary, settings)
        if reason:
            discovery.left_out.append(LeftOut(summary.name, reason))
        else:
            asked.append(summary.name)
    answers = describe_all(client, asked, cache.kept if cache else None)
    for name, answer in describing(answers, len(asked)):
        if isinstance(answer, TapError):
            discovery.left_out.append(LeftOut(name, f"its describe failed: {answer.what}"))
            discovery.failed[name] = answer
        elif not any(schema.unsupported(each) is None for each in answer.fields):
            discovery.left_out.append(LeftOut(name, "It has no field that a query returns."))
        else:
            note_unknown_types(discovery, answer)
            discovery.streams += 1
            yield discovered(answer, settings)
    if cache:
        cache.write()


def _listed(client: Client, cache: DescribeCache | None) -> tuple[ObjectSummary, ...]:
    """Return the org's objects, asked for anew each time; the cache is opened meanwhile and drops all others."""
    if cache is None:
        return describe_global(client)
    pool = ThreadPoolExecutor(1, thread_name_prefix="describe-cache")
    try:
        opening = pool.submit(cache.open)
        listed = describe_global(client)
        result_of(opening)
    finally:
        # Not waited for: a signal, or a refused listing, ends the run at once.
        pool.shutdown(wait=False)
    cache.keep_only(summary.name for summary in listed)
    return listed


def _unknown_names(listed: Iterable[ObjectSummary], settings: Settings) -> list[LeftOut]:
    known = {summary.name.casefold() for summary in listed}
    named = {"streams": settings.streams, "where": settings.where, "replication": settings.replication}
    return [
        LeftOut(name, f"No such object, or this user may not see it (setting: {setting}).")
        for setting, names in named.items()
        for name in names
        if not set(name) & set("*?[]") and name.casefold() not in known
    ]


def refusal_to_list(summary: ObjectSummary, settings: Settings) -> str | None:
    """Return why an object can't be read by a plain query; None where it can, or where the user gave it a filter."""
    if not summary.queryable:
        return "Salesforce says that it is not queryable."
    filtered = settings.condition_on(summary.name) is not None
    return None if filtered else objects.REFUSED.get(summary.name)


def discovered(sobject: SObject, settings: Settings) -> Discovered:
    """Return how an object is read: its keys, and the timestamp that says what is new."""
    method = settings.replication_of(sobject.name)
    return Discovered(sobject, key_of(sobject), replication_key_of(sobject, method), method is Replication.PAUSED)


def key_of(sobject: SObject) -> tuple[str, ...]:
    """Return what tells rows apart; virtual rows share one `Id` and have a `DurableId` for it."""
    names = {each.name for each in sobject.fields}
    for keys in (objects.KEYS.get(sobject.name, ()), (DURABLE_ID,), ("Id",)):
        if keys and names.issuperset(keys):
            return keys
    return ()


def replication_key_of(sobject: SObject, method: Replication | None) -> str | None:
    """Return the timestamp to replicate by: the first of its kind that a query can filter and sort."""
    if method is Replication.FULL_TABLE or (method is None and sobject.name in objects.NO_KEY_FILTER):
        return None
    names = {Replication.MODIFIED_AT: MODIFIED, Replication.ADD_DATE: ADDED}.get(method or Replication.PAUSED)
    return next((name for name in names or (*MODIFIED, *ADDED) if usable_key(sobject.field(name))), None)


def usable_key(key: Field | None) -> bool:
    """Say whether a read can be bounded and ordered by a field."""
    return key is not None and key.type == "datetime" and key.filterable and key.sortable


def note_unknown_types(discovery: Discovery, sobject: SObject) -> None:
    """Remember the fields whose type nobody knows."""
    for each in sobject.fields:
        if not schema.is_known(each):
            discovery.unknown_types.setdefault(each.type, []).append(f"{sobject.name}.{each.name}")
