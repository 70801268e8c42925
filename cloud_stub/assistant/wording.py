"""How answers are worded: times, lists and numbers of things as a voice says them, and whose words are whose."""

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta

#: What the speaker says, turned to who is spoken to: "my keys" told by you are "your keys" told to you.
_TURNED = {
    "i": "you",
    "i'm": "you're",
    "i've": "you've",
    "i'd": "you'd",
    "i'll": "you'll",
    "me": "you",
    "my": "your",
    "mine": "yours",
    "myself": "yourself",
    "am": "are",
    "you": "me",
    "you're": "i'm",
    "your": "my",
    "yours": "mine",
    "yourself": "myself",
}


def second_person(words: str) -> str:
    """What somebody said of themselves, said to them: "i was late" becomes "you were late"."""
    words = re.sub(r"\bi was\b", "i were", words, flags=re.IGNORECASE)
    return " ".join(_TURNED.get(word.lower(), word) for word in words.split())


def spoken_clock(at: time) -> str:
    """As on a 12-hour clock: "7:00 AM"."""
    return f"{at.hour % 12 or 12}:{at.minute:02} {'AM' if at.hour < 12 else 'PM'}"


def spoken_moment(at: datetime, now: datetime) -> str:
    """As seen from `now`, in its zone: "today at 7:00 AM", "on Friday, June 5 at 10:00 AM"."""
    local = at.astimezone(now.tzinfo)
    on = {now.date(): "today", now.date() + timedelta(days=1): "tomorrow"}.get(
        local.date(), f"on {spoken_day(local, now)}"
    )
    return f"{on} at {spoken_clock(local.time())}"


def spoken_day(local: datetime, now: datetime) -> str:
    """ "Friday, June 5", with its year where that is another one."""
    year = f", {local.year}" if local.year != now.year else ""
    return f"{local:%A}, {local:%B} {local.day}{year}"


def spoken_every(recurrence: str) -> str:
    """A recurrence as its record holds it, to be said after a time: ", every monday"; nothing for one that is ""."""
    if recurrence.startswith("weekly "):
        return f", every {recurrence.removeprefix('weekly ').title()}"
    named = {"": "", "daily": ", every day", "weekdays": ", on weekdays", "weekends": ", on weekends"}
    return named.get(recurrence, f", {recurrence}")


def spoken_duration(length: timedelta) -> str:
    """In whole units, largest first: "1 hour and 30 minutes"."""
    left, parts = int(length.total_seconds()), []
    for unit, seconds in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        amount, left = divmod(left, seconds)
        if amount:
            parts.append(counted(amount, unit))
    return joined(parts) or "no time"


def counted(amount: int, thing: str) -> str:
    """ "1 alarm", "2 alarms"."""
    return f"{amount} {thing}" if amount == 1 else f"{amount} {thing}s"


def joined(parts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([*filter(None, [", ".join(parts[:-1])]), *parts[-1:]])


def named(person: str) -> str:
    """A person as the answer names them: "bob" is Bob, "my mom" is your mom."""
    turned = second_person(person)
    return turned if " " in turned else turned.title()
