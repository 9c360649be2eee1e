"""A small company that lives in the org, day by day, the same way every time for the same seed."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from functools import partial

from tap_salesforce_ci.demo.departments import accounts, activities, marketing, office
from tap_salesforce_ci.demo.diary import SATURDAY, UTC, Company
from tap_salesforce_ci.demo.org import Org

FOUNDED = datetime(2025, 1, 6, 7, tzinfo=UTC)
"""A Monday. It does not depend on today, or a later start would tell another history."""

LEADS_AT_FIRST, LEADS_AFTER_A_YEAR = 1.8, 3.6
"""On a working day."""

WEEKEND = 0.4
"""The share of a working day's leads that come on a Saturday or Sunday."""


class LivingOrg(Org):
    """An org with a company in it."""

    company: Company


def build_company(
    org: Org, *, seed: int = 1, until: datetime, founded: datetime = FOUNDED, scale: float = 1.0
) -> Company:
    """
    Let the company live in the org from its foundation until a moment, where the org's clock stops.

    The same seed tells the same history, with the same ids; a later `until` tells what happened since, too.
    `scale` multiplies how many leads come, on which all else depends.
    """
    company = Company(org, seed=seed, founded=founded, scale=scale)
    company.plan(founded, lambda: open_for_business(company))
    org.clock.set(founded)
    company.live(founded, until)
    return company


def live_on(org: LivingOrg, days: float = 1) -> None:
    """Let the org's company live on for some days from where its clock stands."""
    now = org.clock.now()
    org.company.live(now, now + timedelta(days=days))


def open_for_business(company: Company) -> None:
    """The first morning."""
    office.open_doors(company)
    marketing.launch_campaign(company)
    company.plan_within((20, 25), lambda: accounts.tidy(company))
    company.plan(company.now + timedelta(hours=19), lambda: marketing.score_leads(company))
    activities.wait_for_new_year(company)
    start_day(company, company.now)


def start_day(company: Company, founded: datetime) -> None:
    """Who comes in today, and who asks for an offer; then the next day."""
    grown = min(1.0, (company.now - founded) / timedelta(days=365))
    leads = LEADS_AT_FIRST + (LEADS_AFTER_A_YEAR - LEADS_AT_FIRST) * grown
    if company.now.weekday() >= SATURDAY:
        leads *= WEEKEND
    else:
        for user in company.staff:
            if company.happens(0.4):
                company.plan(company.office_hour(company.now), partial(office.log_in, company, user))
    for _ in range(company.arrivals(leads)):
        company.plan(company.office_hour(company.now), lambda: marketing.receive_lead(company))
    tomorrow = datetime.combine(company.now.date() + timedelta(days=1), time(7), UTC)
    company.plan(tomorrow, lambda: start_day(company, founded))
