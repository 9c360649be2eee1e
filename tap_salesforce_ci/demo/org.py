"""
A small Salesforce org: objects, records, deletions and a clock we move.

It knows nothing of HTTP; `server.Server` puts a wire in front of it.
"""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.clock import Clock, Stamp
from tap_salesforce_ci.demo.cursors import Cursors
from tap_salesforce_ci.demo.faults import Faults
from tap_salesforce_ci.demo.grants import (
    ADMIN_ID,
    ORG_ID,
    PASSWORD,
    REFRESH_TOKEN,
    SCOPE,
    SECURITY_TOKEN,
    USERNAME,
    ConnectedApp,
    Grants,
    User,
)
from tap_salesforce_ci.demo.ids import canonical, record_id
from tap_salesforce_ci.demo.jobs import Jobs, Pace
from tap_salesforce_ci.demo.limits import Limits
from tap_salesforce_ci.demo.request_log import RequestLog
from tap_salesforce_ci.demo.restrictions import Restrictions, check_bulk_clauses
from tap_salesforce_ci.demo.sobject import Row, SObject
from tap_salesforce_ci.demo.soql.parser import parse
from tap_salesforce_ci.demo.soql.query import Query, resolve
from tap_salesforce_ci.demo.values import Number, moment_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tap_salesforce_ci.demo.sobject import Field

__all__ = ["ORG_ID", "Clock", "Number", "Org"]

_CREATION = ("CreatedDate", "LastModifiedDate", "SystemModstamp")
_CREATORS = ("CreatedById", "LastModifiedById", "OwnerId")
_NO_PREFIX = "0zz"
_NAME_PARTS = ("FirstName", "MiddleName", "LastName", "Suffix")


class Org:
    """
    The state of the org and everything that can be done to it.

    `org.requests` lists what was asked of it, `org.faults.add(...)` makes it misbehave, `org.limits` holds its
    allowances; the plain attributes below may be set at any time.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.id = ORG_ID
        self.name = "Acme Widgets"
        self.instance_url = "http://127.0.0.1"
        # login.salesforce.com and test.salesforce.com refuse what only a My Domain does.
        self.is_login_host = False
        self.rest_page_rows = 2_000
        # How many polls find a new job unfinished, how long it takes at the least, and how many rows the server
        # puts on a result page when it is not told.
        self.bulk_polls = 1
        self.bulk_seconds = 0.0
        self.bulk_page_rows = 50_000
        # The most rows of a result page, however many are asked for.
        self.bulk_most_rows = 1_000_000
        # Whether every refresh gives a new refresh token and ends the old one.
        self.rotate_refresh_tokens = False
        # Seconds every answer takes.
        self.latency = 0.0
        self.limits = Limits()
        self.faults = Faults()
        self.requests = RequestLog()
        self.restrictions = Restrictions()
        self.cursors = Cursors(self.clock)
        self.jobs = Jobs(self.clock, self.limits)
        self.users = {USERNAME: User(USERNAME, PASSWORD, SECURITY_TOKEN)}
        app = ConnectedApp()
        self.apps = {app.client_id: app}
        self.grants = Grants(self.clock)
        self.grants.grant(self.users[USERNAME], app, SCOPE, REFRESH_TOKEN)
        # What JWTs' `exp` is held against: the client's clock is the machine's, wherever the org's stands.
        self.jwt_clock = Clock()
        self.objects: dict[str, SObject] = {}
        self._prefixes: dict[str, SObject] = {}
        # Counts `/limits/recordCount` gives instead of the true ones, which are a cache's in real orgs.
        self.record_counts: dict[str, int] = {}
        self._listing = Stamp(self.clock)
        self._lock = threading.RLock()
        self._queries = 0

    # -- objects ------------------------------------------------------------------------------------------

    def add_object(self, describe: dict[str, Any]) -> None:
        """A new object, as its describe tells it."""
        with self._lock:
            made = SObject(describe, Stamp(self.clock))
            self.objects[made.name.lower()] = made
            self._listing.touch()
            if made.describe.get("keyPrefix"):
                self._prefixes[made.describe["keyPrefix"]] = made

    def drop_object(self, name: str) -> None:
        """The object is gone, or the user may no longer see it."""
        with self._lock:
            gone = self.objects.pop(name.lower())
            self._listing.touch()
            self._prefixes.pop(gone.describe.get("keyPrefix") or "", None)

    def add_field(self, name: str, field: dict[str, Any]) -> None:
        """The object has a new field, empty in every record; a dropped one comes back with its values."""
        with self._lock:
            source = self.object(name)
            source.redescribe([*source.describe["fields"], field])

    def drop_field(self, name: str, field: str) -> None:
        """The field is gone, or the user may no longer see it."""
        with self._lock:
            source = self.object(name)
            kept = [body for body in source.describe["fields"] if body["name"].lower() != field.lower()]
            source.redescribe(kept)

    def listing_changed(self) -> datetime:
        """When the list of objects, or one of their describes, last changed."""
        return max([self._listing.show(), *(source.changed.show() for source in self.objects.values())])

    def object(self, name: str) -> SObject:
        """The object of this name."""
        return self.objects[name.lower()]

    def find(self, name: str) -> SObject | None:
        """The object of this name, if the org has one."""
        return self.objects.get(name.lower())

    def parent(self, reference: Field, identifier: str) -> tuple[SObject, Row] | None:
        """The record a reference points to."""
        owner = self._prefixes.get(identifier[:3])
        candidates = [owner] if owner else [self.find(name) for name in reference.reference_to]
        for source in candidates:
            if source and identifier in source.rows:
                return source, source.rows[identifier]
        return None

    # -- records ------------------------------------------------------------------------------------------

    def insert(self, name: str, values: Mapping[str, Any], at: datetime | None = None) -> str:
        """
        A new record, visible now; its 18-character id.

        `at` is the moment it is stamped with: one before now is a transaction that committed late. System fields
        among the values are taken as they are, as an import with audit fields does.
        """
        with self._lock:
            source = self.object(name)
            given = source.normalised(values)
            identifier = self._identifier(source, given)
            row = {**self._stamps(source, at or self.clock.now()), **given}
            if source.has("Id"):
                row["Id"] = identifier
            source.put(identifier, _named(source, _without_null_booleans(source, row)))
            return identifier

    def update(
        self, name: str, identifier: str, values: Mapping[str, Any], *, at: datetime | None = None, touch: bool = True
    ) -> None:
        """New values of a record; without `touch` its stamps stay, as when a formula's result changes."""
        with self._lock:
            source = self.object(name)
            key = canonical(identifier) or identifier
            stamps = self._touch(source, at, "LastModifiedDate", "SystemModstamp") if touch else {}
            row = {**source.rows[key], **stamps, **source.normalised(values)}
            source.put(key, _named(source, row))

    def delete(self, name: str, identifier: str, *, at: datetime | None = None) -> None:
        """Put a record in the Recycle Bin; where there is none, it is gone."""
        with self._lock:
            source = self.object(name)
            source.deletions.append((identifier, at or self.clock.now()))
            if not source.has("IsDeleted"):
                source.take(identifier)
                return
            stamp = self._touch(source, at, "SystemModstamp")
            source.put(identifier, {**source.rows[identifier], **stamp, "IsDeleted": True})

    def undelete(self, name: str, identifier: str, *, at: datetime | None = None) -> None:
        """Take a record out of the Recycle Bin."""
        with self._lock:
            source = self.object(name)
            source.deletions = [entry for entry in source.deletions if entry[0] != identifier]
            stamp = self._touch(source, at, "SystemModstamp")
            source.put(identifier, {**source.rows[identifier], **stamp, "IsDeleted": False})

    def hard_delete(self, name: str, identifier: str) -> None:
        """The record vanishes, from queryAll too."""
        with self._lock:
            source = self.object(name)
            if not source.take(identifier).get("IsDeleted"):
                source.deletions.append((identifier, self.clock.now()))

    def rows(self, name: str, *, deleted: bool = True) -> list[Row]:
        """
        The truth: every field with a value of its own, in Id order.

        Numbers are `int`, `Decimal` or `Number`, base64 `bytes`, moments text like `2024-01-01T00:00:00.000Z`.
        """
        with self._lock:
            source = self.object(name)
            names = [field.name for field in source.stored]
            return [
                {field: row.get(field) for field in names}
                for _, row in source.in_id_order()
                if deleted or not row.get("IsDeleted")
            ]

    # -- reading ------------------------------------------------------------------------------------------

    def query(self, soql: str) -> Query:
        """A query the org would answer, or its refusal."""
        with self._lock:
            query = resolve(parse(soql), self, self.clock.now().date())
            self.restrictions.check(query)
            return query

    def bulk_query(self, soql: str) -> Query:
        """A query Bulk would answer, or its refusal."""
        with self._lock:
            select = parse(soql)
            check_bulk_clauses(select)
            query = resolve(select, self, self.clock.now().date())
            self.restrictions.check_bulk(query)
            return query

    @property
    def bulk_pace(self) -> Pace:
        """How new jobs are done."""
        return Pace(self.bulk_polls, self.bulk_seconds, self.bulk_page_rows)

    def shuffle(self) -> random.Random:
        """A dealer of the order nobody promised, another one for every query."""
        with self._lock:
            self._queries += 1
            return random.Random(self._queries)

    # -- sessions -----------------------------------------------------------------------------------------

    def open_session(self, username: str = USERNAME) -> str:
        """The access token of a new session, as `sf org display` would show it."""
        return self.grants.open(self.users[username], None).token

    def expire_sessions(self) -> None:
        """Every access token handed out so far is dead; refresh tokens live."""
        self.grants.expire_sessions()

    def revoke_grants(self) -> None:
        """An administrator ended every refresh token and session."""
        self.grants.revoke_all()

    # -- refusals -----------------------------------------------------------------------------------------

    def refuse_bulk(self, name: str, code: str = "INVALIDENTITY", message: str | None = None) -> None:
        """Bulk will not read this object."""
        self.restrictions.refuse_bulk(name, code, message)

    def refuse_query(self, name: str, code: str, message: str) -> None:
        """Nothing reads this object by a plain query."""
        self.restrictions.refuse(name, code, message)

    def needs_filter(self, name: str, *fields: str, message: str, code: str = "MALFORMED_QUERY") -> None:
        """The object is only read with one of these fields equal to something."""
        self.restrictions.need_filter(name, *fields, message=message, code=code)

    def _identifier(self, source: SObject, given: Row) -> str:
        wanted = given.get("Id")
        if wanted:
            return str(wanted)
        prefix = source.describe.get("keyPrefix") or _NO_PREFIX
        while True:
            source.sequence += 1
            identifier = record_id(prefix, source.sequence)
            if identifier not in source.rows:
                return identifier

    def _stamps(self, source: SObject, when: datetime) -> Row:
        stamps: Row = {name: moment_text(when) for name in _CREATION if source.has(name)}
        stamps |= {name: ADMIN_ID for name in _CREATORS if source.has(name)}
        return stamps

    def _touch(self, source: SObject, at: datetime | None, *names: str) -> Row:
        when = moment_text(at or self.clock.now())
        return {name: when for name in names if source.has(name)}


def _without_null_booleans(source: SObject, row: Row) -> Row:
    unset = {field.name: False for field in source.stored if field.type == "boolean" and row.get(field.name) is None}
    return {**row, **unset}


def _named(source: SObject, row: Row) -> Row:
    """A person's Name is made of its parts."""
    if not (source.has("LastName") and source.has("FirstName") and source.has("Name")):
        return row
    parts = [str(row[part]) for part in _NAME_PARTS if row.get(part)]
    return {**row, "Name": " ".join(parts)} if parts else row
