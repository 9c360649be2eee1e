"""Promises of the describe cache: it saves work, never outlives who it was made for, and never fails a run."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tap_salesforce_ci.client.auth import Auth, ClientCredentials, GivenSession, RefreshToken, SoapLogin
from tap_salesforce_ci.client.describe import describe_all
from tap_salesforce_ci.client.describe_cache import DescribeCache
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.identity import origin_of
from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.demo.faults import Refused, RequestLimitExceeded, ServerError
from tap_salesforce_ci.demo.grants import ADMIN_ID, PASSWORD, SECURITY_TOKEN, USERNAME, User
from tap_salesforce_ci.demo.objects import describes
from tap_salesforce_ci.demo.objects.expand import expand
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.errors import BudgetError, TapError
from tests.client.staged import json_answer
from tests.conftest import Connect

NAMES = sorted(describes())
ASSIGNMENT = "PermissionSetAssignment"
OTHER = "other@example.com"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "describes.json"


def described(client: Client, file: Path | None) -> int:
    """Describe everything with a cache in that file, and return how many describes were kept before."""
    cache = DescribeCache(client, file)
    cache.open()
    before = len(cache.kept)
    assert not [each for _, each in describe_all(client, NAMES, cache.kept) if isinstance(each, TapError)]
    cache.write()
    return before


def assign(org: Org, permission_set: str) -> None:
    """Assign a permission set to the user; the org may be asked for assignments from now on."""
    if ASSIGNMENT.lower() not in org.objects:
        add_assignments(org)
    identifier = org.insert("PermissionSet", {"Name": permission_set})
    org.insert(ASSIGNMENT, {"AssigneeId": ADMIN_ID, "PermissionSetId": identifier})


def add_assignments(org: Org, *fields: str) -> None:
    """Let the org tell who was assigned what; with the names of fields it tells no more than those."""
    told: list[dict[str, Any]] = [
        {"name": "Id", "type": "id"},
        {"name": "AssigneeId", "type": "reference", "referenceTo": ["User"], "relationshipName": "Assignee"},
        reference("PermissionSet"),
        reference("PermissionSetGroup"),
    ]
    own = [{"name": "Id", "type": "id"}, {"name": "Name", "type": "string"}]
    add(org, "PermissionSetGroup", "0PG", own)
    add(org, "PermissionSet", "0PS", [*own, {"name": "SystemModstamp", "type": "datetime"}])
    add(org, ASSIGNMENT, "0Pa", [field for field in told if not fields or field["name"] in fields])


def add(org: Org, name: str, prefix: str, fields: list[dict[str, Any]]) -> None:
    page = {"name": name, "label": name, "labelPlural": f"{name}s", "keyPrefix": prefix, "fields": fields}
    org.add_object(expand(page))


def reference(name: str) -> dict[str, Any]:
    return {"name": f"{name}Id", "type": "reference", "referenceTo": [name], "relationshipName": name}


def test_what_one_run_keeps_the_next_one_finds(client: Client, file: Path) -> None:
    """A second run knows every describe of the first one."""
    assert described(client, file) == 0
    assert described(client, file) == len(NAMES)


def test_only_the_owner_may_read_the_file(client: Client, file: Path) -> None:
    """It is 0600, lies alone in its folder, and holds no token."""
    described(client, file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert client.session.token not in file.read_text()


def test_the_file_lies_in_the_users_cache_folder(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a path there is one per org, user and API version, below XDG_CACHE_HOME."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    described(client, None)

    (made,) = (tmp_path / "cache" / "tap-salesforce-ci").iterdir()
    origin = origin_of(client)
    assert origin is not None
    assert all(part in made.name for part in (origin.org, origin.user, "v66.0", "127.0.0.1_"))


def test_an_unchanged_file_is_not_written_again(client: Client, org: Org, file: Path) -> None:
    """The file is replaced only when something in it changes."""
    described(client, file)
    first = file.stat().st_ino, file.stat().st_mtime_ns
    described(client, file)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == first

    org.add_field("Lead", {**describes()["Lead"]["fields"][-1], "name": "Fresh__c"})
    described(client, file)
    assert "Fresh__c" in file.read_text()


def test_what_was_not_asked_for_stays(client: Client, file: Path) -> None:
    """A run that reads two objects doesn't wipe what is kept of all others."""
    described(client, file)
    cache = DescribeCache(client, file)
    cache.open()
    list(describe_all(client, ["Account", "Lead"], cache.kept))
    cache.write()

    assert described(client, file) == len(NAMES)


def test_what_the_org_no_longer_lists_is_dropped(client: Client, file: Path) -> None:
    """An object that this user is not told of any more is forgotten, in the file too."""
    described(client, file)
    cache = DescribeCache(client, file)
    cache.open()
    cache.keep_only(name for name in NAMES if name != "Lead")
    cache.write()

    assert list(json.loads(file.read_text())["describes"]) == [name for name in NAMES if name != "Lead"]


def another_user(org: Org, connect: Connect) -> Client:
    org.users[OTHER] = User(OTHER, PASSWORD, SECURITY_TOKEN, id="005000000000002AAC")
    return connect(GivenSession(org.instance_url, org.open_session(OTHER)))


def another_version(org: Org, connect: Connect) -> Client:
    return connect(api_version="65.0")


def another_permission(org: Org, connect: Connect) -> Client:
    assign(org, "Sales")
    return connect()


@pytest.mark.parametrize("other", [another_user, another_version, another_permission])
def test_a_file_of_others_is_not_used(
    connect: Connect, org: Org, file: Path, other: Callable[[Org, Connect], Client]
) -> None:
    """Another user, API version or assignment begins anew, and what it is told replaces what was kept."""
    described(connect(), file)
    client = other(org, connect)

    assert described(client, file) == 0
    assert described(client, file) == len(NAMES)


def test_each_user_and_version_has_its_own_file(connect: Connect, org: Org) -> None:
    """In the cache folder they don't take turns."""
    clients = [connect(), another_user(org, connect), another_version(org, connect)]

    assert [described(client, None) for client in clients] == [0, 0, 0]
    assert [described(client, None) for client in clients] == [len(NAMES)] * 3


def test_a_token_of_another_org_than_the_identity_is_not_trusted(
    connect: Connect, org: Org, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where two sources name different orgs, nothing is kept."""
    caplog.set_level("INFO")
    client = connect()
    assert client.session.token.startswith(org.id[:15])
    org.id = "00D000000000008EAA"

    assert described(client, file) == 0
    assert not file.exists()
    assert "doesn't tell who is signed in" in caplog.text


def test_every_further_assignment_begins_anew(client: Client, org: Org, file: Path) -> None:
    """The cache holds as long as the user's permission sets are what they were, and no longer."""
    assign(org, "Sales")
    described(client, file)
    assert described(client, file) == len(NAMES)

    assign(org, "Service")
    assert described(client, file) == 0
    assert described(client, file) == len(NAMES)

    (permission_set, *_) = org.rows("PermissionSet")
    org.clock.advance(timedelta(minutes=1))
    org.update("PermissionSet", permission_set["Id"], {"Name": "Sales and more"})
    assert described(client, file) == 0


def test_an_org_that_tells_less_of_assignments_is_asked_for_less(client: Client, org: Org, file: Path) -> None:
    """Where a field of the question doesn't exist, the permission sets alone tell."""
    add_assignments(org, "Id", "AssigneeId", "PermissionSetId")
    assign(org, "Sales")
    described(client, file)
    assert described(client, file) == len(NAMES)

    assign(org, "Service")
    assert described(client, file) == 0


LOGINS: dict[str, Callable[[Org], Auth]] = {
    "refresh token": lambda org: RefreshToken(
        org.instance_url, oauth.CLIENT_ID, oauth.REFRESH_TOKEN, oauth.CLIENT_SECRET
    ),
    "client credentials": lambda org: ClientCredentials(org.instance_url, oauth.CLIENT_ID, oauth.CLIENT_SECRET),
    "SOAP": lambda org: SoapLogin(org.instance_url, USERNAME, PASSWORD, SECURITY_TOKEN),
    "session": lambda org: GivenSession(org.instance_url, org.open_session()),
}


@pytest.mark.parametrize("login", LOGINS)
def test_org_and_user_are_known_by_every_login(connect: Connect, org: Org, login: str) -> None:
    """By the token's own answer, else by one request."""
    client = connect(LOGINS[login](org))

    origin = origin_of(client)

    assert origin is not None
    assert (origin.org, origin.user) == (org.id, ADMIN_ID)
    asked = [each for each in org.requests if each.path == client.data_path]
    assert len(asked) == (login in {"SOAP", "session"})


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"identity":null}', '{"identity":"https://x/id/"}', '{"identity":3}', "not JSON"]
)
def test_without_an_identity_nothing_is_kept(client: Client, org: Org, file: Path, text: str) -> None:
    """Whose describes they would be is not guessed."""
    org.faults.add(json_answer(text), path=f"{client.data_path}$", count=None)

    assert described(client, file) == 0
    assert not file.exists()


@pytest.mark.parametrize("path", ["v66.0$", "/query"])
def test_a_question_that_fails_is_no_failed_run(
    client: Client, org: Org, file: Path, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Where it can't be found out who is signed in, or what they may see, nothing is kept, and that is told."""
    caplog.set_level("INFO")
    org.faults.add(ServerError(503), path=path, count=None)

    assert described(client, file) == 0
    assert not file.exists()
    assert "Describes are not kept" in caplog.text


def test_a_user_who_may_not_see_assignments_has_a_cache_all_the_same(client: Client, org: Org, file: Path) -> None:
    """A refusal says nothing about permissions; If-Modified-Since goes on to."""
    org.faults.add(Refused(403, "INSUFFICIENT_ACCESS", "no"), path="/query", count=None)

    described(client, file)
    assert described(client, file) == len(NAMES)


@pytest.mark.parametrize("path", ["v66.0$", "/query"])
def test_a_spent_allowance_ends_the_run_here_too(client: Client, org: Org, file: Path, path: str) -> None:
    """It is not taken for a reason to do without the cache: the next request would meet it as well."""
    org.faults.add(RequestLimitExceeded(), path=path, count=None)

    with pytest.raises(BudgetError):
        DescribeCache(client, file).open()


def spoil(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    kept = json.loads(file.read_text())
    change(kept)
    file.write_text(json.dumps(kept))


SPOILED: dict[str, Callable[[Path], Any]] = {
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[:1000]),
    "another file": lambda file: file.write_text('{"refresh_token":"x"}'),
    "no text": lambda file: file.write_bytes(b"\xff\xfe" * 100),
    "old format": lambda file: spoil(file, lambda kept: kept.update(format=["name"])),
    "no origin": lambda file: spoil(file, lambda kept: kept.pop("origin")),
    "no describes": lambda file: spoil(file, lambda kept: kept.update(describes=[1])),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_file_that_is_none_is_passed_over_and_replaced(
    client: Client, file: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """One line of the log says so; the run is as the first one was, and the next finds its describes."""
    described(client, file)
    SPOILED[how](file)
    caplog.clear()
    caplog.set_level("INFO")

    assert described(client, file) == 0
    assert len([each for each in caplog.messages if "used" in each and str(file) in each]) == 1
    assert described(client, file) == len(NAMES)


def test_a_folder_where_the_file_should_be_is_told(
    client: Client, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What can be neither read nor written is done without."""
    file.mkdir(parents=True)

    assert described(client, file) == 0
    assert "can't be read" in caplog.text
    assert "can't be kept" in caplog.text
    assert not list(file.iterdir())


def test_a_folder_that_can_t_be_made_is_told(client: Client, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file in the way of the folder, as on a read-only disk, costs the cache and not the run."""
    file.parent.write_text("in the way")

    assert described(client, file) == 0
    assert "can't be kept" in caplog.text


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder_is_told(client: Client, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is written, nothing fails."""
    file.parent.mkdir(mode=0o500)

    assert described(client, file) == 0
    assert "can't be kept" in caplog.text


def test_runs_at_the_same_time_leave_a_whole_file(connect: Connect, file: Path) -> None:
    """Whoever writes last, the file is one run's, and nothing is left beside it."""
    clients = [connect() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert all(before in {0, len(NAMES)} for before in pool.map(lambda each: described(each, file), clients))

    assert described(clients[0], file) == len(NAMES)
    assert list(file.parent.iterdir()) == [file]


def test_what_is_forgotten_is_gone(client: Client, file: Path) -> None:
    """A cache that misled is removed, whether this run opened it or not; then there is nothing to remove."""
    described(client, file)
    DescribeCache(client, file).forget()
    assert not file.exists()

    described(client, file)
    cache = DescribeCache(client, file)
    cache.open()
    cache.forget()
    cache.forget()

    assert not file.exists()
    assert cache.kept == {}


def test_what_others_keep_in_the_file_is_not_forgotten(connect: Connect, org: Org, file: Path) -> None:
    """Only the user whose read was refused begins anew."""
    described(connect(), file)

    DescribeCache(another_user(org, connect), file).forget()

    assert file.exists()


def test_a_cache_that_can_t_be_opened_is_not_forgotten(client: Client, org: Org, file: Path) -> None:
    """The error that matters is the one that was met before."""
    described(client, file)
    org.faults.add(RequestLimitExceeded(), path="v66.0$", count=None)

    DescribeCache(client, file).forget()

    assert file.exists()
