"""A session ends at any time: it is renewed on demand, once for all threads, and only where that can help."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tap_salesforce_ci.client.auth import ClientCredentials, GivenSession, RefreshToken
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.demo.faults import ExpireSession, OAuthRefused, Refused, ServerError
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.errors import UserError
from tests.conftest import Connect

MANY = 24


@pytest.fixture
def renewing(connect: Connect, server: Server) -> Client:
    """A client that can open as many sessions as it needs."""
    return connect(RefreshToken(server.url, oauth.CLIENT_ID, oauth.REFRESH_TOKEN, oauth.CLIENT_SECRET), workers=MANY)


def limits(client: Client) -> int:
    return client.get(f"{client.data_path}/limits").status


def logins(org: Org) -> int:
    return len(org.requests.to("/services/oauth2/token"))


def test_nothing_is_asked_before_it_is_needed(renewing: Client, org: Org) -> None:
    """Making a client costs no request."""
    assert org.requests == []


def test_a_session_is_kept_for_as_long_as_it_lives(renewing: Client, org: Org) -> None:
    """Ten requests need one login."""
    assert [limits(renewing) for _ in range(10)] == [200] * 10
    assert logins(org) == 1


def test_a_dead_session_is_renewed_and_the_request_replayed(renewing: Client, org: Org) -> None:
    """The caller sees one good answer; Salesforce saw the same request twice, body included."""
    limits(renewing)
    org.expire_sessions()

    answer = renewing.post(f"{renewing.data_path}/composite/batch", {"batchRequests": []})

    asked = org.requests.to("/composite/batch")
    assert answer.status == 200
    assert [request.status for request in asked] == [401, 200]
    assert asked[0].body == asked[1].body
    assert asked[0].headers["authorization"] != asked[1].headers["authorization"]
    assert logins(org) == 2


def test_many_threads_renew_once(renewing: Client, org: Org) -> None:
    """However many threads meet the dead session together, one logs in and all go on."""
    limits(renewing)
    org.expire_sessions()
    together = threading.Barrier(MANY)

    def ask(_: int) -> int:
        together.wait()
        return limits(renewing)

    with ThreadPoolExecutor(MANY) as threads:
        assert list(threads.map(ask, range(MANY))) == [200] * MANY
    assert logins(org) == 2


def test_many_threads_open_the_first_session_once(renewing: Client, org: Org) -> None:
    """The first login is shared as well."""
    with ThreadPoolExecutor(MANY) as threads:
        assert list(threads.map(lambda _: limits(renewing), range(MANY))) == [200] * MANY
    assert logins(org) == 1


def test_a_session_may_die_as_often_as_it_likes(renewing: Client, org: Org) -> None:
    """Each request may renew once, so a long run outlives any number of sessions."""
    for _ in range(5):
        org.expire_sessions()
        assert limits(renewing) == 200
    assert logins(org) == 5


def test_a_session_that_dies_at_once_is_no_endless_loop(renewing: Client, org: Org) -> None:
    """A new session that is refused too ends the request, with the remedy of the login."""
    org.faults.add(ExpireSession(), path="/limits", count=None)

    with pytest.raises(UserError, match="INVALID_SESSION_ID") as refused:
        limits(renewing)
    assert refused.value.remedy == "Run `tap-salesforce-ci connect` to grant access again; the state is kept."
    assert logins(org) == 3


@pytest.mark.parametrize(
    "refusal",
    [
        Refused(401, "INVALID_SESSION_ID", "Session expired or invalid"),
        Refused(401, "INVALID_SESSION_ID", "セッションが期限切れか無効です"),
        Refused(401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"),
        Refused(401, "", "Unauthorized"),
        Refused(400, "InvalidSessionId", "Invalid session id"),
        Refused(403, "INVALID_SESSION_ID", "Session expired or invalid"),
    ],
    ids=repr,
)
def test_every_form_of_a_dead_session_is_renewed(renewing: Client, org: Org, refusal: Refused) -> None:
    """REST says 401, Bulk says 400 InvalidSessionId, and the message may be in any language."""
    org.faults.add(refusal, path="/limits")

    assert limits(renewing) == 200
    assert logins(org) == 2


@pytest.mark.parametrize(
    ("refusal", "remedy"),
    [
        (Refused(401, "INVALID_SESSION_ID", "This session is not valid for use with the REST API"), "scope 'api'"),
        (Refused(401, "INVALID_SESSION_ID", "Connected app is not attached to Agent"), "Attach the connected app"),
        (Refused(403, "API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner"), "edition"),
        (Refused(403, "API_CURRENTLY_DISABLED", "API is disabled for this User"), "'API Enabled'"),
    ],
    ids=repr,
)
def test_what_a_new_session_would_not_cure_is_not_renewed(
    renewing: Client, org: Org, refusal: Refused, remedy: str
) -> None:
    """A missing scope or permission is told at once, after one login and one request."""
    org.faults.add(refusal, path="/limits", count=None)

    with pytest.raises(UserError) as refused:
        limits(renewing)
    assert remedy in refused.value.remedy
    assert logins(org) == 1
    assert len(org.requests.to("/limits")) == 1


def test_an_app_without_the_scope_api_is_told(renewing: Client, org: Org) -> None:
    """The org's own answer to a token of too small a scope, not a staged one."""
    org.apps[oauth.CLIENT_ID].scope = "id"
    client_credentials = ClientCredentials(renewing.session.instance_url, oauth.CLIENT_ID, oauth.CLIENT_SECRET)
    grant = org.grants.grant(org.users[oauth.USERNAME], org.apps[oauth.CLIENT_ID], "id refresh_token")
    assert client_credentials.renewable

    renewing._auth = RefreshToken(renewing.session.instance_url, oauth.CLIENT_ID, grant.token, oauth.CLIENT_SECRET)
    org.expire_sessions()

    with pytest.raises(UserError) as refused:
        limits(renewing)
    assert "scope 'api'" in refused.value.remedy


def test_a_given_session_is_not_renewed(connect: Connect, server: Server, org: Org) -> None:
    """Who gave a token must give another: exit 2, no login, no second request."""
    client = connect(GivenSession(server.url, "00D!over"))

    with pytest.raises(UserError, match="does not accept the session") as refused:
        limits(client)
    assert refused.value.exit_code == 2
    assert "access_token" in refused.value.remedy
    assert [request.status for request in org.requests] == [401]


def test_a_grant_that_is_revoked_meanwhile_is_told(renewing: Client, org: Org) -> None:
    """When the renewal itself is refused, the remedy is to connect again."""
    limits(renewing)
    org.revoke_grants()

    with pytest.raises(UserError, match="expired access/refresh token") as refused:
        limits(renewing)
    assert "tap-salesforce-ci connect" in refused.value.remedy


def test_all_threads_learn_that_the_login_is_refused(renewing: Client, org: Org) -> None:
    """Nobody waits for ever for a session that will not come, and nobody asks again: that locks users out."""
    org.faults.add(OAuthRefused("invalid_client", "invalid client credentials"), count=None)

    def outcome(_: int) -> str:
        with pytest.raises(UserError) as refused:
            limits(renewing)
        return refused.value.code

    with ThreadPoolExecutor(MANY) as threads:
        assert set(threads.map(outcome, range(MANY))) == {"invalid_client"}
    assert logins(org) == 1


def test_a_renewal_does_not_use_up_the_retries(renewing: Client, org: Org, slept: list[float]) -> None:
    """A dead session costs no wait, and the replayed request may fail and be retried like any other."""
    limits(renewing)
    org.expire_sessions()
    org.faults.add(ServerError(503), path="/limits", nth=2, count=2)

    assert limits(renewing) == 200
    assert len(slept) == 2
