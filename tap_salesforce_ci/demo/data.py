"""The demo org, ready to be read: every object, values that are hard to carry, and a company's history."""

from __future__ import annotations

from datetime import datetime

from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.hard_values import hard_rows, populate
from tap_salesforce_ci.demo.life import FOUNDED, LivingOrg, build_company, live_on
from tap_salesforce_ci.demo.objects import describes

__all__ = ["demo_org", "empty_org", "hard_rows", "live_on"]


def empty_org(clock: Clock | None = None) -> LivingOrg:
    """An org with every object of the demo and not a single record."""
    org = LivingOrg(clock=clock)
    for describe in describes().values():
        org.add_object(describe)
    return org


def demo_org(
    clock: Clock | None = None,
    *,
    seed: int = 1,
    until: datetime | None = None,
    founded: datetime = FOUNDED,
    scale: float = 1.0,
) -> LivingOrg:
    """
    The demo org as it stands at `until`, by default the present of its clock.

    Started again later with the same seed it is the same org, that much older. What its object names imply is
    refused as Salesforce refuses it: CaseStatus by Bulk, ContentDocumentLink without a filter, ActivityHistory
    and AccountChangeEvent by any query.
    """
    org = empty_org(clock)
    present = until or org.clock.now()
    org.clock.set(founded)
    populate(org)
    org.company = build_company(org, seed=seed, until=present, founded=founded, scale=scale)
    return org
