"""Promises of a body on its way: whole or not at all, and never more in memory than there is room for."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tap_salesforce_ci.client import body
from tap_salesforce_ci.client.body import Body, TornBody
from tap_salesforce_ci.errors import BrokenPromise, UserError

ENCODINGS = ["gzip", "x-gzip", ""]


class Kept:
    """A sink that keeps what it is fed, until it drops it."""

    def __init__(self) -> None:
        self.fed = b""
        self._keeps = True

    @property
    def size(self) -> int:
        return len(self.fed)

    def feed(self, part: bytes) -> None:
        self.fed += part if self._keeps else b""

    def drop(self) -> None:
        self.fed, self._keeps = b"", False


def chunked(content: bytes, length: int) -> list[bytes]:
    return [content[start : start + length] for start in range(0, len(content), length)]


def members(texts: Sequence[bytes]) -> bytes:
    return b"".join(map(gzip.compress, texts))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4), st.integers(1, 50), st.sampled_from(ENCODINGS))
def test_what_came_is_what_is_read(texts: list[bytes], length: int, encoding: str) -> None:
    """Packed or not, one member or several one behind the other, in chunks of any length."""
    wire = members(texts) if encoding else b"".join(texts)
    plain, sink = Body(), Kept()
    fed = Body(sink)

    plain.gather(chunked(wire, length), encoding)
    fed.gather(chunked(wire, length), encoding)

    assert plain.whole() == sink.fed == b"".join(fed.parts()) == b"".join(texts)
    assert plain.wire_bytes == fed.wire_bytes == len(wire)
    assert fed.checksum() == zlib.crc32(b"".join(texts))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=100), min_size=1, max_size=3), st.data())
def test_what_is_cut_or_spoilt_is_refused(texts: list[bytes], data: st.DataObject) -> None:
    """A member that lacks its end, or whose checksum or length is wrong, is never taken for whole."""
    wire = bytearray(members(texts))
    last = len(gzip.compress(texts[-1]))
    cut = data.draw(st.integers(1, last - 1))
    spoilt = data.draw(st.integers(1, 8))

    with pytest.raises(TornBody):
        Body().gather([bytes(wire[:-cut])], "gzip")
    wire[-spoilt] ^= 1
    with pytest.raises(TornBody):
        Body().gather([bytes(wire)], "gzip")


def test_what_unpacks_to_a_thousand_times_its_length_comes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much a few bytes hold, little of it is unpacked at once, and its length is bounded."""
    monkeypatch.setattr(body, "LONGEST_BODY", 9 << 20)
    fed: list[int] = []

    class Noting(Kept):
        def feed(self, part: bytes) -> None:
            fed.append(len(part))

    Body(Noting()).gather([gzip.compress(bytes(8 << 20))], "gzip")
    assert max(fed) <= body.LARGEST_PART
    with pytest.raises(BrokenPromise, match="longer than"):
        Body(Noting()).gather([gzip.compress(bytes(32 << 20))], "gzip")
    assert sum(fed) < (8 << 20) + (10 << 20)


def test_what_is_held_in_one_piece_is_bounded_more_tightly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A describe that unpacks to gigabytes is refused before it is held."""
    monkeypatch.setattr(body, "LONGEST_IN_MEMORY", 4 << 20)

    Body().gather([gzip.compress(bytes(3 << 20))], "gzip")
    with pytest.raises(BrokenPromise, match="longer than 4,194,304 bytes"):
        Body().gather([gzip.compress(bytes(32 << 20))], "gzip")


@settings(max_examples=60, deadline=None)
@example(b"\0", 12, 1, "gzip")
@given(st.binary(min_size=1, max_size=3000), st.integers(0, 4000), st.integers(1, 400), st.sampled_from(["gzip", ""]))
def test_no_more_is_held_than_there_is_room_for(content: bytes, most: int, length: int, encoding: str) -> None:
    """What is too long is kept packed, in a file if need be, and is read again as it came."""
    wire = gzip.compress(content) if encoding else content
    sink = Kept()
    gathered = Body(sink, lambda size: size <= most)

    gathered.gather(chunked(wire, length), encoding)

    assert gathered.packed_in_memory + sink.size <= most
    assert gathered.dropped == (sink.fed != content)
    assert b"".join(gathered.parts()) == b"".join(gathered.parts()) == content
    gathered.close()


def test_a_folder_without_space_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error names the variable and the setting that help; it is not taken for a failing network."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))

    with pytest.raises(UserError, match="can't be kept in a temporary file") as refused:
        Body(Kept(), lambda _size: False).gather([b"text"], "")
    assert "TMPDIR" in refused.value.where
    assert "max_bytes_in_flight" in refused.value.remedy


@pytest.fixture
def small_files() -> Iterator[int]:
    """How long a file may become in this test, in bytes: as if the disk were full."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    yield 1 << 20
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_becomes_full_is_told(small_files: int) -> None:
    """What could be written before does not hide it, nor does closing the file: it is not the network either."""
    with pytest.raises(UserError, match="can't be kept in a temporary file"):
        Body(Kept(), lambda _size: False).gather([bytes(small_files // 10 + 1)] * 20, "")


def test_what_makes_no_sense_leaves_nothing_behind() -> None:
    """A body that its sink refuses can be asked for what it holds, though that is nothing: it is compared by that."""

    class Refusing(Kept):
        def feed(self, part: bytes) -> None:
            if part == b"nonsense":
                raise ValueError("makes no sense")

    refused = Body(Refusing(), lambda _size: False)
    with pytest.raises(ValueError, match="makes no sense"):
        refused.gather([b"text", b"nonsense"], "")

    assert list(refused.parts()) == []
    assert refused.checksum() == refused.packed_in_memory == 0
