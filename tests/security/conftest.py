"""A tap that nobody has told of secrets yet, and a host that is to hear nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tap_salesforce_ci import redaction
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.token_store import TokenStore
from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.settings import Settings, tidied
from tests.conftest import Connect
from tests.security.flows import SignedIn
from tests.test_login_flows import FakeSf


@pytest.fixture(autouse=True)
def nothing_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests had protected is not, so that it is seen who protects what."""
    monkeypatch.setattr(redaction, "_short", [])
    monkeypatch.setattr(redaction, "_pieces", set())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a key file lies in it, and a refresh token that an earlier run has rotated."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.pem").write_text(oauth.PRIVATE_KEY, "utf-8")
    kept = "5Aep861-kept-from-the-last-run-" + "x+y/z=" * 9
    TokenStore(tmp_path / "tokens.json").keep(oauth.REFRESH_TOKEN, kept)
    return tmp_path


@pytest.fixture
def signed_in(server: Server, connect: Connect) -> SignedIn:
    """Make a client of the emulated org out of settings, as the tap does."""

    def make(given_: Mapping[str, Any]) -> Client:
        made = Settings.from_config(tidied({"domain": server.url, **given_}), lambda _: None)
        return connect(made.auth)

    return make


@pytest.fixture
def sf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSf:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return FakeSf(tmp_path)


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    """Another host, which is to hear nothing."""
    with Server(Org()) as server:
        yield server
        assert server.org.requests == []
