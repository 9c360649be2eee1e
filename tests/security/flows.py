"""Every way to log in, as settings, and what the tests of this folder do with a tap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import HealthCheck, settings

from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.errors import TapError
from tests.singer import sync

Config = dict[str, Any]
SignedIn = Callable[[Mapping[str, Any]], Client]

HTTP = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

APP: Config = {"client_id": oauth.CLIENT_ID, "client_secret": oauth.CLIENT_SECRET}
PERSON: Config = {"username": oauth.USERNAME, "password": oauth.PASSWORD, "security_token": oauth.SECURITY_TOKEN}
JWT: Config = {"client_id": oauth.CLIENT_ID, "username": oauth.USERNAME}
FLOWS: dict[str, Config] = {
    "refresh token": {**APP, "refresh_token": oauth.REFRESH_TOKEN},
    "refresh token, rotated": {**APP, "refresh_token": oauth.REFRESH_TOKEN, "token_store": "tokens.json"},
    "client credentials": APP,
    "JWT": {**JWT, "private_key": oauth.PRIVATE_KEY},
    "JWT in one line": {**JWT, "private_key": oauth.PRIVATE_KEY.replace("\n", "\\n")},
    "JWT from a file": {**JWT, "private_key_path": "key.pem"},
    "password": {**APP, **PERSON},
    "SOAP": PERSON,
}


def limits(client: Client) -> int:
    return client.get(f"{client.data_path}/limits").status


def sync_or_error(server: Server, **settings_: Any) -> TapError | None:
    try:
        return sync(server, **settings_).error
    except TapError as error:
        return error
