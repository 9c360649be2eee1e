"""Sales development: leads are called, qualified, and converted or given up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_salesforce_ci.demo.departments import accounts, activities, deals

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_salesforce_ci.demo.departments.vocabulary import Person
    from tap_salesforce_ci.demo.diary import Campaign, Company

CONVERTED, REJECTED, SPAM = 0.22, 0.82, 0.85
"""Of those who were called twice: so many are converted, rejected by then, deleted by then; the rest is pending."""


@dataclass(slots=True)
class Lead:
    """Somebody who asked."""

    person: Person
    employer: str
    owner: str
    source: str
    industry: str
    campaign: Campaign | None
    id: str = ""
    # What goes to the Recycle Bin and comes back together with the lead: object and id.
    belongings: list[tuple[str, str]] = field(default_factory=list)

    def call(self, company: Company) -> None:
        """Call, and note it down."""
        self.belongings.append(("Task", activities.call(company, {"WhoId": self.id}, by=self.owner)))


def work(company: Company, lead: Lead) -> None:
    """The first call."""
    lead.call(company)
    rating = company.chance.choice(("Hot", "Warm", "Warm", "Cold"))
    first_word = {"Status": "Working - Contacted", "Rating": rating, "IsUnreadByOwner": False}
    company.revise("Lead", lead.id, first_word, by=lead.owner)
    company.recompute("Lead", lead.id, {"LastActivityDate": company.now.date()})
    if company.happens(0.5):
        lead.belongings.append(("Task", activities.promise(company, {"WhoId": lead.id}, by=lead.owner)))
    if company.happens(0.4):
        lead.belongings.append(("Event", activities.meeting(company, {"WhoId": lead.id}, by=lead.owner)))
    company.plan_within((3, 24), lambda: decide(company, lead))


def decide(company: Company, lead: Lead) -> None:
    """The second call, after which it is clear what becomes of most."""
    lead.call(company)
    luck = company.chance.random()
    if luck < SPAM:
        company.open_leads.remove(lead.id)
    if luck < CONVERTED:
        convert(company, lead)
    elif luck < REJECTED:
        company.revise("Lead", lead.id, {"Status": "Closed - Not Converted"}, by=lead.owner)
    elif luck < SPAM:
        discard(company, lead)
    else:
        company.plan_within((10, 40), lambda: decide(company, lead))


def discard(company: Company, lead: Lead) -> None:
    """Delete what was no lead at all; sometimes that was rash."""
    everything = [*lead.belongings, ("Lead", lead.id)]
    rash = company.happens(0.3)
    for name, identifier in everything:
        company.delete(name, identifier)
        if not rash:
            company.empty_bin_later(name, identifier)
    if rash:
        company.plan_within((0, 3), lambda: restore(company, everything))


def restore(company: Company, everything: Iterable[tuple[str, str]]) -> None:
    """Take a lead and what belongs to it out of the Recycle Bin."""
    for name, identifier in everything:
        company.undelete(name, identifier)


def convert(company: Company, lead: Lead) -> None:
    """Turn a lead into an account, a contact and an opportunity, which keep pointing at each other."""
    customer = accounts.open_account(company, lead.employer, lead.industry, owner=lead.owner, source=lead.source)
    contact = accounts.add_contact(company, customer, lead.person, source=lead.source)
    deal = deals.open_deal(company, customer, contact, source=lead.source, campaign=lead.campaign)
    converted = {
        "Status": "Closed - Converted",
        "IsConverted": True,
        "ConvertedDate": company.now.date(),
        "ConvertedAccountId": customer.account,
        "ConvertedContactId": contact,
        "ConvertedOpportunityId": deal.id,
    }
    company.revise("Lead", lead.id, converted, by=lead.owner)
    if lead.campaign:
        lead.campaign.converted += 1
        numbers = {"NumberOfConvertedLeads": lead.campaign.converted}
        company.recompute("Campaign", lead.campaign.id, numbers)
