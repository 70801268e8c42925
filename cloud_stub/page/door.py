"""Who may come in: one-time links, printed in the terminal, become sessions, which a browser holds as a cookie."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cloud_stub.residue.report import Report

#: How long a session lasts, in seconds: a school day.
SESSION_S = 12 * 3600

#: A link is of no use any more after so many wrong passwords.
TRIES = 5


@dataclass
class Session:
    """One browser that came in by a link, for one account."""

    account: str
    until: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """Every form carries it, since other sites can send forms here too, but cannot read ours."""
    note: str = ""
    """What the next page says first, once."""
    deletions: set[str] = field(default_factory=set)
    """Asked for in this session: their receipts are shown even when the account's pseudonym is gone with its key."""
    report: Report | None = None
    """The last search of every byte."""


class WrongPassword(Exception):
    """The link is good, the password is not."""


class Door:
    """Links and sessions. They live in memory: a restart ends them all."""

    def __init__(self, password: str | None, announce: Callable[[str, str], None], counts: str) -> None:
        """`announce(account, token)` prints a new link; with `password` None a link alone opens.

        `counts` is the token of whoever may read the counts.
        """
        self._password, self._announce = password, announce
        self._counts = f"Bearer {counts}".encode()
        self._links: dict[str, tuple[str, int]] = {}
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    @property
    def asks_password(self) -> bool:
        """Whether a link alone is not enough."""
        return self._password is not None

    def offer(self, account: str) -> None:
        """Make and announce a link for that account."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._links[_digest(token)] = (account, TRIES)
        self._announce(account, token)

    def knows(self, token: str) -> bool:
        """Whether that link is still good."""
        return _digest(token) in self._links

    def enter(self, token: str, password: str = "") -> str | None:
        """Use up a link; returns the cookie of a new session, None where the link is not, or no longer, good.

        Raises WrongPassword. Who comes in makes the door offer the next link.
        """
        name = _digest(token)
        with self._lock:
            account, tries = self._links.pop(name, ("", 0))
            if not tries:
                return None
            right = self._password is None or hmac.compare_digest(password.encode(), self._password.encode())
            if not right and tries > 1:
                self._links[name] = (account, tries - 1)
        if right:
            cookie = secrets.token_urlsafe(32)
            with self._lock:
                now = time.monotonic()
                self._sessions = {key: one for key, one in self._sessions.items() if one.until > now}
                self._sessions[_digest(cookie)] = Session(account, now + SESSION_S)
        if right or tries == 1:
            self.offer(account)
        if not right:
            raise WrongPassword
        return cookie

    def session(self, cookie: str) -> Session | None:
        """The session of that cookie, as long as it lasts."""
        found = self._sessions.get(_digest(cookie))
        return found if found is not None and found.until > time.monotonic() else None

    def holds(self, session: Session) -> bool:
        """Whether that session has not ended."""
        return session.until > time.monotonic() and any(one is session for one in self._sessions.values())

    def counts_for(self, authorization: str) -> bool:
        """Whether that header carries the token of the counts."""
        return hmac.compare_digest(authorization.encode("utf-8", "surrogatepass"), self._counts)

    def leave(self, cookie: str) -> None:
        """End that session."""
        with self._lock:
            self._sessions.pop(_digest(cookie), None)


def _digest(secret: str) -> str:
    """Secrets are looked up by it, so that how long a comparison takes tells nothing about them."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
