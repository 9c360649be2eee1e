"""A folder, a prepared org, and the commands that read it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import floor, server
from bench.measure import BenchError, Command
from bench.org import TOKEN, Plan
from bench.shapes import SHAPES

CHECKOUT = Path(__file__).resolve().parents[1]
OTHERS = CHECKOUT / "bench" / "others"
TAP = (sys.executable, "-m", "tap_salesforce_ci")
ENGINES = (sys.executable, "-m", "bench.engines")
FROM_CHECKOUT = {"PYTHONPATH": str(CHECKOUT)}
ONE_CORE = {"POLARS_MAX_THREADS": "1"}
NO_PROXY = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@dataclass(frozen=True)
class Room:
    """Where one figure is measured: an org at `url`, and a folder for settings, catalogs and caches."""

    folder: Path
    url: str
    plan: Plan

    def calls(self) -> int:
        """Return how many requests the org has answered."""
        with closing(HTTPConnection(urlsplit(self.url).netloc)) as connection:
            connection.request("GET", server.CALLS)
            return int(connection.getresponse().read())

    def tap(self, *arguments: str, **settings: Any) -> Command:
        """Return the tap's command; it keeps what it caches in this room."""
        cache = dict.fromkeys(("XDG_CACHE_HOME", "LOCALAPPDATA"), str(self.folder / "cache"))
        words = [*TAP, "--config", self.file("config.json", self.settings(**settings)), *arguments]
        return Command(words, self.folder, NO_PROXY | cache)

    def floor(self, api: str, object_name: str) -> Command:
        """Return the floor's command for an object, all its fields."""
        fields = ",".join(field.name for field in SHAPES[self.plan.objects[object_name][0]])
        words = [sys.executable, str(floor.__file__), api, self.url, object_name, fields]
        return Command(words, self.folder, ONE_CORE)

    def write_page(self) -> int:
        """Write a result page for the engines into this room, and return how many rows it has."""
        words = [*ENGINES, "write", str(self.folder)]
        return int(b"".join(Command(words, self.folder, FROM_CHECKOUT).lines()))

    def engine(self, name: str, times: int) -> Command:
        """Return the command that has an engine read that page so many times, on one core."""
        return Command([*ENGINES, name, str(self.folder), str(times)], self.folder, FROM_CHECKOUT | ONE_CORE)

    def other(self, command: str, api_type: str) -> Command:
        """
        Return another tap's command, the paths of its settings and its catalog put in.

        The settings are in the words that most taps for Salesforce share. Raises BenchError for an unknown program.
        """
        login = dict.fromkeys(("client_id", "client_secret", "refresh_token"), "bench")
        config = {**login, "domain": self.url, "api_type": api_type, "start_date": "2000-01-01T00:00:00Z"}
        config |= {"select_fields_by_default": True}
        catalog = _all_selected(self.catalog(stream_prefix=""))
        places = {
            "{config}": self.file("other.json", config),
            "{catalog}": self.file("other_catalog.json", catalog),
            "{url}": self.url,
            "{others}": str(OTHERS),
        }
        for name, value in places.items():
            command = command.replace(name, value)
        program, *arguments = shlex.split(command)
        found = shutil.which(program)
        if found is None:
            raise BenchError(f"{program} is not on the PATH.")
        return Command([str(Path(found).absolute()), *arguments], self.folder, NO_PROXY)

    def catalog(self, **settings: Any) -> dict[str, Any]:
        """Return what the tap discovers."""
        found: dict[str, Any] = json.loads(b"".join(self.tap("--discover", **settings).lines()))
        return found

    def settings(self, **settings: Any) -> dict[str, Any]:
        """Return settings for this org: a session is open, and no allowance stands in the way."""
        session = {"access_token": TOKEN, "instance_url": self.url}
        return {**session, "domain": self.url, "quota_percent_total": 100, "quota_percent_per_run": 100, **settings}

    def batch_config(self, format_: str, compression: str) -> dict[str, Any]:
        """Return the setting that has files written in this room."""
        return {
            "encoding": {"format": format_, "compression": compression},
            "storage": {"root": str(self.folder / "files")},
        }

    def rows_in_files(self) -> int:
        """Return how many rows a run's files hold, and remove them."""
        words = [sys.executable, "-m", "bench.files", str(self.folder / "files")]
        environment = os.environ | FROM_CHECKOUT
        counted = subprocess.run(words, check=True, stdout=subprocess.PIPE, env=environment)  # noqa: S603 - our own
        shutil.rmtree(self.folder / "files")
        return int(counted.stdout)

    def file(self, name: str, content: Any) -> str:
        """Write a JSON file and return its path."""
        path = self.folder / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)


def _all_selected(catalog: dict[str, Any]) -> dict[str, Any]:
    """Return a catalog that selects everything in the words of every Singer tap."""
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True
    return catalog


@contextmanager
def room(plan: Plan) -> Iterator[Room]:
    """Open a room with an org of that plan, in a process of its own, until the block ends."""
    words = [sys.executable, "-m", "bench.server", json.dumps(asdict(plan))]
    place = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": place}
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        subprocess.Popen(words, stdout=subprocess.PIPE, env=environment, text=True) as process,  # noqa: S603 - our own
    ):
        assert process.stdout is not None
        try:
            yield Room(Path(folder), process.stdout.readline().strip(), plan)
        finally:
            process.terminate()
