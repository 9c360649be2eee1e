"""An org of a few objects, and a caller with a session in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tap_salesforce_ci.demo.objects import describes
from tap_salesforce_ci.demo.org import Clock, Org
from tap_salesforce_ci.demo.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "reference" / "fixtures"
OBJECTS = (
    "Account",
    "AccountChangeEvent",
    "AccountHistory",
    "Case",
    "CaseStatus",
    "Contact",
    "ContentDocumentLink",
    "ContentVersion",
    "Event",
    "Every_Type__c",
    "Invoice__c",
    "Lead",
    "Task",
    "User",
    "Wide__c",
)


@dataclass
class Caller:
    """A client with a session."""

    url: str
    token: str
    version: str = "66.0"
    http: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """The answer to a request for a path below the version, or for a whole path."""
        whole = path if path.startswith("/services") else f"/services/data/v{self.version}{path}"
        headers = {"Authorization": f"Bearer {self.token}", **kwargs.pop("headers", {})}
        kwargs.setdefault("timeout", 30)
        return self.http.request(method, f"{self.url}{whole}", headers=headers, **kwargs)

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        """The answer to a GET."""
        return self.call("GET", path, **kwargs)

    def post(self, path: str, body: Any) -> requests.Response:
        """The answer to a POST of JSON."""
        return self.call("POST", path, json=body)

    def query(self, soql: str, resource: str = "query", **kwargs: Any) -> requests.Response:
        """The answer to a query."""
        return self.get(f"/{resource}", params={"q": soql}, **kwargs)

    def records(self, soql: str, resource: str = "query") -> list[dict[str, Any]]:
        """The records of a query's only page, without their attributes."""
        answer = self.query(soql, resource)
        assert answer.status_code == 200, answer.text
        assert answer.json()["done"] is True
        return [{k: v for k, v in record.items() if k != "attributes"} for record in answer.json()["records"]]

    def refused(self, soql: str) -> tuple[int, str, str]:
        """The status, error code and message of a query that is refused."""
        answer = self.query(soql)
        (error,) = answer.json()
        return answer.status_code, error["errorCode"], error["message"]


@pytest.fixture
def org() -> Org:
    """An org on New Year's morning of 2026, with objects and without records."""
    made = Org(Clock(datetime(2026, 1, 1, 8, tzinfo=timezone.utc)))
    known = describes()
    for child in known["Account"]["childRelationships"]:
        if (child["childSObject"], child["field"]) == ("Contact", "AccountId"):
            child["relationshipName"] = "Contacts"
    for name in OBJECTS:
        made.add_object(known[name])
    return made


@pytest.fixture
def server(org: Org) -> Iterator[Server]:
    """The org's wire."""
    with Server(org) as running:
        yield running


@pytest.fixture
def caller(org: Org, server: Server) -> Iterator[Caller]:
    """A client of the org."""
    made = Caller(server.url, org.open_session())
    yield made
    made.http.close()


@pytest.fixture
def recordings() -> Path:
    """The folder of recordings of real orgs, where there is one."""
    if not RECORDINGS.is_dir():
        pytest.skip(f"the recordings of real orgs are not at {RECORDINGS}")
    return RECORDINGS


@pytest.fixture
def exchanges(recordings: Path) -> list[dict[str, Any]]:
    """The recorded requests and answers of real orgs."""
    text = (recordings / "recorded" / "cumulusci_interactions.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
