"""
A session that the `sf` command keeps.

Source: Salesforce CLI Command Reference, `org display`; its JSON holds `result.accessToken` and `result.instanceUrl`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tap_salesforce_ci.client.auth import LoginFlow, instance
from tap_salesforce_ci.client.messages import Session
from tap_salesforce_ci.errors import UserError
from tap_salesforce_ci.redaction import quoted

SECONDS = 120
SHOWN = 200


@dataclass(frozen=True, slots=True)
class SfCli:
    """The org that `sf` knows by this alias or user name."""

    org: str
    renewable: bool = True
    remedy: str = "Run `sf org login web --alias ALIAS`, then set `sf_cli_org` to that alias."

    def login(self) -> LoginFlow:
        """Ask the `sf` command for its session; nothing is posted."""
        yield from ()
        result = self._display()
        token, address = str(result.get("accessToken") or ""), instance(str(result.get("instanceUrl") or ""))
        if not token or address is None or "redacted" in token.casefold():
            raise self._refused("`sf org display` shows no access token, or no https address")
        return Session(address, token)

    def _display(self) -> Mapping[str, Any]:
        command = shutil.which("sf")
        if command is None:
            raise UserError(
                "The command `sf` (Salesforce CLI) is not on the PATH.",
                where="setting: sf_cli_org",
                remedy="Install the Salesforce CLI, or choose another way to log in.",
            )
        arguments = [command, "org", "display", "--json", "--target-org", self.org]
        answer, failure = None, ""
        try:
            done = subprocess.run(arguments, capture_output=True, timeout=SECONDS, check=False)  # noqa: S603
            # A warning may stand before the JSON.
            answer = json.loads(done.stdout[max(0, done.stdout.find(b"{")) :])
        except subprocess.TimeoutExpired:
            failure = f"`sf org display` did not answer within {SECONDS} seconds"
        except (OSError, ValueError):
            failure = "`sf org display --json` did not answer in JSON"
        # Raised out here, without a context: those errors hold what was said, a session perhaps.
        if failure:
            raise self._refused(failure)
        result = answer.get("result") if isinstance(answer, dict) else None
        if not isinstance(result, dict):
            message = str(answer.get("message", "")) if isinstance(answer, dict) else ""
            raise self._refused(f"`sf org display` failed: {quoted(message, SHOWN)}")
        return result

    def _refused(self, what: str) -> UserError:
        return UserError(f"{what}.", where=f"setting: sf_cli_org = {self.org}", remedy=self.remedy)
