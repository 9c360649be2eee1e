"""The body of an answer: gathered chunk by chunk, unpacked, and read only when it is known to be whole."""

from __future__ import annotations

import tempfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import IO

from isal import igzip_lib, isal_zlib

from tap_salesforce_ci.errors import BrokenPromise, UserError

LONGEST_BODY = 2 << 30
"""Bytes; Salesforce's own bound for one result file is 1 GB (Bulk API 2.0 limits)."""

LARGEST_PART = 1 << 20
"""Bytes unpacked at once: what a few packed bytes unpack to may be a thousand times as long."""

HEAD = 65_536
ROOM_PER_BYTE = 1.5
"""Bytes that an unpacked byte may need: it becomes columns, and short values have long offsets there."""

NO_FILE_FITS = "A result page is larger than the room in memory, and can't be kept in a temporary file"


class TornBody(Exception):  # noqa: N818 - as the other errors are
    """The body is cut or corrupt; another try may bring it whole."""


class Body:
    """
    A body as it comes, `size` bytes unpacked and `wire_bytes` on the wire; `head` is how it begins.

    `room` is asked before more bytes are held, and says whether they may be. Where they may not, the body is kept
    packed, in a temporary file if need be, and unpacked once more by whoever reads it: `in_memory` says which. Without
    `room` all of it is held.
    """

    def __init__(self, encoding: str, room: Callable[[int], bool] | None = None) -> None:
        self.size = 0
        self.wire_bytes = 0
        self.head = b""
        self.in_memory = True
        self.ends_line = False
        self._gzip = Gzip() if encoding.lower() == "gzip" else None
        self._room = room
        self._wire: list[bytes] = []
        self._parts: deque[bytes] = deque()
        self._file: IO[bytes] | None = None

    def gather(self, chunks: Iterable[bytes]) -> None:
        """
        Take all chunks from the wire.

        Raises TornBody where the body is cut or corrupt, BrokenPromise where it is too long.
        """
        with ExitStack() as if_torn:
            if_torn.callback(self.close)
            for chunk in chunks:
                self._add(chunk)
            if self._gzip and self.wire_bytes and not self._gzip.whole:
                raise TornBody("the gzip body ends early")
            if_torn.pop_all()

    def close(self) -> None:
        """Let go of everything; nothing can be read any more."""
        self._parts.clear()
        self._wire.clear()
        if self._file is not None:
            self._file.close()

    @property
    def needed(self) -> int:
        """Bytes of room that it takes to hold all of it and to make columns of it."""
        return self.wire_bytes + int(self.size * ROOM_PER_BYTE)

    @property
    def packed_in_memory(self) -> int:
        """Bytes held of what came over the wire."""
        return sum(map(len, self._wire))

    def blocks(self) -> Iterator[bytes]:
        """Yield the body in blocks, as often as it is asked for; what is read is not held any longer."""
        if not self._parts:
            yield from self._from_wire()
        while self._parts:
            yield self._parts.popleft()

    def whole(self) -> bytes:
        """Return the body in one piece."""
        return b"".join(self.blocks())

    def checksum(self) -> int:
        """Return the CRC-32 of the unpacked body."""
        found = 0
        for block in self._from_wire():
            found = isal_zlib.crc32(block, found)
        return found

    def _from_wire(self) -> Iterator[bytes]:
        gzip = Gzip() if self._gzip else None
        for chunk in self._file_chunks(self._file) if self._file else self._wire:
            yield from gzip.unpacked(chunk) if gzip else (chunk,)

    def _add(self, chunk: bytes) -> None:
        self.wire_bytes += len(chunk)
        if self._room is not None:
            self._keep(chunk)
        for part in self._gzip.unpacked(chunk) if self._gzip else (chunk,):
            self.size += len(part)
            self.ends_line = part.endswith(b"\n")
            if self.size >= LONGEST_BODY:
                raise BrokenPromise(
                    f"An answer is longer than {LONGEST_BODY:,} bytes.",
                    remedy="Check that `domain` or `instance_url` is a Salesforce host.",
                )
            if len(self.head) < HEAD:
                self.head += part[: HEAD - len(self.head)]
            if self._room is None or (self._gzip and self.in_memory):
                self._parts.append(part)
                self._ask_for_room()
        self._ask_for_room()

    def _ask_for_room(self) -> None:
        if self._room is None or self._file is not None:
            return
        if self.in_memory and not self._room(self.needed):
            self.in_memory = False
            self._parts.clear()
        if not self.in_memory and not self._room(self.wire_bytes):
            self._to_file()

    # What came over the wire

    def _keep(self, chunk: bytes) -> None:
        if self._file is None:
            self._wire.append(chunk)
        else:
            self._write(self._file, (chunk,))

    def _to_file(self) -> None:
        try:
            self._file = tempfile.TemporaryFile(prefix="tap-salesforce-ci-")
        except OSError as error:
            raise self._no_file(error) from None
        self._write(self._file, self._wire)
        self._wire.clear()

    def _write(self, file: IO[bytes], chunks: Iterable[bytes]) -> None:
        try:
            file.writelines(chunks)
        except OSError as error:
            raise self._no_file(error) from None

    def _file_chunks(self, file: IO[bytes]) -> Iterator[bytes]:
        try:
            file.seek(0)
            while chunk := file.read(LARGEST_PART):
                yield chunk
        except OSError as error:
            raise self._no_file(error) from None

    def _no_file(self, error: OSError) -> UserError:
        return UserError(
            f"{NO_FILE_FITS}: {error.strerror or type(error).__name__}.",
            where="environment: TMPDIR, or setting: max_bytes_in_flight",
            remedy="Free some space there, point TMPDIR to another folder, or raise `max_bytes_in_flight`.",
        )


class Gzip:
    """Unpacks a gzip body: one member, or several one behind the other (RFC 1952)."""

    def __init__(self) -> None:
        self._member = isal_zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def whole(self) -> bool:
        """Whether the body may end here."""
        return bool(self._member.eof)

    def unpacked(self, chunk: bytes) -> Iterator[bytes]:
        """
        Yield what a chunk holds, in parts of a bounded length.

        Raises TornBody where it is corrupt.
        """
        while chunk:
            if self._member.eof:
                self._member = isal_zlib.decompressobj(16 + zlib.MAX_WBITS)
            part = self._part(chunk)
            while part:
                yield part
                # What a full part left behind may be within the unpacker, all of its input read.
                rest = self._member.unconsumed_tail
                part = self._part(rest) if rest or len(part) == LARGEST_PART else b""
            chunk = self._member.unused_data

    def _part(self, chunk: bytes) -> bytes:
        try:
            part: bytes = self._member.decompress(chunk, LARGEST_PART)
        except igzip_lib.IsalError as error:
            raise TornBody("corrupt gzip body") from error
        return part
