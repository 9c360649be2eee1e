"""A refresh token that Salesforce rotates is never lost, and never lost unsaid."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.token_store import MOST_GRANTS, TokenStore
from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.demo.faults import Fault, HtmlError, OAuthRefused
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.errors import TapError, TransientError, UserError
from tap_salesforce_ci.settings import Settings, tidied
from tests.client.staged import Meanwhile
from tests.conftest import Connect

APP = {"client_id": oauth.CLIENT_ID, "client_secret": oauth.CLIENT_SECRET, "refresh_token": oauth.REFRESH_TOKEN}


@pytest.fixture
def org(org: Org) -> Org:
    org.rotate_refresh_tokens = True
    return org


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "token.json"


@pytest.fixture
def warned() -> list[str]:
    return []


def no_lock(_file: int, _operation: int) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


Run = Callable[..., Client]


@pytest.fixture
def run(server: Server, connect: Connect, warned: list[str]) -> Run:
    """Begin a run: a client made from the settings anew."""

    def begin(**more: Any) -> Client:
        config = {"domain": server.url, **APP, **more}
        return connect(Settings.from_config(tidied(config), warned.append).auth)

    return begin


def limits(client: Client) -> int:
    return client.get(f"{client.data_path}/limits").status


def tokens_sent(org: Org) -> list[str]:
    return [request.form["refresh_token"] for request in org.requests.to("/oauth2/token")]


def test_run_after_run_goes_on_with_the_newest_token(run: Run, org: Org, store: Path, warned: list[str]) -> None:
    """The config never changes, every run uses up a token, and the next one still gets in."""
    for _ in range(4):
        assert limits(run(token_store=str(store))) == 200

    assert len(set(tokens_sent(org))) == 4
    assert warned == []


def test_renewals_within_a_run_rotate_too(run: Run, org: Org, store: Path) -> None:
    """A session that dies in the middle is renewed with the token of the last login."""
    client = run(token_store=str(store))
    for _ in range(3):
        assert limits(client) == 200
        org.expire_sessions()

    assert limits(client) == 200
    assert len(set(tokens_sent(org))) == 4


def test_only_the_owner_may_read_the_kept_token(run: Run, store: Path) -> None:
    """The file has mode 0600, its folder is made, and nothing lies beside it."""
    limits(run(token_store=str(store)))

    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    assert [store] == list(store.parent.iterdir())


def test_the_token_is_kept_before_the_session_is_used(run: Run, server: Server, org: Org, store: Path) -> None:
    """When the first request after the login arrives, the new token lies in the file already."""
    seen: list[bool] = []
    org.faults.add(Meanwhile(lambda: seen.append(store.exists())), path="/limits")

    limits(run(token_store=str(store)))

    assert seen == [True]


@pytest.mark.parametrize("wrong", ["a folder", "under a file"])
def test_a_store_that_cannot_be_written_is_refused_before_the_token_is_used_up(
    run: Run, org: Org, tmp_path: Path, wrong: str
) -> None:
    """No login is made: the token that the config holds stays good."""
    file = tmp_path / "file"
    file.write_text("", "utf-8")
    where = tmp_path if wrong == "a folder" else file / "token.json"

    with pytest.raises(UserError, match="token store") as refused:
        limits(run(token_store=str(where)))
    assert "token_store" in refused.value.where
    assert org.requests == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_leave_is_refused_before_the_token_is_used_up(run: Run, org: Org, tmp_path: Path) -> None:
    """A read-only folder is found out before the login."""
    tmp_path.chmod(0o500)

    with pytest.raises(UserError, match="token store"):
        limits(run(token_store=str(tmp_path / "token.json")))
    assert org.requests == []


def test_with_nowhere_to_keep_it_the_run_goes_on_and_says_so(run: Run, org: Org, warned: list[str]) -> None:
    """The run works to its end, renewals included; that the next one will fail is said loudly, with the remedy."""
    client = run()
    limits(client)
    org.expire_sessions()

    assert limits(client) == 200
    assert all("THE NEXT RUN WILL FAIL" in text for text in warned)
    assert "`token_store`" in warned[0]
    with pytest.raises(UserError, match="expired access/refresh token"):
        limits(run())


def test_a_full_disk_is_found_out_before_the_token_is_used_up(
    run: Run, org: Org, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that could be made and not filled would lose the token: no login is made, and nothing is left behind."""

    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(UserError, match="No space left on device"):
        limits(run(token_store=str(store)))
    assert org.requests == []
    assert list(store.parent.iterdir()) == []


def test_a_token_that_can_not_be_kept_is_used_for_as_long_as_the_run_lasts(
    run: Run, org: Org, store: Path, warned: list[str]
) -> None:
    """When the store fails just then, the run goes on, says so, and keeps the next token if that can be kept."""
    folder, away = store.parent, store.parent.with_name("away")
    client = run(token_store=str(store))
    limits(client)

    def spoil() -> None:
        folder.rename(away)
        folder.write_text("in the way", "utf-8")

    org.faults.add(Meanwhile(spoil), path="/oauth2/token")
    for _ in range(2):
        org.expire_sessions()
        assert limits(client) == 200
    assert len(warned) == 2
    assert all("THE NEXT RUN WILL FAIL" in text and "token_store" in text for text in warned)
    assert "tap-salesforce-ci connect" in warned[0]

    folder.unlink()
    away.rename(folder)
    org.expire_sessions()
    assert limits(client) == 200
    assert "kept after all" in warned[-1]
    assert limits(run(token_store=str(store))) == 200
    assert len(warned) == 3


def test_a_store_that_fails_between_two_logins_costs_no_token(run: Run, org: Org, store: Path) -> None:
    """A renewal is refused before it uses up the token in a store that can't be written any more."""
    folder, away = store.parent, store.parent.with_name("away")
    client = run(token_store=str(store))
    limits(client)
    folder.rename(away)
    folder.write_text("in the way", "utf-8")
    org.expire_sessions()

    with pytest.raises(UserError, match="token store"):
        limits(client)
    folder.unlink()
    away.rename(folder)
    assert limits(run(token_store=str(store))) == 200


def test_a_linked_store_is_the_file_that_it_leads_to(run: Run, store: Path, tmp_path: Path) -> None:
    """Two runs that know one store by two names share it: the link stays one, and no token is lost."""
    link = tmp_path / "link.json"
    link.symlink_to(store)
    for name in (link, store, link, store):
        assert limits(run(token_store=str(name))) == 200

    assert link.is_symlink()


def test_an_end_in_the_middle_of_writing_leaves_nothing_beside_the_store(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal's exception finds the old file whole, and no other one that holds a token."""
    TokenStore(store).keep("configured", "old")

    def end(_file: int) -> None:
        raise SystemExit

    monkeypatch.setattr(os, "fsync", end)

    with pytest.raises(SystemExit):
        TokenStore(store).keep("configured", "new")
    assert TokenStore(store).newest("configured") == "old"
    assert list(store.parent.iterdir()) == [store]


def test_an_app_that_does_not_rotate_is_not_warned_of(run: Run, org: Org, store: Path, warned: list[str]) -> None:
    """Without rotation there is nothing to keep and nothing to say."""
    org.rotate_refresh_tokens = False

    assert limits(run()) == limits(run(token_store=str(store))) == 200
    assert warned == []
    assert not store.exists()


def test_reconnecting_wins_over_the_kept_token(run: Run, org: Org, store: Path) -> None:
    """A token that is newly configured is used, whatever an older grant left in the store."""
    limits(run(token_store=str(store)))
    grant = org.grants.grant(org.users[oauth.USERNAME], org.apps[oauth.CLIENT_ID], "api refresh_token")
    new = grant.token
    org.requests.clear()

    assert limits(run(token_store=str(store), refresh_token=new)) == 200
    assert limits(run(token_store=str(store), refresh_token=new)) == 200
    assert new == tokens_sent(org)[0]
    assert len(set(tokens_sent(org))) == 2


def test_a_token_rotated_by_another_run_is_found(run: Run, org: Org, store: Path) -> None:
    """Two runs that share the store: the one that comes too late looks again and goes on."""
    first, second = run(token_store=str(store)), run(token_store=str(store))
    limits(first)
    limits(second)
    org.expire_sessions()

    assert limits(first) == limits(second) == 200


def test_a_token_that_is_rotated_while_we_ask_is_found(run: Run, org: Org, store: Path) -> None:
    """Another machine is faster: between our reading of the shared store and our login it uses the token up."""

    def rotate() -> None:
        grant = org.grants.refreshed(oauth.REFRESH_TOKEN, org.apps[oauth.CLIENT_ID], rotate=True)
        assert grant is not None
        TokenStore(store).keep(oauth.REFRESH_TOKEN, grant.token)

    org.faults.add(Meanwhile(rotate), path="/oauth2/token")

    assert limits(run(token_store=str(store))) == 200
    assert [request.status for request in org.requests.to("/oauth2/token")] == [400, 200]


def test_others_may_be_faster_more_than_once(run: Run, org: Org, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no lock, a run looks again for as long as it finds a token that it has not tried."""
    monkeypatch.setattr("fcntl.flock", no_lock)

    def rotate() -> None:
        newest = TokenStore(store).newest(oauth.REFRESH_TOKEN)
        grant = org.grants.refreshed(newest, org.apps[oauth.CLIENT_ID], rotate=True)
        assert grant is not None
        TokenStore(store).keep(oauth.REFRESH_TOKEN, grant.token)

    org.faults.add(Meanwhile(rotate), path="/oauth2/token", count=4)

    assert limits(run(token_store=str(store))) == 200
    assert [request.status for request in org.requests.to("/oauth2/token")] == [400] * 4 + [200]


def test_a_grant_that_is_gone_is_asked_for_once(run: Run, org: Org, store: Path) -> None:
    """A token that nobody replaced is not tried again."""
    limits(run(token_store=str(store)))
    org.revoke_grants()
    org.requests.clear()

    with pytest.raises(UserError, match="expired access/refresh token"):
        limits(run(token_store=str(store)))
    assert len(org.requests) == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(OAuthRefused("invalid_client", "invalid client credentials"), UserError), (HtmlError(503), TransientError)],
    ids=repr,
)
def test_a_run_that_fails_to_log_in_keeps_nobody_waiting(
    run: Run, org: Org, store: Path, fault: Fault, kind: type[TapError]
) -> None:
    """Whatever ends a login, the next run with the same store gets in at once."""
    trigger = org.faults.add(fault, path="/oauth2/token", count=None)

    with pytest.raises(kind) as kept_alive:
        limits(run(token_store=str(store)))
    trigger.count = 0

    assert limits(run(token_store=str(store))) == 200
    del kept_alive


def test_many_runs_at_once_all_get_in(run: Run, store: Path) -> None:
    """Eight runs begin together with one store and one token."""
    together = threading.Barrier(8)

    def whole_run(_: int) -> int:
        client = run(token_store=str(store))
        together.wait()
        return limits(client)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(whole_run, range(8))) == [200] * 8


def test_two_processes_at_once_both_get_in(server: Server, store: Path, tmp_path: Path) -> None:
    """The real command, twice at the same time, with one store."""
    config = tmp_path / "config.json"
    settings_ = {"domain": server.url, **APP, "token_store": str(store), "streams": ["Account"]}
    config.write_text(json.dumps(settings_), "utf-8")
    command = [sys.executable, "-m", "tap_salesforce_ci", "--config", str(config), "--discover"]

    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    told = [process.communicate()[1].decode() for process in both]

    assert [process.returncode for process in both] == [0, 0], told
    kept = json.loads(store.read_text("utf-8"))["refresh_token"]
    assert not [text for text in told if kept in text or oauth.REFRESH_TOKEN in text]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "\ufffe", "[1]", "null", '"x"', '{"refresh_token": 5}', '{"descends_from": 1}'),
        *('{"descends_from": [], "refresh_token": "x"}', '{"others": [1]}', '{"others": {"x": 1}}'),
    ],
)
def test_a_store_of_something_else_is_refused_or_overlooked_and_never_a_crash(
    run: Run, org: Org, store: Path, text: str
) -> None:
    """A torn file is refused with the setting's name, a stranger's JSON is replaced."""
    store.parent.mkdir()
    store.write_text(text, "utf-8")

    try:
        assert limits(run(token_store=str(store))) == 200
    except UserError as error:
        assert "token_store" in error.where  # noqa: PT017 - either end is right
        assert org.requests == []
    else:
        assert json.loads(store.read_text("utf-8"))["refresh_token"]


def test_a_store_keeps_a_token_of_each_grant_and_forgets_the_oldest(store: Path) -> None:
    """Runs with grants of their own share a file without losing a token, and without its growing for ever."""
    for number in range(2 * MOST_GRANTS):
        TokenStore(store).keep(f"configured {number}", f"newest {number}")

    found = [TokenStore(store).newest(f"configured {number}") for number in range(2 * MOST_GRANTS)]
    assert found[:MOST_GRANTS] == [f"configured {number}" for number in range(MOST_GRANTS)]
    assert found[MOST_GRANTS:] == [f"newest {number}" for number in range(MOST_GRANTS, 2 * MOST_GRANTS)]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=4), st.text(min_size=1))
def test_what_is_kept_comes_back_for_its_own_grant_only(
    tmp_path_factory: pytest.TempPathFactory, newest: list[str], other: str
) -> None:
    """Any token round-trips; one that descends from another grant is never given."""
    store = TokenStore(tmp_path_factory.mktemp("store") / "token.json")
    for token in newest:
        store.keep("configured", token)

    assert newest[-1] == store.newest("configured")
    assert store.newest(other) == (newest[-1] if other == "configured" else other)
