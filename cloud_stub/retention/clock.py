"""Time as a dependency: whoever needs to know what time it is, is handed a clock."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, and_, delete, insert, select

from cloud_stub.contract.messages import rfc3339
from cloud_stub.stores.tables import setting

_TICK = timedelta(microseconds=1)
_CLOCK = and_(setting.c.account == "", setting.c.name == "clock")


class SystemClock:
    """The machine's UTC time, made strictly increasing, so that what came first also has the earlier time."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """The time in UTC; later by a microsecond at least than any time given before."""
        self._last = max(datetime.now(UTC), self._last + _TICK)
        return self._last

    def forward(self, to: datetime) -> None:
        """The machine's time is not ours to set: nothing happens."""


class SimulatedClock(SystemClock):
    """A clock that stands still but for a microsecond a look, and goes forward, never back, when told to."""

    def __init__(self, start: datetime) -> None:
        """Shows `start` (aware) first."""
        self._last = start.astimezone(UTC)

    def now(self) -> datetime:
        """The simulated time in UTC."""
        self._last += _TICK
        return self._last

    def shown(self) -> datetime:
        """The time last given, without a tick."""
        return self._last

    def forward(self, to: datetime) -> None:
        """Go on from `to`, unless it is past already."""
        self._last = max(self._last, to.astimezone(UTC))


def kept_time(connection: Connection) -> datetime | None:
    """The simulated time that the data folder keeps; None where it lives in the machine's time."""
    kept = connection.execute(select(setting.c.value).where(_CLOCK)).scalar()
    return datetime.fromisoformat(kept) if kept else None


def keep_time(connection: Connection, now: datetime) -> None:
    """Keep the simulated time in the data folder."""
    text = rfc3339(now)
    connection.execute(delete(setting).where(_CLOCK))
    connection.execute(insert(setting), {"account": "", "name": "clock", "value": text, "received_at": text})
