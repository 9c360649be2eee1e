"""What a person reads on stderr while a run goes on, and when it is over."""

from tap_salesforce_ci.progress.display import display, on_terminal
from tap_salesforce_ci.progress.report import (
    NOT_STARTED,
    UNFINISHED,
    WHOLE,
    Board,
    StreamReport,
    at_work,
    doing,
    expecting,
)
from tap_salesforce_ci.progress.table import failures, size, table

__all__ = [
    "NOT_STARTED",
    "UNFINISHED",
    "WHOLE",
    "Board",
    "StreamReport",
    "at_work",
    "display",
    "doing",
    "expecting",
    "failures",
    "on_terminal",
    "size",
    "table",
]
