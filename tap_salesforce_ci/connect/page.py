"""What the browser shows at the end of the login: that it worked, or what to do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from tap_salesforce_ci.errors import TapError

GOOD = "#2e844a"
BAD = "#ba0517"
OK = 200
REFUSED = 400


@dataclass(frozen=True, slots=True)
class Page:
    """A heading and some paragraphs, all plain text."""

    status: int
    heading: str
    paragraphs: tuple[str, ...]

    def html(self) -> bytes:
        """Return the page as the browser takes it."""
        filled = _template().substitute(
            heading=escape(self.heading),
            paragraphs="\n".join(f"<p>{escape(text)}</p>" for text in self.paragraphs),
            colour=GOOD if self.status == OK else BAD,
        )
        return filled.encode()


@cache
def _template() -> Template:
    return Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))


def connected(*paragraphs: str) -> Page:
    """Return the page of a login that worked."""
    return Page(OK, "Salesforce is connected", (*paragraphs, "You can close this window."))


def not_connected(error: TapError) -> Page:
    """Return the page of a login that failed: what happened, where, and what to do."""
    lines = (error.what, error.where, error.remedy, "Nothing was written.")
    return Page(REFUSED, "Salesforce is not connected", tuple(line for line in lines if line))


BROKEN_OFF = Page(
    REFUSED, "Salesforce is not connected", ("The command stopped: its window in the terminal says why.",)
)
ANOTHER_LOGIN = Page(
    REFUSED,
    "This is not the login that is waited for",
    ("Use the address that the running `tap-salesforce-ci connect` shows in the terminal. It goes on waiting.",),
)
USED = Page(410, "This login has been used already", ("The terminal says how it ended. You can close this window.",))
NOTHING_HERE = Page(404, "There is nothing here", ("Only Salesforce's way back from the login ends here.",))
