"""Deletion beats everything: late, repeated, reordered, or still waiting in an outbox."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from cloud_stub.contract.messages import new_id, rfc3339
from cloud_stub.retention import ledger, scopes
from cloud_stub.retention.scopes import Scope
from cloud_stub.stores.tables import RECORDS
from cloud_stub.stores.tables import ledger as entries
from tests.cloud_stub.house import Neighbourhood, ago, flac, neighbourhood

EVERYTHING = "delete everything"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Neighbourhood]:
    with neighbourhood(tmp_path / "data", "erase-everything", training_share=1.0) as it:
        yield it


@pytest.fixture
def amazon(tmp_path: Path) -> Iterator[Neighbourhood]:
    with neighbourhood(tmp_path / "data", "amazon-2019") as it:
        yield it


def test_a_redelivered_interaction_stays_deleted(cloud: Neighbourhood) -> None:
    alarm = cloud.say("set an alarm for seven a m")
    cloud.say(EVERYTHING)
    cloud.again(alarm)
    assert cloud.history() == []
    assert cloud.answers(alarm) == [("forgotten", "interaction")]


def test_a_recording_that_arrives_after_the_deletion_is_never_stored(cloud: Neighbourhood) -> None:
    alarm = cloud.say("set an alarm for seven a m", sound=False)
    cloud.say(EVERYTHING)
    cloud.record(alarm)
    assert cloud.answers(alarm) == [("forgotten", "recording")]
    assert not [name for name, content in cloud.files().items() if flac()[100:400] in content]


def test_what_waited_in_an_outbox_when_it_was_deleted_never_comes_back(cloud: Neighbourhood) -> None:
    waiting = cloud.say("set an alarm for seven a m", at=ago(seconds=30), send=False)
    cloud.say(EVERYTHING)
    cloud.again(waiting)
    cloud.record(waiting)
    assert cloud.kinds_left(waiting) == {"operations/directive"}
    assert cloud.answers(waiting) == [("forgotten", "interaction"), ("forgotten", "recording")]


def test_what_was_said_after_the_deletion_is_kept_though_both_arrive_late_and_together(cloud: Neighbourhood) -> None:
    before = cloud.say("set an alarm for seven a m", at=ago(minutes=3), send=False)
    request = cloud.say(EVERYTHING, at=ago(minutes=2), send=False)
    after = cloud.say("set an alarm for eight a m", at=ago(minutes=1), send=False)
    cloud.again(before, request, after)
    assert [row["id"] for row in cloud.history()] == [after]


def test_a_deletion_that_arrives_before_what_it_deletes_still_deletes_it(cloud: Neighbourhood) -> None:
    before = cloud.say("set an alarm for seven a m", at=ago(minutes=3), send=False)
    request = cloud.say(EVERYTHING, at=ago(minutes=2), send=False)
    cloud.again(request, before)
    assert cloud.history() == []


def test_the_request_to_delete_is_within_its_own_scope(cloud: Neighbourhood) -> None:
    request = cloud.say("delete everything i said today")
    assert cloud.history() == []
    assert cloud.answers(request) == [("forgotten", "interaction"), ("forgotten", "recording")]


def test_the_request_to_delete_is_answered_aloud_once(cloud: Neighbourhood) -> None:
    request = cloud.say(EVERYTHING)
    cloud.again(request)
    spoken = [one for one in cloud.directives(request) if hasattr(one, "intent")]
    assert [one.intent for one in spoken] == ["DeleteAll"]


def test_delete_what_i_just_said_takes_the_last_interaction_of_that_device_only(cloud: Neighbourhood) -> None:
    first = cloud.say("set an alarm for seven a m")
    elsewhere = cloud.say("set an alarm for eight a m", device="bedroom")
    last = cloud.say("what time is it")
    cloud.say("delete what i just said")
    assert [row["id"] for row in cloud.history()] == [first, elsewhere]
    assert not cloud.kinds_left(last) - {"operations/directive"}


def test_today_begins_at_local_midnight(cloud: Neighbourhood) -> None:
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    # Both arrive now, so only their own times tell them apart: of what arrives today, all was "said today" by the
    # cloud's clock. The deletion takes what lies in the day by either clock.
    yesterday = cloud.say("set an alarm for seven a m", at=midnight - timedelta(minutes=1), send=False)
    cloud.say("delete everything i said today")
    cloud.again(yesterday)
    assert [row["id"] for row in cloud.history()] == [yesterday]


def test_a_range_takes_what_lies_in_it_by_the_devices_time_or_the_clouds(cloud: Neighbourhood) -> None:
    old = cloud.say("set an alarm for seven a m", at=ago(days=400))
    now = rfc3339(cloud.house.clock.now())
    by_device = Scope(new_id(), "household", now, since=rfc3339(ago(days=401)), until=rfc3339(ago(days=399)))
    assert by_device.covers(old, rfc3339(ago(days=400)), rfc3339(ago(seconds=0)))
    recent = Scope(new_id(), "household", now, since=rfc3339(ago(minutes=1)), until=now)
    cloud.house.engine.erase([recent])
    assert cloud.history() == [], "it was said 400 days ago by the device, but it arrived within the last minute"


def test_nothing_of_a_deleted_interaction_is_left_in_any_file_of_the_operator(cloud: Neighbourhood) -> None:
    marked = {
        "remember that my locker code is nine four seven two": b"nine four seven two",
        "send a message to bob saying the zebra is loose": b"the zebra is loose",
        "order milk and eggs from amazon fresh": b"milk, eggs",
        "request a ride from uber to the airport": b"the airport",
    }
    for text in marked:
        cloud.say(text)
    assert all(any(words in content for content in cloud.files().values()) for words in marked.values())
    cloud.say(EVERYTHING)
    left = {(name, words) for name, content in cloud.files().items() for words in marked.values() if words in content}
    assert left == set()
    assert not [name for name, content in cloud.files().items() if flac()[100:400] in content]


def test_another_accounts_records_are_untouched(cloud: Neighbourhood) -> None:
    mine = cloud.say("set an alarm for seven a m")
    now = rfc3339(cloud.house.clock.now())
    cloud.house.engine.erase([Scope(new_id(), "neighbours", now, until=now)])
    cloud.house.engine.erase([Scope(new_id(), "neighbours", now, interaction=mine)])
    assert [row["id"] for row in cloud.history()] == [mine]


def test_a_kept_record_names_the_deletion_rule_and_one_not_deleted_the_rule_of_age(amazon: Neighbourhood) -> None:
    amazon.say("set an alarm for seven a m")
    (alarm,) = [row for row in amazon.left() if row.kind == "alarm"]
    assert alarm.rule is not None
    assert "(age: keep; L5)" in alarm.rule
    amazon.say(EVERYTHING)
    (alarm,) = [row for row in amazon.left() if row.kind == "alarm"]
    assert "(user_delete: keep; L8)" in alarm.rule


def test_a_record_that_its_rule_should_have_erased_is_unexplained(amazon: Neighbourhood) -> None:
    said = amazon.say("what time is it")
    with amazon.house.stores.write() as connection:
        table = RECORDS["primary", "transcript"]
        connection.execute(table.update().values(deleted_at=table.c.received_at, deleted_by="user_delete"))
    unexplained = [(row.kind, row.interaction) for row in amazon.left() if row.rule is None]
    assert unexplained == [("transcript", said)]


def test_every_erased_record_is_in_the_ledger_and_the_chain_verifies(cloud: Neighbourhood) -> None:
    said = [cloud.say(text) for text in ("set an alarm for seven a m", "what time is it")]
    cloud.say(EVERYTHING)
    with cloud.house.stores.read() as connection:
        rows = connection.execute(select(entries)).all()
        assert list(ledger.verify(connection)) == []
    counts = {f"{row.store}/{row.kind}": row.records for row in rows}
    assert counts["primary/transcript"] == 2
    assert counts["primary/recording"] == 2
    assert counts["actions/alarm"] == 1
    pseudonyms = {cloud.house.keys.pseudonym("household", name) for name in said}
    assert all(pseudonyms >= set(row.interactions.split()) for row in rows if row.store == "primary")
    assert not [name for name in said if any(name in str(row) for row in rows)]


def test_a_deletion_that_a_crash_interrupted_is_finished_before_anything_can_be_read(tmp_path: Path) -> None:
    with neighbourhood(tmp_path / "data", "erase-everything") as cloud:
        cloud.say("set an alarm for seven a m")
        now = rfc3339(cloud.house.clock.now())
        with cloud.house.stores.write() as connection:
            scopes.remember(connection, Scope(new_id(), "household", now, until=now))
    with neighbourhood(tmp_path / "data", "erase-everything") as cloud:
        assert cloud.history() == []
        assert cloud.left() == []
        with cloud.house.stores.read() as connection:
            assert scopes.unfinished(connection) == []


def test_an_interaction_is_shown_as_long_as_its_answer_or_its_sound_is_there(tmp_path: Path) -> None:
    with neighbourhood(tmp_path) as cloud:
        said = cloud.say("what time is it")
        with cloud.house.stores.write() as connection:
            connection.execute(delete(RECORDS["primary", "transcript"]))
        (shown,) = cloud.history()
        assert (shown["id"], shown["transcript"], bool(shown["response"])) == (said, None, True)
        assert shown["recording"]
        with cloud.house.stores.write() as connection:
            connection.execute(delete(RECORDS["primary", "response"]))
            connection.execute(delete(RECORDS["primary", "recording"]))
        assert cloud.history() == []
