"""Files: quotes as content documents, and what customers attach to their cases."""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.diary import Company, Customer

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63fcffff3f0300050001"
    "65d3a0a20000000049454e44ae426082"
)
"""The smallest of screenshots."""


def attach_quote(company: Company, customer: Customer, opportunity: str) -> None:
    """A document of one version, shared with the opportunity."""
    body = f"Quote for {customer.name}\n".encode()
    file = {"Title": f"Quote {customer.name}", "FileType": "TEXT", "FileExtension": "txt", "ContentSize": len(body)}
    document = company.record("ContentDocument", {**file, "OwnerId": customer.owner}, by=customer.owner)
    version = {
        **file,
        "ContentDocumentId": document,
        "IsLatest": True,
        "VersionNumber": "1",
        "PathOnClient": "quote.txt",
        "VersionData": body,
        "Checksum": md5(body, usedforsecurity=False).hexdigest(),
        "FirstPublishLocationId": opportunity,
        "OwnerId": customer.owner,
    }
    latest = {"LatestPublishedVersionId": company.record("ContentVersion", version, by=customer.owner)}
    company.recompute("ContentDocument", document, latest)
    link = {"LinkedEntityId": opportunity, "ContentDocumentId": document, "ShareType": "V", "Visibility": "AllUsers"}
    company.record("ContentDocumentLink", link, by=customer.owner)


def attach_screenshot(company: Company, case: str) -> None:
    """A picture of what went wrong."""
    picture = {
        "ParentId": case,
        "Name": "screenshot.png",
        "ContentType": "image/png",
        "BodyLength": len(PIXEL),
        "Body": PIXEL,
        "OwnerId": company.supporter,
    }
    company.record("Attachment", picture, by=company.supporter)
