"""Who an access token stands for: the identity URL and OpenID's userinfo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.exchange import Exchange
from tap_salesforce_ci.demo.ids import SHORT
from tap_salesforce_ci.demo.wire import Response, json_response

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.grants import Session, User

_DATA = {
    "rest": "",
    "sobjects": "sobjects/",
    "search": "search/",
    "query": "query/",
    "recent": "recent/",
    "tooling_rest": "tooling/",
    "feeds": "chatter/feeds",
    "groups": "chatter/groups",
    "users": "chatter/users",
    "feed_items": "chatter/feed-items",
    "feed_elements": "chatter/feed-elements",
}
_SOAP = {"enterprise": "c", "metadata": "m", "partner": "u", "tooling_soap": "T"}
_ORDER = (
    "enterprise",
    "metadata",
    "partner",
    "rest",
    "sobjects",
    "search",
    "query",
    "recent",
    "tooling_soap",
    "tooling_rest",
    "profile",
    "feeds",
    "groups",
    "users",
    "feed_items",
    "feed_elements",
    "custom_domain",
)


def identity(exchange: Exchange) -> Response:
    """The identity of the token's user, at the address the token came with."""
    session = _session(exchange)
    if session is None:
        return _refused("Bad_OAuth_Token" if exchange.request.headers.get("authorization") else "Missing_OAuth_Token")
    if exchange.params["org"][:SHORT] != exchange.org.id[:SHORT]:
        return _refused("Wrong_Org")
    return json_response(_identity(exchange, session.user))


def userinfo(exchange: Exchange) -> Response:
    """The same in OpenID's names."""
    session = _session(exchange)
    if session is None:
        return _refused("Bad_OAuth_Token")
    told, user = _identity(exchange, session.user), session.user
    return json_response(
        {
            "sub": told["id"],
            "user_id": user.id,
            "organization_id": exchange.org.id,
            "preferred_username": user.username,
            "nickname": told["nick_name"],
            "name": user.name,
            "email": told["email"],
            "email_verified": True,
            "given_name": user.first_name,
            "family_name": user.last_name,
            "zoneinfo": told["timezone"],
            "photos": told["photos"],
            "profile": told["urls"]["profile"],
            "picture": told["photos"]["picture"],
            "address": {},
            "urls": told["urls"],
            "active": user.active,
            "user_type": told["user_type"],
            "language": told["language"],
            "locale": told["locale"],
            "utcOffset": told["utcOffset"],
            "updated_at": told["last_modified_date"],
        }
    )


def _session(exchange: Exchange) -> Session | None:
    _, _, token = exchange.request.headers.get("authorization", "").partition(" ")
    token = token.strip() or exchange.request.query.get("oauth_token", "")
    return exchange.org.grants.session(token)


def _refused(text: str) -> Response:
    return Response(403, text.encode(), {"Content-Type": "text/plain;charset=UTF-8"})


def _identity(exchange: Exchange, user: User) -> dict[str, Any]:
    org = exchange.org
    photo = f"{org.instance_url}/profilephoto/005"
    return {
        "id": f"{org.instance_url}/id/{org.id}/{user.id}",
        "asserted_user": True,
        "user_id": user.id,
        "organization_id": org.id,
        "username": user.username,
        "nick_name": user.username.partition("@")[0],
        "display_name": user.name,
        "email": user.username,
        "email_verified": True,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "timezone": "America/Los_Angeles",
        "photos": {"picture": f"{photo}/F", "thumbnail": f"{photo}/T"},
        "addr_street": None,
        "addr_city": None,
        "addr_state": None,
        "addr_country": "US",
        "addr_zip": None,
        "mobile_phone": None,
        "mobile_phone_verified": False,
        "is_lightning_login_user": False,
        "status": {"created_date": None, "body": None},
        "urls": _urls(org.instance_url, org.id, user.id),
        "active": user.active,
        "user_type": "STANDARD",
        "language": "en_US",
        "locale": "en_US",
        "utcOffset": -28_800_000,
        "last_modified_date": "2022-02-15T23:21:10Z",
        "is_app_installed": True,
    }


def _urls(host: str, org: str, user: str) -> dict[str, str]:
    urls = {name: f"{host}/services/data/v{{version}}/{path}" for name, path in _DATA.items()}
    urls |= {name: f"{host}/services/Soap/{api}/{{version}}/{org[:SHORT]}" for name, api in _SOAP.items()}
    urls |= {"profile": f"{host}/{user}", "custom_domain": host}
    return {name: urls[name] for name in _ORDER}
