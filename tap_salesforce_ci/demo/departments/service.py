"""Support: customers have trouble, and somebody looks into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_salesforce_ci.demo.departments.files import attach_screenshot
from tap_salesforce_ci.demo.departments.vocabulary import CALL_NOTES, COMPLAINTS

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.diary import Company, Customer


def look_after(company: Company, customer: Customer) -> None:
    """From now on the customer opens a case now and then."""
    company.plan_within((5, 160), lambda: open_case(company, customer))


def open_case(company: Company, customer: Customer) -> None:
    """A complaint."""
    chance = company.chance
    values = {
        "CaseNumber": f"{next(company.case_numbers):08d}",
        "AccountId": customer.account,
        "ContactId": chance.choice(customer.contacts),
        "Status": "New",
        "Type": chance.choice(("Mechanical", "Electronic", "Other", None)),
        "Reason": chance.choice(("Installation", "Performance", "Breakdown", "Feedback", None)),
        "Origin": chance.choice(("Phone", "Email", "Email", "Web")),
        "Subject": chance.choice(COMPLAINTS),
        "Priority": chance.choice(("High", "Medium", "Medium", "Low")),
        "Description": chance.choice((None, *CALL_NOTES)),
        "OwnerId": company.supporter,
    }
    case = company.record("Case", values, by=company.supporter)
    if company.happens(0.2):
        attach_screenshot(company, case)
    company.plan_within((0, 2), lambda: take_up(company, case))
    look_after(company, customer)


def take_up(company: Company, case: str) -> None:
    """Somebody looks into it; one in six turns out to be serious."""
    serious = company.happens(1 / 6)
    state = {"Status": "Escalated", "IsEscalated": True} if serious else {"Status": "Working"}
    company.revise("Case", case, state, by=company.supporter)
    company.plan_within((5, 30) if serious else (0, 8), lambda: close(company, case))


def close(company: Company, case: str) -> None:
    """Solved, or given up."""
    solved = {"Status": "Closed", "IsClosed": True, "ClosedDate": company.now, "Comments": "Solved."}
    company.revise("Case", case, solved, by=company.supporter)
