"""What `--about` prints as text: the SDK's form leaves out what a setting means, its default and what is secret."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from singer_sdk.about import AboutFormatter, AboutInfo

WIDTH = 100


class DescribedText(AboutFormatter, format_name="text"):
    """The text form, with everything that the JSON and Markdown forms tell."""

    def format_about(self, about_info: AboutInfo) -> str:
        """Return name, versions, capabilities, and every setting with kind, default and meaning."""
        pythons = ", ".join(about_info.supported_python_versions or ())
        lines = [
            f"{about_info.name} {about_info.version} (Meltano Singer SDK {about_info.sdk_version}, Python {pythons})",
            about_info.description or "",
            "",
            f"Capabilities: {', '.join(capability.value for capability in about_info.capabilities)}",
            "",
            f"Settings (as environment variables: {about_info.env_var_prefix}NAME):",
        ]
        for name, schema in about_info.settings.get("properties", {}).items():
            lines += ["", *_setting(name, schema)]
        return "\n".join(lines)


def _setting(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    kinds = [kind for kind in _kinds(schema) if kind != "null"]
    told = [" or ".join(kinds)]
    if "default" in schema:
        told.append(f"default {json.dumps(schema['default'])}")
    if schema.get("secret"):
        told.append("secret")
    if "enum" in schema:
        told.append("one of " + ", ".join(map(str, schema["enum"])))
    yield f"  {name} ({'; '.join(told)})"
    description = schema.get("description", "")
    yield from textwrap.wrap(description, WIDTH, initial_indent="    ", subsequent_indent="    ")


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type", "any")
    return [kinds] if isinstance(kinds, str) else list(kinds)
