"""What the device keeps follows the rules: an alert whose record stays still rings, an erased one does not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from cloud_stub import accounts
from cloud_stub.contract.messages import Alert, Clock, Directive, Forget, new_id, rfc3339
from cloud_stub.house import open_house
from cloud_stub.ingest import Ingest
from cloud_stub.retention import device_copies, policy
from cloud_stub.retention.scopes import Scope
from cloud_stub.retention.sweeper import Sweeper
from cloud_stub.stores.tables import directive
from tests.cloud_stub.house import UTC_ZONE, Neighbourhood, assistant, neighbourhood, reminders_without_words
from tests.processes import asked, cloud_stub

ALARM = "set a recurring alarm for seven a m"
REMINDER = "remind me of my anniversary on june fourteenth"


def erase(cloud: Neighbourhood, *interactions: str) -> None:
    """Delete these, or everything."""
    now = rfc3339(cloud.house.clock.now())
    scopes = [Scope(new_id(), "household", now, interaction=name) for name in interactions]
    cloud.house.engine.erase(scopes or [Scope(new_id(), "household", now, until=now)])


def told(cloud: Neighbourhood, *kinds: type[Directive]) -> list[Directive]:
    return [one for one in cloud.directives() if isinstance(one, kinds)]


def forgotten(cloud: Neighbourhood) -> dict[str, set[str]]:
    """What devices are told to forget: kind of copy -> interactions."""
    found: dict[str, set[str]] = {}
    for one in told(cloud, Forget):
        assert isinstance(one, Forget)
        found.setdefault(one.what, set()).update(one.interactions)
    return found


def test_an_alarm_reaches_the_device_that_was_asked_with_all_that_it_needs_to_ring_by_itself(tmp_path: Path) -> None:
    with neighbourhood(tmp_path, zone=ZoneInfo("Europe/Berlin")) as cloud:
        name = cloud.say(ALARM, device="bedroom")
        (alert,) = told(cloud, Alert)
    assert isinstance(alert, Alert)
    assert (alert.interaction, alert.position, alert.kind, alert.recurrence) == (name, 0, "alarm", "daily")
    assert alert.zone == "Europe/Berlin"
    assert f"{alert.due.astimezone(ZoneInfo('Europe/Berlin')):%H:%M}" == "07:00"


@pytest.mark.parametrize(
    ("said", "kind", "about"),
    [(REMINDER, "reminder", "my anniversary"), ("set a timer for ten minutes", "timer", ""), (ALARM, "alarm", "")],
)
def test_alarms_timers_and_reminders_ring(tmp_path: Path, said: str, kind: str, about: str) -> None:
    with neighbourhood(tmp_path) as cloud:
        cloud.say(said)
        assert [(one.kind, one.about) for one in told(cloud, Alert) if isinstance(one, Alert)] == [(kind, about)]


@pytest.mark.parametrize("said", ["remind me to water the plants", "what time is it", "remember that the sky is blue"])
def test_what_has_no_time_does_not_ring(tmp_path: Path, said: str) -> None:
    with neighbourhood(tmp_path) as cloud:
        cloud.say(said)
        assert told(cloud, Alert) == []


def test_an_interaction_that_is_delivered_twice_sets_one_alert(tmp_path: Path) -> None:
    with neighbourhood(tmp_path) as cloud:
        name = cloud.say(ALARM)
        cloud.again(name)
        assert len(told(cloud, Alert)) == 1


def test_deleting_the_recording_does_not_stop_the_alarm(tmp_path: Path) -> None:
    """L8: it is not forgotten, and one that is still on its way arrives."""
    with neighbourhood(tmp_path, "amazon-2019") as cloud:
        name = cloud.say(ALARM)
        erase(cloud)
        assert [one.interaction for one in told(cloud, Alert) if isinstance(one, Alert)] == [name]
        assert forgotten(cloud) == {"recording": {name}, "interaction": {name}}
        assert [row for row in cloud.left() if row.rule is None] == []


def test_where_the_rule_erases_the_alarm_the_device_forgets_it(tmp_path: Path) -> None:
    with neighbourhood(tmp_path, "erase-everything") as cloud:
        name = cloud.say(ALARM)
        erase(cloud)
        assert told(cloud, Alert) == [], "one on its way holds words, and goes with the rest"
        assert forgotten(cloud) == {"recording": {name}, "interaction": {name}, "alert": {name}}
        assert cloud.left() == []


@pytest.mark.parametrize("after", ["", 'after = "P7D"\n'])
def test_where_a_rule_takes_the_words_out_of_a_reminder_the_device_forgets_them_alone(
    tmp_path: Path, after: str
) -> None:
    (tmp_path / "mine.toml").write_text(reminders_without_words(after))
    with open_house(tmp_path / "data", str(tmp_path / "mine.toml"), create=True, simulated=True) as house:
        cloud = Neighbourhood(
            house, Ingest(house.stores, house.keys, house.engine, assistant(), house.clock, UTC_ZONE), tmp_path
        )
        name, alarm = cloud.say(REMINDER), cloud.say(ALARM)
        erase(cloud)
        before = forgotten(cloud)
        house.clock.forward(house.clock.now() + timedelta(days=8))
        Sweeper(house.stores, house.keys, house.engine, house.clock).sweep()
        told_once = [one for one in told(cloud, Forget) if isinstance(one, Forget) and one.what == "about"]
        assert [one.interactions for one in told_once] == [[name]]
        assert before.get("about", set()) == (set() if after else {name})
        assert alarm not in forgotten(cloud)["about"]
        assert "alert" not in forgotten(cloud)


def test_only_what_was_deleted_is_forgotten_and_only_by_the_device_it_came_from(tmp_path: Path) -> None:
    with neighbourhood(tmp_path, "erase-everything") as cloud:
        gone, kept = cloud.say(ALARM, device="bedroom"), cloud.say(ALARM, device="kitchen")
        erase(cloud, gone)
        assert set().union(*forgotten(cloud).values()) == {gone}
        assert kept not in str(told(cloud, Forget))
        recipients = _recipients(cloud)
    assert recipients == {"device/bedroom"}


def _recipients(cloud: Neighbourhood) -> set[str]:
    from sqlalchemy import select

    from cloud_stub.stores.tables import directive

    with cloud.house.stores.read() as connection:
        rows = connection.execute(select(directive.c.recipient).where(directive.c.purpose == "forget"))
        return set(rows.scalars())


def test_a_later_deletion_does_not_take_back_what_a_device_has_not_heard_yet(tmp_path: Path) -> None:
    with neighbourhood(tmp_path, "erase-everything") as cloud:
        name = cloud.say(ALARM)
        erase(cloud)
        before = forgotten(cloud)
        erase(cloud)
        assert forgotten(cloud) == before
        assert before["alert"] == {name}


def test_many_interactions_take_several_directives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_copies, "CHUNK", 2)
    with neighbourhood(tmp_path) as cloud:
        names = {cloud.say("what time is it", sound=False) for _ in range(5)}
        erase(cloud)
        assert sorted(len(one.interactions) for one in told(cloud, Forget) if isinstance(one, Forget)) == [1, 2, 2]
        assert forgotten(cloud) == {"interaction": names}


def test_what_age_erases_the_device_erases_too(tmp_path: Path) -> None:
    with open_house(tmp_path, "auto-delete-3-months", create=True, simulated=True) as house:
        ingest = Ingest(house.stores, house.keys, house.engine, assistant(), house.clock, UTC_ZONE)
        cloud = Neighbourhood(house, ingest, tmp_path)
        name = cloud.say(ALARM)
        house.clock.forward(house.clock.now() + timedelta(days=100))
        Sweeper(house.stores, house.keys, house.engine, house.clock).sweep()
        assert forgotten(cloud)["recording"] == {name}


def test_a_recording_that_a_setting_takes_back_is_forgotten_alone(tmp_path: Path) -> None:
    with neighbourhood(tmp_path, "ftc-2023") as cloud:
        name = cloud.say("what time is it")
        with cloud.house.stores.write() as connection:
            cloud.house.engine.change_setting(connection, "household", "save_recordings", "no")
        assert forgotten(cloud) == {"recording": {name}}


def test_a_simulated_clock_reaches_whoever_speaks_and_at_every_advance_whoever_is_known(tmp_path: Path) -> None:
    with open_house(tmp_path, "amazon-2019", create=True, simulated=True) as house:
        ingest = Ingest(house.stores, house.keys, house.engine, assistant(), house.clock, UTC_ZONE)
        cloud = Neighbourhood(house, ingest, tmp_path)
        cloud.say(ALARM)
        cloud.say("what time is it", device="hall")
        assert len(told(cloud, Clock)) == 2
        erase(cloud)
        assert len(told(cloud, Clock)) == 2, "a deletion does not stop time"
    now = datetime.fromisoformat(asked("advance", "P31D", "--data", tmp_path)["now"])
    with open_house(tmp_path) as house:
        cloud = Neighbourhood(house, ingest, tmp_path)
        (clock,) = told(cloud, Clock)
    assert isinstance(clock, Clock)
    assert abs(clock.now - now) < timedelta(seconds=1)
    assert now > datetime.now(UTC) + timedelta(days=30)


def test_a_simulated_clock_that_is_set_forward_reaches_whoever_has_spoken_and_whoever_is_named(tmp_path: Path) -> None:
    with open_house(tmp_path, "amazon-2019", create=True, simulated=True) as house:
        ingest = Ingest(house.stores, house.keys, house.engine, assistant(), house.clock, UTC_ZONE)
        cloud = Neighbourhood(house, ingest, tmp_path)
        cloud.say("what time is it", device="hall")
    now = datetime.fromisoformat(asked("advance", "PT1H", "--device", "attic", "--data", tmp_path)["now"])
    sent = select(directive.c.recipient, directive.c.account).where(directive.c.purpose == "clock")
    with open_house(tmp_path) as house:
        with house.stores.read() as connection:
            told_now = sorted(map(tuple, connection.execute(sent)))
        clocks = told(Neighbourhood(house, ingest, tmp_path), Clock)
    assert told_now == [("device/attic", "household"), ("device/hall", "household")]
    assert [abs(one.now - now) < timedelta(seconds=1) for one in clocks if isinstance(one, Clock)] == [True, True]

    with open_house(tmp_path) as house, house.stores.write() as connection:
        accounts.register(connection, house.clock, "hall", "alice", child=False)
    for name in ("attic", "at/tic"):
        told_off = cloud_stub("advance", "PT1H", "--device", name, "--data", tmp_path)
        assert told_off.returncode == 2
        assert f"{name!r} is no device here. Register it" in told_off.stderr


def test_what_a_rule_erases_only_after_a_while_rings_until_then_and_is_forgotten_with_it(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    text = (policy.SHIPPED / "erase-everything.toml").read_text("utf-8")
    mine.write_text(text.replace('action = "erase"\n', 'action = "erase"\nafter = "P7D"\n', 1))
    with open_house(tmp_path / "data", str(mine), create=True, simulated=True) as house:
        ingest = Ingest(house.stores, house.keys, house.engine, assistant(), house.clock, UTC_ZONE)
        cloud = Neighbourhood(house, ingest, tmp_path)
        name = cloud.say(ALARM)
        erase(cloud)
        assert len(told(cloud, Alert)) == 1
        assert forgotten(cloud) == {}
        house.clock.forward(house.clock.now() + timedelta(days=8))
        Sweeper(house.stores, house.keys, house.engine, house.clock).sweep()
        assert forgotten(cloud) == {"recording": {name}, "interaction": {name}, "alert": {name}}
