"""A read that is whole only where Salesforce counts as many rows as were read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

from tap_salesforce_ci import progress
from tap_salesforce_ci.client import rest
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.errors import BrokenPromise, BudgetError, LoginRefused, UserError
from tap_salesforce_ci.items import Begin, Item, Whole
from tap_salesforce_ci.plan import Read

logger = logging.getLogger(__name__)


def verified(
    client: Client, read: Read, items: Callable[[Read], Iterator[Item]], tidy_up: Callable[[str], None]
) -> Iterator[Item]:
    """
    Yield the items of a read, and Whole once COUNT() has confirmed it; a read that differs is done once more.

    Raises BrokenPromise where it differs again. What Salesforce refuses to count is a warning.
    """
    for last in (False, True):
        rows, began, whole = 0, Begin(), None
        for item in items(read):
            if isinstance(item, Whole):
                whole = item
                break
            if isinstance(item, Begin):
                began = item
                rows = item.left.job.rows if item.left and item.left.job else 0
            else:
                rows += item.rows.num_rows
            yield item
        if whole is None:
            return
        counted = _count(client, read, began, whole)
        if counted in {None, rows}:
            yield whole
            return
        differing = f"{rows:,} rows were read where COUNT() says {counted:,}"
        if whole.job:
            tidy_up(whole.job)
        if last:
            raise BrokenPromise(
                f"{differing}, and that twice in a row.",
                where=f"object: {read.table.object}",
                remedy="Run again when fewer rows change, or without `verify_counts`; the state is kept.",
            )
        logger.warning("%s: read once more, because %s", read.table.object, differing)
        read = replace(read, window=replace(read.window, until=whole.until), resume=None)


def _count(client: Client, read: Read, began: Begin, whole: Whole) -> int | None:
    """Return how many rows there are of what was read; None where Salesforce refuses to count them."""
    progress.doing("count")
    left = began.left if began.left and began.left.reached else None
    read = replace(read, window=replace(read.window, until=whole.until), resume=left)
    try:
        return rest.count(client, read.ordered_query, include_deleted=read.table.include_deleted)
    except (BudgetError, LoginRefused):
        raise
    except UserError as error:
        logger.warning("%s: can't be verified, because %s", read.table.object, error.what)
        return None
