"""The composition root: settings in, clock and chance in, streams out."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from functools import cached_property
from types import FrameType
from typing import Any, ClassVar, cast

from singer_sdk import Stream, Tap
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities

from tap_salesforce_ci import __version__, about, bookmarks, redaction
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.limits import Allowance
from tap_salesforce_ci.client.retry import RetryPolicy
from tap_salesforce_ci.client.transport import Transport
from tap_salesforce_ci.definitions import from_catalog, from_org, with_methods
from tap_salesforce_ci.run import Run, Source
from tap_salesforce_ci.settings import CONFIG_JSONSCHEMA, SECRETS, Settings, tidied
from tap_salesforce_ci.streams import SalesforceStream
from tap_salesforce_ci.writer import BlockWriter

USER_AGENT = f"tap-salesforce-ci/{__version__}"
SIGNALLED = 128
"""A shell's exit code for a process that a signal ended: this, and the signal's number."""


class SalesforceTap(Tap):
    """Every queryable object of a Salesforce org as a stream."""

    name = "tap-salesforce-ci"
    package_name = "tap-salesforce-ci"
    dynamic_catalog = True
    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG_JSONSCHEMA
    message_writer_class = BlockWriter
    message_writer: BlockWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.TEST,
        PluginCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.BATCH,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    about_formatter = about.DescribedText
    """Registered for `--about` by being defined; named here so that it is seen to be used."""

    def __init__(self, *, catalog: Any = None, **options: Any) -> None:
        # Made before any thread that waits for it.
        self._ending = threading.Event()
        given = with_methods(catalog) if isinstance(catalog, Mapping) else catalog
        super().__init__(catalog=given, **options)

    # Settings

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Make the settings; raises UserError with all problems at once, where raising is asked for."""
        self.append_builtin_config(self.config_jsonschema)
        self._config = tidied(self._config)
        redaction.protect(str(value) for name, value in self._config.items() if name in SECRETS)
        if raise_errors:
            self.settings = Settings.from_config(self._config, self.logger.warning)
        return []

    @cached_property
    def client(self) -> Client:
        """The one client of this tap."""
        settings = self.settings
        return Client(
            settings.auth,
            Transport(settings.user_agent or USER_AGENT, settings.request_timeout, settings.max_workers),
            api_version=settings.api_version,
            allowance=Allowance(settings.quota_percent_total, settings.quota_percent_per_run),
            retry=RetryPolicy(random.random),
            sleep=self._sleep,
            opened=lambda session: redaction.protect(filter(None, (session.token, session.refresh_token))),
            max_workers=settings.max_workers,
        )

    def _sleep(self, seconds: float) -> None:
        self._ending.wait(seconds)

    # Streams

    def setup_mapper(self) -> None:
        """Build the streams first: fields that changed since the catalog was made change the schemas in it."""
        streams = self.streams.values()
        super().setup_mapper()
        changed = [each.name for each in streams if isinstance(each, SalesforceStream) and not each.is_plain]
        if self.settings.batch and changed:
            self.logger.warning(
                "`batch_config`: RECORD messages are written for streams that are mapped or flattened: %s",
                ", ".join(changed),
            )

    def discover_streams(self) -> list[Stream]:
        """Return the streams: of the catalog where there is one, else of the org."""
        catalog = self.input_catalog
        if catalog is None:
            definitions = from_org(self.client, self.settings)
        else:
            definitions = from_catalog(self.client, self.settings, catalog)
        select = self.settings.select_fields_by_default
        return [SalesforceStream(self, definition, lambda: self.run, select) for definition in definitions]

    @cached_property
    def run(self) -> Run:
        """The run that the selected streams belong to."""
        state = cast("dict[str, Any]", self._state)
        return Run(
            self.client, self.settings, self.message_writer, state, monotonic=time.monotonic, sources=self._sources
        )

    def _sources(self) -> dict[str, tuple[str, Source]]:
        streams = [stream for stream in self.streams.values() if isinstance(stream, SalesforceStream)]
        return {stream.name: (stream.definition.object, stream.source) for stream in streams if stream.is_read}

    # State

    def load_state(self, state: dict[str, Any]) -> None:
        """Take the state as it is, keys of other taps included; raises UserError for what is no state."""
        self._state.update(bookmarks.adopted(state))  # type: ignore[typeddict-item]

    # The end

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End at a message boundary with the last state and the exit code of the signal."""
        self.message_writer.when_free(lambda: self._terminate(signum))

    def _terminate(self, signum: int) -> None:
        self._ending.set()
        if "run" in self.__dict__:
            self.run.stop()
            self.run.write_state()
        raise SystemExit(SIGNALLED + signum)
