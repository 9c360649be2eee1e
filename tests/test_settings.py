"""Settings become values, or one message that lists all that is wrong with them and shows no secret."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tap_salesforce_ci.client.auth import (
    ClientCredentials,
    GivenSession,
    JwtBearer,
    OAuthPassword,
    SoapLogin,
)
from tap_salesforce_ci.client.sf_cli import SfCli
from tap_salesforce_ci.client.token_store import RotatingRefreshToken
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.errors import UserError
from tap_salesforce_ci.settings import CONFIG_JSONSCHEMA, SECRETS, ApiType, Replication, Settings, tidied
from tap_salesforce_ci.settings.login import login_url

Config = dict[str, Any]

GIVEN: Config = {"access_token": "00D!AQ", "instance_url": "https://acme.my.salesforce.com"}

# Names, defaults and secrets as the design page lists them.
DOCUMENTED = (
    "client_id client_secret refresh_token domain username private_key private_key_path access_token instance_url "
    "sf_cli_org password security_token is_sandbox api_version start_date streams streams_to_discover stream_prefix "
    "select_fields_by_default api_type lookback_window include_deleted verify_counts where replication "
    "quota_percent_total quota_percent_per_run max_workers max_bytes_in_flight token_store user_agent request_timeout "
    "describe_cache batch_config"
).split()
DEFAULTS = {
    "api_version": "66.0",
    "stream_prefix": "sf_",
    "select_fields_by_default": True,
    "api_type": "auto",
    "lookback_window": 600,
    "include_deleted": True,
    "verify_counts": False,
    "quota_percent_total": 80,
    "quota_percent_per_run": 25,
    "max_workers": 8,
    "max_bytes_in_flight": 256 << 20,
}
SECRET = {"client_secret", "refresh_token", "password", "security_token", "private_key", "access_token"}


def made(config: Mapping[str, Any], warned: list[str] | None = None) -> Settings:
    warn = (warned if warned is not None else []).append
    return Settings.from_config(tidied(config), warn)


def refused(config: Mapping[str, Any]) -> UserError:
    with pytest.raises(UserError) as error:
        made(config)
    return error.value


# domain

HOSTS = [
    ("", "https://login.salesforce.com"),
    ("login", "https://login.salesforce.com"),
    (" Login ", "https://login.salesforce.com"),
    ("https://login.salesforce.com/", "https://login.salesforce.com"),
    ("test", "https://test.salesforce.com"),
    ("test.salesforce.com", "https://test.salesforce.com"),
    ("acme", "https://acme.my.salesforce.com"),
    ("ACME", "https://acme.my.salesforce.com"),
    ("acme.my", "https://acme.my.salesforce.com"),
    ("acme--uat.sandbox.my", "https://acme--uat.sandbox.my.salesforce.com"),
    ("acme--uat.sandbox", "https://acme--uat.sandbox.my.salesforce.com"),
    ("acme-dev-ed.develop", "https://acme-dev-ed.develop.my.salesforce.com"),
    ("acme.my.salesforce.com", "https://acme.my.salesforce.com"),
    ("acme.my.salesforce.com.", "https://acme.my.salesforce.com"),
    ("http://acme.my.salesforce.com/home/home.jsp?x=1#top", "https://acme.my.salesforce.com"),
    ("https://acme.my.salesforce.com:443/", "https://acme.my.salesforce.com"),
    ("https://acme.lightning.force.com/lightning/o/Account/list?filterName=Recent", "https://acme.my.salesforce.com"),
    (
        "https://acme--uat.sandbox.lightning.force.com/lightning/setup/SetupOneHome/home",
        "https://acme--uat.sandbox.my.salesforce.com",
    ),
    (
        "https://acme--uat.sandbox.my.salesforce-setup.com/lightning/setup/ManageUsers/home",
        "https://acme--uat.sandbox.my.salesforce.com",
    ),
    ("https://acme.my.salesforce-setup.com", "https://acme.my.salesforce.com"),
    ("https://acme-dev-ed.develop.lightning.force.com", "https://acme-dev-ed.develop.my.salesforce.com"),
    ("https://dream-1234.scratch.lightning.force.com", "https://dream-1234.scratch.my.salesforce.com"),
    ("https://wise-badger.trailblaze.lightning.force.com", "https://wise-badger.trailblaze.my.salesforce.com"),
    ("https://acme--c.vf.force.com/apex/page", "https://acme.my.salesforce.com"),
    ("https://acme--npsp.vf.force.com/apex/page", "https://acme.my.salesforce.com"),
    ("https://acme--uat--c.sandbox.vf.force.com", "https://acme--uat.sandbox.my.salesforce.com"),
    ("https://acme.file.force.com/sfc/servlet.shepherd", "https://acme.my.salesforce.com"),
    ("https://acme.my.site.com/portal", "https://acme.my.salesforce.com"),
    ("https://na139.salesforce.com/001", "https://na139.salesforce.com"),
    ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ("http://127.0.0.1:8080/services", "http://127.0.0.1:8080"),
    ("http://localhost:1717", "http://localhost:1717"),
    ("https://127.0.0.1:8443", "https://127.0.0.1:8443"),
    ("http://[::1]:8080", "http://[::1]:8080"),
]


@pytest.mark.parametrize(("pasted", "host"), HOSTS)
def test_anything_a_user_would_paste_is_a_login_host(pasted: str, host: str) -> None:
    """Short names, My Domains, and every page of the org lead to the host that takes its logins."""
    assert login_url(pasted) == host


NO_HOSTS = [
    "acme acme",
    "https://",
    "https:///path",
    "ftp://acme.my.salesforce.com",
    "ftp://127.0.0.1",
    "http://127.0.0.1:port",
    "http://127.0.0.1:99999",
    "acme.my.salesforce.com:port",
    "-acme",
    "acme..com",
    "user@",
    "ácme",
    "acme_uat",
    "admin@example.com x",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("pasted", NO_HOSTS)
def test_what_is_no_host_is_refused(pasted: str) -> None:
    """The message names the setting and what it takes, and does not repeat what was pasted."""
    error = refused({"client_id": "id", "client_secret": "secret", "domain": pasted})

    assert "domain: is no host" in error.where
    assert "My Domain" in error.where


@given(
    st.one_of(
        st.text(),
        st.from_regex(
            r"(https?://)?([a-z0-9-]{1,8}\.){0,3}(my|sandbox|lightning|vf|force|salesforce|com){1,3}(:\d{1,6})?/?"
        ),
        st.sampled_from([pasted for pasted, _ in HOSTS]).map(lambda pasted: pasted.replace("acme", "acme.x")),
    )
)
@examples(max_examples=400)
def test_whatever_is_pasted_is_an_https_host_without_a_path_or_nothing(pasted: str) -> None:
    """And what it became is taken for the same host when it is pasted again."""
    try:
        url = login_url(pasted)
    except ValueError:
        return
    parts = urlsplit(url)
    loopback = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    assert parts.scheme == "https" or loopback
    assert url == f"{parts.scheme}://{parts.netloc}"
    assert "@" not in url
    assert re.fullmatch(r"[a-z0-9.\-\[\]:]+", parts.netloc)
    assert parts.port is None or 0 <= parts.port <= 65535
    assert login_url(url) == url


# The way to log in

KEY = "-----BEGIN PRIVATE KEY-----"
APP = {"client_id": "id", "client_secret": "secret"}
WAYS: list[tuple[Config, type]] = [
    ({**APP, "refresh_token": "token"}, RotatingRefreshToken),
    ({"client_id": "id", "refresh_token": "token"}, RotatingRefreshToken),
    ({**APP, "domain": "acme"}, ClientCredentials),
    ({**APP, "domain": "https://acme.lightning.force.com/lightning"}, ClientCredentials),
    ({"client_id": "id", "username": "a@b.c", "private_key": KEY}, JwtBearer),
    ({**APP, "username": "a@b.c", "private_key": KEY}, JwtBearer),
    (GIVEN, GivenSession),
    ({"sf_cli_org": "dev"}, SfCli),
    ({**APP, "username": "a@b.c", "password": "p", "security_token": "t"}, OAuthPassword),
    ({**APP, "username": "a@b.c", "password": "p"}, OAuthPassword),
    ({"username": "a@b.c", "password": "p", "security_token": "t"}, SoapLogin),
    ({"username": "a@b.c", "password": "p"}, SoapLogin),
]


@pytest.mark.parametrize(("config", "way"), WAYS)
def test_the_settings_present_choose_the_way_to_log_in(config: Config, way: type) -> None:
    """Nothing names the flow but its own settings; empty ones count as absent."""
    assert type(made(config).auth) is way
    empty = dict.fromkeys(set(DOCUMENTED[:12]) - set(config), "")
    assert type(made({**empty, **config}).auth) is way


CONTRADICTIONS: list[tuple[Config, list[str]]] = [
    ({}, ["login settings"]),
    ({"domain": "acme"}, ["login settings"]),
    ({**APP}, ["domain"]),
    ({**APP, "domain": "test"}, ["domain"]),
    ({"client_id": "id"}, ["client_secret"]),
    ({"client_id": "id", "client_secret": "s", "username": "a@b.c"}, ["username"]),
    ({"access_token": "t"}, ["instance_url"]),
    ({"instance_url": "https://acme.my.salesforce.com"}, ["instance_url"]),
    ({"refresh_token": "t"}, ["client_id"]),
    ({"private_key": KEY}, ["client_id", "username"]),
    ({"private_key": KEY, "private_key_path": "/nowhere"}, ["private_key_path", "client_id", "username"]),
    ({"client_id": "id", "username": "a@b.c", "private_key_path": "/nowhere/key.pem"}, ["private_key_path"]),
    ({"password": "p"}, ["username"]),
    ({"username": "a@b.c"}, ["username"]),
    ({"client_id": "id", "username": "a@b.c", "password": "p"}, ["client_secret"]),
    ({**GIVEN, **APP, "refresh_token": "t"}, ["access_token and refresh_token"]),
    ({**GIVEN, **APP, "domain": "acme"}, ["client_id", "client_secret"]),
    ({**GIVEN, "sf_cli_org": "dev"}, ["access_token and sf_cli_org"]),
    ({"sf_cli_org": "dev", "username": "a@b.c"}, ["username"]),
    ({**APP, "refresh_token": "t", "username": "a@b.c", "password": "p"}, ["password and refresh_token"]),
    ({"client_id": "i", "username": "u", "private_key": KEY, "password": "p"}, ["password and private_key"]),
    ({**APP, "refresh_token": "t", "security_token": "s"}, ["security_token"]),
    ({**GIVEN, "domain": "login", "is_sandbox": True}, ["is_sandbox"]),
    ({"access_token": "t", "instance_url": "no host"}, ["instance_url"]),
]


@pytest.mark.parametrize(("config", "named"), CONTRADICTIONS)
def test_what_is_missing_or_contradicts_is_named(config: Config, named: list[str]) -> None:
    """Exactly these settings, each with what is wrong and a remedy, and exit code 2."""
    error = refused(config)

    problems = [line.removeprefix("* ").partition(": ") for line in error.where.splitlines()]
    assert {setting for setting, _, _ in problems} == set(named)
    assert all(told.count(". ") >= 1 for _, _, told in problems)
    assert error.exit_code == 2


def test_is_sandbox_is_the_legacy_form_of_test() -> None:
    """A config of an older tap logs in to the same host."""
    auth = made({**APP, "refresh_token": "t", "is_sandbox": "true"}).auth

    assert isinstance(auth, RotatingRefreshToken)
    assert auth.grant.login_url == "https://test.salesforce.com"


def test_all_problems_are_told_at_once() -> None:
    """Nobody has to run the tap once for each mistake."""
    error = refused(
        {
            "username": "a@b.c",
            "domain": "no host",
            "api_version": "42.0",
            "start_date": "yesterday",
            "max_workers": 0,
            "request_timeout": "soon",
            "api_type": "soap",
            "quota_percent_total": 101,
            "streams": ["sf Account"],
            "where": {"Account": "a = 1) OR (b = 2", "Lead": 5},
            "replication": {"Case": "sometimes"},
            "batch_config": {"encoding": {"compression": "gzip"}},
            "rechecks": {"Account": "daily"},
            "stream_prefix": 7.5,
        }
    )

    for setting in (
        "username domain api_version start_date max_workers request_timeout api_type quota_percent_total streams "
        "where.Lead replication.Case batch_config.encoding.format rechecks"
    ).split():
        assert f"* {setting}: " in error.where
    assert error.what.startswith("13 settings need")
    assert "--about" in error.remedy


# Secrets


def secrets() -> st.SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20).map(
        lambda text: f"s3cr3t{text}"
    )


@given(
    st.dictionaries(
        st.sampled_from(sorted(SECRET)),
        secrets() | st.lists(secrets(), max_size=2) | st.dictionaries(secrets(), secrets()),
    ),
    st.dictionaries(
        st.sampled_from(["client_id", "username", "domain", "instance_url", "sf_cli_org", "is_sandbox"]),
        st.sampled_from(["x", "acme", "login", "no host", "", True, 5]),
    ),
)
@examples(max_examples=400, deadline=None)
def test_no_secret_is_ever_shown(secret: Config, others: Config) -> None:
    """In no refusal, no warning and no `repr`, whatever else is right or wrong."""
    warned: list[str] = []
    try:
        settings = made({**others, **secret}, warned)
    except UserError as error:
        shown = f"{error} {error!r} {error.args}"
    else:
        shown = f"{settings!r} {settings} {settings.auth!r}"
    assert "s3cr3t" not in shown
    assert "s3cr3t" not in " ".join(warned)


def test_the_secrets_are_those_of_the_design() -> None:
    """Each is marked in the schema, and nothing else is."""
    assert SECRETS == SECRET
    for name, schema in CONFIG_JSONSCHEMA["properties"].items():
        assert bool(schema.get("secret")) == (name in SECRET)
        assert bool(schema.get("writeOnly")) == (name in SECRET)


# Values


def test_defaults_are_those_of_the_design() -> None:
    """What is not set has the documented default."""
    settings = made(GIVEN)

    assert settings.api_version == "66.0"
    assert settings.start_date is None
    assert settings.streams == ("*",)
    assert settings.stream_prefix == "sf_"
    assert settings.select_fields_by_default
    assert settings.api_type is ApiType.AUTO
    assert settings.lookback_window == timedelta(minutes=10)
    assert settings.include_deleted
    assert (settings.quota_percent_total, settings.quota_percent_per_run) == (80, 25)
    assert settings.max_workers == 8
    assert settings.user_agent is None


@pytest.mark.parametrize(
    ("setting", "given_", "value"),
    [
        ("api_type", "REST", ApiType.REST),
        ("api_type", "rest", ApiType.REST),
        ("api_type", "BULK", ApiType.BULK2),
        ("api_type", "BULK2", ApiType.BULK2),
        ("api_type", "bulk2", ApiType.BULK2),
        ("api_version", "v61.0", "61.0"),
        ("api_version", "61", "61.0"),
        ("api_version", 61.0, "61.0"),
        ("api_version", 61, "61.0"),
        ("api_version", "58.0", "58.0"),
        ("select_fields_by_default", "false", False),
        ("select_fields_by_default", "True", True),
        ("include_deleted", "false", False),
        ("lookback_window", "10", timedelta(seconds=10)),
        ("lookback_window", 0, timedelta(0)),
        ("quota_percent_total", "90", 90),
        ("max_workers", "1", 1),
        ("stream_prefix", "", ""),
        ("start_date", "2024-01-01T00:00:00Z", datetime(2024, 1, 1, tzinfo=timezone.utc)),
        ("start_date", "2024-01-01T00:00:00.000000Z", datetime(2024, 1, 1, tzinfo=timezone.utc)),
        ("start_date", "2024-01-01T02:00:00+02:00", datetime(2024, 1, 1, tzinfo=timezone.utc)),
        ("start_date", "2024-01-01", datetime(2024, 1, 1, tzinfo=timezone.utc)),
        ("start_date", "", None),
        ("user_agent", "me", "me"),
    ],
)
def test_the_spellings_of_other_taps_are_understood(setting: str, given_: Any, value: Any) -> None:
    """Numbers and truths as text, legacy names of the APIs, versions and dates in all their forms."""
    assert getattr(made({**GIVEN, setting: given_}), setting) == value


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        ("api_version", "57.0"),
        ("api_version", "latest"),
        ("api_version", "61.5"),
        ("api_type", "soap"),
        ("lookback_window", -1),
        ("quota_percent_total", 0),
        ("quota_percent_per_run", 101),
        ("max_workers", 51),
        ("max_bytes_in_flight", (8 << 20) - 1),
        ("request_timeout", 0),
        ("select_fields_by_default", "perhaps"),
        ("start_date", "01/02/2024"),
        ("streams", "Account"),
        ("streams", ["Account;Lead"]),
        ("streams_to_discover", ["sf Account"]),
        ("replication", {"Account": "incremental"}),
        ("replication", {"Acc ount": "paused"}),
        ("where", {"Account": ""}),
        ("where", "IsDeleted = false"),
        ("batch_config", {"encoding": {"format": "csv"}}),
        ("batch_config", {"encoding": {"format": None}}),
        ("batch_config", {"encoding": {"format": "jsonl", "level": 9}}),
        ("batch_config", {"encoding": {"format": "jsonl", "compression": "snappy"}}),
        ("batch_config", {"encoding": {"format": "parquet", "compression": "lz4"}}),
        ("batch_config", {"encoding": {"format": "arrow", "compression": "gzip"}}),
        ("batch_config", {"encoding": {"format": "arrow"}, "storage": {"root": "nowhere://x"}}),
        ("batch_config", {"encoding": {"format": "arrow"}, "batch_size": 0}),
        ("queries", [{"name": "x"}]),
        ("rechecks", {"*": "daily"}),
    ],
)
def test_a_value_that_is_none_of_the_allowed_is_named(setting: str, wrong: Any) -> None:
    """One setting wrong, one problem told, under its name."""
    error = refused({**GIVEN, setting: wrong})

    assert error.where.startswith(f"* {setting}")
    assert error.where.count("\n*") == 0
    assert error.what.startswith("A setting needs")


def test_batch_files_have_sensible_defaults() -> None:
    """The format is enough: each has its usual compression, files are large, and stand among the temporary ones."""
    for format_, compression in {"jsonl": "gzip", "parquet": "snappy", "arrow": "none"}.items():
        batch = made({**GIVEN, "batch_config": {"encoding": {"format": format_}}}).batch
        assert batch is not None
        assert (batch.format, batch.compression, batch.prefix, batch.batch_size) == (format_, compression, "", 100_000)
        assert Path(batch.root) == Path(tempfile.gettempdir(), "singer-sdk")


@pytest.mark.parametrize("partial", [{}, None, {"batch_size": 10}, {"encoding": {}}, {"storage": {"root": "/data"}}])
def test_no_encoding_asks_for_no_batch_files(partial: Any) -> None:
    """A part of the setting, as settings managers send it, changes nothing."""
    assert made({**GIVEN, "batch_config": partial}).batch is None


def test_streams_are_names_or_globs_in_any_case() -> None:
    """`*__c` means all custom objects; the legacy name of the setting means the same."""
    for name in ("streams", "streams_to_discover"):
        settings = made({**GIVEN, name: ["account", "*__c", "Opp*"]})
        assert [each for each in ("Account", "Invoice__c", "Opportunity", "Lead") if settings.considers(each)] == [
            "Account",
            "Invoice__c",
            "Opportunity",
        ]
        assert [each for each in ("Account", "Invoice__c") if settings.names(each)] == ["Account"]


def test_two_names_of_one_setting_are_too_many() -> None:
    """`streams` and its legacy name together could say two things."""
    assert "streams_to_discover" in refused({**GIVEN, "streams": ["A"], "streams_to_discover": ["B"]}).where


def test_a_name_wins_over_a_glob() -> None:
    """The replication method of an object is its own, else that of the first glob that fits."""
    replication = {"*": "full_table", "Acc*": "add_date", "ACCOUNT": "paused"}
    settings = made({**GIVEN, "replication": replication})

    assert settings.replication_of("Account") is Replication.PAUSED
    assert settings.replication_of("AccountHistory") is Replication.FULL_TABLE
    assert made(GIVEN).replication_of("Account") is None


def test_row_filters_are_found_in_any_case() -> None:
    """API names know no case."""
    settings = made({**GIVEN, "where": {"account": "IsDeleted = false"}})

    assert str(settings.condition_on("Account")) == "(IsDeleted = false)"
    assert settings.condition_on("Lead") is None


# --about and the command


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "tap_salesforce_ci", *arguments]
    return subprocess.run(run, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("option", "text", "told"),
    [
        ("--config", '{"client_secret": "S3CRET",}', "not JSON"),
        ("--config", "[]", "no object"),
        ("--state", "S3CRET", "not JSON"),
        ("--state", "[]", "no object"),
        ("--catalog", "{", "not JSON"),
        ("--catalog", '{"streams": 3}', "no Singer catalog"),
        ("--catalog", '{"streams": [{"stream": "S3CRET"}]}', "no Singer catalog"),
        ("--catalog", "[]", "no object"),
        ("--config", "\xff", "not UTF-8"),
        ("--state", "\xff", "not UTF-8"),
    ],
)
def test_a_file_that_is_not_what_it_has_to_be_is_named(tmp_path: Path, option: str, text: str, told: str) -> None:
    """Option and file are told, nothing of what it holds, and the exit code says who has to act."""
    file, settings = tmp_path / "given.json", tmp_path / "settings.json"
    file.write_bytes(text.encode("latin-1"))
    settings.write_text(json.dumps(GIVEN), encoding="utf-8")
    others = () if option == "--config" else ("--config", str(settings))

    done = command(*others, option, str(file))

    assert done.returncode == 2
    assert told in done.stderr
    assert f"{option} {file}" in done.stderr
    assert "Traceback" not in done.stderr
    assert "S3CRET" not in done.stderr + done.stdout


@pytest.mark.parametrize("is_directory", [False, True])
def test_a_settings_file_that_cannot_be_read_is_named(tmp_path: Path, is_directory: bool) -> None:  # noqa: FBT001
    """A file that isn't there, and a directory in its place, are told with the way out."""
    place = tmp_path / "settings.json"
    if is_directory:
        place.mkdir()

    done = command("--config", str(place))

    assert done.returncode == 2
    assert "The settings can't be read" in done.stderr
    assert f"--config {place}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("name", "kind"), [("max_workers", "a whole number"), ("where", "JSON")])
def test_a_variable_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, name: str, kind: str) -> None:
    """The environment's variable, the setting and what it has to be are told, not its value."""
    monkeypatch.setenv(f"TAP_SALESFORCE_CI_{name.upper()}", "S3CRET")

    done = command("--config=ENV")

    assert done.returncode == 2
    assert f"The variable is not {kind}." in done.stderr
    assert f"{name} (TAP_SALESFORCE_CI_{name.upper()})" in done.stderr
    assert "Traceback" not in done.stderr
    assert "S3CRET" not in done.stderr


def test_a_setting_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """A misspelled setting changes nothing, so that it has to be told."""
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({**GIVEN, "lookback_windw": 5, "start_date": "no date"}), encoding="utf-8")

    done = command("--config", str(settings))

    assert "There is no such setting, it is not used: lookback_windw" in done.stderr


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(command("--about", "--format=json").stdout)
    return told


def test_about_lists_every_documented_setting(about: dict[str, Any]) -> None:
    """With its kind, its meaning, its default and whether it is secret."""
    properties = about["settings"]["properties"]

    for name in DOCUMENTED:
        assert properties[name]["description"]
        assert properties[name]["type"]
        assert bool(properties[name].get("secret")) == (name in SECRET)
        assert properties[name].get("default") == DEFAULTS.get(name, properties[name].get("default"))
    assert {name for name in DEFAULTS if properties[name].get("default") != DEFAULTS[name]} == set()


def test_units_are_said(about: dict[str, Any]) -> None:
    """Seconds, percent: a number alone says nothing."""
    properties = about["settings"]["properties"]

    for name, unit in [
        ("lookback_window", "Seconds"),
        ("request_timeout", "Seconds"),
        ("quota_percent_total", "Percent"),
        ("quota_percent_per_run", "Percent"),
    ]:
        assert unit in properties[name]["description"]


@pytest.mark.parametrize("form", [(), ("--format=markdown",)], ids=["text", "markdown"])
def test_about_is_complete_in_every_form(about: dict[str, Any], form: tuple[str, ...]) -> None:
    """Text and Markdown tell each setting's name and meaning as JSON does."""
    done = command("--about", *form)
    told = " ".join(done.stdout.split()).replace("\\", "")

    assert done.returncode == 0
    for name, schema in about["settings"]["properties"].items():
        assert name in told
        if name in DOCUMENTED:
            assert " ".join(schema["description"].split()).replace("\\", "")[:60] in told


def test_the_command_refuses_with_2_and_one_message(tmp_path: Path) -> None:
    """All problems, on stderr, without a traceback or a secret; nothing on stdout."""
    config = tmp_path / "config.json"
    wrong = {**APP, "client_secret": "s3cr3t-1", "password": "s3cr3t-2", "api_version": "30.0", "max_workers": 0}
    config.write_text(json.dumps(wrong), "utf-8")

    done = command("--config", str(config), "--discover")

    assert done.returncode == 2
    assert done.stdout == ""
    for setting in ("username", "api_version", "max_workers"):
        assert f"* {setting}: " in done.stderr
    assert "s3cr3t" not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_stops_with_3_when_the_allowance_is_spent(server: Server, tmp_path: Path) -> None:
    """The quota of the settings reaches the client: the run ends cleanly before it overdraws."""
    server.org.limits.daily_max, server.org.limits.daily_used = 1_000, 799
    config = tmp_path / "config.json"
    given_ = {"access_token": server.org.open_session(), "instance_url": server.url}
    config.write_text(json.dumps(given_), "utf-8")

    done = command("--config", str(config), "--discover")

    assert done.returncode == 3, done.stderr
    assert "quota_percent_total" in done.stderr
    assert server.org.limits.daily_used <= 799 + 2, "the two that go out before an answer tells what is used"


def test_the_user_agent_names_the_tap_unless_told_otherwise(server: Server, tmp_path: Path) -> None:
    """An administrator sees who asks; a company may put its own name there."""
    given_ = {"access_token": server.org.open_session(), "instance_url": server.url, "streams": ["Account"]}
    config = tmp_path / "config.json"
    for more in ({}, {"user_agent": "Acme nightly/1"}):
        config.write_text(json.dumps({**given_, **more}), "utf-8")
        assert command("--config", str(config), "--discover").returncode == 0

    agents = [request.headers["user-agent"] for request in server.org.requests]
    assert agents[0].startswith("tap-salesforce-ci/")
    assert agents[-1] == "Acme nightly/1"
