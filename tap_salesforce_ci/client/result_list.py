"""
Where a job's result pages begin, so that several can be fetched at once.

Source: Bulk API 2.0 Developer Guide, "Get Parallel Results for a Query Job"; API version 58.0 and later.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import msgspec

from tap_salesforce_ci.client.bulk import jobs_path, read_answer
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.rest import path_of
from tap_salesforce_ci.errors import BudgetError, LoginRefused, TapError

MOST_ANSWERS = 20_000
"""Answers that a list may take, five pages each; behind the last page that is known, the locators lead on."""


class _Link(msgspec.Struct, rename="camel"):
    result_url: str


class _Links(msgspec.Struct, rename="camel"):
    result_pages: tuple[_Link, ...] = ()
    next_records_url: str | None = None
    next_record_url: str | None = None
    done: bool = True


# Made here, once: see `bulk`.
_LINKS = msgspec.json.Decoder(_Links)


def starts_from(client: Client, job: str, start: str | None) -> list[str] | None:
    """
    Return the locators of a job's result pages, from `start` on (None: all).

    None where Salesforce can't list them: the locators say the same, one after the other. Raises BudgetError and
    LoginRefused, which would be raised by what is asked next.
    """
    locators: list[str] = []
    path = f"{jobs_path(client, job)}/resultPages"
    asked: set[str] = set()
    while path and path not in asked and len(asked) < MOST_ANSWERS:
        asked.add(path)
        try:
            links = read_answer(client.get(path).body, _LINKS, path)
        except (BudgetError, LoginRefused):
            raise
        except TapError:
            return None
        locators += [_locator(link.result_url) for link in links.result_pages]
        path = "" if links.done else path_of(links.next_records_url or links.next_record_url or "")
    if start is not None:
        locators = locators[locators.index(start) :] if start in locators else []
    return locators if all(locators) and len(set(locators)) == len(locators) else None


def _locator(url: str) -> str:
    """Return the locator that an address names; a `+` that is not percent-encoded is one of its own characters."""
    pairs = (pair.partition("=") for pair in urlsplit(url).query.split("&"))
    return next((unquote(value) for name, _, value in pairs if name == "locator"), "")
