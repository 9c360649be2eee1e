"""Promises of where the settings go: Meltano's `.env` or a config file, and everything else in them stays."""

from __future__ import annotations

import io
import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from tap_salesforce_ci.connect.meltano import variable
from tap_salesforce_ci.demo.oauth import CLIENT_ID, CLIENT_SECRET
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.errors import UserError
from tests.connect.conftest import Command
from tests.connect.person import Person

PROJECT = """\
# The warehouse of the sales team.
default_environment: dev
plugins:
  extractors:
  - name: tap-salesforce-ci
    config:
      stream_prefix: crm_
  loaders:
  - name: target-postgres
"""


@pytest.fixture
def project(folder: Path) -> Path:
    """A Meltano project in the current folder."""
    (folder / "meltano.yml").write_text(PROJECT)
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_config_file_keeps_its_other_settings_and_becomes_private(command: Command, folder: Path) -> None:
    """Streams, dates and their order stay; the file is its owner's only."""
    config = folder / "config.json"
    config.write_text('{"streams": ["Account"], "client_id": "old", "start_date": "2024-01-01", "note": "Grüße"}')
    config.chmod(0o644)

    command("--config", "config.json")

    kept = json.loads(config.read_text(encoding="utf-8"))
    assert list(kept)[:4] == ["streams", "client_id", "start_date", "note"]
    assert kept["streams"] == ["Account"]
    assert kept["note"] == "Grüße"
    assert kept["client_id"] == CLIENT_ID
    assert mode(config) == 0o600


def test_settings_of_another_login_make_way_and_are_named(
    command: Command, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What would contradict the new login is announced before it, taken out after it, and never shown."""
    config = folder / "config.json"
    config.write_text('{"password": "hunter2", "access_token": "00D!x", "is_sandbox": true, "username": "ada"}')

    command("--config", "config.json")

    out = capsys.readouterr().out
    assert set(json.loads(config.read_text())) == {"username", "client_id", "client_secret", "domain", "refresh_token"}
    assert out.index("To be taken out") < out.index("Log in to Salesforce")
    assert "Taken out of it: access_token, is_sandbox, password." in out
    assert "hunter2" not in out


def test_a_failed_login_leaves_a_config_file_as_it_was(command: Command, folder: Path) -> None:
    """Not a byte changes before Salesforce has given its grant."""
    before = '{"password":"hunter2"}'
    (folder / "config.json").write_text(before)

    with pytest.raises(UserError):
        command("--config", "config.json", by=Person("deny"))

    assert (folder / "config.json").read_text() == before


def test_a_linked_config_file_stays_a_link(command: Command, folder: Path) -> None:
    """The file that a link points to is written, in its own folder."""
    (folder / "secrets").mkdir()
    (folder / "config.json").symlink_to(folder / "secrets" / "real.json")

    command("--config", "config.json")

    assert (folder / "config.json").is_symlink()
    assert json.loads((folder / "secrets" / "real.json").read_text())["refresh_token"]


@pytest.mark.parametrize("text", ["{", "[]", '"text"'])
def test_a_config_that_is_no_json_object_is_refused_before_the_login(
    command: Command, person: Person, folder: Path, text: str
) -> None:
    """A file that can't be read is not overwritten."""
    (folder / "config.json").write_text(text)

    with pytest.raises(UserError) as refused:
        command("--config", "config.json")

    assert "file: config.json" in refused.value.where
    assert (folder / "config.json").read_text() == text
    assert person.addresses == []


def test_a_folder_that_does_not_exist_is_refused_before_the_login(command: Command, person: Person) -> None:
    """A grant is asked for only where it can be kept."""
    with pytest.raises(UserError, match="can't be written"):
        command("--config", "nowhere/config.json")

    assert person.addresses == []


def test_without_a_place_to_keep_the_settings_both_places_are_named(command: Command, person: Person) -> None:
    """Outside a Meltano project and without `--config` there is nowhere to write."""
    with pytest.raises(UserError) as refused:
        command()

    assert "--config FILE" in refused.value.remedy
    assert "Meltano project" in refused.value.remedy
    assert person.addresses == []


def test_a_project_without_the_plugin_is_no_place(command: Command, folder: Path) -> None:
    """A `meltano.yml` that does not have the tap gets no secrets."""
    (folder / "meltano.yml").write_text("plugins:\n  extractors:\n  - name: tap-github\n")

    with pytest.raises(UserError, match="no place"):
        command()

    assert not (folder / ".env").exists()


def test_a_project_that_can_not_be_read_is_told(command: Command, folder: Path) -> None:
    """A broken `meltano.yml` is named, with the way round."""
    (folder / "meltano.yml").write_text("plugins: [")

    with pytest.raises(UserError) as refused:
        command()

    assert "meltano.yml" in refused.value.where
    assert "--config FILE" in refused.value.remedy


def test_a_meltano_project_has_the_settings_in_its_env_file(
    command: Command, server: Server, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Meltano's own variables are written, its YAML is not touched, and the next command names its loader."""
    assert command() == 0

    kept = dotenv_values(project / ".env")
    assert kept["TAP_SALESFORCE_CI_CLIENT_ID"] == CLIENT_ID
    assert kept["TAP_SALESFORCE_CI_CLIENT_SECRET"] == CLIENT_SECRET
    assert kept["TAP_SALESFORCE_CI_DOMAIN"] == server.url
    assert kept["TAP_SALESFORCE_CI_REFRESH_TOKEN"]
    assert mode(project / ".env") == 0o600
    assert (project / "meltano.yml").read_text() == PROJECT
    assert "Next: meltano run tap-salesforce-ci target-postgres" in capsys.readouterr().out


def test_other_lines_of_an_env_file_stay(command: Command, project: Path) -> None:
    """Comments, other plugins' variables and odd lines survive; old values are replaced, contradictions go."""
    env = project / ".env"
    env.write_text(
        '# warehouse\nexport TARGET_POSTGRES_PASSWORD="p\'w d"\n\nTAP_SALESFORCE_CI_REFRESH_TOKEN=old\n'
        "TAP_SALESFORCE_CI_PASSWORD='two\nlines'\nTAP_SALESFORCE_CI_START_DATE=2024-01-01 # since then\n"
        "export TAP_SALESFORCE_CI_CLIENT_ID=old\nTAP_SALESFORCE_CI_REFRESH_TOKEN=older\nLAST=1"
    )
    env.chmod(0o644)

    command()

    lines = env.read_text().splitlines()
    assert lines[:3] == ["# warehouse", 'export TARGET_POSTGRES_PASSWORD="p\'w d"', ""]
    assert lines[3].startswith("TAP_SALESFORCE_CI_REFRESH_TOKEN='5Aep")
    assert lines[4:7] == [
        "TAP_SALESFORCE_CI_START_DATE=2024-01-01 # since then",
        f"export TAP_SALESFORCE_CI_CLIENT_ID='{CLIENT_ID}'",
        "LAST=1",
    ]
    assert len(lines) == 9
    assert mode(env) == 0o600


def test_a_secret_with_quotes_and_backslashes_survives_the_env_file(
    command: Command, org: Org, server: Server, project: Path
) -> None:
    """What is written is what Meltano will read."""
    secret = r"""it's \n a "secret" #1"""
    org.apps[CLIENT_ID].client_secret = secret

    command("--client-secret", secret)

    assert dotenv_values(project / ".env")["TAP_SALESFORCE_CI_CLIENT_SECRET"] == secret


def test_the_project_is_found_from_a_folder_within(
    command: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with Meltano's own commands, any folder of the project will do."""
    (project / "transform" / "models").mkdir(parents=True)
    monkeypatch.chdir(project / "transform" / "models")

    command()

    assert (project / ".env").exists()


def test_what_the_project_says_already_is_used_and_not_written_again(
    command: Command, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Client ID and domain of the YAML, variables and environment included, hold; only what is new is written."""
    monkeypatch.setenv("SALESFORCE_HOST", server.url)
    (folder / ".env").write_text(f"SALESFORCE_APP='{CLIENT_ID}'\nTAP_SALESFORCE_CI_CLIENT_SECRET='{CLIENT_SECRET}'\n")
    (folder / "meltano.yml").write_text(
        "default_environment: prod\n"
        "environments:\n"
        "- name: prod\n  config:\n    plugins:\n      extractors:\n"
        "      - name: tap-salesforce-ci\n        config:\n          domain: $SALESFORCE_HOST\n"
        "plugins:\n  extractors:\n  - name: tap-salesforce-ci\n"
        "    config:\n      domain: test\n      client_id: ${SALESFORCE_APP}\n"
    )

    assert command(app=False) == 0

    assert set(dotenv_values(folder / ".env")) == {
        "SALESFORCE_APP",
        "TAP_SALESFORCE_CI_CLIENT_SECRET",
        "TAP_SALESFORCE_CI_REFRESH_TOKEN",
    }


def test_a_plugin_that_inherits_has_variables_of_its_own(
    command: Command, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run by Meltano for `tap-salesforce-ci--uat`, the command writes that plugin's settings."""
    (folder / "meltano.yml").write_text("include_paths: [extract/*.yml]\n")
    (folder / "extract").mkdir()
    (folder / "extract" / "salesforce.yml").write_text(
        "plugins:\n  extractors:\n"
        f"  - name: tap-salesforce-ci\n    config: {{client_id: '{CLIENT_ID}', domain: '{server.url}'}}\n"
        "  - name: tap-salesforce-ci--uat\n    inherit_from: tap-salesforce-ci\n"
    )
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", str(folder))
    monkeypatch.setenv("MELTANO_EXTRACTOR_NAME", "tap-salesforce-ci--uat")

    command("--client-secret", CLIENT_SECRET, app=False)

    assert set(dotenv_values(folder / ".env")) == {
        "TAP_SALESFORCE_CI__UAT_CLIENT_SECRET",
        "TAP_SALESFORCE_CI__UAT_REFRESH_TOKEN",
    }
    assert variable("tap-salesforce-ci--uat", "domain") == "TAP_SALESFORCE_CI__UAT_DOMAIN"


def test_another_login_in_the_yaml_is_refused_by_name(command: Command, person: Person, folder: Path) -> None:
    """A person's YAML is not rewritten: what contradicts there is theirs to remove, before the login."""
    (folder / "meltano.yml").write_text(
        "plugins:\n  extractors:\n  - name: tap-salesforce-ci\n    config: {password: hunter2, sf_cli_org: dev}\n"
    )

    with pytest.raises(UserError) as refused:
        command()

    assert "password: belongs to another way to log in." in refused.value.where
    assert "sf_cli_org: belongs" in refused.value.where
    assert "hunter2" not in str(refused.value)
    assert person.addresses == []


def test_without_a_terminal_a_missing_app_is_named(command: Command, person: Person) -> None:
    """Nobody is asked where nobody can answer: the option and the variable are named."""
    with pytest.raises(UserError) as missing:
        command("--config", "config.json", app=False)

    assert missing.value.where == "setting: client_id"
    assert "--client-id" in missing.value.remedy
    assert "TAP_SALESFORCE_CI_CLIENT_ID" in missing.value.remedy
    assert person.addresses == []


def test_the_environment_stands_in_for_the_options(
    command: Command, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret need not stand on the command line."""
    monkeypatch.setenv("TAP_SALESFORCE_CI_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("TAP_SALESFORCE_CI_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("TAP_SALESFORCE_CI_DOMAIN", server.url)

    assert command("--config", "config.json", app=False) == 0

    kept = json.loads((folder / "config.json").read_text())
    assert [kept[name] for name in ("client_id", "client_secret", "domain")] == [CLIENT_ID, CLIENT_SECRET, server.url]


def test_an_app_without_a_secret_is_served(command: Command, org: Org, server: Server, folder: Path) -> None:
    """PKCE alone proves an app that needs no secret, and none is written or sent."""
    org.apps[CLIENT_ID].secret_required = False

    command("--config", "config.json", "--client-id", CLIENT_ID, "--domain", server.url, app=False)

    assert set(json.loads((folder / "config.json").read_text())) == {"client_id", "domain", "refresh_token"}
    assert "client_secret" not in org.requests.to("/token")[0].form


def test_another_apps_secret_is_neither_sent_nor_kept(command: Command, org: Org, server: Server, folder: Path) -> None:
    """A secret belongs to the client ID beside it; with a new one it goes."""
    org.apps[CLIENT_ID].secret_required = False
    (folder / "config.json").write_text('{"client_id": "old", "client_secret": "old secret"}')

    command("--config", "config.json", "--client-id", CLIENT_ID, "--domain", server.url, app=False)

    assert "client_secret" not in org.requests.to("/token")[0].form
    assert "client_secret" not in json.loads((folder / "config.json").read_text())


def test_a_terminal_is_asked_for_the_app(
    command: Command, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a terminal the consumer key is asked for openly and the secret without an echo."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked: list[str] = []

    def secret(prompt: str) -> str:
        asked.append(prompt)
        return CLIENT_SECRET

    monkeypatch.setattr(sys, "stdin", Terminal(f"{CLIENT_ID}\n"))
    monkeypatch.setattr("getpass.getpass", secret)

    assert command("--config", "config.json", "--domain", server.url, app=False) == 0

    assert len(asked) == 1
    assert json.loads((folder / "config.json").read_text())["client_id"] == CLIENT_ID


def test_a_variable_that_outranks_the_env_file_is_named(
    command: Command, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Meltano reads the environment before `.env`: an old token there would be used, so it is told."""
    monkeypatch.setenv("TAP_SALESFORCE_CI_REFRESH_TOKEN", "an old one")
    monkeypatch.setenv("TAP_SALESFORCE_CI_CLIENT_ID", CLIENT_ID)

    command()

    out = capsys.readouterr().out
    assert "TAP_SALESFORCE_CI_REFRESH_TOKEN outranks what was written" in out
    assert "TAP_SALESFORCE_CI_CLIENT_ID outranks" not in out
    assert "an old one" not in out


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_file_that_git_would_take_along_is_warned_of(
    command: Command, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a repository that does not ignore `.env` there is a warning, and none once it does."""
    subprocess.run(["git", "init", "-q", str(project)], check=True)

    command(by=Person())
    unguarded = capsys.readouterr().out
    (project / ".gitignore").write_text(".env\n")
    command(by=Person())
    guarded = capsys.readouterr().out

    assert "git does not ignore" in unguarded
    assert "git does not ignore" not in guarded
