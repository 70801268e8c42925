"""Every message of a device ends in exactly one answer, and is acted on once."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from cloud_stub import accounts
from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import (
    MAX_RECORDING_BYTES,
    Confirm,
    Speak,
    decode,
    encode,
    new_id,
    recording_topic,
)
from cloud_stub.contract.partners import PartnerReply, PartnerRequest
from cloud_stub.stores.tables import RECORDS, directive, quarantine
from tests.cloud_stub.house import Neighbourhood, flac, neighbourhood


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Neighbourhood]:
    with neighbourhood(tmp_path / "data") as it:
        yield it


def rows(cloud: Neighbourhood, store: str, kind: str) -> list[dict[str, object]]:
    with cloud.house.stores.read() as connection:
        return [dict(row) for row in connection.execute(select(RECORDS[store, kind])).mappings()]


def quarantined(cloud: Neighbourhood) -> list[str]:
    with cloud.house.stores.read() as connection:
        return list(connection.execute(select(quarantine.c.reason)).scalars())


def test_an_interaction_is_stored_with_its_recording_and_answered_part_by_part(cloud: Neighbourhood) -> None:
    said = cloud.say("what time is it")
    (row,) = cloud.history()
    assert (row["id"], row["transcript"], row["recording"]) == (said, "what time is it", len(flac()))
    assert row["response"].startswith("It's ")
    assert cloud.answers(said) == [("stored", "interaction"), ("stored", "recording")]


def test_a_repeated_interaction_is_answered_again_but_acted_on_once(cloud: Neighbourhood) -> None:
    said = cloud.say("set an alarm for seven a m")
    cloud.again(said, said)
    cloud.again(said)
    cloud.record(said)
    assert len(rows(cloud, "actions", "alarm")) == 1
    assert len(cloud.history()) == 1
    assert cloud.answers(said).count(("stored", "interaction")) == 4
    assert len([one for one in cloud.directives(said) if hasattr(one, "intent")]) == 1


def test_it_is_acted_on_once_wherever_in_the_message_its_id_stands(cloud: Neighbourhood) -> None:
    first = cloud.say("what time is it", send=False, sound=False)
    said = cloud.say(f"remember that my locker is {first} and that this is long enough", send=False, sound=False)
    fields = msgspec.json.decode(cloud.said[said].payload)
    turned = msgspec.json.encode({name: fields[name] for name in reversed(fields)})
    cloud.said[said] = Incoming(cloud.said[said].topic, turned.replace(b'"words":[],', b'"words":[],' + b" " * 200))
    cloud.again(said)
    cloud.again(said)
    assert cloud.answers(said) == [("stored", "interaction")] * 2
    assert len([one for one in cloud.directives(said) if hasattr(one, "intent")]) == 1


def test_the_same_words_are_answered_to_each_household_from_what_it_has_said(cloud: Neighbourhood) -> None:
    with cloud.house.stores.write() as connection:
        for device, account in (("kitchen", "anna"), ("hall", "bob")):
            accounts.register(connection, cloud.house.clock, device, account, child=False)
    cloud.say("remember that my passport is in the kitchen", sound=False)
    cloud.say("remember that my passport is under the stairs", sound=False, device="hall")
    asked = [cloud.say("where is my passport", send=False, sound=False, device=name) for name in ("kitchen", "hall")]
    cloud.again(*asked)
    told = [one.text for name in asked for one in cloud.directives(name) if isinstance(one, Speak)]
    assert ["kitchen" in text for text in told] == [True, False]
    assert ["under the stairs" in text for text in told] == [False, True]


def test_a_recording_may_arrive_before_its_interaction(cloud: Neighbourhood) -> None:
    said = cloud.say("what time is it", send=False)
    cloud.record(said)
    cloud.again(said)
    assert cloud.history()[0]["recording"] == len(flac())
    assert [row["flac"] for row in rows(cloud, "training", "recording")] == [flac()]


def test_a_share_of_requests_goes_to_training_the_first_one_too(cloud: Neighbourhood) -> None:
    for _ in range(11):
        cloud.say("what time is it", sound=False)
    assert [row["text"] for row in rows(cloud, "training", "transcript")] == ["what time is it"] * 2


def test_without_a_share_nothing_goes_to_training(tmp_path: Path) -> None:
    with neighbourhood(tmp_path, training_share=0.0) as cloud:
        cloud.say("what time is it")
        assert rows(cloud, "training", "transcript") == []
        assert rows(cloud, "training", "recording") == []


def test_what_a_device_confirmed_is_erased_and_no_other_device_can_confirm_it(cloud: Neighbourhood) -> None:
    said = cloud.say("what time is it", sound=False)
    ids = [one.id for one in cloud.directives(said)]
    confirm = encode(Confirm(ids))
    other = encode(
        Confirm([one.id for one in cloud.directives(cloud.say("good morning", sound=False, device="garage"))])
    )
    crossed = [Incoming("echo/v1/garage/event/confirm", confirm), Incoming("echo/v1/kitchen/event/confirm", other)]
    cloud.ingest.handle(crossed)
    assert len(cloud.directives()) == 4
    cloud.ingest.handle([Incoming("echo/v1/kitchen/event/confirm", confirm)])
    assert cloud.directives(said) == []


@pytest.mark.parametrize(
    ("topic", "change", "reason"),
    [
        ("echo/v1/garage/event/interaction", {}, "device garage spoke for kitchen"),
        ("echo/v1/kitchen/event/interaction", {"version": 2}, "version"),
        ("echo/v1/kitchen/event/interaction", {"transcript": "a" * 2001}, "transcript"),
        ("echo/v1/kitchen/event/interaction", {"account": "others"}, "account"),
        ("echo/v1/kitchen/event/interaction", {"at": "2026-11-23T10:00:00"}, "at"),
        ("echo/v1/kitchen/event/interaction", {"transcript": 7}, "transcript"),
    ],
)
def test_a_bad_interaction_is_refused_with_the_reason_and_quarantined(
    cloud: Neighbourhood, topic: str, change: dict[str, object], reason: str
) -> None:
    good = cloud.say("what time is it", sound=False)
    bad = cloud.say("what time is it", send=False)
    fields = msgspec.json.decode(cloud.said[bad].payload) | change
    cloud.ingest.handle([Incoming(topic, msgspec.json.encode(fields)), cloud.said[good]])
    (refused,) = cloud.directives(bad)
    assert refused.name == "refused"
    assert reason in getattr(refused, "reason", "")
    assert quarantined(cloud) == [getattr(refused, "reason", "")]
    assert [row["id"] for row in cloud.history()] == [good]


def test_a_recording_that_is_none_is_refused(cloud: Neighbourhood) -> None:
    said = cloud.say("what time is it", sound=False)
    for sound in (b"", b"RIFF", flac()[:50], b"fLaC" + bytes(MAX_RECORDING_BYTES)):
        cloud.ingest.handle([Incoming(recording_topic("kitchen", said), sound)])
    assert [part for name, part in cloud.answers(said) if name == "refused"] == ["recording"] * 4
    assert rows(cloud, "primary", "recording") == []


def test_a_device_that_is_nobodys_can_confirm_and_is_not_answered(cloud: Neighbourhood) -> None:
    with cloud.house.stores.write() as connection:
        accounts.register(connection, cloud.house.clock, "kitchen", "anna", child=False)
    cloud.say("what time is it", device="garage", sound=False)
    refused = cloud.directives()
    assert [one.name for one in refused] == ["refused"]
    cloud.ingest.handle([Incoming("echo/v1/garage/event/confirm", encode(Confirm([refused[0].id])))])
    assert cloud.directives() == []
    assert len(quarantined(cloud)) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=st.binary(max_size=300), event=st.sampled_from(["interaction", "confirm", "error", "x", "recording/y"]))
def test_no_payload_stops_the_cloud_or_goes_unanswered(cloud: Neighbourhood, payload: bytes, event: str) -> None:
    before = len(quarantined(cloud))
    cloud.ingest.handle([Incoming(f"echo/v1/kitchen/event/{event}", payload)])
    assert len(quarantined(cloud)) == before + 1


def test_a_torn_message_in_a_batch_does_not_keep_the_others_from_being_stored(cloud: Neighbourhood) -> None:
    one, torn, other = (cloud.say("what time is it", send=False) for _ in range(3))
    cloud.said[torn] = Incoming(cloud.said[torn].topic, cloud.said[torn].payload[:60])
    cloud.again(one, torn, other)
    assert {row["id"] for row in cloud.history()} == {one, other}
    assert cloud.answers(torn) == [("refused", "interaction")], "its id can still be read"


def requests(cloud: Neighbourhood) -> list[PartnerRequest]:
    with cloud.house.stores.read() as connection:
        mine = select(directive.c.payload).where(directive.c.recipient.startswith("partner/"))
        return [decode(PartnerRequest, payload) for payload in connection.execute(mine).scalars()]


def test_a_third_party_is_told_what_to_do_and_its_reply_is_noted(cloud: Neighbourhood) -> None:
    said = cloud.say("order a large pepperoni pizza from dominos", sound=False)
    (request,) = requests(cloud)
    assert (request.verb, request.interaction, request.details["size"]) == ("perform", said, "large")
    reply = PartnerReply(request=request.id, partner="pizza", outcome="done", reference="p-1")
    cloud.ingest.handle([Incoming("partner/v1/pizza/reply", encode(reply))])
    (pizza,) = rows(cloud, "commerce", "pizza")
    assert (pizza["status"], pizza["reference"]) == ("done", "p-1")
    assert requests(cloud) == []


def test_one_third_party_cannot_reply_for_another(cloud: Neighbourhood) -> None:
    cloud.say("order a large pepperoni pizza from dominos", sound=False)
    (request,) = requests(cloud)
    for topic, partner in (("ride", "ride"), ("ride", "pizza"), ("nobody", "nobody")):
        reply = PartnerReply(request=request.id, partner=partner, outcome="done", reference="forged")
        cloud.ingest.handle([Incoming(f"partner/v1/{topic}/reply", encode(reply))])
    (pizza,) = rows(cloud, "commerce", "pizza")
    assert pizza["status"] == "requested"
    assert len(requests(cloud)) == 1


def test_a_setting_said_aloud_is_kept(cloud: Neighbourhood) -> None:
    from cloud_stub.stores.tables import setting

    for text in ("delete my recordings after three months", "delete my recordings after eighteen months"):
        cloud.say(text, sound=False)
    with cloud.house.stores.read() as connection:
        values = connection.execute(select(setting.c.name, setting.c.value).where(setting.c.account == "household"))
        assert [tuple(row) for row in values] == [("auto_delete", "P18M")]


def test_what_the_household_tells_it_to_forget_is_forgotten(cloud: Neighbourhood) -> None:
    cloud.say("remember that i am allergic to walnuts")
    cloud.say("forget that")
    assert rows(cloud, "actions", "fact") == []
    asked = cloud.say("what am i allergic to")
    assert "I don't know" in cloud.history()[-1]["response"]
    assert cloud.history()[-1]["id"] == asked


def test_an_unknown_topic_is_quarantined(cloud: Neighbourhood) -> None:
    cloud.ingest.handle([Incoming("echo/v1/KITCHEN/event/interaction", b"{}"), Incoming("echo/v2/a/event/b", b"")])
    assert len(quarantined(cloud)) == 2
    assert new_id() not in str(quarantined(cloud))
