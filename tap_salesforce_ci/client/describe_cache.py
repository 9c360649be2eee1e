"""
Describes kept between runs, each asked for again only if it was modified since.

A cache is never a reason for a run to fail: what can't be read or written is done without, and the log says so.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from tap_salesforce_ci.client.describe import Field, Kept, SObject
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.identity import Origin, origin_of
from tap_salesforce_ci.client.token_store import write_private
from tap_salesforce_ci.errors import BudgetError, LoginRefused, TapError

FORMAT = (*SObject.__struct_encode_fields__, *Field.__struct_encode_fields__)
"""What is kept of an object and its fields: a file of an earlier release that kept less is not used."""

logger = logging.getLogger(__name__)


class _File(msgspec.Struct):
    format: tuple[str, ...]
    origin: Origin
    describes: dict[str, Kept]


_FILES = msgspec.json.Decoder(_File)


def default_path(origin: Origin) -> Path:
    """Return the path of a file for this org, user and API version alone, in the user's cache folder."""
    from platformdirs import user_cache_path  # noqa: PLC0415 - only where something is kept

    host = re.sub(r"[^\w.-]", "_", urlsplit(origin.instance_url).netloc)
    name = f"{host}-{origin.org}-{origin.user}-v{origin.api_version}.json"
    return user_cache_path("tap-salesforce-ci", appauthor=False) / name


class DescribeCache:
    """
    The describes that one user was told of one org, in a file (0600) that is replaced in one step.

    Without a path it lies in the user's cache folder. Until it is opened, nothing is known and nothing will be written.
    """

    def __init__(self, client: Client, path: Path | None = None) -> None:
        self._client = client
        self._path = path
        self._origin: Origin | None = None
        self._found: dict[str, Kept] = {}
        self.kept: dict[str, Kept] = {}

    def open(self) -> None:
        """Read what this user was told before; raises BudgetError and LoginRefused, and nothing else."""
        try:
            origin = origin_of(self._client)
        except (BudgetError, LoginRefused):
            raise
        except TapError as error:
            logger.info("Describes are not kept: who is signed in can't be told (%s)", error.what)
            return
        if origin is None:
            logger.info("Describes are not kept: Salesforce doesn't tell who is signed in.")
            return
        self._origin, self._path = origin, self._path or default_path(origin)
        self._found = _read(self._path, origin)
        self.kept = dict(self._found)

    def keep_only(self, names: Iterable[str]) -> None:
        """Drop the objects that are not among those that the org lists."""
        listed = set(names)
        self.kept = {name: kept for name, kept in self.kept.items() if name in listed}

    def write(self) -> None:
        """Write the file, if anything in it is to change."""
        if self._path is None or self._origin is None or not self._is_changed:
            return
        content = msgspec.json.encode(_File(FORMAT, self._origin, self.kept))
        try:
            write_private(self._path, content)
        except OSError as error:
            logger.warning("Describes can't be kept in %s: %s", self._path, error.strerror or type(error).__name__)
            return
        self._found = dict(self.kept)
        logger.info("%d describes are kept in %s", len(self.kept), self._path)

    @property
    def _is_changed(self) -> bool:
        known = self._found
        return len(known) != len(self.kept) or any(known.get(name) is not kept for name, kept in self.kept.items())

    def forget(self) -> None:
        """Remove the file: a read was refused although a describe had told that it could be done."""
        if self._origin is None:
            with suppress(TapError):
                self.open()
        if self._path is None or not self._found:
            return
        self._found, self.kept = {}, {}
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("The describes in %s can't be removed: %s", self._path, error.strerror)
            return
        logger.info("The describes in %s are forgotten: a read was refused.", self._path)


def _read(path: Path, origin: Origin) -> dict[str, Kept]:
    try:
        file = _FILES.decode(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        logger.warning("The kept describes in %s can't be read: %s", path, error.strerror or type(error).__name__)
        return {}
    except (msgspec.DecodeError, UnicodeDecodeError):
        logger.warning("The kept describes in %s are none, and are not used.", path)
        return {}
    if file.format != FORMAT:
        logger.info("The describes in %s were kept by another release of the tap, and are not used.", path)
        return {}
    if file.origin != origin:
        logger.info("The describes in %s are of another org, user, API version or permissions: not used.", path)
        return {}
    logger.info("%d describes were kept in %s", len(file.describes), path)
    return file.describes
