"""
Where files of rows are kept: a directory of this machine, or wherever fsspec reaches.

A file has a temporary name until it is whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import IO, Any, Protocol

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tap_salesforce_ci.errors import UserError
from tap_salesforce_ci.settings import BatchSettings

UNFINISHED = ".part"


class Stored(Protocol):
    """A file in a storage; `out` takes its bytes and is closed behind the last, `url` is what a BATCH message names."""

    out: IO[bytes]
    url: str

    def commit(self) -> None:
        """Have the file appear under its name, whole."""

    def discard(self) -> None:
        """Have nothing stay of it."""


class Storage:
    """A directory for files, on this machine or wherever fsspec reaches."""

    def __init__(self, settings: BatchSettings) -> None:
        self._root = settings.root
        self._prefix = settings.prefix
        self._files, self._directory = fsspec.core.url_to_fs(os.path.expanduser(settings.root))  # noqa: PTH111 - or a URL

    @contextmanager
    def failing_clearly(self) -> Iterator[None]:
        """Raise UserError where the storage refuses what is done in the block."""
        try:
            yield
        except OSError as error:
            raise UserError(
                f"A batch file can't be written: {error.strerror or error}.",
                where=f"setting: batch_config.storage.root ({self._root})",
                remedy="Make room for it, or give another root, then run again: the state holds what was handed over.",
            ) from error

    def create(self, name: str) -> Stored:
        """Begin a file that nobody sees before it is committed."""
        path = f"{self._directory.rstrip('/')}/{self._prefix}{name}"
        self._files.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
        if isinstance(self._files, LocalFileSystem):
            return _LocalFile(path)
        return _RemoteFile(self._files, path)


class _LocalFile:
    def __init__(self, path: str) -> None:
        self._path = path
        # Not percent-encoded: neither fsspec nor targets that strip the scheme would decode it.
        self.url = LocalFileSystem().unstrip_protocol(path)
        self.out: IO[bytes] = open(path + UNFINISHED, "xb")  # noqa: SIM115, PTH123 - closed by its writer, or discard

    def commit(self) -> None:
        os.replace(self._path + UNFINISHED, self._path)  # noqa: PTH105

    def discard(self) -> None:
        with suppress(OSError):
            self.out.close()
        for path in (self._path + UNFINISHED, self._path):
            with suppress(OSError):
                os.unlink(path)  # noqa: PTH108


class _RemoteFile:
    """Uses fsspec's transactions: an object appears when its upload is completed."""

    def __init__(self, files: Any, path: str) -> None:
        self._files = files
        self._path = path
        self._is_committed = False
        self.url = files.unstrip_protocol(path)
        files.start_transaction()
        self.out: IO[bytes] = files.open(path, "wb")

    def commit(self) -> None:
        self._files.end_transaction()
        self._is_committed = True

    def discard(self) -> None:
        with suppress(OSError):
            if self._is_committed:
                self._files.rm_file(self._path)
                return
            self.out.close()
            self._files.transaction.complete(commit=False)
