"""A refresh token that Salesforce rotates, and the file it is kept in."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from tap_salesforce_ci.client.auth import LoginFlow, RefreshToken, session_in
from tap_salesforce_ci.errors import UserError

if sys.platform != "win32":
    import fcntl

OWNERS_FOLDER = 0o700
REFUSED = 400
PROBE = b" " * 8192
"""What is written to learn whether a token could be kept: more than a file of tokens is long."""

MOST_GRANTS = 20
"""Of how many grants a store keeps the newest token; those that were used last."""


def real(path: Path) -> Path:
    """Return the file that a path leads to; what is a link stays one."""
    return Path(os.path.realpath(path))


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file that only its owner may read, in one step: readers see the old content or the new one."""
    path = real(path)
    # Whoever may write in a folder can put a file of their own in the place of ours.
    path.parent.mkdir(OWNERS_FOLDER, parents=True, exist_ok=True)
    with _beside(path, content.encode() if isinstance(content, str) else content) as temporary:
        temporary.replace(path)


@contextmanager
def _beside(path: Path, content: bytes) -> Iterator[Path]:
    """Have a file of this content beside the other, its owner's only; what is still there in the end is removed."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """
    Make others wait who want to be alone with the same file, or with another one in its folder.

    The folder is locked, for the lock of a file would end when the file is replaced. Where the system has no such lock
    (Windows, some network folders) nobody waits.
    """
    if sys.platform == "win32":
        yield
        return
    with ExitStack() as unlock:
        with suppress(OSError):
            folder = os.open(real(path).parent, os.O_RDONLY)
            unlock.callback(os.close, folder)
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True)
class TokenStore:
    """
    A JSON file (0600) with the newest refresh token and a fingerprint of the configured one it descends from.

    A token from another `connect` than the configured one is not used: reconnecting always wins. Those of `others` are
    kept all the same, so that runs with different grants may share the file.
    """

    path: Path

    def newest(self, configured: str) -> str:
        """Return the newest token that descends from the configured one, else the configured one itself."""
        kept: dict[str, str] = {}
        failure = None
        try:
            kept = self._kept()
        except (OSError, ValueError) as error:
            failure = self._unusable(error)
        # Raised out here, without a context: a decoder's error holds the file.
        if failure is not None:
            raise failure
        return kept.get(_fingerprint(configured), configured)

    def keep(self, configured: str, newest: str) -> None:
        """Keep a rotated token, before anything else is done with the session it came with."""
        mine = _fingerprint(configured)
        others: dict[str, str] = {}
        with suppress(OSError, ValueError):
            others = {grant: token for grant, token in self._kept().items() if grant != mine}
        kept = {"descends_from": mine, "refresh_token": newest}
        spare = dict(list(others.items())[: MOST_GRANTS - 1])
        try:
            write_private(self.path, json.dumps({**kept, "others": spare} if spare else kept, indent=2) + "\n")
        except OSError as error:
            raise self._unusable(error) from None

    def _kept(self) -> dict[str, str]:
        """Return the newest token of each grant, by its fingerprint, the one that was used last first."""
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        if not isinstance(kept, dict):
            return {}
        others = kept.get("others")
        found = [(kept.get("descends_from"), kept.get("refresh_token"))]
        found += others.items() if isinstance(others, dict) else ()
        return {grant: token for grant, token in found if isinstance(grant, str) and isinstance(token, str) and token}

    def alone(self) -> AbstractContextManager[None]:
        """Make other runs with this store wait, so that none logs in with a token that is just being rotated."""
        return alone_with(self.path)

    def check_writable(self) -> None:
        """
        Raise UserError where a new token could not be kept, a full disk included.

        Asked before a login, because a login may use the old token up.
        """
        path = real(self.path)
        try:
            path.parent.mkdir(OWNERS_FOLDER, parents=True, exist_ok=True)
            with _beside(path, PROBE):
                pass
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> UserError:
        return UserError(
            f"The token store can't be used ({_reason(error)}).",
            where=f"setting: token_store = {self.path}",
            remedy="Point `token_store` at a file in a folder that this user may read and write.",
        )


def _reason(error: Exception) -> str:
    """Return the system's words for what went wrong; a decoder's would quote what it read."""
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def _fingerprint(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RotatingRefreshToken:
    """
    The refresh token grant of an app that may hand out a new refresh token with every session.

    `warn` is told when one can't be kept: then the run goes on with it as long as it lasts. Source: Salesforce Help,
    "OAuth 2.0 Refresh Token Flow" (`remoteaccess_oauth_refresh_token_flow`): the previous refresh token is invalidated
    at once.
    """

    grant: RefreshToken
    store: TokenStore | None
    warn: Callable[[str], None] = field(repr=False)
    renewable: bool = True
    _unkept: list[str] = field(default_factory=list, repr=False)

    @property
    def remedy(self) -> str:
        """What a person does when the grant is gone."""
        return self.grant.remedy

    def login(self) -> LoginFlow:
        """Exchange the newest refresh token for a session, and keep the one that replaces it."""
        if self.store and not self._unkept:
            self.store.check_writable()
        with self.store.alone() if self.store else nullcontext():
            token = self._newest()
            answer = yield replace(self.grant, refresh_token=token).request()
            while answer.status == REFUSED and (newest := self._newest()) != token:
                # Another run, which our lock did not reach, rotated the token between our reading and our asking.
                token = newest
                answer = yield replace(self.grant, refresh_token=token).request()
            session = session_in(answer, self.grant.login_url)
            if session.refresh_token and session.refresh_token != token:
                self._keep(session.refresh_token)
            return session

    def _newest(self) -> str:
        if self._unkept:
            return self._unkept[-1]
        configured = self.grant.refresh_token
        return self.store.newest(configured) if self.store else configured

    def _keep(self, newest: str) -> None:
        """Keep a token: in the store, else in memory, for the old one is no good any more."""
        reason = "there is nowhere to keep the new one"
        remedy = "Set `token_store` to a file that outlives this run"
        if self.store:
            try:
                self.store.keep(self.grant.refresh_token, newest)
            except UserError as error:
                reason = f"the new one can't be kept: {error.what} ({error.where})"
                remedy = "See to it that the file can be written"
            else:
                self._tell_kept_after_all()
                return
        self._unkept.append(newest)
        self.warn(
            f"Salesforce replaced the refresh token, and {reason}: THE NEXT RUN WILL FAIL. "
            f"{remedy}, then run `tap-salesforce-ci connect` again."
        )

    def _tell_kept_after_all(self) -> None:
        if self._unkept:
            self._unkept.clear()
            self.warn("The refresh token could be kept after all: the next run will get in.")
