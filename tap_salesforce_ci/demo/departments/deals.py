"""Sales: opportunities move from stage to stage until they are won or lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.departments import accounts, activities, billing, service
from tap_salesforce_ci.demo.departments.files import attach_quote

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.diary import Campaign, Company, Customer


@dataclass(frozen=True, slots=True)
class Stage:
    """A value of StageName and all that follows from it."""

    name: str
    probability: int
    forecast: str
    forecast_name: str
    is_closed: bool = False
    is_won: bool = False


STAGES = (
    Stage("Prospecting", 10, "Pipeline", "Pipeline"),
    Stage("Qualification", 10, "Pipeline", "Pipeline"),
    Stage("Needs Analysis", 20, "Pipeline", "Pipeline"),
    Stage("Proposal/Price Quote", 75, "BestCase", "Best Case"),
    Stage("Negotiation/Review", 90, "Forecast", "Commit"),
)
PROPOSAL = 3
WON = Stage("Closed Won", 100, "Closed", "Closed", is_closed=True, is_won=True)
LOST = Stage("Closed Lost", 0, "Omitted", "Omitted", is_closed=True)
LOST_AT_EACH_STAGE = 0.21
"""Five stages to survive: about three in ten are won."""


@dataclass(slots=True)
class Deal:
    """An opportunity that somebody works on."""

    customer: Customer
    contact: str
    campaign: Campaign | None
    amount: Decimal
    closes: date
    reached: int = 0
    stage: Stage = STAGES[0]
    id: str = ""

    @property
    def about(self) -> dict[str, str]:
        """What an activity of this deal refers to."""
        return {"WhoId": self.contact, "WhatId": self.id, "AccountId": self.customer.account}

    @property
    def standing(self) -> dict[str, Any]:
        """The fields that follow from stage and amount."""
        return {
            "StageName": self.stage.name,
            "Probability": Decimal(self.stage.probability),
            "ForecastCategory": self.stage.forecast,
            "ForecastCategoryName": self.stage.forecast_name,
            "IsClosed": self.stage.is_closed,
            "IsWon": self.stage.is_won,
            "Amount": self.amount,
            "ExpectedRevenue": self.amount * self.stage.probability / 100,
        }

    @property
    def closing(self) -> dict[str, Any]:
        """The fields that follow from the closing date; the fiscal year is the calendar's."""
        quarter = (self.closes.month + 2) // 3
        return {
            "CloseDate": self.closes,
            "FiscalYear": self.closes.year,
            "FiscalQuarter": quarter,
            "Fiscal": f"{self.closes.year} {quarter}",
        }


def open_deal(
    company: Company, customer: Customer, contact: str, *, source: str | None, campaign: Campaign | None = None
) -> Deal:
    """A new opportunity in its first stage."""
    chance = company.chance
    amount = Decimal(chance.randrange(20, 900) * 100)
    closes = (company.now + timedelta(days=chance.randrange(30, 120))).date()
    deal = Deal(customer, contact, campaign, amount, closes)
    values = {
        **deal.standing,
        **deal.closing,
        "Name": f"{customer.name} - {chance.choice(('Rollout', 'Pilot', 'Upgrade', 'Replacement'))}",
        "AccountId": customer.account,
        "ContactId": contact,
        "Type": "Existing Customer - Upgrade" if customer.is_paying else "New Customer",
        "LeadSource": source,
        "CampaignId": campaign.id if campaign else None,
        "NextStep": chance.choice((None, "Call back", 'Send quote; wait for "go"')),
        "LastStageChangeDate": company.now,
        "OwnerId": customer.owner,
    }
    deal.id = company.record("Opportunity", values, by=customer.owner)
    role = {"OpportunityId": deal.id, "ContactId": contact, "Role": "Decision Maker", "IsPrimary": True}
    company.record("OpportunityContactRole", role, by=customer.owner)
    record_history(company, deal)
    if campaign:
        campaign.opportunities += 1
        company.recompute("Campaign", campaign.id, {"NumberOfOpportunities": campaign.opportunities})
    company.plan_within((2, 14), lambda: advance(company, deal))
    return deal


def advance(company: Company, deal: Deal) -> None:
    """One stage further, or the end of it."""
    owner = deal.customer.owner
    activities.call(company, deal.about, by=owner)
    if company.happens(0.5):
        activities.meeting(company, deal.about, by=owner)
    if company.happens(LOST_AT_EACH_STAGE):
        enter(company, deal, LOST)
    elif deal.reached == len(STAGES) - 1:
        win(company, deal)
    else:
        deal.reached += 1
        enter(company, deal, STAGES[deal.reached])
        if deal.reached == PROPOSAL:
            quote(company, deal)
        company.plan_within((3, 20), lambda: advance(company, deal))


def enter(company: Company, deal: Deal, stage: Stage) -> None:
    """Change the stage and leave a trace of it in both histories."""
    before, deal.stage = deal.stage, stage
    if stage.is_closed:
        deal.closes = company.now.date()
    moved = {**deal.standing, **deal.closing, "LastStageChangeDate": company.now}
    company.revise("Opportunity", deal.id, moved, by=deal.customer.owner)
    company.recompute("Opportunity", deal.id, {"LastActivityDate": company.now.date()})
    record_history(company, deal)
    record_change(company, deal, "StageName", "EnumOrId", old=before.name, new=stage.name)


def quote(company: Company, deal: Deal) -> None:
    """Line items make the amount exact, and a file goes to the customer."""
    accounts.meet_colleagues(company, deal.customer)
    before = deal.amount
    deal.amount = sum((add_line(company, deal, order) for order in range(company.chance.randrange(1, 5))), Decimal(0))
    priced = {**deal.standing, "HasOpportunityLineItem": True, "Pricebook2Id": company.price_book}
    company.revise("Opportunity", deal.id, priced, by=deal.customer.owner)
    record_history(company, deal, before)
    record_change(company, deal, "Amount", "Currency", old=before, new=deal.amount)
    if company.happens(0.25):
        attach_quote(company, deal.customer, deal.id)


def add_line(company: Company, deal: Deal, order: int) -> Decimal:
    """One product of the quote; answers its total."""
    chance = company.chance
    product = chance.choice(company.products)
    quantity = Decimal(chance.randrange(1, 40))
    price = Decimal(product.price) * chance.choice((100, 100, 95, 90)) / 100
    line = {
        "OpportunityId": deal.id,
        "SortOrder": order + 1,
        "PricebookEntryId": product.entry,
        "Product2Id": product.id,
        "ProductCode": product.code,
        "Name": f"{deal.customer.name} {product.name}",
        "Quantity": quantity,
        "UnitPrice": price,
        "ListPrice": Decimal(product.price),
        "TotalPrice": quantity * price,
        "Description": chance.choice((None, 'Size 4" x 6", white')),
    }
    company.record("OpportunityLineItem", line, by=deal.customer.owner)
    return quantity * price


def win(company: Company, deal: Deal) -> None:
    """A customer: it gets an invoice, support, and before long another offer."""
    enter(company, deal, WON)
    customer = deal.customer
    if deal.campaign:
        deal.campaign.won += int(deal.amount)
        company.recompute("Campaign", deal.campaign.id, {"AmountWonOpportunities": Decimal(deal.campaign.won)})
    if not customer.is_paying:
        accounts.become_paying(company, customer)
        service.look_after(company, customer)
    company.plan_within((1, 10), lambda: billing.send_invoice(company, customer, deal.id, deal.amount))
    if company.happens(0.4):
        company.plan_within((60, 200), lambda: sell_more(company, customer, deal.contact))


def sell_more(company: Company, customer: Customer, contact: str) -> None:
    """An opportunity that no lead came before."""
    open_deal(company, customer, contact, source=None)


def record_history(company: Company, deal: Deal, previous_amount: Decimal | None = None) -> None:
    """A row of OpportunityHistory, which Salesforce writes at each change of stage, amount or date."""
    history = {
        "OpportunityId": deal.id,
        "StageName": deal.stage.name,
        "Amount": deal.amount,
        "ExpectedRevenue": deal.standing["ExpectedRevenue"],
        "CloseDate": deal.closes,
        "Probability": Decimal(deal.stage.probability),
        "ForecastCategory": deal.stage.forecast,
        "PrevAmount": previous_amount,
    }
    company.record("OpportunityHistory", history, by=deal.customer.owner)


def record_change(company: Company, deal: Deal, field: str, kind: str, *, old: Any, new: Any) -> None:
    """A row of OpportunityFieldHistory, whose values are of any type."""
    change = {"OpportunityId": deal.id, "Field": field, "DataType": kind, "OldValue": old, "NewValue": new}
    company.record("OpportunityFieldHistory", change, by=deal.customer.owner)
