"""What a command begins with: no more than it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.tap import SalesforceTap

HEAVY = ("pyarrow", "requests", "urllib3", "joblib", "cryptography", "jwt", "yaml")
"""What takes a tenth of a second or so to load, each."""


def loaded(code: str) -> tuple[str, set[str]]:
    """Return what a program of this code prints first, and which heavy packages it has loaded at its end."""
    tell = f"\nimport sys\nprint('LOADED', *(name for name in {HEAVY!r} if name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code + tell], check=True, capture_output=True, text=True)
    printed, _, names = ran.stdout.rpartition("LOADED")
    return printed, set(names.split())


@pytest.mark.parametrize("arguments", [["--version"], ["--about"], ["--about", "--format=json"], ["--help"]])
def test_saying_something_of_itself_loads_nothing_heavy(arguments: list[str]) -> None:
    """Neither HTTP nor columns are needed to say which version this is, or what can be set."""
    printed, heavy = loaded(f"from tap_salesforce_ci.cli import _run; _run({arguments!r})")

    assert "tap-salesforce-ci" in printed
    assert heavy == set()


def test_the_version_is_said_as_the_sdk_says_it() -> None:
    """Though it is not loaded for that."""
    said: list[str] = []
    SalesforceTap.print_version(said.append)

    printed, _ = loaded("from tap_salesforce_ci.cli import _run; _run(['--version'])")

    assert printed == f"{said[0]}\n"


def test_a_version_asked_for_beside_other_things_is_said_too(server: Server) -> None:
    """Then it is the SDK that says it."""
    printed, _ = loaded("from tap_salesforce_ci.cli import _run; _run(['--config', 'ENV', '--version'])")

    assert printed.startswith("tap-salesforce-ci v")


def test_discovery_loads_no_columns(server: Server) -> None:
    """Columns are for rows, and discovery has none."""
    login = {"access_token": server.org.open_session(), "instance_url": server.url}
    make = "from tap_salesforce_ci import on_demand; on_demand.defer('singer_sdk', 'singer_sdk.streams')"
    code = f"{make}\nfrom tap_salesforce_ci.tap import SalesforceTap"
    run = f"SalesforceTap(config={login!r}, setup_mapper=False).run_discovery()"

    printed, heavy = loaded(f"{code}\n{run}")

    assert "sf_Account" in printed
    assert "pyarrow" not in heavy
    assert "joblib" not in heavy


def test_a_package_that_was_put_off_is_whole_when_it_is_asked_for() -> None:
    """What the tap doesn't use of the SDK is there all the same: names, modules, and the same classes."""
    code = """
from tap_salesforce_ci import on_demand
on_demand.defer("singer_sdk", "singer_sdk.streams", "no_such_package")
from singer_sdk.tap_base import Tap
import sys
assert "joblib" not in sys.modules
import singer_sdk
assert singer_sdk.typing.StringType
assert "joblib" not in sys.modules
assert singer_sdk.Tap is Tap
assert singer_sdk.streams.RESTStream is singer_sdk.RESTStream
assert "joblib" in sys.modules
on_demand.defer("singer_sdk")
assert singer_sdk is sys.modules["singer_sdk"]
try:
    singer_sdk.nonesuch
except AttributeError as error:
    print("whole", error)
"""
    printed, _ = loaded(code)

    assert printed.startswith("whole")
    assert "nonesuch" in printed
