"""Times as they are spoken: "seven thirty p m", "half past six", "friday at ten", "in ten minutes".

An hour without "a m" or "p m" is read as on a 24-hour clock ("ten" is 10:00, "twelve" is noon), unless the rest says
otherwise ("tonight at nine"). What would be past means the next time it comes. A day without a time means nine in
the morning, or an hour from now where that is past. Where a wall-clock time comes twice (the night summer time ends)
the first one still ahead is meant; one that does not exist (the night it begins) is read as an hour later.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from cloud_stub.assistant.spoken_days import days, part_of_day

# fmt: off
_SMALL = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
# fmt: on
_NUMBERS = {"a": 1, "an": 1, "oh": 0} | {word: value for value, word in enumerate(_SMALL)}
_NUMBERS |= dict(zip(_TENS, range(20, 100, 10), strict=True))

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}

_HALF = r"a m|p m|am|pm|in the morning|in the afternoon|in the evening|at night"
_CLOCK = re.compile(
    r"noon|midnight"
    r"|(?:(?:(?P<half>half)|(?P<quarter>(?:a )?quarter)|(?P<few>[a-z ]+?)(?: minutes)?) (?P<side>past|to|after) )?"
    rf"(?P<hour>[a-z]+)(?: o'clock| (?P<minute>[a-z ]+?))??(?: (?P<of_day>{_HALF}))?"
)

#: How often a spoken day may already be past before it is one that comes: 29 February can be eight years away.
_TRIES = 4


def number(words: str) -> int | None:
    """0 to 99 from "forty five", "oh five", "an"; None for anything else."""
    match [_NUMBERS.get(word) for word in words.lower().replace("-", " ").split()]:
        case [int(value)]:
            return value
        case [int(tens), int(unit)] if (tens == 0 or tens >= 20) and 0 < unit < 10:
            return tens + unit
    return None


def duration(words: str) -> timedelta | None:
    """From "ten minutes", "an hour and a half", "two hours and ten minutes"; None for anything else."""
    words = words.strip().lower()
    if found := re.fullmatch(r"half an? (hour|minute)", words):
        return timedelta(seconds=_SECONDS[found[1]] / 2)
    if found := re.fullmatch(r"(.+?) (?:(hour|minute)s? and a half|and a half (hour|minute)s?)", words):
        whole = number(found[1])
        return None if whole is None else timedelta(seconds=_SECONDS[found[2] or found[3]] * (whole + 0.5))
    seconds = 0
    for piece in words.split(" and "):
        amount, _, unit = piece.rpartition(" ")
        value = number(amount)
        if value is None or unit.removesuffix("s") not in _SECONDS:
            return None
        seconds += value * _SECONDS[unit.removesuffix("s")]
    return timedelta(seconds=seconds)


def clock(words: str, of_day: str | None = None) -> time | None:
    """The time of day that is spoken, None for anything else. An hour that does not say whether it is a m or p m is
    read by `of_day` ("at night"), if that is given."""
    words = words.strip().lower().replace("-", " ")
    found = _CLOCK.fullmatch(words)
    if found is None:
        return None
    if found["hour"] is None or words in {"noon", "midnight"}:
        return time(12 if words == "noon" else 0)
    hour, minutes = number(found["hour"]), _minutes(found)
    if hour is None or minutes is None or not 1 <= hour <= 12 or not -60 < minutes < 60:
        return None
    return time(*divmod((_hour(hour, found["of_day"] or of_day) * 60 + minutes) % 1440, 60))


def _minutes(found: re.Match[str]) -> int | None:
    """Minutes from the full hour, negative before it."""
    if found["side"] is None:
        return number(found["minute"]) if found["minute"] else 0
    if found["minute"]:
        return None
    minutes = 30 if found["half"] else 15 if found["quarter"] else number(found["few"])
    return -minutes if minutes is not None and found["side"] == "to" else minutes


def _hour(hour: int, of_day: str | None) -> int:
    """An hour of the twelve on the 24-hour clock."""
    match of_day:
        case None:
            return hour
        case "a m" | "am" | "in the morning":
            return hour % 12
        case "at night":
            return hour + 12 if 6 <= hour <= 11 else hour % 12
    return hour % 12 + 12


def moment(words: str, now: datetime, of_day: str | None = None) -> datetime | None:
    """The moment that is spoken, in UTC and after `now`; None for anything else, also for days that never come.

    `now` carries the household's ZoneInfo; the words are meant on its wall clock.
    """
    words = re.sub(r"^(at|for|on|by) ", "", words.strip().lower())
    if words.startswith("in ") and (ahead := duration(words[3:])):
        # Two days from now is the same time by the wall clock, two hours from now is not.
        whole_days = not ahead % timedelta(days=1)
        return (now + ahead).astimezone(UTC) if whole_days else now.astimezone(UTC) + ahead
    said = words.split()
    for cut in range(len(said) + 1) if said else ():
        for on, at in ((said[:cut], said[cut:]), (said[cut:], said[:cut])):
            found = _moment(" ".join(on), " ".join(at), now, of_day)
            if found is not None:
                return found
    return None


def _moment(on: str, at: str, now: datetime, of_day: str | None) -> datetime | None:
    """The next moment by the words for a day and those for a time; either may be empty."""
    on = re.sub(r"^(on|for) ", "", on)
    part = part_of_day(on)
    spoken = clock(re.sub(r"^(at|for) ", "", at), part.of_day if part else of_day)
    if at and spoken is None:
        return None
    usual = part.usual if part else time(9)
    for on_day in islice(days(on or "today", now.date()), _TRIES):
        if on_day == now.date() and spoken is None:
            return next_moment([on_day], usual, now) or now.astimezone(UTC) + timedelta(hours=1)
        if found := next_moment([on_day], spoken or usual, now):
            return found
        # "today at seven", said at nine in the morning, is this evening and not tomorrow.
        later = clock(re.sub(r"^(at|for) ", "", at), "in the evening") if on == "today" else None
        if later and (found := next_moment([on_day], later, now)):
            return found
    return None


def next_moment(on_days: list[date], at: time, now: datetime) -> datetime | None:
    """The first moment after `now` that is `at` on one of these days where `now` is; in UTC."""
    zone = now.tzinfo
    for on_day in on_days:
        for fold in (0, 1):
            # Compared in UTC: within one zone Python compares wall clocks and would not see the fold.
            found = datetime.combine(on_day, at.replace(fold=fold), zone).astimezone(UTC)
            if found > now.astimezone(UTC):
                return found
    return None
