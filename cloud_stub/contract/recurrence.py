"""How what recurs comes round: the one arithmetic for the cloud, which says when, and the device, which rings."""

from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

#: "" is once.
Recurrence = Literal[
    "",
    "daily",
    "every other day",
    "weekdays",
    "weekends",
    "weekly monday",
    "weekly tuesday",
    "weekly wednesday",
    "weekly thursday",
    "weekly friday",
    "weekly saturday",
    "weekly sunday",
]
RECURRENCES: tuple[Recurrence, ...] = get_args(Recurrence)


def falls(recurrence: str, on: date, first: date) -> bool:
    """Whether what recurs like this, for the first time on `first`, comes on that day too.

    Raises ValueError for what is no recurrence.
    """
    if recurrence not in RECURRENCES or not recurrence:
        raise ValueError(f"{recurrence!r} never comes round. Expected one of {', '.join(RECURRENCES[1:])}.")
    if recurrence == "every other day":
        return (on - first).days % 2 == 0
    if recurrence in {"weekdays", "weekends"}:
        return (on.weekday() >= 5) == (recurrence == "weekends")
    return recurrence == "daily" or WEEKDAYS[on.weekday()] == recurrence.removeprefix("weekly ")


def next_due(first: datetime, recurrence: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The first moment later than `after` at which it comes, in UTC; None for what comes once and is past.

    It keeps its time on the wall clock of `zone`, through changes of summer time: a time that comes twice is the
    earlier one, one that a day leaves out is an hour later on that day.
    """
    if first > after:
        return first.astimezone(UTC)
    if not recurrence:
        return None
    local, today = first.astimezone(zone).replace(fold=0), after.astimezone(zone).date()
    for ahead in range(10):
        on = today + timedelta(days=ahead)
        if falls(recurrence, on, local.date()):
            moment = datetime.combine(on, local.time(), zone).astimezone(UTC)
            if moment > after:
                return moment
    raise ValueError(f"{recurrence!r} never comes round.")
