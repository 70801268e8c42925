"""What is to happen at a time: alarms, reminders, meetings and timers, and what is still to come."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta

from cloud_stub.assistant.outcome import Draft, Fields, Memory, Outcome, Request
from cloud_stub.assistant.recurrence import first_due, recurrence
from cloud_stub.assistant.spoken_days import part_of_day
from cloud_stub.assistant.spoken_time import duration, moment, next_moment
from cloud_stub.assistant.understanding import Understood
from cloud_stub.assistant.wording import (
    counted,
    joined,
    named,
    second_person,
    spoken_clock,
    spoken_duration,
    spoken_every,
    spoken_moment,
)
from cloud_stub.contract.messages import rfc3339
from cloud_stub.contract.recurrence import next_due


class NeverComesError(ValueError):
    """A time was said that never comes, such as june thirty first."""


def set_alarm(request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Set a recurring alarm for seven a m": `time` is the household's, `due` the first time it rings."""
    due, recurs = _due(request, asked)
    if due is None:
        raise NeverComesError
    local = due.astimezone(request.zone)
    fields: Fields = {"time": f"{local:%H:%M}", "recurrence": recurs, "due": rfc3339(due)}
    when = spoken_clock(local.time()) if recurs else spoken_moment(due, request.now)
    response = f"Your alarm is set for {when}{spoken_every(recurs)}."
    return Outcome(asked.intent, response, (Draft("actions", "alarm", fields),))


def set_reminder(request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Remind me of my anniversary on june fourteenth"; `due` is None where no time was said."""
    due, recurs = _due(request, asked)
    about = asked.said("about")
    fields: Fields = {"about": about, "due": rfc3339(due) if due else None, "recurrence": recurs}
    when = f" {spoken_moment(due, request.now)}" if due else ", without a time"
    response = f"I'll remind you{when}{spoken_every(recurs)}: {second_person(about)}."
    return Outcome(asked.intent, response, (Draft("actions", "reminder", fields),))


def schedule_meeting(request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Place a meeting with alice on my calendar for friday at ten": title "meeting", attendee "alice"."""
    starts, _ = _due(request, asked)
    title, _, attendee = re.sub(r"^(a|an|the) ", "", asked.said("title")).partition(" with ")
    attendee = asked.said("attendee", attendee)
    fields: Fields = {"title": title, "attendee": attendee, "starts": rfc3339(starts) if starts else None}
    company = f" with {named(attendee)}" if attendee else ""
    when = spoken_moment(starts, request.now) if starts else "without a time"
    response = f"It's on your calendar: {second_person(title)}{company}, {when}."
    return Outcome(asked.intent, response, (Draft("actions", "meeting", fields),))


def set_timer(request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Set a timer for ten minutes"."""
    length = duration(asked.said("time_span"))
    if not length:
        raise NeverComesError
    fields: Fields = {"seconds": int(length.total_seconds()), "due": rfc3339(request.at + length)}
    response = f"{spoken_duration(length)}, starting now."
    return Outcome(asked.intent, response, (Draft("actions", "timer", fields),))


def list_alarms(request: Request, asked: Understood, memory: Memory) -> Outcome:
    """ "What alarms do I have"."""
    return _listing(request, asked, memory, "alarm", "")


def list_reminders(request: Request, asked: Understood, memory: Memory) -> Outcome:
    """ "What are my reminders"; one without a time is always still to come."""
    return _listing(request, asked, memory, "reminder", "about")


def list_meetings(request: Request, asked: Understood, memory: Memory) -> Outcome:
    """ "What is on my calendar"."""
    return _listing(request, asked, memory, "meeting", "title")


def list_timers(request: Request, asked: Understood, memory: Memory) -> Outcome:
    """ "How much time is left on my timer"."""
    left = [at - request.at for at, _ in _ahead(request, memory, "timer") if at]
    response = f"There is {joined([spoken_duration(span) for span in left])} left." if left else "No timer is running."
    return Outcome(asked.intent, response)


def _listing(request: Request, asked: Understood, memory: Memory, kind: str, named_by: str) -> Outcome:
    rows = list(_ahead(request, memory, kind))
    if not rows:
        return Outcome(asked.intent, f"You have no {kind}s.")
    things = []
    for at, row in rows:
        thing = [second_person(str(row.get(named_by) or ""))] if row.get(named_by) else []
        when = [spoken_moment(at, request.now) + spoken_every(str(row.get("recurrence") or ""))] if at else []
        things.append(" ".join(thing + when))
    details = "; ".join(filter(None, things))
    return Outcome(asked.intent, f"You have {counted(len(rows), kind)}{details and f': {details}'}.")


def _ahead(
    request: Request, memory: Memory, kind: str
) -> Iterator[tuple[datetime | None, Mapping[str, str | int | None]]]:
    """What is still to come, soonest first, each with its next time; what has no time comes last."""
    rows = []
    for row in memory.actions(request.account, kind):
        due = row.get("due") or row.get("starts")
        at = datetime.fromisoformat(str(due)) if due else None
        if at and at <= request.at and row.get("recurrence"):
            at = next_due(at, str(row["recurrence"]), request.zone, request.at)
        if at is None or at > request.at:
            rows.append((at, row))
    yield from sorted(rows, key=lambda row: row[0] or datetime.max.replace(tzinfo=UTC))


def _due(request: Request, asked: Understood) -> tuple[datetime | None, str]:
    """When it comes for the first time (UTC; None where no time was said) and how often it recurs.

    Raises NeverComesError for a time that never comes.
    """
    when, every = asked.said("when"), asked.said("every")
    if not when and not every:
        return None, ""
    now, part = request.now, part_of_day(every)
    if when:
        first = moment(when, now, part.of_day if part else None)
    else:
        first = next_moment([now.date(), now.date() + timedelta(days=1)], part.usual if part else time(9), now)
    if first is None:
        raise NeverComesError
    local = first.astimezone(request.zone)
    recurs = recurrence(every, local)
    return (first_due(recurs, local.time(), now) if recurs else first), recurs
