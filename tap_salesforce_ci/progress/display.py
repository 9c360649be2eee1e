"""When there is a display: a terminal that someone looks at, and nothing else that writes to it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TextIO

from tap_salesforce_ci.progress import log
from tap_salesforce_ci.progress.picture import Painter
from tap_salesforce_ci.redaction import RedactedText

DUMB = frozenset({"", "dumb", "unknown"})


def on_terminal(stream: TextIO | RedactedText) -> bool:
    """Say whether what is written to a stream appears on a terminal that can do more than print lines."""
    return stream.isatty() and os.environ.get("TERM", "") not in DUMB


@contextmanager
def display(
    painter: Callable[[], Painter], undisturbed: Callable[[], AbstractContextManager[None]], *, quiet: bool
) -> Iterator[None]:
    """Show pictures on stderr for the time of the block, where stderr is a terminal and `quiet` is not asked for."""
    stderr = sys.stderr
    if quiet or not isinstance(stderr, RedactedText) or not on_terminal(stderr):
        yield
        return
    # A library that only a terminal needs is not waited for elsewhere.
    from tap_salesforce_ci.progress.screen import Screen, shown  # noqa: PLC0415

    screen = Screen(stderr, painter())
    if not screen.is_usable:
        yield
        return
    with log.drawn(), shown(screen, undisturbed):
        yield
