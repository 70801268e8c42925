"""What was set rings: at its local time, also offline and after a restart, until stopped; then no byte is left."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cloud_stub.contract.messages import Alert, new_id
from cloud_stub.contract.recurrence import RECURRENCES, next_due
from device.alerts import REMEMBERED, Alerts

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)  # a monday
HOUR = timedelta(hours=1)


def alert(due: datetime = NOW + HOUR, **changes: Any) -> Alert:
    given: dict[str, Any] = {"id": new_id(), "interaction": new_id(), "kind": "alarm", "zone": "Europe/Berlin"}
    return Alert(**given | {"due": due} | changes)


@pytest.fixture
def alerts(tmp_path: Path) -> Iterator[Alerts]:
    it = Alerts(tmp_path)
    yield it
    it.close()


def names(alerts: Alerts, now: datetime) -> list[str]:
    return [kept.interaction for kept in alerts.ringing(now)]


def test_it_rings_from_its_time_on_until_it_is_stopped(alerts: Alerts) -> None:
    set_alarm = alert()
    alerts.keep(set_alarm)
    assert names(alerts, NOW + HOUR - timedelta(microseconds=1)) == []
    assert names(alerts, NOW + HOUR) == [set_alarm.interaction]
    assert names(alerts, NOW + 3 * HOUR) == [set_alarm.interaction]
    assert alerts.stop(NOW + 3 * HOUR) == 1
    assert alerts.all() == []
    assert alerts.stop(NOW + 3 * HOUR) == 0


def test_it_rings_after_a_restart_also_where_it_fell_due_while_the_device_was_off(tmp_path: Path) -> None:
    before = Alerts(tmp_path)
    set_alarm = alert(about="the oven")
    before.keep(set_alarm)
    before.close()
    after = Alerts(tmp_path)
    (kept,) = after.ringing(NOW + timedelta(days=2))
    assert (kept.interaction, kept.about, kept.due) == (set_alarm.interaction, "the oven", NOW + HOUR)
    after.close()


def test_stopping_one_that_is_due_leaves_the_others(alerts: Alerts) -> None:
    soon, later = alert(NOW + HOUR), alert(NOW + 2 * HOUR)
    alerts.keep(later)
    alerts.keep(soon)
    assert alerts.stop(NOW + HOUR) == 1
    assert [kept.interaction for kept in alerts.all()] == [later.interaction]


def test_what_recurs_rings_again_at_the_same_time_on_the_wall_clock_across_both_changes_of_summer_time(
    alerts: Alerts,
) -> None:
    alerts.keep(alert(datetime(2026, 3, 27, 7, 0, tzinfo=BERLIN), recurrence="daily"))
    rung = []
    for day in range(300):
        now = datetime(2026, 3, 27, 7, 30, tzinfo=BERLIN) + timedelta(days=day)
        rung += [kept.local for kept in alerts.ringing(now)]
        alerts.stop(now)
    assert len(rung) == 300
    assert {f"{local:%H:%M}" for local in rung} == {"07:00"}
    assert len({local.utcoffset() for local in rung}) == 2


@pytest.mark.parametrize("away", [1, 3, 30])
def test_what_recurs_and_was_missed_several_times_rings_once(alerts: Alerts, away: int) -> None:
    alerts.keep(alert(recurrence="daily"))
    back = NOW + timedelta(days=away, hours=2)
    assert alerts.stop(back) == 1
    assert alerts.ringing(back) == []
    assert [kept.due for kept in alerts.all()] == [NOW + timedelta(days=away + 1, hours=1)]


@pytest.mark.parametrize(
    ("recurrence", "days"),
    [
        ("daily", [1, 2, 3, 4, 5, 6, 7]),
        ("every other day", [2, 4, 6, 8, 10, 12, 14]),
        ("weekdays", [1, 2, 3, 4, 7, 8, 9]),
        ("weekends", [5, 6, 12, 13, 19, 20, 26]),
        ("weekly monday", [7, 14, 21, 28, 35, 42, 49]),
        ("weekly thursday", [3, 10, 17, 24, 31, 38, 45]),
    ],
)
def test_each_recurrence_comes_on_its_days(recurrence: str, days: list[int]) -> None:
    came, at = [], NOW
    for _ in days:
        following = next_due(NOW, recurrence, BERLIN, at)
        assert following is not None
        at = following
        came.append((at - NOW).days)
    assert came == days


def test_a_time_that_comes_twice_is_the_earlier_one_and_rings_once(alerts: Alerts) -> None:
    alerts.keep(alert(datetime(2026, 10, 24, 2, 30, tzinfo=BERLIN), recurrence="daily"))
    alerts.stop(datetime(2026, 10, 24, 12, 0, tzinfo=BERLIN))
    (kept,) = alerts.all()
    assert kept.due == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 2:30 in summer time
    alerts.stop(kept.due)
    assert alerts.all()[0].due == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_a_time_that_a_day_leaves_out_is_an_hour_later_on_that_day_and_only_then() -> None:
    first = datetime(2026, 3, 28, 2, 30, tzinfo=BERLIN)
    left_out = next_due(first, "daily", BERLIN, first)
    assert left_out == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 3:30
    assert next_due(first, "daily", BERLIN, left_out) == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)  # 2:30


def test_what_was_set_in_the_hour_that_came_twice_recurs_in_the_earlier_one() -> None:
    first = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # 2:30 in winter time, for the second time that night
    a_year_later = datetime(2027, 10, 30, 12, 0, tzinfo=UTC)
    assert next_due(first, "daily", BERLIN, a_year_later) == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)


def test_what_comes_once_does_not_come_round() -> None:
    assert next_due(NOW, "", BERLIN, NOW - HOUR) == NOW
    assert next_due(NOW, "", BERLIN, NOW) is None


def test_no_recurrence_is_taken_that_never_comes_round() -> None:
    with pytest.raises(ValueError, match="Expected one of daily"):
        next_due(NOW, "sometimes", BERLIN, NOW)
    assert [name for name in RECURRENCES if name and next_due(NOW, name, BERLIN, NOW) is None] == []


def test_a_directive_that_is_repeated_after_a_restart_does_not_ring_twice(tmp_path: Path) -> None:
    set_alarm = alert()
    before = Alerts(tmp_path)
    before.keep(set_alarm)
    before.stop(NOW + HOUR)
    before.close()
    after = Alerts(tmp_path)
    after.keep(set_alarm)
    assert after.all() == []
    after.close()


def test_only_so_many_directives_are_remembered(alerts: Alerts) -> None:
    alerts._database.execute("PRAGMA synchronous=off")
    set_alarm = alert()
    for _ in range(20):
        alerts.keep(alert(interaction=set_alarm.interaction))
    alerts._database.execute("UPDATE done SET number = number - ?", (REMEMBERED - 10,))
    alerts.keep(alert())
    (count,) = alerts._database.execute("SELECT count(*) FROM done").fetchone()
    assert count < 20


def test_what_is_forgotten_does_not_ring_and_leaves_no_byte(alerts: Alerts, tmp_path: Path) -> None:
    gone = [alert(kind="reminder", about=f"the zebra number {number}") for number in range(20)]
    kept = alert(kind="reminder", about="the kept one")
    for one in [*gone, kept]:
        alerts.keep(one)
    alerts.forget(one.interaction for one in gone)
    assert [one.about for one in alerts.all()] == ["the kept one"]
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"the kept one" in content
    assert b"zebra" not in content


def test_what_an_alert_is_about_can_be_forgotten_alone_and_leaves_no_byte(alerts: Alerts, tmp_path: Path) -> None:
    alerts.keep(alert(about="water the blue flower pot"))
    (before,) = alerts.all()
    alerts.forget_about([before.interaction])
    assert alerts.all() == [replace(before, about="")]
    assert b"flower pot" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_a_zone_that_is_not_known_here_does_not_silence_it(alerts: Alerts) -> None:
    alerts.keep(alert(zone="Mars/Olympus", recurrence="daily"))
    assert alerts.ringing(NOW + HOUR)[0].told() == "alarm, due 11:00"
    alerts.stop(NOW + HOUR)
    assert alerts.all()[0].due == NOW + HOUR + timedelta(days=1)
