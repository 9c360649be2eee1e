"""
Work that must not be broken off: what an answer brings is lost for good where nobody is left to take it.

It goes on in a thread of its own, whatever becomes of whoever waits for it, and the end of the process waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

NAME = "unbroken"
PATIENCE = 5.0
"""Seconds that the end of the process leaves to such work; what stops a container gives about ten."""

ResultT = TypeVar("ResultT")


def unbroken(work: Callable[[], ResultT]) -> ResultT:
    """Return what the work returns or raise what it raises; a signal's exception ends the waiting, not the work."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - what only tells of itself does not need it
    from contextvars import copy_context  # noqa: PLC0415

    from tap_salesforce_ci.heard import result_of  # noqa: PLC0415

    pool = ThreadPoolExecutor(1, thread_name_prefix=NAME)
    try:
        return result_of(pool.submit(copy_context().run, work))
    finally:
        pool.shutdown(wait=False)


def wait_for_unbroken() -> None:
    """Return when such work is done, or patience is at its end."""
    for thread in threading.enumerate():
        if thread.name.startswith(NAME):
            thread.join(PATIENCE)
