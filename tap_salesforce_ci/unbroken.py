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

LONGEST_DEAFNESS = 1.0
"""Seconds after which who waits looks up, to hear a signal that the system gave to another thread."""

ResultT = TypeVar("ResultT")


def unbroken(work: Callable[[], ResultT]) -> ResultT:
    """Return what the work returns or raise what it raises; a signal's exception ends the waiting, not the work."""
    from concurrent.futures import ThreadPoolExecutor, wait  # noqa: PLC0415 - what only tells of itself does not need it
    from contextvars import copy_context  # noqa: PLC0415

    pool = ThreadPoolExecutor(1, thread_name_prefix=NAME)
    try:
        future = pool.submit(copy_context().run, work)
        while not future.done():
            wait((future,), LONGEST_DEAFNESS)
        return future.result()
    finally:
        pool.shutdown(wait=False)


def wait_for_unbroken() -> None:
    """Return when such work is done, or patience is at its end."""
    for thread in threading.enumerate():
        if thread.name.startswith(NAME):
            thread.join(PATIENCE)
