"""The demo company's diary: what will happen when, and the records that it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, timezone
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.objects import describes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_salesforce_ci.demo.org import Org

UTC = timezone.utc
SATURDAY = 5
AUTHORS = ("CreatedById", "LastModifiedById")


@dataclass(slots=True)
class Customer:
    """A company that was won over, or at least met."""

    account: str
    name: str
    owner: str
    contacts: list[str] = field(default_factory=list)
    invoices: list[str] = field(default_factory=list)
    is_paying: bool = False


@dataclass(slots=True)
class Campaign:
    """An effort of the marketing department, which leads come from."""

    id: str
    leads: int = 0
    converted: int = 0
    opportunities: int = 0
    won: int = 0


@dataclass(frozen=True, slots=True)
class Product:
    """Something to sell, at its list price."""

    id: str
    entry: str
    code: str
    name: str
    price: int


class Company:
    """
    A company, its memory and its plans.

    Chance is asked only while something happens, in the order of time, so what happens until Monday is the same
    whether one stops to look on Monday or on Friday.
    """

    def __init__(self, org: Org, *, seed: int, founded: datetime, scale: float) -> None:
        self.org = org
        self.chance = Random(seed)
        self.now = founded
        self.scale = scale
        self.staff: list[str] = []
        self.sellers: list[str] = []
        self.marketer = ""
        self.supporter = ""
        self.products: list[Product] = []
        self.open_leads: list[str] = []
        self.campaigns: list[Campaign] = []
        self.customers: dict[str, Customer] = {}
        self.price_book = ""
        self.case_numbers = count(1001)
        self.invoice_numbers = count(1)
        self.payment_numbers = count(1)
        self._authors = {
            name: tuple(each["name"] for each in describe["fields"] if each["name"] in AUTHORS)
            for name, describe in describes().items()
        }
        self._plans: list[tuple[datetime, int, Callable[[], None]]] = []
        self._turns = count()

    def live(self, since: datetime, until: datetime) -> None:
        """
        Let everything happen that is planned up to `until`, and stop the clock there.

        What is overdue happens at `since`: nothing is stamped with a time that is over already.
        """
        while self._plans and self._plans[0][0] <= until:
            planned, _, happen = heappop(self._plans)
            self.now = max(planned, since)
            self.org.clock.set(self.now)
            happen()
        self.org.clock.set(until)

    def plan(self, moment: datetime, happen: Callable[[], None]) -> None:
        """Write something into the diary; of two things at one moment, the first written happens first."""
        heappush(self._plans, (moment, next(self._turns), happen))

    def plan_within(self, days: tuple[float, float], happen: Callable[[], None]) -> None:
        """Let something happen in office hours, this many days from now at the least and at the most."""
        day = self.now + timedelta(days=self.chance.uniform(*days))
        while day.weekday() >= SATURDAY:
            day += timedelta(days=1)
        moment = self.office_hour(day)
        self.plan(max(moment, self.now + timedelta(minutes=self.chance.randrange(5, 90))), happen)

    def office_hour(self, day: datetime) -> datetime:
        """Some second between eight and six of that day."""
        morning = datetime.combine(day.date(), time(8), UTC)
        return morning + timedelta(seconds=self.chance.randrange(10 * 60 * 60))

    def happens(self, probability: float) -> bool:
        """Whether chance has it so."""
        return self.chance.random() < probability

    def arrivals(self, rate: float) -> int:
        """How many of something come today when this many come on a usual day."""
        whole, rest = divmod(self.chance.uniform(0, 2 * rate * self.scale), 1)
        return int(whole) + self.happens(rest)

    def record(self, name: str, values: Mapping[str, Any], *, by: str) -> str:
        """A new record made by that user; answers its id."""
        return self.org.insert(name, {**dict.fromkeys(self._authors[name], by), **values}, at=self.now)

    def revise(self, name: str, identifier: str, values: Mapping[str, Any], *, by: str) -> None:
        """A record changed by that user, unless it is in the Recycle Bin or gone."""
        row = self.org.object(name).rows.get(identifier)
        if row is None or row.get("IsDeleted"):
            return
        self.org.update(name, identifier, {"LastModifiedById": by, **values}, at=self.now)

    def delete(self, name: str, identifier: str) -> None:
        """A record goes to the Recycle Bin."""
        self.org.delete(name, identifier, at=self.now)

    def undelete(self, name: str, identifier: str) -> None:
        """A record comes back from the Recycle Bin."""
        self.org.undelete(name, identifier, at=self.now)

    def empty_bin_later(self, name: str, identifier: str) -> None:
        """Fifteen days after its deletion a record leaves the Recycle Bin for good."""
        self.plan(self.now + timedelta(days=15), lambda: self.org.hard_delete(name, identifier))

    def process(self, name: str, identifier: str, values: Mapping[str, Any]) -> None:
        """
        A record changed by an automated process, of which only SystemModstamp tells.

        https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/system_fields.htm
        """
        self.org.update(name, identifier, {**values, "SystemModstamp": self.now}, touch=False)

    def recompute(self, name: str, identifier: str, values: Mapping[str, Any]) -> None:
        """A value that Salesforce derives and that changes without a new stamp on its record."""
        self.org.update(name, identifier, values, touch=False)
