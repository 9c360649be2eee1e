"""The names, places and words of the demo company and its customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, slots=True)
class Place:
    """A town with what an address needs."""

    city: str
    state: str | None
    country: str
    postal_code: str
    latitude: float
    longitude: float


PLACES = (
    Place("Boston", "MA", "USA", "02110", 42.3554, -71.0605),
    Place("Newark", "NJ", "USA", "07102", 40.7357, -74.1724),
    Place("Chicago", "IL", "USA", "60601", 41.8858, -87.6181),
    Place("Austin", "TX", "USA", "78701", 30.2711, -97.7437),
    Place("San José", "CA", "USA", "95113", 37.3337, -121.8907),
    Place("Montréal", "QC", "Canada", "H2Y 1C6", 45.5048, -73.5538),
    Place("London", None, "United Kingdom", "EC1A 1BB", 51.5203, -0.0976),
    Place("München", "Bayern", "Germany", "80331", 48.1361, 11.5732),
    Place("Zürich", "ZH", "Switzerland", "8001", 47.3717, 8.5417),
    Place("Kraków", None, "Poland", "31-008", 50.0619, 19.9369),
    Place("Århus", None, "Denmark", "8000", 56.1572, 10.2107),
    Place("São Paulo", "SP", "Brazil", "01310-100", -23.5614, -46.6559),
    Place("東京", None, "Japan", "100-0001", 35.6852, 139.7528),
)

STREETS = (
    "Market Street",
    "Harbour Road",
    "Mill Lane",
    "Station Road",
    "Königsallee",
    "Rue de l'Église",
    "O'Farrell St",
)
FIRST_NAMES = (
    *("Ada", "Amélie", "Anders", "Beatriz", "Chidi", "Clara", "Dmitri", "Elena", "Fatima", "Grace", "Hugo", "Ingrid"),
    *("Jamal", "Jörg", "Kenji", "Layla", "Łukasz", "Mei", "Nadia", "Omar", "Priya", "Quinn", "Rosa", "Søren"),
    *("Tariq", "Uma", "Viktor", "Wanda", "Ximena", "Yusuf", "Zoë", "美咲"),
)
LAST_NAMES = (
    *("Abbott", "Bianchi", "Çelik", "D'Souza", "Eriksson", "Fernández", "García", "Hansen", "Ito", "Jönsson"),
    *("Kowalski", "Le Goff", "McAllister", "Nguyễn", "O'Brien", "Pereira", "Quist", "Rossi", "Smith-Jones", "Tanaka"),
    *("Umarov", "van der Berg", "Weiß", "Xu", "Ångström", "Zieliński", "Null", "山田"),
)
COMPANY_HEADS = (
    *("Alpine", "Beacon", "Cobalt", "Delta", "Ember", "Falcon", "Granite", "Harbor", "Indigo", "Juniper", "Keystone"),
    *("Lumen", "Maple", "Nimbus", "Orchard", "Pioneer", "Quarry", "Ridge", "Summit", "Timber", "Union", "Vertex"),
    *("Willow", "Xenon", "Yonder", "Zephyr"),
)
COMPANY_BODIES = (
    *("Freight", "Foods", "Optics", "Textiles", "Robotics", "Insurance", "Energy", "Media", "Systems", "Outfitters"),
    *("Analytics", "Pharma", "Logistics", "Instruments", "Studios", "Ceramics", "Aviation", "Farms", "Books", "Cycles"),
)
COMPANY_TAILS = ("Inc.", "LLC", "GmbH", "Ltd", "& Sons", "S.A.", "Group", "Co-op", '"Gold" Partners')
INDUSTRIES = ("Technology", "Manufacturing", "Retail", "Healthcare", "Finance", "Education", "Shipping", "Energy")
TITLES = ("CEO", "CFO", "VP, Operations", "Head of Data", "Buyer", "IT Manager", "Office Manager", "Director, Sales")
LEAD_SOURCES = ("Web", "Web", "Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
CALL_NOTES = (
    "Left a voicemail.",
    'Said: "call me next week".',
    "Interested; budget is decided in spring.\nWants a quote for 20 seats.",
    "Not the right person; asked for the head of IT.\r\nFollow up by email.",
    "Happy with the trial, 100% sure to go on.",
    "Preise & Laufzeiten geklärt — Angebot folgt.",
)
COMPLAINTS = (
    "Cannot log in since this morning",
    "Export shows #REF! instead of totals",
    "Dashboard is slow, > 30 s",
    "Wrong VAT on invoice",
    'Printer label reads "NULL"',
    "Déjà vu: duplicate notifications",
    "How do I add a colleague?",
)


@dataclass(frozen=True, slots=True)
class Person:
    """Someone with a name and a mailbox."""

    first: str
    last: str
    title: str
    email: str
    phone: str

    @property
    def name(self) -> str:
        """First and last name, as Salesforce joins them."""
        return f"{self.first} {self.last}"


def someone(chance: Random, company: str) -> Person:
    """A person who works for a company of this name."""
    first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
    domain = "".join(letter for letter in company.lower() if letter.isascii() and letter.isalnum())
    mailbox = f"{first}.{last}".encode("ascii", "ignore").decode().replace(" ", "").replace("'", "").strip(".")
    phone = f"(555) {chance.randrange(200, 999)}-{chance.randrange(10_000):04d}"
    return Person(first, last, chance.choice(TITLES), f"{mailbox or 'info'}@{domain}.example", phone)


def company_name(chance: Random) -> str:
    """What a prospect's company is called."""
    head, body, tail = chance.choice(COMPANY_HEADS), chance.choice(COMPANY_BODIES), chance.choice(COMPANY_TAILS)
    return f"{head} {body} {tail}"


def address(chance: Random, kind: str) -> dict[str, Any]:
    """The parts of a compound address; one in six is unknown altogether."""
    if chance.random() < 1 / 6:
        return {}
    place = chance.choice(PLACES)
    floor = chance.choice(("", "", "\nSuite 400", "\r\n3rd floor"))
    located = chance.random() < 1 / 2
    return {
        f"{kind}Street": f"{chance.randrange(1, 400)} {chance.choice(STREETS)}{floor}",
        f"{kind}City": place.city,
        f"{kind}State": place.state,
        f"{kind}PostalCode": place.postal_code,
        f"{kind}Country": place.country,
        f"{kind}Latitude": place.latitude if located else None,
        f"{kind}Longitude": place.longitude if located else None,
        f"{kind}GeocodeAccuracy": "Address" if located else None,
    }
