"""Questions that leave no record, and what has one answer for all."""

from zoneinfo import ZoneInfo

from cloud_stub.assistant.outcome import Memory, Outcome, Request
from cloud_stub.assistant.understanding import Understood
from cloud_stub.assistant.wording import spoken_clock, spoken_day


def ask_time(request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "What time is it", here or in a city that the templates know the zone of."""
    zone = asked.said("zone")
    there = request.at.astimezone(ZoneInfo(zone)) if zone else request.now
    return Outcome(asked.intent, f"It's {spoken_clock(there.time())}{' there' if zone else ''}.")


def ask_date(request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "What day is it"."""
    return Outcome(asked.intent, f"It's {spoken_day(request.now, request.now)}.")


def reply(_request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """What the template itself answers, in its slot `reply`."""
    return Outcome(asked.intent, asked.said("reply"))
