"""What each stream is made from: the org's describes, or a catalog that is brought up to date with them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from singer_sdk.singerlib import Catalog, CatalogEntry, MetadataMapping, Schema

from tap_salesforce_ci import schema
from tap_salesforce_ci.client.composite import MOST_SUBREQUESTS
from tap_salesforce_ci.client.describe import SObject, describe_all
from tap_salesforce_ci.client.describe_cache import DescribeCache
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.discovery import (
    Describing,
    Discovered,
    Discovery,
    discover,
    key_of,
    replication_key_of,
    unwatched,
    usable_key,
)
from tap_salesforce_ci.errors import NotFound, TapError
from tap_salesforce_ci.settings import Replication, Settings

logger = logging.getLogger(__name__)

ROOT = ()
METHOD = "replication-method"
FULL_TABLE = "FULL_TABLE"
INCREMENTAL = "INCREMENTAL"
PAUSED = "paused"
GONE = "gone: the object is no longer in the org, or this user may not see it"


@dataclass(frozen=True, slots=True)
class Definition:
    """
    What a stream is made from.

    `sobject` is None for a stream that can't be read: it is deselected, `absence` says why it is passed over, or
    `error` why it fails.
    """

    name: str
    object: str
    json_schema: Mapping[str, Any]
    keys: tuple[str, ...]
    replication_key: str | None
    sobject: SObject | None = None
    absence: str | None = None
    error: TapError | None = None


def from_org(
    client: Client,
    settings: Settings,
    discovery: Discovery,
    *,
    cache: DescribeCache | None = None,
    describing: Describing = unwatched,
) -> Iterator[Definition]:
    """
    Yield the definitions of all objects that the settings ask for.

    In the end those left out are logged, and noted in `discovery`.
    """
    for found in discover(client, settings, discovery, cache=cache, describing=describing):
        yield _of_discovered(found, settings)
    level = logging.WARNING if discovery.missing or discovery.failed else logging.INFO
    logger.log(level, "%s", discovery.summary())


def _of_discovered(found: Discovered, settings: Settings) -> Definition:
    return Definition(
        name=settings.stream_prefix + found.sobject.name,
        object=found.sobject.name,
        json_schema=schema.json_schema(found.sobject, found.keys),
        keys=found.keys,
        replication_key=found.replication_key,
        sobject=found.sobject,
        absence=PAUSED if found.paused else None,
    )


def with_methods(catalog: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a catalog whose entries have the replication methods that were written into their metadata.

    That is where the Singer specification has a user write them; the SDK reads them from the entry only.
    """
    return {**catalog, "streams": [_with_method(entry) for entry in catalog.get("streams", ())]}


def _with_method(entry: Mapping[str, Any]) -> dict[str, Any]:
    roots = (each["metadata"] for each in entry.get("metadata", ()) if not each["breadcrumb"])
    written = next((root[METHOD] for root in roots if root.get(METHOD)), None)
    return {**entry, "replication_method": written} if written else dict(entry)


def only_selected(catalog: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a catalog without its deselected entries, unless all are: the SDK makes objects of each field of each.

    Its root metadata alone says whether an entry is selected.
    """
    entries = list(catalog.get("streams", ()))
    return {**catalog, "streams": [entry for entry in entries if _is_selected(entry)] or entries}


def _is_selected(entry: Mapping[str, Any]) -> bool:
    roots = [each for each in entry.get("metadata", ()) if not each["breadcrumb"]]
    return bool(MetadataMapping.from_iterable(roots).resolve_selection()[ROOT])


def from_catalog(
    client: Client,
    settings: Settings,
    catalog: Catalog,
    *,
    cache: DescribeCache | None = None,
    describing: Describing = unwatched,
) -> list[Definition]:
    """
    Return the definitions of a catalog's streams; only the selected ones' objects are described.

    The catalog's schemas are brought up to date with the describes. What changed is logged, and goes on.
    """
    entries = list(catalog.values())
    selected = [_object_of(entry, settings) for entry in entries if _selected(entry)]
    described = _described(client, selected, cache, describing)
    definitions = []
    for entry in entries:
        answer = described.get(_object_of(entry, settings)) if _selected(entry) else None
        definitions.append(_of_entry(entry, settings, answer))
    return definitions


def _described(
    client: Client, names: Sequence[str], cache: DescribeCache | None, describing: Describing
) -> dict[str, SObject | TapError]:
    # Describes that fit into one round of requests come sooner than the answers by which a cache is opened.
    if cache is None or len(names) <= client.max_workers * MOST_SUBREQUESTS:
        return dict(describing(describe_all(client, names), len(names)))
    cache.open()
    described = dict(describing(describe_all(client, names, cache.kept), len(names)))
    cache.write()
    return described


def _selected(entry: CatalogEntry) -> bool:
    return bool(entry.metadata.resolve_selection()[ROOT])


def _object_of(entry: CatalogEntry, settings: Settings) -> str:
    return str(entry.tap_stream_id).removeprefix(settings.stream_prefix)


def _of_entry(entry: CatalogEntry, settings: Settings, answer: SObject | TapError | None) -> Definition:
    object_name = _object_of(entry, settings)
    sobject = answer if isinstance(answer, SObject) else None
    if sobject is not None:
        _bring_up_to_date(entry, sobject, settings)
    gone = isinstance(answer, NotFound)
    if gone:
        logger.warning("%s is %s", entry.tap_stream_id, GONE)
    return Definition(
        name=entry.tap_stream_id,
        object=object_name,
        json_schema=entry.schema.to_dict(),
        keys=tuple(entry.key_properties or ()),
        replication_key=entry.replication_key,
        sobject=sobject,
        absence=GONE if gone else PAUSED if settings.replication_of(object_name) is Replication.PAUSED else None,
        error=answer if isinstance(answer, TapError) and not gone else None,
    )


def _bring_up_to_date(entry: CatalogEntry, sobject: SObject, settings: Settings) -> None:
    """Change what the catalog says of fields that changed since, and its replication key where it can't be used."""
    known = {field.name: field for field in sobject.fields}
    properties = entry.schema.properties or {}
    selection = entry.metadata.resolve_selection()
    vanished = [name for name in properties if name not in known and selection["properties", name]]
    if vanished:
        logger.warning("%s: these fields vanished and are written as null: %s", entry.tap_stream_id, _list(vanished))
    changed = [name for name in properties if name in known and _changed(properties[name], known[name])]
    for name in changed:
        properties[name] = Schema.from_dict(schema.json_property(known[name]))
    if changed:
        logger.warning("%s: the type of these fields changed: %s", entry.tap_stream_id, _list(changed))
    new = [name for name in known if name not in properties]
    if new:
        logger.info("%s: fields that the catalog doesn't have yet: %s", entry.tap_stream_id, _list(new))
    if not entry.key_properties:
        entry.key_properties = list(entry.metadata.root.table_key_properties or key_of(sobject))
    _settle_replication(entry, sobject, settings)


def _changed(written: Schema, field: Any) -> bool:
    """Say whether a field is written otherwise than the catalog says; a nullability is not a change."""
    fresh = schema.json_property(field)
    kinds = {written.type} if isinstance(written.type, str) else set(written.type or ())
    return kinds - {"null"} != set(fresh["type"]) - {"null"} or written.format != fresh.get("format")


def _settle_replication(entry: CatalogEntry, sobject: SObject, settings: Settings) -> None:
    method = settings.replication_of(sobject.name)
    asked = _key_asked_for(entry, replication_key_of(sobject, None))
    full = FULL_TABLE in (entry.replication_method, _method_in(entry.metadata.root.forced_replication_method))
    if method in {Replication.MODIFIED_AT, Replication.ADD_DATE, Replication.FULL_TABLE}:
        asked, full = None, method is Replication.FULL_TABLE
    if full:
        key = None
    elif asked and usable_key(sobject.field(asked)):
        key = asked
    else:
        key = replication_key_of(sobject, method)
        if asked and key != asked:
            logger.warning("%s: %s can't be replicated by; %s is used", entry.tap_stream_id, asked, key or "all rows")
    entry.replication_key = key
    entry.replication_method = INCREMENTAL if key else FULL_TABLE


def _method_in(written: object) -> object:
    """Return a replication method as older taps write it too: with its reason, in a mapping."""
    return written.get("replication-method") if isinstance(written, Mapping) else written


def _key_asked_for(entry: CatalogEntry, automatic: str | None) -> str | None:
    """Return the replication key that someone wrote, into the entry or its metadata, else what discovery wrote."""
    written = (entry.metadata.root.replication_key, entry.replication_key)
    return next((key for key in written if key and key != automatic), entry.replication_key or written[0])


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
