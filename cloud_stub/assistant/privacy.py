"""What the household asks about its own data: to delete it, to keep it otherwise, to be told about it.

The answers promise nothing that a policy may not keep: they speak of recordings and of what was asked for.
"""

from datetime import UTC, datetime, time, timedelta

from cloud_stub.assistant.outcome import Change, Deletion, Memory, Outcome, Request
from cloud_stub.assistant.spoken_time import number
from cloud_stub.assistant.understanding import Understood
from cloud_stub.assistant.wording import counted, joined

_KINDS = ("alarm", "reminder", "meeting", "message", "list_item", "timer")

#: ISO 8601 periods of the units that a setting is spoken in, and how many of them it means.
_PERIODS = {"day": ("D", 1), "week": ("D", 7), "month": ("M", 1), "year": ("Y", 1)}


def delete_last(_request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Delete what i just said"."""
    response = "I'm deleting the recording of the last thing you said."
    return Outcome(asked.intent, response, deletion=Deletion("last"))


def delete_range(request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Delete everything i said today": from local midnight to now."""
    span = asked.said("span")
    since, until = _range(span, request.now)
    response = f"I'm deleting the recordings of everything you said {span}."
    return Outcome(asked.intent, response, deletion=Deletion("range", since, until))


def delete_all(_request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Delete everything"."""
    response = "I'm deleting the recordings of everything you ever said."
    return Outcome(asked.intent, response, deletion=Deletion("all"))


def change_setting(_request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Delete my recordings after three months", "do not save my recordings"."""
    setting, value, period = asked.said("setting"), asked.said("value"), asked.said("period")
    match setting:
        case "auto_delete" if period:
            value = _period(period)
            response = f"I'll delete your recordings after {period}."
        case "auto_delete":
            response = "I'll keep your recordings until you delete them."
        case "save_recordings":
            response = "I'll save your recordings." if value == "yes" else "I won't save your recordings from now on."
        case _:
            response = f"Your recordings may {'' if value == 'yes' else 'not '}be used for training."
    return Outcome(asked.intent, response, change=Change(setting, value))


def ask_about_me(request: Request, asked: Understood, memory: Memory) -> Outcome:
    """ "What do you know about me": how much of what, but not the words themselves, for whoever else is listening."""
    facts = len(memory.facts(request.account))
    held = [(len(memory.actions(request.account, kind)), kind.replace("_", " ")) for kind in _KINDS]
    told = [f"{counted(facts, 'thing')} you told me to remember"] if facts else []
    known = joined(told + [counted(amount, kind) for amount, kind in held if amount])
    page = "The commands cloud-stub history and cloud-stub left show your recordings and whatever else is left of them."
    return Outcome(asked.intent, f"I know {known or 'nothing that you asked me to keep'}. {page}")


def _range(span: str, now: datetime) -> tuple[datetime, datetime]:
    """[since, until) in UTC of "today", "last week" and their like, on the household's wall clock; never after now."""
    today = datetime.combine(now.date(), time(0), now.tzinfo)
    monday = today - timedelta(days=today.weekday())
    since, until = {
        "today": (today, now),
        "yesterday": (today - timedelta(days=1), today),
        "this morning": (today, today.replace(hour=12)),
        "this afternoon": (today.replace(hour=12), today.replace(hour=18)),
        "this evening": (today.replace(hour=18), now),
        "tonight": (today.replace(hour=18), now),
        "this week": (monday, now),
        "last week": (monday - timedelta(days=7), monday),
        "this month": (today.replace(day=1), now),
        "in the last hour": (now.astimezone(UTC) - timedelta(hours=1), now),
    }[span]
    ends = [moment.astimezone(UTC) for moment in (since, until, now)]
    return min(ends[0], ends[2]), min(ends[1], ends[2])


def _period(words: str) -> str:
    """An ISO 8601 period from "three months", "a week", "forty five days"."""
    amount, _, unit = words.rpartition(" ")
    letter, times = _PERIODS[unit.removesuffix("s")]
    return f"P{(number(amount) or 1) * times}{letter}"
