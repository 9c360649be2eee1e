"""No Python call per row: what a run does in Python depends on its pages, not on their rows."""

from __future__ import annotations

import sys
import threading
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import tap_salesforce_ci
from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import empty_org
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tests.conftest import NOW
from tests.singer import sync

PACKAGE = str(Path(tap_salesforce_ci.__file__).parent)
DEMO = str(Path(PACKAGE) / "demo")
SDK = "singer_sdk"
FEW, MANY = 200, 1_200
"""Rows of one page."""


class CallCount:
    """Counts the calls that the tap and the SDK make in all threads, C functions included."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> CallCount:  # noqa: PYI034 - Self is not in Python 3.10
        threading.setprofile(self._count)
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _count(self, frame: FrameType, event: str, _argument: Any) -> None:
        file = frame.f_code.co_filename
        if event in {"call", "c_call"} and (file.startswith(PACKAGE) or SDK in file) and not file.startswith(DEMO):
            self.calls += 1


def leads(count: int) -> Org:
    """An org with so many leads, of which some have no phone and some texts need escapes."""
    org = empty_org(Clock(NOW))
    for number in range(count):
        values = {"LastName": f'Nr "{number}"\n', "Company": "Köln", "AnnualRevenue": number / 4}
        org.insert("Lead", values | ({"Phone": "+49 221"} if number % 2 else {}), at=NOW - timedelta(days=1))
    return org


def calls(rows: int, **settings: Any) -> int:
    """Return how many calls a run makes that reads so many rows in one page."""
    with Server(leads(rows)) as server, CallCount() as count:
        output = sync(server, streams=["Lead"], **settings)
    assert output.error is None
    assert len(output.records("sf_Lead")) == rows
    return count.calls


@pytest.mark.parametrize("api_type", ["rest", "bulk2"])
def test_no_row_costs_a_call(api_type: str) -> None:
    """A thousand more rows in a page take fewer than a hundred more calls, over either API."""
    calls(1, api_type=api_type)  # what is loaded on demand is loaded now

    assert calls(MANY, api_type=api_type) - calls(FEW, api_type=api_type) < (MANY - FEW) / 10


def test_a_call_per_row_would_be_seen() -> None:
    """The SDK's own record path, which stream maps need, makes several calls for each row."""
    maps: dict[str, Any] = {"stream_maps": {"*": {}}}

    assert calls(MANY, **maps) - calls(FEW, **maps) > MANY - FEW
