"""
What can go wrong, named for its remedy.

* TapError
  + UserError            a setting or a permission must change; exit 2
    - ObjectRefused      Salesforce answers no plain query on this object
    - NotFound           the resource does not exist, or this user may not see it
    - LoginRefused       Salesforce opens no session with these settings; nothing else can go on
    - BadField           the query names a field that this user cannot read
  + BudgetError          the org's API allowance is spent, later will do; exit 3
  + TransientError       the same request may succeed now; exit 1 once the retries are used up
    - SessionExpired     once a new session is opened
  + BrokenPromise        Salesforce answered outside its documentation; exit 4
    - LostCursor         the query locator is gone; the query must be asked again
  + QueryTimeout         a smaller question would be answered; exit 1
  + BulkRefused          Bulk API 2.0 will not answer this query, REST may; exit 2
  + UrlTooLong           the request line is longer than Salesforce reads; exit 4
  + Defect               a fault of the tap itself; exit 1
"""

from __future__ import annotations

import copy
from typing import ClassVar


class TapError(Exception):
    """
    Anything the tap can explain, in three short lines: what, where, what next.

    `where` names the object, field or setting; `code` is Salesforce's errorCode, if it gave one.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "", code: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy
        self.code = code

    def __str__(self) -> str:
        return "\n".join(line for line in (self.what, self.where, self.remedy) if line)

    def at(self, where: str) -> TapError:
        """Return a copy that is placed; what it says of its place already is kept behind."""
        placed = copy.copy(self)
        if where not in self.where:
            placed.where = f"{where} ({self.where})" if self.where else where
        return placed


class UserError(TapError):
    """Someone must change a setting or a permission."""

    exit_code = 2


class ObjectRefused(UserError):
    """Salesforce answers no plain query on this object."""


class NotFound(UserError):
    """The resource does not exist, or this user may not see it."""


class LoginRefused(UserError):
    """Salesforce opens no session with these settings; nothing else can go on."""


class BadField(UserError):
    """The query names a field that does not exist, or that this user may not read."""


class BudgetError(TapError):
    """The org's API allowance is spent; later will do."""

    exit_code = 3


class TransientError(TapError):
    """
    The same request may succeed now.

    `wait` is how many seconds Salesforce asked us to wait (`Retry-After`), if it did.
    """

    def __init__(
        self, what: str, *, where: str = "", remedy: str = "", code: str = "", wait: float | None = None
    ) -> None:
        super().__init__(what, where=where, remedy=remedy, code=code)
        self.wait = wait


class SessionExpired(TransientError):
    """The request will succeed with a new session."""


class BrokenPromise(TapError):
    """Salesforce answered outside its documentation, or the answer was cut."""

    exit_code = 4


class LostCursor(BrokenPromise):
    """The query locator is gone; the query must be asked again."""


class QueryTimeout(TapError):
    """Salesforce gave up on the query; a smaller one would be answered."""


class BulkRefused(TapError):
    """Bulk API 2.0 will not answer this query; REST may."""

    exit_code = 2


class UrlTooLong(TapError):
    """The request line is longer than Salesforce reads (16,384 bytes)."""

    exit_code = 4


class Defect(TapError):
    """A fault of the tap itself: please report it with the log."""
