"""Where the settings are kept: a Meltano project's `.env`, or a config file; readable by their owner only."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from tap_salesforce_ci.client.token_store import alone_with, write_private
from tap_salesforce_ci.connect.meltano import PLUGIN, ROOT_VARIABLE, MeltanoProject, project_around, variable
from tap_salesforce_ci.errors import UserError


class Keeping(Protocol):
    """A file that keeps settings."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def next_step(self) -> str:
        """The command to run once connected."""
        ...

    def variable(self, setting: str) -> str:
        """Return the environment variable of a setting."""
        ...

    def outranked(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the settings that the environment holds, where it outranks the file."""
        ...

    def inherited(self) -> dict[str, Any]:
        """Return the settings that hold where the file is silent."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return the settings in the file."""
        ...

    def keep(self, settings: Mapping[str, str], dropped: Collection[str]) -> None:
        """Write settings and take others out; all else stays, what another `connect` just wrote included."""
        ...


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A JSON file for `--config`."""

    path: Path

    @property
    def next_step(self) -> str:
        """The command that shows the streams."""
        return f"tap-salesforce-ci --config {self.path} --discover"

    def variable(self, setting: str) -> str:
        """Return the variable that `--config ENV` reads."""
        return variable(PLUGIN, setting)

    def outranked(self, environ: Mapping[str, str]) -> dict[str, str]:  # noqa: ARG002 - as Keeping has it
        """Return nothing: what is in the file holds."""
        return {}

    def inherited(self) -> dict[str, Any]:
        """Return nothing: a config file is all there is."""
        return {}

    def settings(self) -> dict[str, Any]:
        """Return the settings in the file; none where there is no file yet."""
        read, failure = None, None
        try:
            read = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            failure = _unusable(self.path, "read", error)
        # Raised out here, without a context: a decoder's error holds the file.
        if failure:
            raise failure
        if not isinstance(read, dict):
            raise _unusable(self.path, "read", TypeError())
        return read

    def keep(self, settings: Mapping[str, str], dropped: Collection[str]) -> None:
        """Write settings and take others out, in one step."""
        with alone_with(self.path):
            kept = {name: value for name, value in self.settings().items() if name not in dropped}
            _write(self.path, json.dumps({**kept, **settings}, indent=2, ensure_ascii=False) + "\n")


@dataclass(frozen=True, slots=True)
class ProjectEnv:
    """The `.env` of a Meltano project, where Meltano itself keeps secrets."""

    project: MeltanoProject

    @property
    def path(self) -> Path:
        """The file."""
        return self.project.env_file

    @property
    def next_step(self) -> str:
        """The command that loads the tables."""
        return f"meltano run {self.project.plugin} {self.project.loader}"

    def variable(self, setting: str) -> str:
        """Return the variable that the plugin's setting has."""
        return variable(self.project.plugin, setting)

    def outranked(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the plugin's settings in the environment; those that Meltano put there are the file's own."""
        return {} if ROOT_VARIABLE in environ else self._of_the_plugin(environ)

    def inherited(self) -> dict[str, Any]:
        """Return what the project's YAML says."""
        return dict(self.project.config)

    def settings(self) -> dict[str, Any]:
        """Return the plugin's settings in the file."""
        try:
            lines = dotenv_values(self.path)
        except (OSError, UnicodeDecodeError) as error:
            raise _unusable(self.path, "read", error) from None
        return dict(self._of_the_plugin(lines))

    def keep(self, settings: Mapping[str, str], dropped: Collection[str]) -> None:
        """Write settings and take others out, in one step; other lines stay as they are."""
        changes: dict[str, str | None] = dict.fromkeys(map(self.variable, dropped))
        changes |= {self.variable(name): value for name, value in settings.items()}
        with alone_with(self.path):
            before = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
            _write(self.path, _with_variables(before, changes))

    def _of_the_plugin(self, variables: Mapping[str, str | None]) -> dict[str, str]:
        prefix = self.variable("")
        return {
            name.removeprefix(prefix).lower(): value
            for name, value in variables.items()
            if name.startswith(prefix) and value
        }


def _with_variables(text: str, changes: Mapping[str, str | None]) -> str:
    """Return the lines of a `.env` with variables set, or taken out where they are None; all else as it was."""
    waiting = dict(changes)
    parts = []
    for line in parse_stream(io.StringIO(text)):
        original = line.original.string
        if line.key is None or line.key not in changes:
            parts.append(original)
            continue
        blank_lines = original[: len(original) - len(original.lstrip())]
        export = "export " if original.lstrip().startswith("export ") else ""
        parts.append(blank_lines + _line(line.key, waiting.pop(line.key, None), export))
    kept = "".join(parts)
    if kept and not kept.endswith("\n"):
        kept += "\n"
    return kept + "".join(_line(name, value) for name, value in waiting.items())


def _line(name: str, value: str | None, export: str = "") -> str:
    if value is None:
        return ""
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{export}{name}='{quoted}'\n"


def chosen(config: str | None, folder: Path, environ: Mapping[str, str]) -> Keeping:
    """
    Return where to keep the settings: the named config file, else the Meltano project around the folder.

    Raises UserError where there is neither, or where the file can't be written.
    """
    project = None if config else project_around(folder, environ)
    if config is None and project is None:
        raise UserError(
            "There is no place to keep the settings.",
            where=f"folder: {folder}",
            remedy=(
                "Give `--config FILE`, or run this in a Meltano project that has the plugin "
                "(`meltano add tap-salesforce-ci`)."
            ),
        )
    keeping: Keeping = ProjectEnv(project) if project else ConfigFile(Path(config or "").expanduser())
    parent = keeping.path.resolve().parent
    if not os.access(parent, os.W_OK):
        raise _unusable(keeping.path, "written", PermissionError() if parent.exists() else FileNotFoundError())
    return keeping


def seen_by_git(path: Path) -> bool:
    """Say whether git would take the file into a commit."""
    git = shutil.which("git")
    if git is None:
        return False
    asked = [git, "-C", str(path.resolve().parent), "check-ignore", "--quiet", path.resolve().name]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 1  # noqa: S603


def _write(path: Path, text: str) -> None:
    try:
        write_private(path, text)
    except OSError as error:
        raise _unusable(path, "written", error) from None


def _unusable(path: Path, done: str, error: Exception) -> UserError:
    return UserError(
        f"The settings can't be {done} ({type(error).__name__}).",
        where=f"file: {path}",
        remedy="Name a file in a folder that exists and that this user may write; a config file holds a JSON object.",
    )
