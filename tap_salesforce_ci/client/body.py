"""The body of an answer: gathered chunk by chunk, unpacked, and read only when it is known to be whole."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import IO, Any, Protocol

from isal import isal_zlib

from tap_salesforce_ci.errors import BrokenPromise, UserError

LONGEST_BODY = 2 << 30
"""Bytes; Salesforce's own bound for one result file is 1 GB (Bulk API 2.0 limits)."""

LONGEST_IN_MEMORY = 256 << 20
"""Bytes of an answer that is held in one piece: 2,000 rows of an object with very many fields have a third of that."""

LARGEST_PART = 1 << 20
"""Bytes unpacked at once: what a few packed bytes unpack to may be a thousand times as long."""

HEAD = 65_536
GZIP = frozenset({"gzip", "x-gzip"})
"""What `Content-Encoding` calls it; both mean the same (RFC 9110, 8.4.1.3)."""

NO_FILE_FITS = "A result page is larger than the room in memory, and can't be kept in a temporary file"


class TornBody(Exception):
    """The body is cut or corrupt; another try may bring it whole."""


class Sink(Protocol):
    """Takes a body as it comes; `size` is what it holds of it, in bytes."""

    @property
    def size(self) -> int:
        """Bytes held in memory."""
        ...

    def feed(self, part: bytes) -> None:
        """Take what comes next; raises ValueError where it makes no sense."""
        ...

    def drop(self) -> None:
        """Hold nothing any more."""
        ...


class Body:
    """
    A body as it comes, unpacked; `wire_bytes` were on the wire, `head` is how it begins.

    Without a sink it is held in one piece. A sink takes what comes; `room` is asked before more is held, and says
    whether it may be. Where it may not, the sink drops what it holds, and the body is kept packed, in a temporary file
    if need be, to be read a second time. No body is `longest` bytes long.
    """

    def __init__(
        self,
        sink: Sink | None = None,
        room: Callable[[int], bool] = lambda _size: True,
        *,
        longest: int | None = None,
    ) -> None:
        self.size = 0
        self.wire_bytes = 0
        self.head = b""
        self.ends_line = False
        self.dropped = False
        self._sink = sink
        self._room = room
        most = LONGEST_IN_MEMORY if sink is None else LONGEST_BODY
        self._longest = min(longest or most, most)
        self._packed = False
        self._wire: list[bytes] = []
        self._parts: list[bytes] = []
        self._file: IO[bytes] | None = None

    def gather(self, chunks: Iterable[bytes], encoding: str) -> None:
        """
        Take all chunks from the wire.

        Raises TornBody where the body is cut or corrupt, BrokenPromise where it is too long, and what the sink raises.
        """
        self._packed = encoding.lower() in GZIP
        with ExitStack() as if_torn:
            if_torn.callback(self.close)
            for part in _unpacked(self._kept(chunks)) if self._packed else self._kept(chunks):
                self._take(part)
            if_torn.pop_all()

    def whole(self) -> bytes:
        """Return the body in one piece, where it went to no sink."""
        return b"".join(self._parts)

    def parts(self) -> Iterator[bytes]:
        """Yield the body from its beginning, unpacked once more, where it went to a sink."""
        wire = self._file_chunks(self._file) if self._file else iter(self._wire)
        return _unpacked(wire) if self._packed else wire

    def checksum(self) -> int:
        """Return the CRC-32 of what `parts` yields."""
        found = 0
        for part in self.parts():
            found = isal_zlib.crc32(part, found)
        return found

    @property
    def packed_in_memory(self) -> int:
        """Bytes held of what came over the wire."""
        return 0 if self._file else sum(map(len, self._wire))

    def close(self) -> None:
        """Let go of everything; there is nothing to read any more."""
        self._parts.clear()
        self._wire.clear()
        if self._file is not None:
            # A full disk fails once more here: why the body could not be kept has been told.
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _kept(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the chunks; for a sink they are kept as they are."""
        for chunk in chunks:
            self.wire_bytes += len(chunk)
            if self._sink is not None:
                self._keep(chunk)
                # Not only where a part comes of it: the last bytes of a packed body unpack to none.
                self._make_room(self._sink)
            yield chunk

    def _take(self, part: bytes) -> None:
        self.size += len(part)
        self.ends_line = part.endswith(b"\n")
        if self.size >= self._longest:
            raise BrokenPromise(
                f"An answer is longer than {self._longest:,} bytes.",
                remedy="Check that `domain` or `instance_url` is a Salesforce host.",
            )
        if len(self.head) < HEAD:
            self.head += part[: HEAD - len(self.head)]
        if self._sink is None:
            self._parts.append(part)
        else:
            self._sink.feed(part)
            self._make_room(self._sink)

    def _make_room(self, sink: Sink) -> None:
        if not self.dropped and not self._room(self.wire_bytes + sink.size):
            self.dropped = True
            sink.drop()
        if self.dropped and self._file is None and not self._room(self.wire_bytes):
            self._to_file()

    # What came over the wire

    def _keep(self, chunk: bytes) -> None:
        if self._file is None:
            self._wire.append(chunk)
        else:
            self._write(self._file, (chunk,))

    def _to_file(self) -> None:
        try:
            self._file = tempfile.TemporaryFile(prefix="tap-salesforce-ci-")  # noqa: SIM115 - `close` closes it
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


def _unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """
    Unpack gzip: one member, or several one behind the other (RFC 1952), in parts of a bounded length.

    Raises TornBody where it is corrupt or ends early.
    """
    member = None
    for chunk in chunks:
        rest = chunk
        while rest:
            if member is None or member.eof:
                member = isal_zlib.decompressobj(16 + zlib.MAX_WBITS)
            yield from _parts_of(member, rest)
            rest = member.unused_data
    if member is not None and not member.eof:
        raise TornBody("the gzip body ends early")


def _parts_of(member: Any, chunk: bytes) -> Iterator[bytes]:
    part = _part(member, chunk)
    while part:
        yield part
        # What a full part left behind may be within the unpacker, all of its input read.
        rest = member.unconsumed_tail
        part = _part(member, rest) if rest or len(part) == LARGEST_PART else b""


def _part(member: Any, chunk: bytes) -> bytes:
    try:
        part: bytes = member.decompress(chunk, LARGEST_PART)
    except isal_zlib.error as error:  # type: ignore[misc]  # its stubs call it an instance
        raise TornBody("corrupt gzip body") from error
    return part
