"""Billing: invoices are sent, paid in parts, late or never."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.departments.vocabulary import PLACES

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.diary import Company, Customer

CENT = Decimal("0.01")


@dataclass(slots=True)
class Invoice:
    """An invoice until it is settled."""

    id: str
    owner: str
    net: Decimal
    paid: Decimal = Decimal(0)

    @property
    def sums(self) -> dict[str, Any]:
        """The roll-up of its payments, and the formula over that."""
        return {"Paid_Amount__c": self.paid, "Open_Amount__c": self.net - self.paid}


def send_invoice(company: Company, customer: Customer, opportunity: str, amount: Decimal) -> None:
    """The bill for a deal that was won."""
    chance = company.chance
    discount = chance.choice((None, None, Decimal("2.5"), Decimal(10)))
    net = (amount * (100 - (discount or 0)) / 100).quantize(CENT)
    today = company.now.date()
    place = chance.choice((None, *PLACES))
    values = {
        "Name": f"INV-{next(company.invoice_numbers):06d}",
        "Account__c": customer.account,
        "Opportunity__c": opportunity,
        "Status__c": "Sent",
        "Issued_On__c": today,
        "Due_On__c": today + timedelta(days=30),
        "Amount__c": amount,
        "Discount__c": discount,
        "Net_Amount__c": net,
        "Paid_Amount__c": Decimal(0),
        "Open_Amount__c": net,
        "Customer_Name__c": customer.name,
        "Number_Of_Positions__c": Decimal(chance.randrange(1, 9)),
        "Delivery_Channels__c": chance.choice((None, "Email", "Email;Post", "Email;Portal;EDI")),
        "Terms__c": chance.choice((None, "30 days net.\r\n2 % if paid within 10 days.")),
        "Purchase_Order__c": chance.choice((None, f"{chance.randrange(10_000):08d}")),
        "Delivery_Place__Latitude__s": place.latitude if place else None,
        "Delivery_Place__Longitude__s": place.longitude if place else None,
        "Payment_Link__c": "https://pay.example/?a=1&b=%22x%22",
        "OwnerId": customer.owner,
    }
    invoice = Invoice(company.record("Invoice__c", values, by=customer.owner), customer.owner, net)
    customer.invoices.append(invoice.id)
    company.plan_within((30, 33), lambda: remind(company, invoice))
    if company.happens(0.95):
        parts = chance.choice((1, 1, 1, 2))
        company.plan_within((6, 45), lambda: receive_payment(company, invoice, parts))


def receive_payment(company: Company, invoice: Invoice, parts: int) -> None:
    """Money: the roll-up changes at once and silently, the status if and when somebody looks."""
    owed = invoice.net - invoice.paid
    amount = (owed / parts).quantize(CENT)
    payment = {
        "Name": f"PAY-{next(company.payment_numbers):06d}",
        "Invoice__c": invoice.id,
        "Paid_On__c": company.now.date(),
        "Amount__c": amount,
        "Method__c": company.chance.choice(("Bank Transfer", "Card", "Cheque")),
    }
    company.record("Payment__c", payment, by=invoice.owner)
    invoice.paid += amount
    company.recompute("Invoice__c", invoice.id, invoice.sums)
    if parts > 1:
        company.plan_within((5, 30), lambda: receive_payment(company, invoice, parts - 1))
    elif company.happens(0.8):
        company.plan_within((0, 4), lambda: mark(company, invoice, "Paid"))


def remind(company: Company, invoice: Invoice) -> None:
    """What is not paid when due gets a reminder, and in the end is given up."""
    if invoice.paid < invoice.net:
        overdue = {"Status__c": "Overdue", "Reminder_Sent_At__c": company.now}
        company.revise("Invoice__c", invoice.id, overdue, by=invoice.owner)
        company.plan_within((60, 90), lambda: give_up(company, invoice))


def give_up(company: Company, invoice: Invoice) -> None:
    """Write off what has still not been paid."""
    if invoice.paid < invoice.net:
        mark(company, invoice, "Written Off")


def mark(company: Company, invoice: Invoice, status: str) -> None:
    """Set the status by hand."""
    company.revise("Invoice__c", invoice.id, {"Status__c": status}, by=invoice.owner)
