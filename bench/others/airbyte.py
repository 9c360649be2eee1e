"""
Run Airbyte's source on the prepared org, which speaks other words than Singer's taps.

`python airbyte.py ADDRESS CONFIG CATALOG` takes a settings file and a catalog in their words. The source chooses its
API by itself, and REST only where Bulk cannot be: for `api_type` REST it is told so of every object.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from detour import detour

WHOLE = "P20000D"
"""One slice of time for everything: the org takes no notice of a WHERE, and would answer each slice with all rows."""


def configured(catalog: dict[str, Any]) -> dict[str, Any]:
    """Return Airbyte's catalog of the same streams, each to be read incrementally."""
    modes = {"sync_mode": "incremental", "destination_sync_mode": "append", "cursor_field": ["SystemModstamp"]}
    streams = [
        {"name": stream["stream"], "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
        for stream in catalog["streams"]
    ]
    return {"streams": [{"stream": stream, **modes} for stream in streams]}


def main(address: str, config: str, catalog: str) -> None:
    """Write what the source is to be given beside what was given, and read."""
    settings = json.loads(Path(config).read_text(encoding="utf-8"))
    names = ("client_id", "client_secret", "refresh_token", "start_date")
    told = {**{name: settings[name] for name in names}, "stream_slice_step": WHOLE}
    streams = configured(json.loads(Path(catalog).read_text(encoding="utf-8")))
    for name, value in (("airbyte.json", told), ("airbyte_catalog.json", streams)):
        Path(name).write_text(json.dumps(value), encoding="utf-8")
    detour(address)
    if settings["api_type"] == "REST":
        source = import_module("source_salesforce.source").SourceSalesforce
        source._get_api_type = lambda *_, **__: "rest"  # noqa: SLF001 - there is no setting for it
    sys.argv[1:] = ["read", "--config", "airbyte.json", "--catalog", "airbyte_catalog.json"]
    import_module("source_salesforce.run").run()


if __name__ == "__main__":
    main(*sys.argv[1:])
