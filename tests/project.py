"""The checkout as a Meltano project, with a state and a system database of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from fasteners import InterProcessLock

from tap_salesforce_ci.demo import oauth

CHECKOUT = Path(__file__).resolve().parents[1]
MELTANO = Path(sys.executable).with_name("meltano")


@dataclass(frozen=True)
class Project:
    """Runs `meltano` as a person would, in the environment `demo`, against an org at an address."""

    room: Path
    org_url: str
    settings: dict[str, str] = field(default_factory=dict)

    def meltano(self, *arguments: str, stdin: IO[bytes] | None = None) -> subprocess.CompletedProcess[str]:
        """Run one command to its end; what it says on both streams is in `stdout`."""
        variables = {
            "MELTANO_PROJECT_ROOT": str(CHECKOUT),
            "MELTANO_DATABASE_URI": f"sqlite:///{self.room}/meltano.db",
            "MELTANO_STATE_BACKEND_URI": (self.room / "state").as_uri(),
            "MELTANO_ENVIRONMENT": "demo",
            "MELTANO_CLI_LOG_FORMAT": "plain",
            "TAP_SALESFORCE_CI_DOMAIN": self.org_url,
            "TAP_SALESFORCE_CI_CLIENT_ID": oauth.CLIENT_ID,
            "TAP_SALESFORCE_CI_CLIENT_SECRET": oauth.CLIENT_SECRET,
            "TAP_SALESFORCE_CI_REFRESH_TOKEN": oauth.REFRESH_TOKEN,
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }
        # Meltano installs its plugins into the project when it first needs them, and can't do that twice at once.
        with InterProcessLock(CHECKOUT / ".meltano" / "tests.lock"):
            return subprocess.run(
                [MELTANO, *arguments],
                cwd=CHECKOUT,
                env={**os.environ, **variables, **self.settings},
                stdin=stdin or subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
