"""What the household asks about its own data."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cloud_stub.assistant import Change, Deletion
from tests.cloud_stub.asking import BERLIN, LOS_ANGELES, ask


@pytest.mark.parametrize(
    ("text", "zone", "since", "until"),
    [
        ("delete everything i said today", BERLIN, "2026-06-02T22:00", "2026-06-03T13:05"),
        ("delete everything i said today", LOS_ANGELES, "2026-06-03T07:00", "2026-06-03T13:05"),
        ("delete everything i said yesterday", BERLIN, "2026-06-01T22:00", "2026-06-02T22:00"),
        ("delete all my voice recordings from this week", BERLIN, "2026-05-31T22:00", "2026-06-03T13:05"),
        ("delete everything i said last week", BERLIN, "2026-05-24T22:00", "2026-05-31T22:00"),
        ("delete everything i said this month", BERLIN, "2026-05-31T22:00", "2026-06-03T13:05"),
        ("delete everything i said this morning", BERLIN, "2026-06-02T22:00", "2026-06-03T10:00"),
        ("delete everything i said this afternoon", BERLIN, "2026-06-03T10:00", "2026-06-03T13:05"),
        ("delete everything i said in the last hour", BERLIN, "2026-06-03T12:05", "2026-06-03T13:05"),
    ],
)
def test_a_range_is_deleted_by_the_households_clock(text: str, zone: ZoneInfo, since: str, until: str) -> None:
    deletion = ask(text, zone=zone).deletion
    ends = (datetime.fromisoformat(f"{end}+00:00") for end in (since, until))
    assert deletion == Deletion("range", *ends)


@pytest.mark.parametrize(
    ("at", "zone", "since"),
    [
        # The nights on which the clocks change: midnight still had the old time.
        (datetime(2026, 3, 29, 10, 0, tzinfo=UTC), BERLIN, datetime(2026, 3, 28, 23, 0, tzinfo=UTC)),
        (datetime(2026, 10, 25, 10, 0, tzinfo=UTC), BERLIN, datetime(2026, 10, 24, 22, 0, tzinfo=UTC)),
        (datetime(2026, 11, 1, 20, 0, tzinfo=UTC), LOS_ANGELES, datetime(2026, 11, 1, 7, 0, tzinfo=UTC)),
    ],
)
def test_today_begins_at_local_midnight_when_the_clocks_change(at: datetime, zone: ZoneInfo, since: datetime) -> None:
    assert ask("delete everything i said today", at=at, zone=zone).deletion == Deletion("range", since, at)


def test_the_last_or_everything_can_be_deleted() -> None:
    assert ask("delete what i just said").deletion == Deletion("last")
    assert ask("erase the last thing i said please").deletion == Deletion("last")
    assert ask("delete everything").deletion == Deletion("all")
    assert ask("delete all my voice recordings").deletion == Deletion("all")


@pytest.mark.parametrize(
    ("text", "setting", "value"),
    [
        ("delete my recordings after three months", "auto_delete", "P3M"),
        ("delete all my voice recordings after eighteen months", "auto_delete", "P18M"),
        ("keep my recordings for a week", "auto_delete", "P7D"),
        ("delete my recordings after forty five days", "auto_delete", "P45D"),
        ("delete my recordings after one year", "auto_delete", "P1Y"),
        ("never delete my recordings", "auto_delete", "never"),
        ("do not save my recordings", "save_recordings", "no"),
        ("stop saving my recordings", "save_recordings", "no"),
        ("don't record me", "save_recordings", "no"),
        ("save my recordings", "save_recordings", "yes"),
        ("do not use my voice for training", "use_for_improvement", "no"),
        ("don't use my recordings for training", "use_for_improvement", "no"),
        ("use my voice for training", "use_for_improvement", "yes"),
    ],
)
def test_a_setting_can_be_changed_by_voice(text: str, setting: str, value: str) -> None:
    assert ask(text).change == Change(setting, value)


def test_what_is_known_is_told_in_numbers_and_not_in_words() -> None:
    outcome = ask("what do you know about me", "my code is one", alarm=[{"time": "07:00"}, {"time": "08:00"}])
    assert "1 thing you told me to remember and 2 alarms" in outcome.response
    assert "code" not in outcome.response
    assert "nothing that you asked me to keep" in ask("what do you know about me").response
