"""
Waiting in which a signal is heard.

The system may hand a signal to another thread than the main one, which alone hears it, and only once it runs again.
"""

from __future__ import annotations

from concurrent.futures import Future, wait
from typing import TypeVar

LONGEST_DEAFNESS = 1.0
"""Seconds after which who waits looks up."""

ResultT = TypeVar("ResultT")


def result_of(future: Future[ResultT]) -> ResultT:
    """Return a future's result once it is there, or raise what it ended with."""
    while not future.done():
        wait((future,), LONGEST_DEAFNESS)
    return future.result()
