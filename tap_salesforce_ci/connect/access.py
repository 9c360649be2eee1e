"""Whether a new session may use the API, and who and where it is."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.limits import Usage
from tap_salesforce_ci.client.rest import Records, query_pages
from tap_salesforce_ci.client.soql import Query
from tap_salesforce_ci.errors import BadField, BudgetError, NotFound, ObjectRefused, TapError

USERINFO_PATH = "/services/oauth2/userinfo"
ORGANIZATION = Query("Organization", ("Name", "OrganizationType", "IsSandbox"))


@dataclass(frozen=True, slots=True)
class Access:
    """A user who may use the API of an org; what Salesforce won't tell of them is empty."""

    user: str
    org: str
    usage: Usage | None

    def __str__(self) -> str:
        return f"Connected to {self.org}" + (f" as {self.user}." if self.user else ".")

    @property
    def calls(self) -> str:
        """What is left of the org's API calls, in words."""
        if self.usage is None:
            return "Salesforce does not say how many API calls are left."
        left = max(0, self.usage.allowed - self.usage.used)
        return f"API calls left in these 24 hours: {left:,} of {self.usage.allowed:,}."


class _User(msgspec.Struct):
    organization_id: str = ""
    preferred_username: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} <{self.preferred_username}>" if self.preferred_username else ""


class _Organization(msgspec.Struct, rename="pascal"):
    name: str
    organization_type: str | None = None
    is_sandbox: bool = False

    def __str__(self) -> str:
        kind = "sandbox" if self.is_sandbox else self.organization_type
        return f"{self.name} ({kind})" if kind else self.name


def checked(client: Client) -> Access:
    """
    Ask the REST API something that every user with API access may ask.

    Raises UserError where the edition, the user or the app has no access, with what to switch on.
    """
    user, organization = _user(client), None
    try:
        client.get(client.data_path)
        organization = _organization(client)
    except BudgetError:
        pass  # Who may spend the last call has access: the tap will say when to come back.
    except TapError as error:
        raise error.at(f"user: {user}" if str(user) else client.session.instance_url) from None
    identifier = user.organization_id or client.session.instance_url
    org = f"{organization}, {identifier}" if organization else identifier
    return Access(str(user), org, client.allowance.usage)


def _user(client: Client) -> _User:
    """Return who is logged in: a courtesy, so that a refusal of it is none of the login."""
    try:
        return msgspec.json.decode(client.get(USERINFO_PATH, counted=0).body, type=_User)
    except (TapError, msgspec.DecodeError):
        return _User()


def _organization(client: Client) -> _Organization | None:
    """Return the org's name and edition where the user may read them."""
    try:
        pages = query_pages(client, ORGANIZATION, Records, include_deleted=False)
        rows = [row for page in pages for row in page.rows.rows()]
    except (NotFound, BadField, ObjectRefused):
        return None
    values = {name: msgspec.json.decode(value) for name, value in rows[0].items()} if rows else None
    return msgspec.convert(values, _Organization) if values else None
