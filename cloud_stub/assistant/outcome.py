"""What goes into the assistant and what comes out of it: plain values, so that the ingest alone reads and writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

#: A record's own columns, as cloud_stub.stores.tables names them.
Fields = dict[str, str | int | None]


@dataclass(frozen=True)
class Request:
    """One transcript with all that its meaning depends on."""

    account: str
    interaction: str
    device: str
    at: datetime
    """When it was said, in UTC, by the clock that the household's alarms use."""
    zone: ZoneInfo
    """Where it was said: "seven a m" and "today" are meant there."""
    text: str

    @property
    def now(self) -> datetime:
        """`at` on the wall clock of the household."""
        return self.at.astimezone(self.zone)


@dataclass(frozen=True)
class Draft:
    """A record to be written; the ingest adds what every record has (account, interaction, position, times)."""

    store: str
    kind: str
    fields: Fields


@dataclass(frozen=True)
class PartnerOrder:
    """What a third party is told: all of it leaves the house."""

    partner: Literal["ride", "pizza", "quiz"]
    details: dict[str, str | int]


@dataclass(frozen=True)
class Deletion:
    """A deletion asked for by voice. A range is [since, until) in UTC; the other kinds have no ends."""

    kind: Literal["last", "range", "all"]
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Forget:
    """Remembered facts to be dropped: `every` one, those `about` something (see facts.matching), or the newest one."""

    about: str | None = None
    every: bool = False


@dataclass(frozen=True)
class Change:
    """A setting of the household: auto_delete (an ISO 8601 period or "never"), save_recordings or
    use_for_improvement (both "yes" or "no")."""

    setting: str
    value: str


@dataclass(frozen=True)
class Outcome:
    """What was asked, what is answered, and what is to be done about it, in one transaction."""

    intent: str
    response: str
    records: tuple[Draft, ...] = ()
    partner: PartnerOrder | None = None
    deletion: Deletion | None = None
    forget: Forget | None = None
    change: Change | None = None


class Memory(Protocol):
    """What the assistant may look up in order to answer."""

    def facts(self, account: str) -> list[str]:
        """What the household asked to have remembered, newest first."""

    def actions(self, account: str, kind: str) -> list[Mapping[str, str | int | None]]:
        """The fields of the household's records of this kind in the store `actions`, newest first."""
