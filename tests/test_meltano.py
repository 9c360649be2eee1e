"""What `meltano.yml` promises, and what Meltano makes of it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import demo_org
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.settings.values import Settings
from tests.meltano_settings import about, definitions
from tests.project import CHECKOUT, Project

EARLY = datetime(2025, 2, 3, tzinfo=timezone.utc)
LEADS = {"TAP_SALESFORCE_CI__SELECT": '["sf_Lead.*"]'}


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """`meltano.yml` as Meltano reads it."""
    content: dict[str, Any] = yaml.safe_load((CHECKOUT / "meltano.yml").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def extractor(written: dict[str, Any]) -> dict[str, Any]:
    """The tap's definition."""
    (found,) = written["plugins"]["extractors"]
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What the tap says of itself."""
    return about()


@pytest.fixture
def org() -> Org:
    """A young org whose clock stands still."""
    return demo_org(Clock(EARLY), until=EARLY)


@pytest.fixture
def project(org: Org, tmp_path: Path) -> Iterator[Project]:
    """A project that reads nothing but leads into a directory of JSON Lines."""
    (tmp_path / "output").mkdir()
    with Server(org) as server:
        yield Project(tmp_path, server.url, LEADS | {"TARGET_JSONL_DESTINATION_PATH": str(tmp_path / "output")})


def test_meltano_yml_has_the_tap_s_own_settings(extractor: dict[str, Any], told: dict[str, Any]) -> None:
    """Every setting of `--about` is in `meltano.yml` with its kind, default, description and options, and no other."""
    assert extractor["settings"] == list(definitions(told["settings"])), "paste: python -m tests.meltano_settings"


def test_meltano_yml_has_the_tap_s_own_capabilities(extractor: dict[str, Any], told: dict[str, Any]) -> None:
    """Meltano hands over catalog and state only to a tap that is said to take them."""
    assert extractor["capabilities"] == sorted(told["capabilities"])


def test_meltano_yml_keeps_to_meltano_s_schema(written: dict[str, Any]) -> None:
    """Meltano's own JSON schema finds nothing wrong with the file."""
    (package, *_) = importlib.import_module("meltano").__path__
    schema = json.loads((Path(package) / "schemas" / "meltano.schema.json").read_text(encoding="utf-8"))
    assert [error.message for error in Draft7Validator(schema).iter_errors(written)] == []


def test_every_group_of_required_settings_is_a_login(extractor: dict[str, Any], tmp_path: Path) -> None:
    """A user who fills in any one of the groups has told the tap how to log in."""
    key = tmp_path / "key.pem"
    key.write_text(oauth.PRIVATE_KEY)
    values = {
        "domain": "acme",
        "instance_url": "https://acme.my.salesforce.com",
        "private_key": oauth.PRIVATE_KEY,
        "private_key_path": str(key),
    }
    for group in extractor["settings_group_validation"]:
        Settings.from_config({name: values.get(name, "given") for name in group}, lambda _: None)


def test_meltano_calls_the_settings_good(project: Project) -> None:
    """`meltano config test` logs in, reads a first record and says so."""
    tested = project.meltano("config", "test", "tap-salesforce-ci")
    assert tested.returncode == 0, tested.stdout
    assert "Plugin configuration is valid" in tested.stdout


def test_meltano_calls_a_revoked_grant_bad_without_telling_it(project: Project, org: Org) -> None:
    """With a revoked refresh token the test fails, names `connect` as the remedy and shows no secret."""
    org.revoke_grants()
    tested = project.meltano("config", "test", "tap-salesforce-ci")
    assert tested.returncode != 0
    assert "tap-salesforce-ci connect" in tested.stdout
    assert oauth.REFRESH_TOKEN not in tested.stdout
    assert oauth.CLIENT_SECRET not in tested.stdout


def test_meltano_select_lists_the_org_s_fields(project: Project) -> None:
    """`meltano select --list --all` shows each field of the selected object, the key as automatic."""
    listed = project.meltano("select", "tap-salesforce-ci", "--list", "--all")
    assert listed.returncode == 0, listed.stdout
    marked = {line.strip() for line in listed.stdout.splitlines() if "sf_Lead." in line}
    assert any("automatic" in line and line.endswith("sf_Lead.Id") for line in marked), sorted(marked)
    assert any("selected" in line and line.endswith("sf_Lead.LastName") for line in marked), sorted(marked)


def test_a_second_run_loads_only_what_changed(project: Project, org: Org) -> None:
    """`meltano run` keeps the bookmark: the next run loads the one lead that came in between, and no other."""
    first = project.meltano("run", "tap-salesforce-ci", "target-jsonl")
    assert first.returncode == 0, first.stdout
    assert loaded_leads(project) == [row["Id"] for row in org.rows("Lead")]
    org.clock.advance(timedelta(days=1))
    newcomer = org.insert("Lead", {"LastName": "Lovelace", "Company": "Analytical Engines"})
    org.clock.advance(timedelta(days=1))
    second = project.meltano("run", "tap-salesforce-ci", "target-jsonl")
    assert second.returncode == 0, second.stdout
    assert loaded_leads(project) == [newcomer]


def loaded_leads(project: Project) -> list[str]:
    """The ids of the leads loaded since the last time of asking, in Id order."""
    loaded = project.room / "output" / "sf_Lead.jsonl"
    ids = [json.loads(line)["Id"] for line in loaded.read_text(encoding="utf-8").split("\n") if line]
    loaded.unlink()
    return sorted(ids)
