"""The SDK's own tests of a tap, over the emulated org."""

from __future__ import annotations

import atexit
from datetime import datetime, timezone

from singer_sdk.testing import get_tap_test_class

from tap_salesforce_ci.demo.data import demo_org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.tap import SalesforceTap
from tests.singer import config

# The SDK makes the tap when the module is collected, so the org must be up by then.
_server = Server(demo_org(until=datetime(2026, 1, 1, tzinfo=timezone.utc)))
_server.start()
atexit.register(_server.stop)

TestSalesforceTap = get_tap_test_class(SalesforceTap, config=config(_server, describe_cache="off"))
