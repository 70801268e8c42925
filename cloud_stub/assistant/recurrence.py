"""How often something recurs, as it is spoken and as an alarm's or a reminder's record holds it.

Held as "" (once), "daily", "every other day", "weekdays", "weekends" or "weekly monday" to "weekly sunday".
"""

from datetime import UTC, datetime, time, timedelta

from cloud_stub.assistant.spoken_time import next_moment
from cloud_stub.contract.recurrence import WEEKDAYS

_ON = {"weekdays": WEEKDAYS[:5], "weekends": WEEKDAYS[5:]} | {f"weekly {day}": (day,) for day in WEEKDAYS}


def recurrence(every: str, first: datetime) -> str:
    """How often "every monday", "every night", "weekly" and their like say it; `first` is the household's local time
    of the first one, from which "weekly" takes its day."""
    last = every.rpartition(" ")[2]
    if every == "weekly":
        return f"weekly {WEEKDAYS[first.weekday()]}"
    if last in WEEKDAYS:
        return f"weekly {last}"
    if last.removesuffix("s") in {"weekday", "weekend"}:
        return f"{last.removesuffix('s')}s"
    if every == "every other day":
        return every
    return "daily" if every else ""


def first_due(held: str, at: time, now: datetime) -> datetime:
    """When what recurs like this, set at `now` (in the household's zone), comes for the first time at `at`; in UTC."""
    today = now.date()
    ahead = [today + timedelta(days=days) for days in range(9)]
    due = next_moment([day for day in ahead if WEEKDAYS[day.weekday()] in _ON.get(held, WEEKDAYS)], at, now)
    if due is None:
        raise ValueError(f"{held!r} never comes. Expected one of daily, every other day, {', '.join(_ON)}.")
    return due.astimezone(UTC)
