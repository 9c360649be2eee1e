"""The office: who works here, what is for sale, and who logs in."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tap_salesforce_ci.demo.diary import Product
from tap_salesforce_ci.demo.grants import ADMIN_ID, ORG_ID, USERNAME

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.diary import Company

STAFF = (
    ("Maya", "Lindqvist", "Chief Executive"),
    ("Tom", "Okafor", "Sales Manager"),
    ("Renée", "Dubois", "Account Executive"),
    ("Ben", "Carter", "Account Executive"),
    ("Aiko", "Mori", "Account Executive"),
    ("Paul", "O'Hara", "Sales Development"),
    ("Sofía", "Núñez", "Marketing Manager"),
    ("Leo", "Brandt", "Support"),
)
CHIEF, SELLERS, MARKETER, SUPPORTER = 0, slice(1, 6), 6, 7
PRODUCTS = (
    ("LBL-100", "Label Printer 100", "Hardware", 249),
    ("LBL-900", 'Label Printer 900 "Pro"', "Hardware", 1890),
    ("SCN-20", "Handheld Scanner", "Hardware", 415),
    ("WMS-S", "Warehouse Suite, seat", "Software", 960),
    ("WMS-API", "Warehouse Suite API", "Software", 5400),
    ("SRV-DAY", "Consulting, day", "Services", 1250),
)
CASE_STATUSES = (("New", True, False), ("Working", False, False), ("Escalated", False, False), ("Closed", False, True))
RECORD_TYPES = (
    ("Account", "Business", "Business_Account"),
    ("Account", "Partner", "Partner_Account"),
    ("Opportunity", "New Business", "New_Business"),
    ("Opportunity", "Renewal", "Renewal"),
)


def open_doors(company: Company) -> None:
    """Everything there is before the first lead."""
    people = hire_everyone(company)
    chief = people[CHIEF]
    company.sellers = people[SELLERS]
    company.marketer, company.supporter, company.staff = people[MARKETER], people[SUPPORTER], people
    found_organization(company, chief)
    for order, (label, is_default, is_closed) in enumerate(CASE_STATUSES, 1):
        status = {"MasterLabel": label, "ApiName": label, "SortOrder": order}
        company.record("CaseStatus", {**status, "IsDefault": is_default, "IsClosed": is_closed}, by=chief)
    for sobject, name, developer_name in RECORD_TYPES:
        kind = {"SobjectType": sobject, "Name": name, "DeveloperName": developer_name, "IsActive": True}
        company.record("RecordType", kind, by=chief)
    stock_shelves(company, chief)


def hire_everyone(company: Company) -> list[str]:
    """The administrator who connects the org, and the staff; answers the ids of the latter."""
    admin = user(company, "Ada", "Admin", "Administrator", USERNAME)
    company.record("User", {**admin, "Id": ADMIN_ID}, by=ADMIN_ID)
    people: list[str] = []
    for number, (first, last, title) in enumerate(STAFF, 1):
        mailbox = f"{first[0]}.{last}".encode("ascii", "ignore").decode().replace("'", "").lower()
        person = user(company, first, last, title, f"{mailbox}@example.com")
        position = {"EmployeeNumber": f"{number:05d}", "ManagerId": people[CHIEF] if people else None}
        people.append(company.record("User", {**person, **position}, by=ADMIN_ID))
    return people


def user(company: Company, first: str, last: str, title: str, username: str) -> dict[str, Any]:
    """Somebody with a login."""
    mailbox = username.partition("@")[0]
    return {
        "Username": username,
        "Email": username,
        "LastName": last,
        "FirstName": first,
        "Title": title,
        "CompanyName": company.org.name,
        "Alias": mailbox[:8],
        "CommunityNickname": mailbox,
        "IsActive": True,
        "TimeZoneSidKey": "America/New_York",
        "LocaleSidKey": "en_US",
        "EmailEncodingKey": "UTF-8",
        "LanguageLocaleKey": "en_US",
        "UserType": "Standard",
    }


def found_organization(company: Company, chief: str) -> None:
    """The company's own record."""
    organization = {
        "Id": ORG_ID,
        "Name": company.org.name,
        "Street": "1 Harbour Road",
        "City": "Boston",
        "State": "MA",
        "PostalCode": "02110",
        "Country": "USA",
        "Phone": "(555) 010-0100",
        "PrimaryContact": "Maya Lindqvist",
        "DefaultLocaleSidKey": "en_US",
        "TimeZoneSidKey": "America/New_York",
        "LanguageLocaleKey": "en_US",
        "FiscalYearStartMonth": 1,
        "OrganizationType": "Enterprise Edition",
        "InstanceName": "DEMO1",
    }
    company.record("Organization", organization, by=chief)


def stock_shelves(company: Company, chief: str) -> None:
    """Products and the standard price book."""
    book = {"Name": "Standard Price Book", "IsActive": True, "IsStandard": True}
    company.price_book = company.record("Pricebook2", book, by=chief)
    for code, name, family, price in PRODUCTS:
        item = {"Name": name, "ProductCode": code, "Family": family, "IsActive": True, "StockKeepingUnit": code}
        product = company.record("Product2", item, by=chief)
        entry = {
            "Name": name,
            "Pricebook2Id": company.price_book,
            "Product2Id": product,
            "UnitPrice": Decimal(price),
            "IsActive": True,
            "ProductCode": code,
        }
        in_book = company.record("PricebookEntry", entry, by=chief)
        company.products.append(Product(product, in_book, code, name, price))


def log_in(company: Company, user: str) -> None:
    """One login and, now and then, a page that was looked at."""
    application = company.chance.choice(("Browser", "Browser", "Salesforce for iOS", "Data Loader"))
    company.record(
        "LoginHistory",
        {
            "UserId": user,
            "LoginTime": company.now,
            "LoginType": "Application",
            "SourceIp": f"198.51.100.{company.chance.randrange(1, 255)}",
            "LoginUrl": "login.salesforce.com",
            "TlsProtocol": "TLS 1.3",
            "Browser": "Chrome 131",
            "Platform": "Mac OSX",
            "Status": "Success" if company.happens(0.97) else "Invalid Password",
            "Application": application,
            "ClientVersion": "N/A",
            "CountryIso": "US",
        },
        by=user,
    )
    if company.happens(0.2):
        look_at_page(company, user)


def look_at_page(company: Company, user: str) -> None:
    """A page view, as event monitoring keeps it: under an identifier that is no record id."""
    company.record(
        "LightningUriEvent",
        {
            "EventIdentifier": str(UUID(int=company.chance.getrandbits(128), version=4)),
            "EventDate": company.now + timedelta(seconds=1),
            "UserId": user,
            "QueriedEntities": company.chance.choice(("Account", "Lead", "Opportunity,OpportunityLineItem")),
            "Operation": "Read",
            "PageUrl": "/lightning/page/home",
            "Duration": Decimal(company.chance.randrange(100, 90_000)) / 100,
            "SessionLevel": "STANDARD",
        },
        by=user,
    )
