"""An emulated org for every test that asks for one, and a client of it that never waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tap_salesforce_ci.client.auth import Auth, GivenSession
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.limits import Allowance
from tap_salesforce_ci.client.retry import RetryPolicy
from tap_salesforce_ci.client.transport import Transport
from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import empty_org
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)

Connect = Callable[..., Client]


LONGEST = ("test_readme.py", "test_targets.py", "test_no_row_is_lost.py", "test_meltano.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no processor waits for another at the end."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder, which is the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(folder))
    return folder


@pytest.fixture
def org() -> Org:
    """An org with all objects and no rows, whose clock stands until it is moved."""
    return empty_org(Clock(NOW))


@pytest.fixture
def server(org: Org) -> Iterator[Server]:
    with Server(org) as server:
        yield server


@pytest.fixture
def slept() -> list[float]:
    """The seconds that clients would have waited."""
    return []


@pytest.fixture
def connect(server: Server, org: Org, slept: list[float]) -> Iterator[Connect]:
    """Make a client as the tap does, but for its waits, which are only noted."""
    with ExitStack() as open_transports:

        def make(auth: Auth | None = None, *, timeout: float = 30, workers: int = 8, **options: Any) -> Client:
            transport = open_transports.enter_context(closing(Transport("tap-salesforce-ci/test", timeout, workers)))
            given: dict[str, Any] = {
                "api_version": "66.0",
                "allowance": Allowance(100, 100),
                "retry": RetryPolicy(lambda: 0.0),
                "sleep": slept.append,
                "max_workers": workers,
            }
            session = auth or GivenSession(server.url, org.open_session())
            return Client(session, transport, **given | options)

        yield make


@pytest.fixture
def client(connect: Connect) -> Client:
    """A signed-in client."""
    return connect()
