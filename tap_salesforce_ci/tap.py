"""The composition root: settings in, clock and chance in, streams out."""

from __future__ import annotations

import io
import json
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.tap_base import Tap

from tap_salesforce_ci import __version__, about, bookmarks, given, redaction
from tap_salesforce_ci.catalog import catalog_text
from tap_salesforce_ci.client import job_notes
from tap_salesforce_ci.client.describe_cache import DescribeCache
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.job_notes import JobNotes
from tap_salesforce_ci.client.limits import Allowance
from tap_salesforce_ci.client.retry import RetryPolicy
from tap_salesforce_ci.definitions import Definition, from_catalog, from_org, only_selected, with_methods
from tap_salesforce_ci.discovery import Discovery
from tap_salesforce_ci.errors import BadField, NotFound, UserError
from tap_salesforce_ci.progress import Board, display, log, on_terminal
from tap_salesforce_ci.progress.picture import DiscoveryPainter, Painter, RunPainter
from tap_salesforce_ci.settings import CONFIG_JSONSCHEMA, SECRETS, Settings, tidied
from tap_salesforce_ci.writer import BlockWriter

if TYPE_CHECKING:
    from singer_sdk.streams.core import Stream

    from tap_salesforce_ci.items import Item
    from tap_salesforce_ci.reader import Reader
    from tap_salesforce_ci.run import Run, Source
    from tap_salesforce_ci.streams import SalesforceStream

USER_AGENT = f"tap-salesforce-ci/{__version__}"
SIGNALLED = 128
"""A shell's exit code for a process that a signal ended: this, and the signal's number."""

NO_CACHE = "off"
ENVIRONMENT = "ENV"
"""What stands for the environment in the place of a settings file."""


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
        self._exit_code: int | None = None
        self._left_out = 0
        self._discovery = Discovery()
        if isinstance(catalog, Mapping):
            whole, catalog = catalog, with_methods(only_selected(catalog))
            self._left_out = len(whole.get("streams", ())) - len(catalog["streams"])
        super().__init__(catalog=catalog, **options)

    # Settings

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Make the settings; raises UserError with all problems at once, where raising is asked for."""
        self.append_builtin_config(self.config_jsonschema)
        self._config = tidied(self._config)
        redaction.protect(str(value) for name, value in self._config.items() if name in SECRETS)
        log.settle(quiet=self._config["quiet"] is True, tap=self.name)
        unknown = sorted(set(self._config) - set(self.config_jsonschema["properties"]))
        if unknown:
            self.logger.warning("There is no such setting, it is not used: %s (see --about)", ", ".join(unknown))
        if raise_errors:
            self.settings = Settings.from_config(self._config, self.logger.warning)
        return []

    @cached_property
    def client(self) -> Client:
        """The one client of this tap."""
        from tap_salesforce_ci.client.transport import Transport  # noqa: PLC0415 - requests is slow to load

        settings = self.settings
        return Client(
            settings.auth,
            Transport(settings.user_agent or USER_AGENT, settings.request_timeout, settings.max_workers),
            api_version=settings.api_version,
            allowance=Allowance(settings.quota_percent_total, settings.quota_percent_per_run),
            retry=RetryPolicy(random.random),
            sleep=self._sleep,
            max_workers=settings.max_workers,
            answered=log.answered,
        )

    @cached_property
    def describe_cache(self) -> DescribeCache | None:
        """What describes are kept in between runs; None where that is switched off."""
        place = self.settings.describe_cache
        if place is not None and place.lower() == NO_CACHE:
            return None
        return DescribeCache(self.client, Path(place).expanduser() if place else None)

    def _sleep(self, seconds: float) -> None:
        self._ending.wait(seconds)

    # Streams

    def setup_mapper(self) -> None:
        """Build the streams first: fields that changed since the catalog was made change the schemas in it."""
        streams = self._tables()
        super().setup_mapper()
        changed = [each.name for each in streams if not each.is_plain]
        if self.settings.batch and changed:
            self.logger.warning(
                "`batch_config`: RECORD messages are written for streams that are mapped or flattened: %s",
                ", ".join(changed),
            )

    def _set_compatible_replication_methods(self) -> None:
        """Begin a sync; raises TapError where there is nothing to read: an empty catalog is a finding, not a run."""
        if not self.streams and self.input_catalog is None:
            raise self._discovery.nothing_to_read(self.settings)
        super()._set_compatible_replication_methods()

    def discover_streams(self) -> list[Stream]:
        """Return the streams: of the catalog where there is one, else of the org."""
        from tap_salesforce_ci.streams import SalesforceStream  # noqa: PLC0415 - pyarrow is slow to load

        select = self.settings.select_fields_by_default
        return [SalesforceStream(self, definition, lambda: self.run, select) for definition in self._definitions()]

    def _tables(self) -> list[SalesforceStream]:
        return cast("list[SalesforceStream]", list(self.streams.values()))

    def _definitions(self) -> Iterator[Definition]:
        for definition in self._found():
            self._end_if_told()
            yield definition

    def _found(self) -> Iterator[Definition]:
        catalog, board, cache = self.input_catalog, Board(), self.describe_cache
        with self._display(lambda: DiscoveryPainter(board, self.client.allowance, time.monotonic)):
            if catalog is None:
                yield from from_org(
                    self.client, self.settings, self._discovery, cache=cache, describing=board.describing
                )
            else:
                yield from from_catalog(self.client, self.settings, catalog, cache=cache, describing=board.describing)

    def run_discovery(self) -> str:
        """Write the catalog to stdout, and return it; where there is none yet, no stream is made for it."""
        if self.input_catalog is not None:
            return super().run_discovery()
        text = catalog_text(self._definitions(), select_fields=self.settings.select_fields_by_default)
        self.message_writer.write_block(text)
        return text.decode()

    @cached_property
    def run(self) -> Run:
        """The run that the selected streams belong to."""
        from tap_salesforce_ci.run import Run  # noqa: PLC0415 - pyarrow is slow to load

        self._end_if_told()
        state = cast("dict[str, Any]", self._state)
        return Run(
            self.client,
            self.settings,
            self.message_writer,
            state,
            job_notes=self._job_notes,
            monotonic=time.monotonic,
            sources=self._sources,
        )

    def _job_notes(self) -> JobNotes:
        told = {name: value for name, value in self._config.items() if name not in SECRETS}
        name = job_notes.belonging_to(told, self.client.session.instance_url)
        return JobNotes(job_notes.folder(), name, now=time.time())  # noqa: TID251 - how old notes are

    def _display(self, painter: Callable[[], Painter]) -> AbstractContextManager[None]:
        return display(painter, self.message_writer.undisturbed, quiet=self.settings.quiet)

    def _sources(self) -> dict[str, tuple[str, Source]]:
        self._show_run()
        for name, error in self._discovery.failed.items():
            # A table that was asked for and is not there must not look like success.
            self.run.fail(self.settings.stream_prefix + name, error.at(f"object: {name}"))
        streams = self._tables()
        log.deselected(self._left_out + sum(not stream.selected for stream in streams))
        return {stream.name: (stream.definition.object, self._watched(stream)) for stream in streams if stream.is_read}

    def _watched(self, stream: SalesforceStream) -> Source:
        """Return a stream's source; where Salesforce refuses what a describe told of, no describe is kept longer."""

        def items(reader: Reader) -> Iterator[Item]:
            try:
                yield from stream.source(reader)
            except (BadField, NotFound):
                if self.describe_cache is not None:
                    self.describe_cache.forget()
                raise

        return items

    def _show_run(self) -> None:
        """Let a person see from now on how far the run is; records that scroll by would be drawn over."""
        if self.at_end is None:
            return
        # What is told at the end comes when nothing is drawn any more.
        self.at_end.callback(self._tell_if_signalled)
        if not on_terminal(sys.stdout):
            run, allowance = self.run, self.client.allowance
            self.at_end.enter_context(self._display(lambda: RunPainter(run.reports, allowance, time.monotonic)))

    def _tell_if_signalled(self) -> None:
        if self._ending.is_set():
            self.run.tell()

    # State

    def load_state(self, state: dict[str, Any]) -> None:
        """Take the state as it is, keys of other taps included; raises UserError for what is no state."""
        self._state.update(bookmarks.adopted(state))  # type: ignore[typeddict-item]

    # The command

    at_end: ClassVar[ExitStack | None] = None
    """What is undone when the command ends, whatever ends it."""

    @classmethod
    def invoke(cls, **options: Any) -> None:
        """Run as the SDK does, and leave the terminal as it was."""
        for name, read in (("catalog", given.catalog), ("state", given.json_object)):
            file = options.get(name)
            if file is not None:
                where = f"--{name} {file.name}"
                options[name] = io.StringIO(json.dumps(read(given.text_of(file, where), where)))
        with ExitStack() as cls.at_end:
            try:
                super().invoke(**options)
            except SystemExit as end:
                log.ended_by_signal(end.code, SIGNALLED)
                raise

    @classmethod
    def cb_config(cls, ctx: Any, param: Any, value: tuple[str, ...]) -> Any:
        """Read the config as the SDK does; `quiet` holds before the first line is logged."""
        for path in value:
            if path != ENVIRONMENT:
                given.config_file(path)
        found = super().cb_config(ctx, param, value)
        # The SDK logs what it finds in the environment, and will again.
        log.settle(quiet=True, tap=cls.name)
        config = tidied({**found.config, **(cls._from_environment() if found.parse_env else {})})
        log.settle(quiet=config["quiet"] is True, tap=cls.name)
        return found

    @classmethod
    def _from_environment(cls) -> dict[str, Any]:
        """Return what the SDK reads in the environment; raises UserError, naming the variable it can't read."""
        try:
            found: dict[str, Any] = cls._env_var_config
        except ValueError:
            for setting, schema in cls.config_jsonschema["properties"].items():
                try:
                    parse_environment_config({"properties": {setting: schema}}, cls._env_var_prefix)
                except ValueError:
                    kind = "a whole number" if "integer" in schema["type"] else "JSON"
                    raise UserError(
                        f"The variable is not {kind}.",
                        where=f"setting: {setting} ({cls._env_var_prefix}{setting.upper()})",
                        remedy=f"Write {kind}.",
                    ) from None
            raise
        return found

    # The end

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End at a message boundary with the last state and the exit code of the signal."""
        self.message_writer.when_free(lambda: self._terminate(signum))

    def _terminate(self, signum: int) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            # Said twice, it means the same: nothing may disturb the end.
            signal.signal(each, signal.SIG_IGN)
        self._exit_code = SIGNALLED + signum
        self._ending.set()
        if "run" in self.__dict__:
            self.run.stop(self._exit_code)
            self.run.write_state()
        self._end_if_told()

    def _end_if_told(self) -> None:
        """End where a signal asked for it: Python may have swallowed the exception that said so first."""
        if self._exit_code is not None:
            raise SystemExit(self._exit_code)
