"""Days as they are spoken: "tomorrow", "friday", "june the fourteenth", "this weekend"."""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta

from cloud_stub.contract.recurrence import WEEKDAYS

_MONTHS = [name.lower() for name in calendar.month_name]
_ORDINALS = """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
    fifteenth sixteenth seventeenth eighteenth nineteenth twentieth twenty-first twenty-second twenty-third
    twenty-fourth twenty-fifth twenty-sixth twenty-seventh twenty-eighth twenty-ninth thirtieth thirty-first"""
_ORDINAL = {word.replace("-", " "): value for value, word in enumerate(_ORDINALS.split(), 1)}


@dataclass(frozen=True)
class PartOfDay:
    """A part of the day, and what it says about a time that is or is not said beside it."""

    of_day: str
    """What an hour without "a m" or "p m" is read by."""
    usual: time
    """The time that is meant where none is said."""


_PARTS = {
    "morning": PartOfDay("in the morning", time(9)),
    "afternoon": PartOfDay("in the afternoon", time(15)),
    "evening": PartOfDay("in the evening", time(18)),
    "night": PartOfDay("at night", time(20)),
    "tonight": PartOfDay("at night", time(20)),
}


def part_of_day(words: str) -> PartOfDay | None:
    """The part of the day that words such as "tonight", "tomorrow morning", "every evening" end with, if any."""
    return _PARTS.get(words.rpartition(" ")[2])


def days(words: str, today: date) -> Iterator[date]:
    """The days that can be meant, soonest first, from `today` on. None at all for words that name no day."""
    match words.replace("-", " ").split():
        case ["today" | "tonight"] | ["this", "morning" | "afternoon" | "evening"]:
            yield from _repeat(today, 1)
        case ["tomorrow"] | ["tomorrow", "morning" | "afternoon" | "evening" | "night"]:
            yield today + timedelta(days=1)
        case ["day", "after", "tomorrow"] | ["the", "day", "after", "tomorrow"]:
            yield today + timedelta(days=2)
        case ["this", "weekend"]:
            yield from _repeat(_coming(5, today), 7)
        case ["next", "week"]:
            yield today + timedelta(days=7 - today.weekday())
        case ["next", weekday] if weekday in WEEKDAYS:
            # The one in the week that begins next monday.
            yield today + timedelta(days=7 - today.weekday() + WEEKDAYS.index(weekday))
        case [weekday] | ["this", weekday] if weekday in WEEKDAYS:
            yield from _repeat(_coming(WEEKDAYS.index(weekday), today), 7)
        case ["the", *ordinal, "of", month] | [month, "the", *ordinal] | [month, *ordinal] if month in _MONTHS[1:]:
            yield from _of_year(_MONTHS.index(month), _ORDINAL.get(" ".join(ordinal), 0), today)
        case ["the", *ordinal]:
            yield from _of_month(_ORDINAL.get(" ".join(ordinal), 0), today)


def _coming(weekday: int, today: date) -> date:
    """The next such weekday (monday is 0), today included."""
    return today + timedelta(days=(weekday - today.weekday()) % 7)


def _repeat(first: date, every: int) -> Iterator[date]:
    yield first
    yield first + timedelta(days=every)


def _of_year(month: int, day: int, today: date) -> Iterator[date]:
    """This day of the years to come, wherever a year has it."""
    for year in range(today.year, today.year + 13):
        if 1 <= day <= calendar.monthrange(year, month)[1] and date(year, month, day) >= today:
            yield date(year, month, day)


def _of_month(day: int, today: date) -> Iterator[date]:
    """This day of the months to come, wherever a month has it."""
    for ahead in range(13):
        year, month = divmod(today.year * 12 + today.month - 1 + ahead, 12)
        if 1 <= day <= calendar.monthrange(year, month + 1)[1] and date(year, month + 1, day) >= today:
            yield date(year, month + 1, day)
