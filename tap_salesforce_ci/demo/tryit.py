"""The first thing a visitor runs: a pretend org, Meltano, a database, and what an analyst sees in it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TextIO

import psycopg

from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.demo.data import demo_org
from tap_salesforce_ci.demo.postgres import Database, PostgresFailedError, PostgresNotFoundError, postgres
from tap_salesforce_ci.demo.report import describe_load, funnel, loaded_tables
from tap_salesforce_ci.demo.server import Server

FIRST_EVENING = datetime(2026, 3, 2, 18, tzinfo=timezone.utc)
SATURDAY = 5
TAP, TARGET = "TAP_SALESFORCE_CI_", "TARGET_POSTGRES_"
OTHER_LOGINS = (
    "access_token",
    "instance_url",
    "password",
    "private_key",
    "private_key_path",
    "security_token",
    "sf_cli_org",
    "token_store",
    "username",
)
# The pretend org has another address each time, and would leave a file of describes for each.
NOTHING_KEPT = {"describe_cache": "off"}
PLUGINS = ("tap-salesforce-ci", "target-postgres")
SHOWN_LOG_LINES = 40


@dataclass(frozen=True)
class Visit:
    """What one run works on: a copy of what the run before left, put in its place when all went well."""

    root: Path

    @property
    def kept(self) -> Path:
        """What the last successful run left behind."""
        return self.root / ".demo" / "kept"

    @property
    def work(self) -> Path:
        """The copy that this run changes."""
        return self.root / ".demo" / "work"

    @property
    def database(self) -> Path:
        """The data directory of PostgreSQL."""
        return self.work / "postgres"

    @property
    def state(self) -> Path:
        """Where Meltano keeps the bookmarks."""
        return self.work / "state"

    @property
    def log(self) -> Path:
        """What Meltano, the tap and the target said."""
        return self.root / ".demo" / "last-run.log"

    def begin(self) -> int:
        """Lay out the copy; return how many runs there were before."""
        shutil.rmtree(self.work, ignore_errors=True)
        if self.kept.exists():
            shutil.copytree(self.kept, self.work)
        self.state.mkdir(parents=True, exist_ok=True)
        count = self.work / "runs"
        return int(count.read_text()) if count.exists() else 0

    def end(self, runs: int) -> None:
        """Keep what this run did: the database, the bookmarks and the org's age always change together."""
        (self.work / "runs").write_text(str(runs))
        shutil.rmtree(self.kept, ignore_errors=True)
        self.work.rename(self.kept)


def try_it(root: Path, out: TextIO = sys.stdout) -> int:
    """Load the pretend org with Meltano, show the result, and answer with an exit code."""

    def say(line: str = "") -> None:
        out.write(f"{line}\n")
        out.flush()

    visit = Visit(root)
    runs = visit.begin()
    try:
        with postgres(visit.database) as database:
            code = load_and_show(visit, runs, database, say)
    except (PostgresNotFoundError, PostgresFailedError) as error:
        say(f"PostgreSQL did not run: {error}\nRemove {root / '.demo'} to begin anew.")
        return 1
    if code == 0:
        visit.end(runs + 1)
    return code


def load_and_show(visit: Visit, runs: int, database: Database, say: Callable[[str], None]) -> int:
    """Run the pipeline against the org as old as it is by now, and show the tables."""
    evening = working_evening(runs)
    org = demo_org(until=evening)
    say(f"A pretend Salesforce org, as it stands on {evening:%A, %d %B %Y}.")
    with Server(org) as server, closing(psycopg.connect(database.url, autocommit=True)) as connection:
        began = datetime.now(timezone.utc).replace(tzinfo=None)  # noqa: TID251 - the target's own clock
        code = meltano_run(visit, environment(visit, server.url, database), say)
        if code != 0:
            return code
        say(describe_load(loaded_tables(connection, since=began), first=runs == 0))
        say(funnel(connection))
    say("Run it again: the org will be one working day older, and only what changed will be loaded.")
    return 0


def working_evening(runs: int) -> datetime:
    """The evening on which the org stands after some runs: each adds one working day."""
    evening = FIRST_EVENING
    for _ in range(runs):
        evening += timedelta(days=1)
        while evening.weekday() >= SATURDAY:
            evening += timedelta(days=1)
    return evening


def meltano_run(visit: Visit, variables: Mapping[str, str], say: Callable[[str], None]) -> int:
    """Run the pipeline; on failure show the end of its log."""
    if not all((visit.root / ".meltano" / kind).exists() for kind in ("extractors", "loaders")):
        say("Meltano installs the tap and the target first, which takes a minute.")
    say(f"meltano run {' '.join(PLUGINS)}")
    meltano = Path(sys.executable).with_name("meltano")
    with visit.log.open("w") as log:
        code = subprocess.run(  # noqa: S603 - our own pipeline
            [meltano, "run", *PLUGINS],
            cwd=visit.root,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if code != 0:
        ending = visit.log.read_text(errors="replace").splitlines()[-SHOWN_LOG_LINES:]
        say("\n".join([*ending, f"Meltano ended with exit code {code}. All it said is in {visit.log}."]))
    return code


def environment(visit: Visit, org_url: str, database: Database) -> dict[str, str]:
    """
    The variables under which Meltano reads the pretend org into the demo's database.

    They go before what Meltano finds in `.env`, where a visitor may keep the login of a real org.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith((TAP, TARGET))}
    return {
        **own,
        **settings(TAP, dict.fromkeys(OTHER_LOGINS, "") | login(org_url) | NOTHING_KEPT),
        **settings(TARGET, dataclasses.asdict(database) | {"default_target_schema": "public"}),
        "MELTANO_PROJECT_ROOT": str(visit.root),
        "MELTANO_ENVIRONMENT": "demo",
        "MELTANO_STATE_BACKEND_URI": visit.state.as_uri(),
        "MELTANO_CLI_LOG_FORMAT": "plain",
    }


def login(org_url: str) -> dict[str, str]:
    """What logs in to the pretend org."""
    return {
        "domain": org_url,
        "client_id": oauth.CLIENT_ID,
        "client_secret": oauth.CLIENT_SECRET,
        "refresh_token": oauth.REFRESH_TOKEN,
    }


def settings(prefix: str, values: Mapping[str, object]) -> dict[str, str]:
    """Settings of a plugin as the variables in which Meltano looks for them."""
    return {f"{prefix}{name.upper()}": str(value) for name, value in values.items()}
