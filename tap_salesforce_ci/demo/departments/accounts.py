"""Account management: customers, the people who work there, and the tidying up."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.departments.vocabulary import Person, address, someone
from tap_salesforce_ci.demo.diary import Customer

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.diary import Company

DEPARTMENTS = ("Operations", "Finance", "IT", None)


def open_account(company: Company, name: str, industry: str, *, owner: str, source: str) -> Customer:
    """The account of that name, made if there is none."""
    if name in company.customers:
        return company.customers[name]
    chance = company.chance
    values = {
        **address(chance, "Billing"),
        **address(chance, "Shipping"),
        "Name": name,
        "Type": "Prospect",
        "Industry": industry,
        "AccountSource": source,
        "Phone": f"(555) {chance.randrange(200, 999)}-{chance.randrange(10_000):04d}",
        "AccountNumber": f"{chance.randrange(100_000):07d}",
        "NumberOfEmployees": chance.choice((None, chance.randrange(1, 12_000))),
        "AnnualRevenue": chance.choice((None, Decimal(chance.randrange(1, 900) * 1_000_000))),
        "OwnerId": owner,
    }
    customer = Customer(company.record("Account", values, by=owner), name, owner)
    company.customers[name] = customer
    share(company, customer)
    remember(company, customer, "created", None, None)
    return customer


def share(company: Company, customer: Customer) -> None:
    """Who sees the account. A share that a rule made has no date of its own."""
    by_rule = company.happens(0.1)
    values = {
        "AccountId": customer.account,
        "UserOrGroupId": customer.owner,
        "AccountAccessLevel": "All",
        "OpportunityAccessLevel": "Edit",
        "CaseAccessLevel": "Edit",
        "RowCause": "Rule" if by_rule else "Owner",
    }
    company.record("AccountShare", {**values, **({"LastModifiedDate": None} if by_rule else {})}, by=customer.owner)


def remember(company: Company, customer: Customer, field: str, old: Any, new: Any) -> None:
    """Field history tracking, for those fields of Account that have it switched on."""
    change = {"AccountId": customer.account, "Field": field, "OldValue": old, "NewValue": new, "DataType": "Text"}
    company.record("AccountHistory", change, by=customer.owner)


def add_contact(company: Company, customer: Customer, person: Person, *, source: str | None = None) -> str:
    """Somebody who works for the customer."""
    chance = company.chance
    values = {
        **address(chance, "Mailing"),
        "AccountId": customer.account,
        "FirstName": person.first,
        "LastName": person.last,
        "Name": person.name,
        "Title": person.title,
        "Department": chance.choice(DEPARTMENTS),
        "Email": person.email,
        "Phone": person.phone,
        "LeadSource": source,
        "Birthdate": chance.choice((None, f"{chance.randrange(1948, 2004)}-{chance.randrange(1, 13):02d}-17")),
        "ReportsToId": customer.contacts[0] if customer.contacts else None,
        "OwnerId": customer.owner,
    }
    contact = company.record("Contact", values, by=customer.owner)
    customer.contacts.append(contact)
    return contact


def meet_colleagues(company: Company, customer: Customer) -> None:
    """One to four more people turn up when the deal gets serious."""
    for _ in range(company.chance.randrange(1, 5)):
        add_contact(company, customer, someone(company.chance, customer.name))


def become_paying(company: Company, customer: Customer) -> None:
    """The first deal was won."""
    customer.is_paying = True
    company.revise("Account", customer.account, {"Type": "Customer - Direct", "Rating": "Hot"}, by=customer.owner)
    remember(company, customer, "Rating", None, "Hot")


def tidy(company: Company) -> None:
    """A Friday's work: a duplicate is found, a customer changes its name."""
    customers = list(company.customers.values())
    if customers and company.happens(0.6):
        duplicate_contact(company, company.chance.choice(customers))
    if customers and company.happens(0.3):
        rename(company, company.chance.choice(customers))
    company.plan_within((6, 8), lambda: tidy(company))


def duplicate_contact(company: Company, customer: Customer) -> None:
    """Somebody is entered twice; days later the two are merged."""
    person = someone(company.chance, customer.name)
    kept, loser = add_contact(company, customer, person), add_contact(company, customer, person)
    customer.contacts.remove(loser)
    company.plan_within((2, 12), lambda: merge_contacts(company, customer, kept, loser))


def merge_contacts(company: Company, customer: Customer, kept: str, loser: str) -> None:
    """The loser of a merge goes to the Recycle Bin and points at the record that took its place."""
    company.revise("Contact", kept, {"Description": "Merged with a duplicate."}, by=customer.owner)
    company.revise("Contact", loser, {"MasterRecordId": kept}, by=customer.owner)
    company.delete("Contact", loser)
    company.empty_bin_later("Contact", loser)


def rename(company: Company, customer: Customer) -> None:
    """A new name, which shows in the formulas of the customer's invoices without touching them."""
    old = customer.name
    customer.name = f"{' '.join(old.split(' ')[:2])} International"
    if customer.name == old:
        return
    company.revise("Account", customer.account, {"Name": customer.name}, by=customer.owner)
    remember(company, customer, "Name", old, customer.name)
    for invoice in customer.invoices:
        company.recompute("Invoice__c", invoice, {"Customer_Name__c": customer.name})
