"""A refresh token that Salesforce rotates, and the file it is kept in."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from tap_salesforce_ci.client.auth import LoginFlow, RefreshToken, session_in
from tap_salesforce_ci.errors import UserError

if sys.platform != "win32":
    import fcntl

OWNER_ONLY = 0o600
REFUSED = 400


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file that only its owner may read, in one step: readers see the old content or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(OWNER_ONLY)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


@dataclass(frozen=True, slots=True)
class TokenStore:
    """
    A JSON file (0600) with the newest refresh token and a fingerprint of the configured one it descends from.

    A token from another `connect` than the configured one is not used: reconnecting always wins.
    """

    path: Path

    def newest(self, configured: str) -> str:
        """Return the newest token that descends from the configured one, else the configured one itself."""
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return configured
        except (OSError, ValueError) as error:
            raise self._unusable(error) from None
        if not isinstance(kept, dict) or kept.get("descends_from") != _fingerprint(configured):
            return configured
        return str(kept.get("refresh_token") or configured)

    def keep(self, configured: str, newest: str) -> None:
        """Keep a rotated token, before anything else is done with the session it came with."""
        kept = {"descends_from": _fingerprint(configured), "refresh_token": newest}
        try:
            write_private(self.path, json.dumps(kept, indent=2) + "\n")
        except OSError as error:
            raise self._unusable(error) from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """
        Make other runs with this store wait, so that none logs in with a token that is just being rotated.

        The folder is locked, for the lock of a file would end when the file is replaced. Where the system has no
        such lock (Windows, some network folders) nobody waits.
        """
        if sys.platform == "win32":
            yield
            return
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            with suppress(OSError):
                fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def check_writable(self) -> None:
        """
        Raise UserError where a new token could not be kept.

        Asked before a login, because a login may use the old token up.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
            os.close(handle)
            Path(temporary).unlink()
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> UserError:
        return UserError(
            f"The token store can't be used ({type(error).__name__}).",
            where=f"setting: token_store = {self.path}",
            remedy="Point `token_store` at a file in a folder that this user may read and write.",
        )


def _fingerprint(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RotatingRefreshToken:
    """
    The refresh token grant of an app that may hand out a new refresh token with every session.

    `warn` is told when there is nowhere to keep one. Source: Salesforce Help, "OAuth 2.0 Refresh Token Flow"
    (`remoteaccess_oauth_refresh_token_flow`): the previous refresh token is invalidated at once.
    """

    grant: RefreshToken
    store: TokenStore | None
    warn: Callable[[str], None] = field(repr=False)
    renewable: bool = True
    _rotated: list[str] = field(default_factory=list, repr=False)

    @property
    def remedy(self) -> str:
        """What a person does when the grant is gone."""
        return self.grant.remedy

    def login(self) -> LoginFlow:
        """Exchange the newest refresh token for a session, and keep the one that replaces it."""
        if self.store:
            self.store.check_writable()
        with self.store.alone() if self.store else nullcontext():
            token = self._newest()
            answer = yield replace(self.grant, refresh_token=token).request()
            if answer.status == REFUSED and self._newest() != token:
                # Another run, which our lock did not reach, rotated the token between our reading and our asking.
                token = self._newest()
                answer = yield replace(self.grant, refresh_token=token).request()
            session = session_in(answer, self.grant.login_url)
            if session.refresh_token and session.refresh_token != token:
                self._keep(session.refresh_token)
            return session

    def _newest(self) -> str:
        if self._rotated:
            return self._rotated[-1]
        configured = self.grant.refresh_token
        return self.store.newest(configured) if self.store else configured

    def _keep(self, newest: str) -> None:
        if self.store:
            self.store.keep(self.grant.refresh_token, newest)
            return
        self._rotated.append(newest)
        self.warn(
            "Salesforce replaced the refresh token, and there is nowhere to keep the new one: THE NEXT RUN WILL FAIL. "
            "Set `token_store` to a file that outlives this run, then run `tap-salesforce-ci connect` again."
        )
