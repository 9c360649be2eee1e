"""
Who is signed in where, and what decides which objects and fields this user is told of.

Sources: Salesforce Help, "Identity URLs" (`remoteaccess_using_openid`); REST API Developer Guide, "Resources by
Version" (`resources_discoveryresource.htm`, its `identity`); Object Reference, `PermissionSetAssignment`.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote_plus

import msgspec

from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.messages import Session
from tap_salesforce_ci.errors import BadField, LoginRefused, UserError

IDENTITY = re.compile(r"https?://[^/]+/id/(?P<org>\w+)/(?P<user>\w+)")
ORG_OF_TOKEN = re.compile(r"(?P<org>00D\w{12})\w{0,3}!")
ID_LENGTH = 15
"""Longer Ids end with a checksum."""

ASSIGNMENTS = (
    # The profile is among them, as the permission set that it owns; labels are told in the user's language.
    "PermissionSetId, PermissionSetGroupId, PermissionSet.SystemModstamp, Assignee.LanguageLocaleKey",
    "PermissionSetId",
)
REFUSED = "refused"


class Origin(msgspec.Struct, frozen=True):
    """
    Whose view of which org something is; `permissions` is a digest of what the user was assigned.

    It holds no secret.
    """

    instance_url: str
    org: str
    user: str
    api_version: str
    permissions: str


class _Resources(msgspec.Struct):
    identity: str | None = None


class _Assignments(msgspec.Struct):
    records: tuple[msgspec.Raw, ...]


_RESOURCES = msgspec.json.Decoder(_Resources)
_ASSIGNMENTS = msgspec.json.Decoder(_Assignments)


def origin_of(client: Client) -> Origin | None:
    """
    Return who is signed in; None where Salesforce doesn't say, or contradicts itself.

    Costs one request, or two where the login didn't tell; none is tried again, because no read depends on it.
    Raises the TapError of a request that failed.
    """
    session = client.session
    told = IDENTITY.match(session.identity or "") or _asked(client)
    if told is None or _contradicts(session, told["org"]):
        return None
    return Origin(
        session.instance_url, told["org"], told["user"], client.api_version, _permissions(client, told["user"])
    )


def _asked(client: Client) -> re.Match[str] | None:
    try:
        resources = _RESOURCES.decode(client.request("GET", client.data_path, patient=False).body)
    except msgspec.DecodeError:
        return None
    return IDENTITY.match(resources.identity or "")


def _contradicts(session: Session, org: str) -> bool:
    """Say whether the access token, which begins with its org's Id, is another org's."""
    of_token = ORG_OF_TOKEN.match(session.token)
    return of_token is not None and of_token["org"] != org[:ID_LENGTH]


def _permissions(client: Client, user: str) -> str:
    """Return a digest of the user's permission assignments; a constant where the user may not see them."""
    for fields in ASSIGNMENTS:
        query = f"SELECT {fields} FROM PermissionSetAssignment WHERE AssigneeId = '{user}'"  # noqa: S608 - letters and digits
        try:
            path = f"{client.data_path}/query?q={quote_plus(query)}"
            body = client.request("GET", path, patient=False).body
        except BadField:
            continue
        except LoginRefused:
            raise
        except UserError:
            return REFUSED
        try:
            records = sorted(bytes(record) for record in _ASSIGNMENTS.decode(body).records)
        except msgspec.DecodeError:
            return REFUSED
        return hashlib.sha256(b"\n".join(records)).hexdigest()
    return REFUSED
