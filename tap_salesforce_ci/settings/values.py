"""The settings as frozen values; every problem with them is reported at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

from jsonschema import Draft202012Validator

from tap_salesforce_ci.client import soql
from tap_salesforce_ci.client.auth import Auth
from tap_salesforce_ci.errors import UserError
from tap_salesforce_ci.settings.batch import BatchSettings, batch_settings, is_asked_for
from tap_salesforce_ci.settings.login import LoginSettings, Problem
from tap_salesforce_ci.settings.schema import CONFIG_JSONSCHEMA, SECRETS

OLDEST_API_VERSION = 58
API_VERSION = re.compile(r"v?(\d{2,3})(?:\.0)?")
OBJECT_OR_GLOB = re.compile(r"[\w*?\[\]!-]+")
TRUTHS = {"true": True, "false": False}
EMPTY_IS_A_VALUE = frozenset({"stream_prefix"})
NOT_YET = {
    "queries": "custom queries are not read yet.",
    "rechecks": "rechecks are not done yet.",
}


class ApiType(str, Enum):
    """Which API reads the rows."""

    AUTO = "auto"
    REST = "rest"
    BULK2 = "bulk2"


class Replication(str, Enum):
    """How an object's table is kept fresh."""

    MODIFIED_AT = "modified_at"
    ADD_DATE = "add_date"
    FULL_TABLE = "full_table"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the tap was told to do. Names, kinds and units are those of `--about`."""

    auth: Auth = field(repr=False)
    api_version: str
    start_date: datetime | None
    streams: tuple[str, ...]
    stream_prefix: str
    select_fields_by_default: bool
    api_type: ApiType
    lookback_window: timedelta
    include_deleted: bool
    verify_counts: bool
    where: Mapping[str, soql.Condition]
    replication: Mapping[str, Replication]
    quota_percent_total: int
    quota_percent_per_run: int
    max_workers: int
    max_bytes_in_flight: int
    request_timeout: int
    user_agent: str | None
    quiet: bool
    describe_cache: str | None
    batch: BatchSettings | None

    @classmethod
    def from_config(cls, config: Mapping[str, Any], warn: Callable[[str], None]) -> Settings:
        """
        Make the values of a config, as `tidied` returns it.

        Raises one UserError that lists every problem and remedy, and shows no secret.
        """
        problems = config_problems(config)
        unusable = {problem.setting.partition(".")[0] for problem in problems}
        config = tidied({name: value for name, value in config.items() if name not in unusable})
        login = LoginSettings(config, warn)
        auth = login.auth()
        reader = _Reader(config)
        where = reader.where()
        version, start = reader.api_version(), reader.start_date()
        batch, batch_problems = batch_settings(config)
        problems += [*login.problems, *reader.problems, *batch_problems]
        if problems or auth is None:
            raise refused(problems)
        if config.get("batch_config") and not is_asked_for(config):
            warn("`batch_config` has no `encoding`, so no BATCH messages are written.")
        return cls(
            auth=auth,
            api_version=version,
            start_date=start,
            streams=tuple(config.get("streams") or config.get("streams_to_discover") or ("*",)),
            stream_prefix=config["stream_prefix"],
            select_fields_by_default=config["select_fields_by_default"],
            api_type=API_TYPE[config["api_type"]],
            lookback_window=timedelta(seconds=config["lookback_window"]),
            include_deleted=config["include_deleted"],
            verify_counts=config["verify_counts"],
            where=where,
            replication={name: Replication(method) for name, method in (config.get("replication") or {}).items()},
            quota_percent_total=config["quota_percent_total"],
            quota_percent_per_run=config["quota_percent_per_run"],
            max_workers=config["max_workers"],
            max_bytes_in_flight=config["max_bytes_in_flight"],
            request_timeout=config["request_timeout"],
            user_agent=config.get("user_agent") or None,
            quiet=config["quiet"],
            describe_cache=config.get("describe_cache") or None,
            batch=batch,
        )

    def considers(self, object_name: str) -> bool:
        """Say whether `streams` names this object, exactly or by a glob."""
        return any(matches(object_name, pattern) for pattern in self.streams)

    def names(self, object_name: str) -> bool:
        """Say whether `streams` names this very object, not only a glob that it falls under."""
        return object_name.casefold() in {pattern.casefold() for pattern in self.streams}

    def replication_of(self, object_name: str) -> Replication | None:
        """Return the replication method set for an object: its own name first, then the first glob that fits."""
        own = {name.casefold(): method for name, method in self.replication.items()}
        if object_name.casefold() in own:
            return own[object_name.casefold()]
        return next((method for name, method in self.replication.items() if matches(object_name, name)), None)

    def condition_on(self, object_name: str) -> soql.Condition | None:
        """Return the row filter set for an object."""
        return next((text for name, text in self.where.items() if name.casefold() == object_name.casefold()), None)


API_TYPE = {
    "auto": ApiType.AUTO,
    "rest": ApiType.REST,
    "REST": ApiType.REST,
    "bulk2": ApiType.BULK2,
    "BULK": ApiType.BULK2,
    "BULK2": ApiType.BULK2,
}


def matches(object_name: str, pattern: str) -> bool:
    """Say whether a name or glob fits an object; API names know no case."""
    return fnmatchcase(object_name.casefold(), pattern.casefold())


def tidied(config: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a config with defaults filled in and without empty values.

    Numbers and truths written as text, as older taps' configs have them, become what they say.
    """
    properties = CONFIG_JSONSCHEMA["properties"]
    defaults = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
    given = {
        name: value for name, value in config.items() if value is not None and (value != "" or name in EMPTY_IS_A_VALUE)
    }
    return defaults | {name: _as_meant(value, properties.get(name, {})) for name, value in given.items()}


def _as_meant(value: Any, schema: Mapping[str, Any]) -> Any:
    kinds = schema.get("type", [])
    if isinstance(value, str) and "boolean" in kinds and value.lower() in TRUTHS:
        return TRUTHS[value.lower()]
    if isinstance(value, str) and "integer" in kinds and value.strip().isdecimal():
        return int(value)
    if isinstance(value, float | int) and not isinstance(value, bool) and "string" in kinds:
        return str(value)
    return value


def config_problems(config: Mapping[str, Any]) -> list[Problem]:
    """Return what the schema has against a config, without a word of any secret value."""
    found = [_problem(error) for error in Draft202012Validator(CONFIG_JSONSCHEMA).iter_errors(dict(config))]
    found += [Problem(name, what, "Remove it.") for name, what in NOT_YET.items() if config.get(name)]
    return found


def _problem(error: Any) -> Problem:
    path = [str(part) for part in error.path]
    setting = ".".join(path) or "config"
    if path and path[0] in SECRETS:
        return Problem(setting, "has the wrong kind of value.", f"Give a {error.schema.get('type', 'string')}.")
    return Problem(setting, f"{error.message}.", "See `tap-salesforce-ci --about`.")


def refused(problems: list[Problem]) -> UserError:
    """Return the one error that tells all problems."""
    several = f"{len(problems)} settings need" if len(problems) > 1 else "A setting needs"
    return UserError(
        f"{several} attention.",
        where="\n".join(f"* {problem}" for problem in problems),
        remedy="`tap-salesforce-ci --about` describes every setting.",
    )


class _Reader:
    """Reads the settings that a schema alone can't check."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        self._config = config
        self._streams()
        self._replication()

    def api_version(self) -> str:
        match = API_VERSION.fullmatch(str(self._config["api_version"]).strip())
        if match is None or int(match[1]) < OLDEST_API_VERSION:
            what = f"must be {OLDEST_API_VERSION}.0 or newer."
            self.problems.append(Problem("api_version", what, "Leave it out for the version the tap is tested with."))
            return ""
        return f"{int(match[1])}.0"

    def start_date(self) -> datetime | None:
        text = self._config.get("start_date")
        if not text:
            return None
        try:
            value = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", str(text).strip()))
        except ValueError:
            self.problems.append(Problem("start_date", "is no date.", "Write it as 2024-01-01T00:00:00Z."))
            return None
        # Salesforce compares milliseconds, and the state keeps them.
        value = value.replace(microsecond=value.microsecond // 1000 * 1000)
        return value if value.tzinfo else value.replace(tzinfo=timezone.utc)

    def where(self) -> dict[str, soql.Condition]:
        texts = self._config.get("where") or {}
        conditions = {name: self._condition(name, text) for name, text in texts.items()}
        return {name: condition for name, condition in conditions.items() if condition}

    def _condition(self, name: str, text: str) -> soql.Condition | None:
        try:
            return soql.given(text, f"where.{name}")
        except UserError as error:
            self.problems.append(Problem(f"where.{name}", error.what, error.remedy))
            return None

    def _streams(self) -> None:
        if self._config.get("streams") and self._config.get("streams_to_discover"):
            what = "says the same as `streams`, its newer name."
            self.problems.append(Problem("streams_to_discover", what, "Keep `streams` only."))
        for key in ("streams", "streams_to_discover"):
            for name in self._config.get(key) or ():
                if OBJECT_OR_GLOB.fullmatch(name) is None:
                    remedy = "Write API names such as Account, Invoice__c or *__c, without the stream prefix."
                    self.problems.append(Problem(key, f"{name!r} is no object name or glob.", remedy))

    def _replication(self) -> None:
        for name in self._config.get("replication") or {}:
            if OBJECT_OR_GLOB.fullmatch(name) is None:
                self.problems.append(Problem("replication", f"{name!r} is no object name or glob.", "Correct it."))
