"""From what a read yields to what is handed to the target: pages become files."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from tap_salesforce_ci.batch.files import BatchFile, BatchFiles
from tap_salesforce_ci.bookmarks import Reading
from tap_salesforce_ci.errors import TapError
from tap_salesforce_ci.items import Begin, Item, Page, Whole


@dataclass(frozen=True, slots=True)
class Filed:
    """A whole file to hand over; once it is, `left` is what remains of the read, as of a page."""

    file: BatchFile
    left: Reading | None

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return self.file.rows


def filed(items: Iterator[Item], begun: Callable[[], BatchFiles]) -> Generator[Begin | Filed | Whole, None, None]:
    """
    Yield a read's items with its pages put into files, in their order; `begun` is asked for new ones at each Begin.

    A file's `left` is that of the last page which is wholly in it or in one before. No file goes beyond the end of a
    read, and rows that came before an error are handed over before it is raised. What is unfinished when the consumer
    goes away is removed.
    """
    files: BatchFiles | None = None
    left: Reading | None = None
    try:
        for item in _then_error(items):
            if isinstance(item, Page):
                assert files is not None, "a read yields Begin before its pages"
                for block in item.rows.blocks():
                    yield from _of(files.add(block), left)
                left = item.left
                yield from _of(files.full(), left)
                continue
            if files is not None:
                yield from _of(files.rest(), left)
            if isinstance(item, TapError):
                raise item
            yield item
            if isinstance(item, Begin):
                files, left = begun(), item.left
    finally:
        if files is not None:
            files.discard()


def _then_error(items: Iterator[Item]) -> Iterator[Item | TapError]:
    try:
        yield from items
    except TapError as error:
        yield error


def _of(files: Iterator[BatchFile], left: Reading | None) -> Iterator[Filed]:
    return (Filed(file, left) for file in files)
