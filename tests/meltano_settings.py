"""
What `meltano.yml` should say about the tap's settings, made from what `--about` says.

`python -m tests.meltano_settings` prints it, to be pasted under the extractor when the settings have changed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

KINDS = {
    "array": "array",
    "boolean": "boolean",
    "integer": "integer",
    "number": "decimal",
    "object": "object",
    "string": "string",
}
Setting = dict[str, Any]


def about() -> dict[str, Any]:
    """What the installed tap says of itself."""
    said = subprocess.run(
        [sys.executable, "-m", "tap_salesforce_ci", "--about", "--format=json"],
        check=True,
        capture_output=True,
        text=True,
    )
    described: dict[str, Any] = json.loads(said.stdout)
    return described


def definitions(schema: Mapping[str, Any], prefix: str = "") -> Iterator[Setting]:
    """Meltano's definition of every setting of a config schema; nested ones get Meltano's dotted names."""
    for name, described in schema["properties"].items():
        if is_group(described):
            yield from definitions(described, f"{prefix}{name}.")
        else:
            yield definition(f"{prefix}{name}", described)


def is_group(described: Mapping[str, Any]) -> bool:
    """Whether a setting is only a frame around settings of its own, not an object whose keys the user chooses."""
    return bool(described.get("properties")) and not isinstance(described.get("additionalProperties"), Mapping)


def definition(name: str, described: Mapping[str, Any]) -> Setting:
    """One setting, with no more keys than it needs."""
    found: Setting = {"name": name, "kind": kind(described)}
    if "default" in described:
        found["value"] = described["default"]
    found["label"] = described.get("title", name)
    found["description"] = " ".join(described["description"].split())
    if described.get("secret"):
        found["sensitive"] = True
    if "enum" in described:
        found["options"] = [{"label": str(value), "value": value} for value in described["enum"] if value is not None]
    return found


def kind(described: Mapping[str, Any]) -> str:
    """Meltano's word for a JSON Schema type."""
    if "enum" in described:
        return "options"
    if described.get("format") == "date-time":
        return "date_iso8601"
    types = described.get("type", "string")
    told = [types] if isinstance(types, str) else types
    return next(KINDS[one] for one in told if one in KINDS)


if __name__ == "__main__":
    sys.stdout.write(yaml.safe_dump(list(definitions(about()["settings"])), sort_keys=False, width=110))
