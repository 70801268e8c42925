"""What a spoken time means, on the wall clock of the household that says it."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_stub.assistant.recurrence import first_due, recurrence
from cloud_stub.assistant.spoken_days import days
from cloud_stub.assistant.spoken_time import clock, duration, moment, number

BERLIN = ZoneInfo("Europe/Berlin")
LOS_ANGELES = ZoneInfo("America/Los_Angeles")

#: A wednesday, five past three in the afternoon.
NOW = datetime(2026, 6, 3, 15, 5, tzinfo=BERLIN)


def local(words: str, now: datetime = NOW) -> str | None:
    found = moment(words, now)
    return None if found is None else f"{found.astimezone(now.tzinfo):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("words", "value"),
    [("seven", 7), ("forty five", 45), ("oh five", 5), ("an", 1), ("twelve", 12), ("ninety nine", 99)]
    + [(words, None) for words in ("", "ten five", "five forty", "forty eleven", "twenty oh", "many")],
)
def test_numbers_are_read_from_words(words: str, value: int | None) -> None:
    assert number(words) == value


@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("seven a m", time(7)),
        ("seven thirty p m", time(19, 30)),
        ("half past six", time(6, 30)),
        ("half past six p m", time(18, 30)),
        ("quarter to seven", time(6, 45)),
        ("a quarter past noon", None),
        ("quarter to one", time(0, 45)),
        ("twenty five minutes past four in the afternoon", time(16, 25)),
        ("ten to one p m", time(12, 50)),
        ("noon", time(12)),
        ("midnight", time(0)),
        ("ten", time(10)),
        ("twelve", time(12)),
        ("twelve a m", time(0)),
        ("twelve p m", time(12)),
        ("twelve at night", time(0)),
        ("two at night", time(2)),
        ("ten at night", time(22)),
        ("five o'clock in the evening", time(17)),
        ("eleven fifty nine", time(11, 59)),
        ("seven oh five a m", time(7, 5)),
        ("ten ten", time(10, 10)),
        ("ten forty-five", time(10, 45)),
    ]
    + [(words, None) for words in ("", "thirteen", "seven sixty", "seven eleventh", "half past", "soon")],
)
def test_clock_times_are_read_from_words(words: str, at: time | None) -> None:
    assert clock(words) == at


@pytest.mark.parametrize(
    ("words", "length"),
    [
        ("ten minutes", timedelta(minutes=10)),
        ("an hour", timedelta(hours=1)),
        ("half an hour", timedelta(minutes=30)),
        ("an hour and a half", timedelta(minutes=90)),
        ("two and a half hours", timedelta(minutes=150)),
        ("one hour and fifteen minutes", timedelta(minutes=75)),
        ("ninety seconds", timedelta(seconds=90)),
        ("two weeks", timedelta(days=14)),
    ]
    + [(words, None) for words in ("", "ten", "ten minutes and", "many hours", "many and a half hours", "ten parsecs")],
)
def test_durations_are_read_from_words(words: str, length: timedelta | None) -> None:
    assert duration(words) == length


@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("seven a m", "2026-06-04 07:00"),
        ("ten", "2026-06-04 10:00"),
        ("for seven thirty p m", "2026-06-03 19:30"),
        ("at noon", "2026-06-04 12:00"),
        ("friday at ten", "2026-06-05 10:00"),
        ("for friday at ten", "2026-06-05 10:00"),
        ("at ten on friday", "2026-06-05 10:00"),
        ("on wednesday at four p m", "2026-06-03 16:00"),
        ("on wednesday at ten", "2026-06-10 10:00"),
        ("this friday at ten", "2026-06-05 10:00"),
        ("next friday at ten", "2026-06-12 10:00"),
        ("next week", "2026-06-08 09:00"),
        ("this weekend", "2026-06-06 09:00"),
        ("tomorrow", "2026-06-04 09:00"),
        ("tomorrow evening", "2026-06-04 18:00"),
        ("tomorrow night at nine", "2026-06-04 21:00"),
        ("the day after tomorrow at half past six", "2026-06-05 06:30"),
        ("tonight", "2026-06-03 20:00"),
        ("tonight at nine", "2026-06-03 21:00"),
        ("this evening at six", "2026-06-03 18:00"),
        ("today at seven", "2026-06-03 19:00"),
        ("today at five past three", "2026-06-04 03:05"),
        ("today", "2026-06-03 16:05"),
        ("june fourteenth", "2026-06-14 09:00"),
        ("on june the fourteenth", "2026-06-14 09:00"),
        ("the fourteenth of june at noon", "2026-06-14 12:00"),
        ("june second", "2027-06-02 09:00"),
        ("june third", "2026-06-03 16:05"),
        ("june third at ten", "2027-06-03 10:00"),
        ("february twenty ninth", "2028-02-29 09:00"),
        ("the second", "2026-07-02 09:00"),
        ("the thirty first", "2026-07-31 09:00"),
        ("in ten minutes", "2026-06-03 15:15"),
        ("in an hour and a half", "2026-06-03 16:35"),
        ("in two days", "2026-06-05 15:05"),
    ],
)
def test_moments_are_the_next_that_the_words_can_mean(words: str, at: str) -> None:
    assert local(words) == at


@pytest.mark.parametrize("words", ["", "june thirty first", "friday at thirteen", "in a while", "monday tuesday", "at"])
def test_words_for_no_moment_give_none(words: str) -> None:
    assert local(words) is None


def test_a_moment_is_given_in_utc() -> None:
    assert moment("friday at ten", NOW) == datetime(2026, 6, 5, 8, 0, tzinfo=UTC)
    assert moment("friday at ten", NOW.astimezone(LOS_ANGELES)) == datetime(2026, 6, 5, 17, 0, tzinfo=UTC)


def test_the_same_words_mean_each_households_own_day() -> None:
    # It is already thursday in Berlin and still wednesday in Los Angeles.
    now = datetime(2026, 6, 4, 1, 0, tzinfo=BERLIN)
    assert local("tomorrow", now) == "2026-06-05 09:00"
    assert local("tomorrow", now.astimezone(LOS_ANGELES)) == "2026-06-04 09:00"


@pytest.mark.parametrize(
    ("now", "words", "utc"),
    [
        # Summer time begins: 2:30 does not exist and is read as 3:30 CEST, 3:30 PDT.
        (datetime(2026, 3, 28, 22, 0, tzinfo=BERLIN), "half past two", "2026-03-29T01:30"),
        (datetime(2026, 3, 7, 22, 0, tzinfo=LOS_ANGELES), "half past two", "2026-03-08T10:30"),
        # The day it begins is an hour shorter, seven is still seven.
        (datetime(2026, 3, 28, 22, 0, tzinfo=BERLIN), "seven a m", "2026-03-29T05:00"),
        # It ends: 2:30 comes twice. The first is meant, or the second once the first is past.
        (datetime(2026, 10, 24, 22, 0, tzinfo=BERLIN), "half past two", "2026-10-25T00:30"),
        (datetime(2026, 10, 25, 2, 40, tzinfo=BERLIN), "half past two", "2026-10-25T01:30"),
        (datetime(2026, 10, 25, 2, 40, fold=1, tzinfo=BERLIN), "half past two", "2026-10-26T01:30"),
        # Hours are counted as they pass, days on the calendar.
        (datetime(2026, 10, 24, 22, 0, tzinfo=BERLIN), "in ten hours", "2026-10-25T06:00"),
        (datetime(2026, 10, 24, 22, 0, tzinfo=BERLIN), "in a day", "2026-10-25T21:00"),
    ],
)
def test_summer_time_begins_and_ends(now: datetime, words: str, utc: str) -> None:
    found = moment(words, now)
    assert found is not None
    assert f"{found:%Y-%m-%dT%H:%M}" == utc


@pytest.mark.parametrize(
    ("every", "held"),
    [
        ("", ""),
        ("every day", "daily"),
        ("daily", "daily"),
        ("every night", "daily"),
        ("every other day", "every other day"),
        ("every weekday", "weekdays"),
        ("for weekdays", "weekdays"),
        ("on weekends", "weekends"),
        ("every monday", "weekly monday"),
        ("weekly", "weekly wednesday"),
    ],
)
def test_recurrences_are_read_from_words(every: str, held: str) -> None:
    assert recurrence(every, NOW) == held


@pytest.mark.parametrize(
    ("held", "at", "due"),
    [
        ("daily", time(7), "2026-06-04 07:00"),
        ("daily", time(16), "2026-06-03 16:00"),
        ("weekdays", time(7), "2026-06-04 07:00"),
        ("weekends", time(7), "2026-06-06 07:00"),
        ("weekly monday", time(7), "2026-06-08 07:00"),
        ("weekly wednesday", time(7), "2026-06-10 07:00"),
    ],
)
def test_what_recurs_is_due_on_the_next_of_its_days(held: str, at: time, due: str) -> None:
    assert f"{first_due(held, at, NOW).astimezone(BERLIN):%Y-%m-%d %H:%M}" == due


ANY_NOW = st.builds(
    lambda seconds, zone: datetime.fromtimestamp(seconds, UTC).astimezone(zone),
    st.integers(0, 4_000_000_000),
    st.sampled_from([BERLIN, LOS_ANGELES]),
)
SAID = ["seven a m", "half past two", "friday at ten", "tomorrow", "june the fourteenth", "today", "in ten minutes"]
SAID += ["tonight", "february twenty ninth at noon", "the thirty first", "this weekend", "next monday at one a m"]


@settings(deadline=None)
@given(ANY_NOW, st.sampled_from(SAID))
def test_every_moment_is_ahead_and_in_utc(now: datetime, words: str) -> None:
    found = moment(words, now)
    assert found is not None
    assert found.tzinfo is UTC
    assert found > now.astimezone(UTC)


@settings(deadline=None)
@given(ANY_NOW, st.sampled_from(["daily", "weekdays", "weekends", "weekly sunday"]), st.times())
def test_what_recurs_is_due_within_eight_days(now: datetime, held: str, at: time) -> None:
    due = first_due(held, at, now)
    assert now.astimezone(UTC) < due <= now.astimezone(UTC) + timedelta(days=8)


@settings(deadline=None)
@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz' -", max_size=40), st.dates(date(1990, 1, 1), date(2090, 1, 1)))
def test_no_words_break_it(words: str, today: date) -> None:
    moment(words, NOW)
    assert all(day >= today for day in days(words, today))
