"""Who may come in: users, connected apps, the grants they made and the sessions opened on them."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tap_salesforce_ci.demo.ids import SHORT, record_id

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.clock import Clock

ORG_ID = record_id("00D", 7)
ADMIN_ID = record_id("005", 1)
CLIENT_ID = "3MVG9demoOrgConsumerKey.AcmeWidgets_ConnectedApp0123456789"
CLIENT_SECRET = "D0E5A11CE5EC2E7DEADBEEFCAFE0123456789ABCDEF0123456789ABCDEF01234"  # noqa: S105 - opens the demo only
USERNAME = "admin@example.com"
PASSWORD = "correct horse battery staple"  # noqa: S105 - opens the demo only
SECURITY_TOKEN = "xK9vT2mQ7pLrW4sZ8nB3cD6f"  # noqa: S105 - opens the demo only
REFRESH_TOKEN = "5Aep861demo.RefreshToken_AcmeWidgets0123456789abcdefghijklmnopqrstuvwxyz"  # noqa: S105 - demo only

SESSION_LIFE = timedelta(hours=2)
CODE_LIFE = timedelta(minutes=15)
MOST_GRANTS = 5
SCOPE = "api refresh_token id"


def _key_pair() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


PRIVATE_KEY, PUBLIC_KEY = _key_pair()


@dataclass
class User:
    """Someone who can log in."""

    username: str
    password: str = field(repr=False)
    security_token: str = field(repr=False)
    id: str = ADMIN_ID
    first_name: str = "Ada"
    last_name: str = "Admin"
    active: bool = True
    api_enabled: bool = True

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"


@dataclass
class ConnectedApp:
    """
    An app that may ask for tokens.

    No redirect addresses means any loopback one, as for an app that runs on the user's machine.
    """

    client_id: str = CLIENT_ID
    client_secret: str = field(default=CLIENT_SECRET, repr=False)
    name: str = "Acme Data Loader"
    # A public key or an X.509 certificate in PEM, which JWTs are verified with.
    public_key: str = PUBLIC_KEY
    redirect_uris: tuple[str, ...] = ()
    scope: str = SCOPE
    secret_required: bool = True
    pkce_required: bool = False
    # Who client credentials run as; nobody means the flow is off.
    run_as: str | None = USERNAME
    # Users who let the app in without being asked, which the JWT flow needs; None means everybody.
    approved: frozenset[str] | None = None
    flows: frozenset[str] | None = None


@dataclass
class Grant:
    """A user's leave for an app to come back: a refresh token and all it opened."""

    token: str = field(repr=False)
    user: User
    app: ConnectedApp
    scope: str
    revoked: bool = False


@dataclass
class Session:
    """An access token's life, which every use prolongs."""

    token: str = field(repr=False)
    user: User
    app: ConnectedApp | None
    scope: str
    opened: datetime
    expires: datetime
    grant: Grant | None = None


@dataclass(frozen=True)
class Code:
    """An authorization code: good once, for a quarter of an hour, for who asked for it."""

    user: User
    app: ConnectedApp
    redirect_uri: str
    scope: str
    challenge: str | None
    expires: datetime


class Grants:
    """Every grant, code and session of the org."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._grants: dict[str, Grant] = {}
        self._codes: dict[str, Code] = {}
        self._used: dict[str, Grant | None] = {}
        self._sessions: dict[str, Session] = {}

    def open(self, user: User, app: ConnectedApp | None, scope: str = "api", grant: Grant | None = None) -> Session:
        """A new session."""
        now = self._clock.now()
        token = f"{ORG_ID[:SHORT]}!AQ{secrets.token_urlsafe(60).replace('-', '.')}.{secrets.token_hex(6)}"
        session = Session(token, user, app, scope, now, now + SESSION_LIFE, grant)
        with self._lock:
            self._sessions[token] = session
        return session

    def session(self, token: str) -> Session | None:
        """The live session of an access token, its life prolonged; None when there is none."""
        with self._lock:
            session, now = self._sessions.get(token), self._clock.now()
            if session is None or session.expires <= now:
                return None
            session.expires = now + SESSION_LIFE
            return session

    def grant(self, user: User, app: ConnectedApp, scope: str, token: str | None = None) -> Grant:
        """A new refresh token; the sixth of one user for one app silently ends the oldest."""
        with self._lock:
            made = Grant(token or f"5Aep861{secrets.token_urlsafe(60).replace('-', '.')}", user, app, scope)
            living = [each for each in self._grants.values() if (each.user, each.app) == (user, app)]
            if len(living) >= MOST_GRANTS:
                self._end(living[0])
            self._grants[made.token] = made
            return made

    def refreshed(self, token: str, app: ConnectedApp, *, rotate: bool) -> Grant | None:
        """The grant of a refresh token, given a new token when they rotate; None when it is dead."""
        with self._lock:
            found = self._grants.get(token)
            if found is None or found.app is not app:
                return None
            if rotate:
                del self._grants[token]
                found.token = f"5Aep861{secrets.token_urlsafe(60).replace('-', '.')}"
                self._grants[found.token] = found
            return found

    def code(self, code: Code) -> str:
        """The text of a new authorization code."""
        text = f"aPrx{secrets.token_urlsafe(48)}=="
        with self._lock:
            self._codes[text] = code
        return text

    def redeem(self, text: str) -> Code | None:
        """The code of this text, once; using it again ends the grant it gave."""
        with self._lock:
            code = self._codes.pop(text, None)
            if code is None:
                used = self._used.pop(text, None)
                if used:
                    self._end(used)
                return None
            self._used[text] = None
            return code

    def redeemed(self, text: str, grant: Grant) -> None:
        """Remember what a code was exchanged for."""
        with self._lock:
            self._used[text] = grant

    def was_redeemed(self, text: str) -> bool:
        """Whether a code was good once."""
        with self._lock:
            return text in self._used

    def find_grant(self, token: str) -> Grant | None:
        """The living grant of a refresh token."""
        with self._lock:
            return self._grants.get(token)

    def revoke(self, token: str) -> bool:
        """End what a token gives: a session, or a grant with all its sessions."""
        with self._lock:
            if self._sessions.pop(token, None):
                return True
            grant = self._grants.get(token)
            if grant:
                self._end(grant)
            return grant is not None

    def expire_sessions(self) -> None:
        """End every session, as a timeout would."""
        with self._lock:
            self._sessions.clear()

    def revoke_all(self) -> None:
        """End every grant and session, as an administrator would."""
        with self._lock:
            for grant in list(self._grants.values()):
                self._end(grant)
            self._sessions.clear()

    def _end(self, grant: Grant) -> None:
        grant.revoked = True
        self._grants.pop(grant.token, None)
        self._sessions = {token: each for token, each in self._sessions.items() if each.grant is not grant}
