"""The command as a person types it, in a folder of its own, with somebody at the browser."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tap_salesforce_ci.connect.command import run
from tap_salesforce_ci.demo.oauth import CLIENT_ID, CLIENT_SECRET
from tap_salesforce_ci.demo.org import ORG_ID, Org
from tap_salesforce_ci.demo.server import Server
from tests.connect.person import Person

Command = Callable[..., int]


@pytest.fixture
def org(org: Org) -> Org:
    """The org, with its own record in it."""
    org.insert("Organization", {"Id": ORG_ID, "Name": org.name, "OrganizationType": "Enterprise Edition"})
    return org


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, without a terminal and without settings in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    for name in ("CLIENT_ID", "CLIENT_SECRET", "DOMAIN", "REFRESH_TOKEN"):
        monkeypatch.delenv(f"TAP_SALESFORCE_CI_{name}", raising=False)
    for name in ("MELTANO_PROJECT_ROOT", "MELTANO_EXTRACTOR_NAME", "MELTANO_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def person() -> Person:
    """Somebody who logs in and allows the access."""
    return Person()


@pytest.fixture
def command(folder: Path, server: Server, person: Person) -> Command:
    """Runs `connect` with the words given, through the demo's app unless `app` is false."""

    def typed(*words: str, by: Person = person, app: bool = True) -> int:
        given = ["--domain", server.url, "--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET] if app else []
        return run(["--port", "0", "--timeout", "30", *given, *words], by)

    return typed
