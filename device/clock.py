"""What time it is on the device: the machine's time, or the cloud's simulated one where that is ahead of it."""

from datetime import UTC, datetime, timedelta

_TICK = timedelta(milliseconds=1)


class DeviceClock:
    """Never goes back behind a time that the cloud has given; there it stands still but for a millisecond a look."""

    def __init__(self) -> None:
        self._given = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """The time in UTC."""
        self._given += _TICK  # ids that are made one after the other are to be in order
        return max(datetime.now(UTC), self._given)

    def forward(self, to: datetime) -> None:
        """The cloud says that it is so late."""
        self._given = max(self._given, to.astimezone(UTC))
