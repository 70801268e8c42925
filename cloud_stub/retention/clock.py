"""Time as a dependency: whoever needs to know what time it is, is handed a clock."""

from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's UTC time, made strictly increasing, so that what came first also has the earlier time."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """The time in UTC; later by a microsecond at least than any time given before."""
        self._last = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
        return self._last
