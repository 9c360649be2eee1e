"""
The Meltano project that the tap belongs to, as far as its own settings go.

Source: Meltano documentation, "Configuration" (order of the layers) and "Project" (`include_paths`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import yaml
from dotenv import dotenv_values

from tap_salesforce_ci.errors import UserError

PROJECT_FILE = "meltano.yml"
ENV_FILE = ".env"
PLUGIN = "tap-salesforce-ci"
ROOT_VARIABLE = "MELTANO_PROJECT_ROOT"
"""Meltano sets it, and the plugin's name, for the commands that it runs itself."""
NAME_VARIABLE = "MELTANO_EXTRACTOR_NAME"


def variable(plugin: str, setting: str) -> str:
    """Return the environment variable that Meltano reads a plugin's setting from."""
    return re.sub(r"[^A-Za-z0-9]", "_", f"{plugin}_{setting}").upper()


@dataclass(frozen=True, slots=True)
class MeltanoProject:
    """A project that has the plugin; `config` is what its YAML says of the plugin's settings."""

    root: Path
    plugin: str
    config: Mapping[str, Any] = field(repr=False)
    loader: str

    @property
    def env_file(self) -> Path:
        """Where Meltano keeps secrets; it outranks the YAML."""
        return self.root / ENV_FILE


def project_around(folder: Path, environ: Mapping[str, str]) -> MeltanoProject | None:
    """Return the project that a folder lies in, if it has the plugin."""
    plugin = environ.get(NAME_VARIABLE) or PLUGIN
    start = Path(environ.get(ROOT_VARIABLE) or folder).resolve()
    for root in (start, *start.parents):
        if (root / PROJECT_FILE).is_file():
            return _project(root, plugin, environ)
    return None


def _project(root: Path, plugin: str, environ: Mapping[str, str]) -> MeltanoProject | None:
    files = list(_yaml_files(root))
    extractors = {each.get("name"): each for file in files for each in _plugins(file, "extractors")}
    if plugin not in extractors:
        return None
    active = environ.get("MELTANO_ENVIRONMENT") or files[0].get("default_environment")
    overrides = [
        each.get("config")
        for file in files
        for environment in _mappings(file.get("environments"))
        if environment.get("name") == active
        for each in _plugins(environment.get("config"), "extractors")
        if each.get("name") == plugin
    ]
    parent = extractors.get(extractors[plugin].get("inherit_from"), {})
    config: dict[str, Any] = {}
    for layer in (parent.get("config"), extractors[plugin].get("config"), *overrides):
        config |= layer if isinstance(layer, dict) else {}
    known = {**dotenv_values(root / ENV_FILE), **environ}
    loaders = [each["name"] for file in files for each in _plugins(file, "loaders") if "name" in each]
    return MeltanoProject(
        root=root,
        plugin=plugin,
        config={name: _expanded(value, known) for name, value in config.items()},
        loader=str(loaders[0]) if loaders else "target-YOURS",
    )


def _yaml_files(root: Path) -> Iterator[dict[str, Any]]:
    """Yield the project's files, the main one first."""
    main = _yaml(root / PROJECT_FILE)
    yield main
    for pattern in main.get("include_paths") or ():
        for path in sorted(root.glob(str(pattern))):
            if path.name != PROJECT_FILE or path.parent != root:
                yield _yaml(path)


def _yaml(path: Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(
            f"The Meltano project can't be read ({type(error).__name__}).",
            where=str(path),
            remedy="Correct the file, or give `--config FILE` to keep the settings in a file of their own.",
        ) from None
    return read if isinstance(read, dict) else {}


def _plugins(holder: Any, kind: str) -> list[dict[str, Any]]:
    plugins = holder.get("plugins") if isinstance(holder, dict) else None
    return _mappings(plugins.get(kind)) if isinstance(plugins, dict) else []


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _expanded(value: Any, known: Mapping[str, str | None]) -> Any:
    """Return a setting with the variables that it names put in, as Meltano does."""
    if not isinstance(value, str):
        return value
    return Template(value).safe_substitute({name: text for name, text in known.items() if text is not None})
