"""Faults of the line: the answer is right and does not arrive."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tap_salesforce_ci.demo.deliveries import Corrupted, Cut, Reset, Stalled
from tap_salesforce_ci.demo.faults.triggers import Fault

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.deliveries import Length
    from tap_salesforce_ci.demo.faults.triggers import Struck
    from tap_salesforce_ci.demo.request_log import Request
    from tap_salesforce_ci.demo.wire import Response


@dataclass(frozen=True)
class CutBody(Fault):
    """
    The body ends at a part of its length.

    `length` is what the headers said of it: that of the `whole`, that of what was `cut` (so that only counting
    tells), `none`, or `chunked` without the last chunk.
    """

    at: float = 0.5
    length: Length = "whole"

    def spoiled(self, org: Struck, request: Request, response: Response) -> Response:
        """The answer, to be cut."""
        del org, request
        return replace(response, delivery=Cut(self.at, self.length))


@dataclass(frozen=True)
class Stall(Fault):
    """The answer keeps the client waiting, at once or when a part of it is sent, until `release`."""

    at: float = 0.0
    _stalled: list[Stalled] = field(default_factory=list, repr=False, compare=False)

    def spoiled(self, org: Struck, request: Request, response: Response) -> Response:
        """The answer, to be waited for."""
        del org, request
        stalled = Stalled(self.at)
        self._stalled.append(stalled)
        return replace(response, delivery=stalled)

    def release(self) -> None:
        """Let every stalled answer go on."""
        for each in self._stalled:
            each.release()


@dataclass(frozen=True)
class ResetConnection(Fault):
    """The connection is reset, before the answer or when a part of it is sent."""

    at: float = 0.0

    def spoiled(self, org: Struck, request: Request, response: Response) -> Response:
        """The answer, to be torn off."""
        del org, request
        return replace(response, delivery=Reset(self.at))


@dataclass(frozen=True)
class CorruptGzip(Fault):
    """The body is compressed, and its checksum does not hold."""

    def spoiled(self, org: Struck, request: Request, response: Response) -> Response:
        """The answer, to be corrupted."""
        del org, request
        return replace(response, delivery=Corrupted())
