"""Files with secrets: their owner's from the beginning, whole or not there."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tap_salesforce_ci.client.token_store import TokenStore, write_private
from tap_salesforce_ci.connect.keeping import ConfigFile

# Files


@contextlib.contextmanager
def modes_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[int]]:
    """The permissions of all files in a folder, looked at when one is being written and in the end."""
    seen: set[int] = set()

    def look(_handle: int = 0) -> None:
        seen.update(stat.S_IMODE(each.stat().st_mode) for each in folder.rglob("*") if each.is_file())

    monkeypatch.setattr(os, "fsync", look)
    before = os.umask(0)
    try:
        yield seen
    finally:
        os.umask(before)
        look()


KEEPERS: dict[str, Callable[[Path], None]] = {
    "token store": lambda path: TokenStore(path).keep("configured", "newest"),
    "config": lambda path: ConfigFile(path).keep({"refresh_token": "newest"}, ()),
    "describes": lambda path: write_private(path, b"{}"),
}


@pytest.mark.parametrize("place", ["nothing", "a file", "a link", "a link to nothing", "no folder"])
@pytest.mark.parametrize("keeper", KEEPERS)
def test_files_with_secrets_are_their_owners_from_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeper: str, place: str
) -> None:
    """Though the umask allows everything, and whatever stood in the place: no one else could ever read a word."""
    within = tmp_path / "within"
    path = within / "folder" / "file.json"
    if place != "no folder":
        path.parent.mkdir(parents=True)
    if place == "a file":
        path.write_text('{"refresh_token": "old"}', "utf-8")
        path.chmod(0o644)
    elif place.startswith("a link"):
        target = tmp_path / "target.json"
        path.symlink_to(target)
        if place == "a link":
            target.write_text("{}", "utf-8")
            target.chmod(0o644)

    with modes_seen(within, monkeypatch) as seen:
        if place == "a file":
            path.chmod(0o600)
            path.chmod(0o644)
        KEEPERS[keeper](path)

    assert seen - ({0o644} if place in {"a file", "a link"} else set()) == {0o600}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["file.json"]
    if place == "no folder":
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", ["\ud800", "{}"])
def test_what_can_not_be_written_leaves_nothing_behind(tmp_path: Path, content: str) -> None:
    """Neither a text that is none nor a folder in the place of the file leaves half a secret in a temporary file."""
    (tmp_path / "in the way").mkdir()

    with pytest.raises((OSError, UnicodeEncodeError)):
        write_private(tmp_path / "in the way", content)
    assert [each.name for each in tmp_path.iterdir()] == ["in the way"]
