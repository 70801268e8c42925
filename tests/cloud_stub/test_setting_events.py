"""A setting's event changes its household's settings once, and is always answered with those in force."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from cloud_stub import accounts
from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import Directive, Setting, Settings, encode, event_topic, new_id
from cloud_stub.retention import household
from cloud_stub.stores.tables import RECORDS, quarantine, setting
from tests.cloud_stub.house import Neighbourhood, neighbourhood

DEFAULTS = {"auto_delete": "never", "save_recordings": "yes", "use_for_improvement": "yes", "delete_by_voice": "yes"}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Neighbourhood]:
    with neighbourhood(tmp_path / "data", "erase-everything", training_share=1.0) as it:
        yield it


def wish(name: str, value: str, device: str = "kitchen") -> Incoming:
    event = Setting(id=new_id(), at=datetime.now(UTC), setting=name, value=value)
    return Incoming(event_topic(device, "setting"), encode(event))


def answer(cloud: Neighbourhood, asked: Incoming) -> Directive:
    """The one answer that is on its way to the device for that event."""
    (found,) = cloud.directives(msgspec.json.decode(asked.payload)["id"])
    return found


def in_force(cloud: Neighbourhood, account: str = "household") -> dict[str, str]:
    with cloud.house.stores.read() as connection:
        return household.words(household.of(connection, cloud.house.policy, account))


def test_a_setting_is_changed_and_answered_with_all_that_are_in_force(cloud: Neighbourhood) -> None:
    first, second = wish("auto_delete", "P3M"), wish("save_recordings", "no")
    cloud.ingest.handle([first, second])
    assert in_force(cloud) == DEFAULTS | {"auto_delete": "P3M", "save_recordings": "no"}
    told = answer(cloud, second)
    assert isinstance(told, Settings)
    assert {name: getattr(told, name) for name in DEFAULTS} == in_force(cloud)
    said = cloud.say("what time is it")
    assert cloud.answers(said) == [("stored", "interaction"), ("forgotten", "recording")]


@pytest.mark.parametrize("between", ["", "delete everything"])
def test_a_setting_that_comes_again_is_answered_again_and_undoes_no_later_change(
    cloud: Neighbourhood, between: str
) -> None:
    no, yes = wish("use_for_improvement", "no"), wish("use_for_improvement", "yes")
    cloud.ingest.handle([no, yes])
    if between:
        cloud.say(between)
    cloud.say("what time is it", sound=False)
    cloud.ingest.handle([no])
    assert in_force(cloud) == DEFAULTS
    told = cloud.directives(msgspec.json.decode(no.payload)["id"])
    assert getattr(told[-1], "use_for_improvement", None) == "yes", "what is in force, not what was asked for"
    with cloud.house.stores.read() as connection:
        sampled = connection.execute(select(RECORDS["training", "transcript"].c.text)).scalars().all()
    assert sampled == ["what time is it"], "and nothing is taken back a second time"


def test_a_setting_takes_back_what_was_said_before_it_in_the_same_batch(cloud: Neighbourhood) -> None:
    said = cloud.say("what time is it", send=False)
    cloud.ingest.handle([cloud.said[said], wish("use_for_improvement", "no")])
    with cloud.house.stores.read() as connection:
        assert connection.execute(select(RECORDS["training", "transcript"])).all() == []
    assert [row["id"] for row in cloud.history()] == [said]


def test_a_request_not_to_be_used_for_training_is_not_used_itself(cloud: Neighbourhood) -> None:
    cloud.say("do not use my recordings for training")
    assert in_force(cloud)["use_for_improvement"] == "no"
    with cloud.house.stores.read() as connection:
        for kind in ("transcript", "recording"):
            assert connection.execute(select(RECORDS["training", kind])).all() == []


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("autodelete", "P3M", "no setting is called 'autodelete'. There are auto_delete, save_recordings"),
        (
            "auto_delete",
            "soon",
            "auto_delete cannot be 'soon'. Choose of never, P3M, P18M, or another",
        ),
        ("save_recordings", "maybe", "save_recordings cannot be 'maybe'. Choose of yes, no."),
        ("save_recordings", "n" * 101, "length <= 100"),
    ],
)
def test_a_setting_or_value_that_does_not_exist_is_refused_with_the_reason_and_changes_nothing(
    cloud: Neighbourhood, name: str, value: str, reason: str
) -> None:
    good, bad = wish("auto_delete", "P18M"), wish(name, value)
    cloud.ingest.handle([bad, good])
    refused = answer(cloud, bad)
    assert (refused.name, getattr(refused, "part", "")) == ("refused", "setting")
    assert reason in getattr(refused, "reason", "")
    with cloud.house.stores.read() as connection:
        assert connection.execute(select(quarantine.c.reason)).scalars().all() == [getattr(refused, "reason", "")]
    assert in_force(cloud) == DEFAULTS | {"auto_delete": "P18M"}, "the others of its batch are taken"


@pytest.mark.parametrize("lived_in", [True, False])
def test_a_closed_accounts_late_setting_is_forgotten_and_changes_nothing(cloud: Neighbourhood, lived_in: bool) -> None:
    if lived_in:
        cloud.say("what time is it")
    cloud.house.engine.close_account("household")
    late, wrong = wish("auto_delete", "P3M"), wish("auto_delete", "soon")
    cloud.ingest.handle([late, wrong])
    assert {answer(cloud, one).name for one in (late, wrong)} == {"forgotten"}
    with cloud.house.stores.read() as connection:
        assert connection.execute(select(setting).where(setting.c.account == "household")).all() == []
        assert connection.execute(select(quarantine)).all() == []


def test_a_setting_is_that_of_the_devices_own_account_and_of_no_unregistered_device(cloud: Neighbourhood) -> None:
    with cloud.house.stores.write() as connection:
        accounts.register(connection, cloud.house.clock, "kitchen", "anna", child=False)
        accounts.register(connection, cloud.house.clock, "bedroom", "ben", child=False)
    annas, nobodys = wish("delete_by_voice", "no"), wish("delete_by_voice", "no", device="garage")
    cloud.ingest.handle([annas, nobodys])
    assert in_force(cloud, "anna")["delete_by_voice"] == "no"
    assert in_force(cloud, "ben") == in_force(cloud, "household") == DEFAULTS
    assert "device garage is not registered" in getattr(answer(cloud, nobodys), "reason", "")
