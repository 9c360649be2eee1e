"""Marketing: campaigns, and the leads that come from them or out of the blue."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from tap_salesforce_ci.demo.departments import leads
from tap_salesforce_ci.demo.departments.vocabulary import (
    INDUSTRIES,
    LEAD_SOURCES,
    address,
    company_name,
    someone,
)
from tap_salesforce_ci.demo.diary import Campaign

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.diary import Company

LEADS_SCORED_A_NIGHT = 5
THEMES = (
    ("Webinar", "Labels that stick"),
    ("Trade Show", "Logistics Expo"),
    ("Email", "Spring offer"),
    ("Partners", "Resellers' day"),
)


def launch_campaign(company: Company) -> None:
    """A campaign of some weeks; the next one starts before it ends."""
    kind, theme = company.chance.choice(THEMES)
    today = company.now.date()
    values = {
        "Name": f"{theme} {today:%B %Y}",
        "Type": kind,
        "Status": "In Progress",
        "StartDate": today,
        "EndDate": today + timedelta(days=42),
        "BudgetedCost": Decimal(company.chance.randrange(2, 30) * 500),
        "ExpectedResponse": Decimal(company.chance.randrange(10, 300)) / 10,
        "NumberSent": Decimal(company.chance.randrange(200, 5000)),
        "IsActive": True,
        "OwnerId": company.marketer,
    }
    campaign = Campaign(company.record("Campaign", values, by=company.marketer))
    company.campaigns.append(campaign)
    company.plan_within((40, 44), lambda: finish_campaign(company, campaign))
    company.plan_within((25, 38), lambda: launch_campaign(company))


def finish_campaign(company: Company, campaign: Campaign) -> None:
    """Count what it cost."""
    cost = Decimal(company.chance.randrange(100_000, 1_600_000)) / 100
    done = {"Status": "Completed", "IsActive": False, "ActualCost": cost}
    company.revise("Campaign", campaign.id, done, by=company.marketer)


def receive_lead(company: Company) -> None:
    """Somebody asks, and one of the sellers will call back."""
    chance = company.chance
    employer = company_name(chance)
    person = someone(chance, employer)
    owner = chance.choice(company.sellers)
    campaign = company.campaigns[-1] if company.happens(0.4) else None
    lead = leads.Lead(person, employer, owner, chance.choice(LEAD_SOURCES), chance.choice(INDUSTRIES), campaign)
    values = {
        **address(chance, ""),
        "FirstName": person.first,
        "LastName": person.last,
        "Name": person.name,
        "Title": person.title,
        "Company": employer,
        "Email": person.email,
        "Phone": person.phone,
        "LeadSource": lead.source,
        "Industry": lead.industry,
        "Status": "Open - Not Contacted",
        "IsUnreadByOwner": True,
        "NumberOfEmployees": chance.choice((None, chance.randrange(1, 12_000))),
        "AnnualRevenue": chance.choice((None, Decimal(chance.randrange(1, 900) * 100_000))),
        "OwnerId": owner,
    }
    lead.id = company.record("Lead", values, by=company.marketer)
    company.open_leads.append(lead.id)
    if campaign:
        enrol(company, lead, campaign)
    company.plan_within((0, 3), lambda: leads.work(company, lead))


def score_leads(company: Company) -> None:
    """At night a process rates a few of the leads that nobody has decided on yet."""
    open_leads = company.open_leads
    for lead in company.chance.sample(open_leads, min(LEADS_SCORED_A_NIGHT, len(open_leads))):
        company.process("Lead", lead, {"Rating": company.chance.choice(("Hot", "Warm", "Cold"))})
    tonight = company.now + timedelta(days=1)
    company.plan(tonight, lambda: score_leads(company))


def enrol(company: Company, lead: leads.Lead, campaign: Campaign) -> None:
    """Count a lead among those the campaign brought."""
    member = {
        "CampaignId": campaign.id,
        "LeadId": lead.id,
        "Status": "Responded",
        "HasResponded": True,
        "FirstRespondedDate": company.now.date(),
        "Name": lead.person.name,
        "Email": lead.person.email,
        "LeadSource": lead.source,
        "CompanyOrAccount": lead.employer,
        "Type": "Lead",
    }
    lead.belongings.append(("CampaignMember", company.record("CampaignMember", member, by=company.marketer)))
    campaign.leads += 1
    company.recompute("Campaign", campaign.id, {"NumberOfLeads": campaign.leads})
