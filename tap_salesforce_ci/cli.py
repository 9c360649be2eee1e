"""One door: Singer by default, `connect` and `demo` by name; every error told in three lines."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from tap_salesforce_ci import __version__, on_demand
from tap_salesforce_ci.errors import TapError
from tap_salesforce_ci.redaction import RedactedText
from tap_salesforce_ci.unbroken import wait_for_unbroken

OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""Python looks for dead cycles every 700 new objects; a page of rows has more values than that, and makes no cycles."""

INTERRUPTED = 130
"""The exit code of a shell for Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command that the arguments name, and exit."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.stderr = RedactedText(sys.stderr)
    try:
        code = _run(words)
    except TapError as error:
        print(error, file=sys.stderr)  # noqa: T201
        code = error.exit_code
    except KeyboardInterrupt:
        # Before the tap is there to hear of it.
        code = INTERRUPTED
    _leave(code)


def _run(words: list[str]) -> int:
    match words:
        case ["connect", *rest]:
            from tap_salesforce_ci.connect.command import run as connect  # noqa: PLC0415

            return connect(rest)
        case ["demo", *rest]:
            from tap_salesforce_ci.demo.__main__ import main as demo  # noqa: PLC0415

            return demo(rest)
        case ["--version"]:
            return _say_version()
        case _:
            return _singer(words)


def _say_version() -> int:
    """Say what the SDK would, without loading it."""
    print(f"tap-salesforce-ci v{__version__}, Meltano SDK v{version('singer-sdk')}")  # noqa: T201
    return 0


def _singer(words: list[str]) -> int:
    on_demand.defer("singer_sdk", "singer_sdk.streams")
    from tap_salesforce_ci.tap import SalesforceTap  # noqa: PLC0415 - so that the other doors open at once

    try:
        SalesforceTap.cli(words, prog_name=SalesforceTap.name)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _leave(code: int) -> NoReturn:
    """Exit without waiting for requests that are still under way, but for one that would be lost."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or 1
    try:
        wait_for_unbroken()
    finally:
        os._exit(code)
