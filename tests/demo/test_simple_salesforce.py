"""simple-salesforce, a client nobody here wrote, works against the org."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

from tap_salesforce_ci.demo.oauth import (
    CLIENT_ID,
    CLIENT_SECRET,
    PASSWORD,
    PRIVATE_KEY,
    SECURITY_TOKEN,
    USERNAME,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_salesforce_ci.demo.org import Org
    from tap_salesforce_ci.demo.server import Server

LOGINS: dict[str, dict[str, Any]] = {
    "soap": {"username": USERNAME, "password": PASSWORD, "security_token": SECURITY_TOKEN},
    "password": {
        "username": USERNAME,
        "password": PASSWORD + SECURITY_TOKEN,
        "consumer_key": CLIENT_ID,
        "consumer_secret": CLIENT_SECRET,
    },
    "jwt": {"username": USERNAME, "consumer_key": CLIENT_ID, "privatekey": PRIVATE_KEY},
    "client credentials": {"consumer_key": CLIENT_ID, "consumer_secret": CLIENT_SECRET, "domain": "acme.my"},
}


class ToLoopback(HTTPAdapter):
    """
    The way from an https address to the org on loopback.

    The library only builds https addresses, of salesforce.com or of the instance it was told; what it sends to
    them is sent to the org unchanged, the name of the host included.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send the request to the org."""
        parts = urlsplit(request.url or "")
        request.headers["Host"] = str(parts.netloc)
        request.url = f"{self._url}{parts.path!s}" + (f"?{parts.query!s}" if parts.query else "")
        return super().send(request, *args, **kwargs)


@pytest.fixture
def http(server: Server) -> Iterator[requests.Session]:
    """A session that finds the org under any https address."""
    with requests.Session() as session:
        session.mount("https://", ToLoopback(server.url))
        yield session


@pytest.fixture
def salesforce(http: requests.Session, org: Org) -> Any:
    """The library with a session in the org."""
    return Salesforce(instance_url=org.instance_url, session_id=org.open_session(), session=http, version="66.0")


@pytest.mark.parametrize("flow", LOGINS)
def test_every_login_of_the_library_works(http: requests.Session, org: Org, flow: str) -> None:
    """Each way in opens a session that can query."""
    org.insert("Account", {"Name": "Acme"})
    client: Any = Salesforce(**LOGINS[flow], session=http, version="59.0")

    assert client.query("SELECT Name FROM Account")["records"][0]["Name"] == "Acme"


@pytest.mark.parametrize(
    ("flow", "wrong", "code"),
    [
        ("soap", {"password": "x"}, "INVALID_LOGIN"),
        ("password", {"consumer_secret": "x"}, "invalid_client"),
        ("jwt", {"consumer_key": "x"}, "invalid_client_id"),
        ("client credentials", {"consumer_secret": "x"}, "invalid_client"),
    ],
)
def test_the_library_understands_why_a_login_failed(
    http: requests.Session, flow: str, wrong: dict[str, Any], code: str
) -> None:
    """The refusals are of the form the library reads."""
    with pytest.raises(SalesforceAuthenticationFailed) as failed:
        Salesforce(**{**LOGINS[flow], **wrong}, session=http, version="59.0")

    assert failed.value.code == code


def test_the_library_describes(salesforce: Any) -> None:
    """The list of objects and the fields of one."""
    listed = salesforce.describe()
    account = salesforce.Account.describe()

    assert "Account" in {each["name"] for each in listed["sobjects"]}
    assert "SystemModstamp" in {field["name"] for field in account["fields"]}


def test_the_library_reads_all_pages(salesforce: Any, org: Org) -> None:
    """query_all, query_more and query_all_iter find every record."""
    names = [str(number) for number in range(7)]
    for name in names:
        org.insert("Account", {"Name": name})
    org.rest_page_rows = 3
    soql = "SELECT Name FROM Account ORDER BY Name"
    first = salesforce.query(soql)
    second = salesforce.query_more(first["nextRecordsUrl"], identifier_is_url=True)

    assert [record["Name"] for record in salesforce.query_all(soql)["records"]] == names
    assert [record["Name"] for record in salesforce.query_all_iter(soql)] == names
    assert [record["Name"] for record in first["records"] + second["records"]] == names[:6]


def test_the_library_reads_deleted_records(salesforce: Any, org: Org) -> None:
    """include_deleted reads queryAll."""
    org.delete("Account", org.insert("Account", {"Name": "gone"}))

    assert salesforce.query("SELECT Id FROM Account")["totalSize"] == 0
    assert salesforce.query("SELECT Id FROM Account", include_deleted=True)["totalSize"] == 1


def test_the_library_reads_one_record(salesforce: Any, org: Org) -> None:
    """A record by its id."""
    identifier = org.insert("Account", {"Name": "Acme"})

    assert salesforce.Account.get(identifier)["Name"] == "Acme"


def test_the_library_downloads_bulk_results(salesforce: Any, org: Org) -> None:
    """Every page of a Bulk 2.0 job arrives with every value."""
    org.bulk_polls = 0
    names = ['a "b"', "c\nd", "e,f", "g", "h"]
    for name in names:
        org.insert("Account", {"Name": name})
    pages = list(salesforce.bulk2.Account.query("SELECT Name FROM Account", max_records=2, wait=0.01))
    found = [row["Name"] for page in pages for row in csv.DictReader(io.StringIO(page, newline=""))]

    assert len(pages) == 3
    assert sorted(found) == sorted(names)


def test_the_library_understands_refusals(salesforce: Any, org: Org) -> None:
    """A bad query, a missing object and a dead session raise what the library has for them."""
    with pytest.raises(SalesforceMalformedRequest, match="INVALID_FIELD"):
        salesforce.query("SELECT Bacon__c FROM Account")
    with pytest.raises(SalesforceResourceNotFound):
        salesforce.Nothing__c.describe()
    org.expire_sessions()
    with pytest.raises(SalesforceExpiredSession):
        salesforce.query("SELECT Id FROM Account")


def test_the_library_reads_usage_and_limits(salesforce: Any, org: Org) -> None:
    """What the header tells of the allowance is understood in the forms the library knows."""
    assert salesforce.limits()["DailyApiRequests"]["Max"] == 100_000
    assert salesforce.api_usage["api-usage"].total == 100_000
    org.limits.header_form = "per_app"
    salesforce.limits()
    assert salesforce.api_usage["per-app-api-usage"].name == "sample-connected-app"
