"""The wire: every message crosses it unchanged, on a topic that is a promise, and nothing else gets in."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import Struct

from cloud_stub.contract import messages, partners
from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import (
    DIRECTIVES,
    EVENTS,
    Alert,
    Clock,
    Confirm,
    DeviceError,
    Directive,
    Forget,
    Forgotten,
    Interaction,
    Refused,
    Setting,
    Settings,
    Speak,
    State,
    Stored,
    Word,
    decode,
    directive_topic,
    encode,
    event_topic,
    new_id,
    read_event_topic,
    recording_topic,
    rfc3339,
    state_topic,
)
from cloud_stub.contract.partners import PartnerReply, PartnerRequest, partner_topic
from tests.cloud_stub.wire import EPOCH, JSON, TIMES, structs

ID = "01998877-6655-7433-8211-00ffeeddccbb"
OTHER_ID = "01998877-6656-7433-8211-00ffeeddccbb"
AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)

#: Every Struct of the contract, found by looking: a new one is covered the moment it is written.
KINDS: list[type[Struct]] = [
    value
    for value in (vars(messages) | vars(partners)).values()
    if isinstance(value, type) and issubclass(value, Struct) and value is not Struct
]


def interaction(**changes: Any) -> bytes:
    """A good interaction's JSON, with changes."""
    good = {"id": ID, "version": 1, "device": "kitchen", "at": "2026-11-23T10:00:00Z", "source": "text"}
    return json.dumps(good | {"wake_word": "alexa", "transcript": "what time is it"} | changes).encode()


def refusal(call: Callable[..., object], *arguments: object) -> str | None:
    """What the ValueError said; None where there was none. Any other error is the test's."""
    try:
        call(*arguments)
    except ValueError as error:
        return str(error)
    return None


def test_every_message_of_the_contract_is_found() -> None:
    assert {Word, Interaction, Setting, Confirm, DeviceError, State} <= set(KINDS)
    assert {Stored, Forgotten, Refused, Speak, Settings, PartnerRequest, PartnerReply} <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_message_crosses_the_wire_unchanged(kind: type[Struct], data: st.DataObject) -> None:
    message = data.draw(structs(kind))
    assert decode(kind, encode(message)) == message


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_message_is_frozen_and_takes_no_field_it_does_not_know(kind: type[Struct]) -> None:
    assert kind.__struct_config__.frozen
    assert kind.__struct_config__.forbid_unknown_fields


def test_every_directive_has_a_topic_of_its_own_and_says_in_its_payload_which_it_is() -> None:
    assert set(DIRECTIVES.values()) == set(get_args(Directive))
    for name, kind in DIRECTIVES.items():
        assert (kind.name, kind.__struct_config__.tag, kind.__struct_config__.tag_field) == (name, name, "directive")


@given(st.sampled_from(get_args(Directive)), st.data())
def test_a_directive_is_never_taken_for_another(kind: type[Struct], data: st.DataObject) -> None:
    payload = encode(data.draw(structs(kind)))
    for other in set(get_args(Directive)) - {kind}:
        with pytest.raises(ValueError, match=f"no {other.__name__} message"):
            decode(other, payload)


def test_events_are_published_on_these_topics() -> None:
    said = decode(Interaction, interaction())
    assert said.topic() == "echo/v1/kitchen/event/interaction"
    assert {name: event_topic("kitchen", name) for name in EVENTS} == {
        "interaction": "echo/v1/kitchen/event/interaction",
        "setting": "echo/v1/kitchen/event/setting",
        "confirm": "echo/v1/kitchen/event/confirm",
        "error": "echo/v1/kitchen/event/error",
    }
    assert recording_topic("kitchen", ID) == f"echo/v1/kitchen/event/recording/{ID}"
    assert state_topic("kitchen") == "echo/v1/kitchen/state"


def test_directives_are_published_on_these_topics() -> None:
    assert {name: directive_topic("kitchen", name) for name in DIRECTIVES} == {
        "stored": "echo/v1/kitchen/directive/stored",
        "forgotten": "echo/v1/kitchen/directive/forgotten",
        "refused": "echo/v1/kitchen/directive/refused",
        "speak": "echo/v1/kitchen/directive/speak",
        "settings": "echo/v1/kitchen/directive/settings",
        "alert": "echo/v1/kitchen/directive/alert",
        "forget": "echo/v1/kitchen/directive/forget",
        "clock": "echo/v1/kitchen/directive/clock",
    }
    assert directive_topic("kitchen", "+") == "echo/v1/kitchen/directive/+"


def test_third_parties_are_spoken_to_on_these_topics() -> None:
    assert partner_topic("pizza", "request") == "partner/v1/pizza/request"
    assert partner_topic("pizza", "reply") == "partner/v1/pizza/reply"


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (
            Interaction(id=ID, device="kitchen", at=AT, source="file", wake_word="alexa", transcript="stop"),
            f'{{"id":"{ID}","version":1,"device":"kitchen","at":"2026-11-23T10:00:00Z","source":"file",'
            '"wake_word":"alexa","transcript":"stop","words":[],"model":"","has_recording":false}',
        ),
        (
            Setting(id=ID, at=AT, setting="auto_delete", value="P3M"),
            f'{{"id":"{ID}","at":"2026-11-23T10:00:00Z","name":"auto_delete","value":"P3M"}}',
        ),
        (Confirm([ID]), f'{{"directives":["{ID}"]}}'),
        (DeviceError(AT, "deaf", "plug it in"), '{"at":"2026-11-23T10:00:00Z","problem":"deaf","remedy":"plug it in"}'),
        (
            State("idle", "offline"),
            '{"attention":"idle","connection":"offline","at":null,"muted":false,"do_not_disturb":false,"volume":50,'
            '"microphone":null,"last_heard":null}',
        ),
        (
            Stored(OTHER_ID, ID, "recording"),
            f'{{"directive":"stored","id":"{OTHER_ID}","interaction":"{ID}","part":"recording"}}',
        ),
        (
            Forgotten(OTHER_ID, ID, "interaction"),
            f'{{"directive":"forgotten","id":"{OTHER_ID}","interaction":"{ID}","part":"interaction"}}',
        ),
        (
            Refused(OTHER_ID, "torn"),
            f'{{"directive":"refused","id":"{OTHER_ID}","reason":"torn","interaction":null,"part":null}}',
        ),
        (
            Speak(OTHER_ID, ID, "Stop", "ok"),
            f'{{"directive":"speak","id":"{OTHER_ID}","interaction":"{ID}","intent":"Stop","text":"ok"}}',
        ),
        (
            Alert(id=OTHER_ID, interaction=ID, kind="alarm", due=AT, recurrence="daily", zone="Europe/Berlin"),
            f'{{"directive":"alert","id":"{OTHER_ID}","interaction":"{ID}","position":0,"kind":"alarm",'
            '"due":"2026-11-23T10:00:00Z","recurrence":"daily","zone":"Europe/Berlin","about":""}',
        ),
        (
            Forget(OTHER_ID, "recording", [ID]),
            f'{{"directive":"forget","id":"{OTHER_ID}","what":"recording","interactions":["{ID}"]}}',
        ),
        (Clock(OTHER_ID, AT), f'{{"directive":"clock","id":"{OTHER_ID}","now":"2026-11-23T10:00:00Z"}}'),
        (
            Settings(OTHER_ID, ID, "P3M", "yes", "no", "yes"),
            f'{{"directive":"settings","id":"{OTHER_ID}","interaction":"{ID}","auto_delete":"P3M",'
            '"save_recordings":"yes","use_for_improvement":"no","delete_by_voice":"yes"}',
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Struct) else "",
)
def test_the_json_on_the_wire_is_this(message: Struct, wire: str) -> None:
    assert encode(message) == wire.encode()


@given(TIMES)
def test_an_id_is_a_uuid_of_version_7_that_carries_its_time(at: datetime) -> None:
    made = new_id(at)
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made)
    carried = int(made.replace("-", "")[:12], 16)
    # `new_id` counts in floating point, which may end one millisecond beside.
    assert abs((at - EPOCH) // timedelta(milliseconds=1) - carried) <= 1


@given(TIMES, TIMES)
def test_ids_sort_by_time(one: datetime, other: datetime) -> None:
    earlier, later = sorted((one, other))
    assume(later - earlier > timedelta(milliseconds=2))
    assert new_id(earlier) < new_id(later)


def test_two_ids_of_one_moment_differ() -> None:
    assert len({new_id(AT) for _ in range(1000)}) == 1000


def test_an_id_without_a_time_carries_the_present() -> None:
    before, made, after = new_id(datetime.now(UTC)), new_id(), new_id(datetime.now(UTC) + timedelta(milliseconds=1))
    assert before[:13] <= made[:13] <= after[:13]


@given(TIMES, TIMES)
def test_times_as_text_have_one_width_and_sort_as_the_times_do(one: datetime, other: datetime) -> None:
    texts = rfc3339(one), rfc3339(other)
    assert {len(text) for text in texts} == {len("2026-11-23T10:00:00.000000Z")}
    assert (texts[0] < texts[1], texts[0] == texts[1]) == (one < other, one == other)
    assert datetime.fromisoformat(texts[0]) == one


def test_a_time_as_text_looks_like_this() -> None:
    assert rfc3339(datetime(2026, 11, 23, 11, 0, tzinfo=timezone(timedelta(hours=1)))) == "2026-11-23T10:00:00.000000Z"


@given(st.datetimes())
def test_a_time_without_a_zone_is_refused_with_an_example(naive: datetime) -> None:
    with pytest.raises(ValueError, match=r"has no time zone\. Give one: 2026-11-23T10:00:00Z"):
        rfc3339(naive)


@pytest.mark.parametrize(
    ("topic", "read"),
    [
        ("echo/v1/kitchen/event/interaction", ("kitchen", "interaction", None)),
        ("echo/v1/kitchen/event/setting", ("kitchen", "setting", None)),
        ("echo/v1/kitchen/event/confirm", ("kitchen", "confirm", None)),
        ("echo/v1/kitchen/event/error", ("kitchen", "error", None)),
        ("echo/v1/living-room_2/event/interaction", ("living-room_2", "interaction", None)),
        (f"echo/v1/kitchen/event/recording/{ID}", ("kitchen", "recording", ID)),
    ],
)
def test_an_events_topic_is_read_into_its_parts(topic: str, read: tuple[str, str, str | None]) -> None:
    assert read_event_topic(topic) == read


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "echo/v1/kitchen",
        "echo/v1/kitchen/state",
        "echo/v1/kitchen/directive/stored",
        "echo/v2/kitchen/event/interaction",
        "/echo/v1/kitchen/event/interaction",
        "echo/v1/kitchen/event/interaction/",
        "echo/v1//event/interaction",
        "echo/v1/Kitchen/event/interaction",
        "echo/v1/../event/interaction",
        "echo/v1/+/event/interaction",
        f"echo/v1/{'k' * 65}/event/interaction",
        "partner/v1/pizza/reply",
    ],
)
def test_any_other_topic_is_refused_naming_it_and_the_form(topic: str) -> None:
    with pytest.raises(ValueError, match=r"Expected echo/v1/DEVICE/event/NAME") as refused:
        read_event_topic(topic)
    assert repr(topic) in str(refused.value)


@pytest.mark.parametrize("name", ["", "1", ID.upper(), ID.replace("-7", "-4", 1), ID + "0", "../" + ID])
def test_a_recordings_topic_needs_an_interactions_id(name: str) -> None:
    with pytest.raises(ValueError, match="Expected"):
        read_event_topic(f"echo/v1/kitchen/event/recording/{name}")


TOPIC_PARTS = st.sampled_from(["echo", "v1", "kitchen", "event", "recording", "interaction", "", "+", "#", ID, "\n"])


@given(st.text() | st.lists(TOPIC_PARTS | st.text(max_size=4), max_size=8).map("/".join))
def test_no_topic_raises_anything_but_a_value_error(topic: str) -> None:
    refused = refusal(read_event_topic, topic)
    if refused is None:
        device, event, _ = read_event_topic(topic)
        assert topic.startswith(f"echo/v1/{device}/event/{event}")
    else:
        assert "Expected" in refused


@pytest.mark.parametrize(
    "topic", ["echo/v1/kitchen\n/event/interaction", f"echo/v1/kitchen/event/recording/{ID}\n"], ids=["device", "id"]
)
def test_a_line_break_in_a_topic_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="Expected"):
        read_event_topic(topic)


@pytest.mark.parametrize("field", [{"id": ID + "\n"}, {"device": "kitchen\n"}], ids=["id", "device"])
def test_a_line_break_in_a_name_is_refused(field: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="regex"):
        decode(Interaction, interaction(**field))


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_a_time_that_has_no_utc_is_refused_and_not_fatal(at: str) -> None:
    with pytest.raises(ValueError, match=r"no Interaction message: at is in the year \d+\. Set the clock"):
        decode(Interaction, interaction(at=at))
    with pytest.raises(ValueError, match=r"is beyond the calendar\. Set the clock\."):
        rfc3339(datetime.fromisoformat(at))


@pytest.mark.parametrize("now", ["0002-01-01T00:00:00+23:59", "9998-12-31T23:59:59.999999-23:59"])
def test_a_time_on_the_wire_is_one_on_every_clock(now: str) -> None:
    moment = decode(Clock, json.dumps({"id": ID, "now": now}).encode()).now
    for zone in (timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))):
        assert moment.astimezone(zone) + timedelta(days=300) > moment


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (b"", "truncated"),
        (interaction()[:40], "truncated"),
        (interaction()[:-1], "truncated"),
        (interaction() + b"}", "trailing"),
        (b"null", "Expected `object`"),
        (b"[]", "Expected `object`"),
        (b'{"id": "\xff"}', "utf-8"),
        (b"\x00\x01\x02", "malformed"),
        (interaction(account="household"), "unknown field `account`"),
        (interaction(version=2), "version 2 of the contract, and this is version 1"),
        (interaction(version="1"), r"\$\.version"),
        (interaction(at="2026-11-23T10:00:00"), r"timezone component - at `\$\.at`"),
        (interaction(at="yesterday"), r"\$\.at"),
        (interaction(at=1795428000), r"\$\.at"),
        (interaction(transcript="a" * 2001), r"length <= 2000 - at `\$\.transcript`"),
        (interaction(id="01998877-6655-4433-8211-00ffeeddccbb"), r"\$\.id"),
        (interaction(id=ID.upper()), r"\$\.id"),
        (interaction(device="../kitchen"), r"\$\.device"),
        (interaction(device=""), r"\$\.device"),
        (interaction(source="telepathy"), r"\$\.source"),
        (interaction(wake_word="a" * 41), r"\$\.wake_word"),
        (interaction(words=[{"word": "a", "start_ms": -1, "end_ms": 1, "confidence": 1}]), r"\[0\]\.start_ms"),
        (interaction(words=[{"word": "a", "start_ms": 0, "end_ms": 1, "confidence": 2}]), r"\[0\]\.confidence"),
        (interaction(words=[{"word": "a"}]), "missing required field `start_ms`"),
        (b'{"id": "%s"}' % ID.encode(), "missing required field `device`"),
    ],
)
def test_a_bad_interaction_is_refused_naming_what_is_wrong(payload: bytes, named: str) -> None:
    with pytest.raises(ValueError, match=f"no Interaction message: .*{named}"):
        decode(Interaction, payload)


def test_a_transcript_of_the_full_length_is_taken() -> None:
    assert decode(Interaction, interaction(transcript="a" * 2000)).transcript == "a" * 2000


@pytest.mark.parametrize("directives", [[], [ID] * 501, ["7"]])
def test_a_confirmation_names_between_one_and_five_hundred_directives(directives: list[str]) -> None:
    with pytest.raises(ValueError, match="no Confirm message"):
        decode(Confirm, json.dumps({"directives": directives}).encode())


@given(st.sampled_from(KINDS), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_payload_raises_anything_but_a_value_error(kind: type[Struct], payload: bytes) -> None:
    refused = refusal(decode, kind, payload)
    assert refused is None or refused.startswith(f"no {kind.__name__} message: ")


@given(st.integers(0, len(interaction()) - 1))
def test_an_interaction_torn_anywhere_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="no Interaction message: "):
        decode(Interaction, interaction()[:length])


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://127.0.0.1:1883", BrokerAddress("127.0.0.1", 1883)),
        ("mqtt://broker.example", BrokerAddress("broker.example", 1883)),
        ("mqtts://broker.example", BrokerAddress("broker.example", 8883, tls=True)),
        ("mqtts://broker.example:18883/", BrokerAddress("broker.example", 18883, tls=True)),
        ("mqtt://kitchen@broker", BrokerAddress("broker", 1883, user="kitchen")),
        ("mqtt://kitchen:s3cret@broker:1884", BrokerAddress("broker", 1884, user="kitchen", password="s3cret")),
        ("mqtt://k%40home:a%2Fb%3Ac@broker", BrokerAddress("broker", 1883, user="k@home", password="a/b:c")),
        ("mqtt://[::1]:1884", BrokerAddress("::1", 1884)),
    ],
)
def test_a_brokers_address_is_read(url: str, address: BrokerAddress) -> None:
    assert BrokerAddress.parse(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1",
        "127.0.0.1:1883",
        "http://broker",
        "mqtt://",
        "mqtt://:1883",
        "mqtt://broker:port",
        "mqtt://broker:65536",
        "mqtt://broker:-1",
        "mqtt://broker/topic",
        "mqtt:broker",
    ],
)
def test_what_is_no_address_is_refused_naming_the_form(url: str) -> None:
    with pytest.raises(ValueError, match=r"Write mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS\.") as refused:
        BrokerAddress.parse(url)
    assert repr(url) in str(refused.value)


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=8, max_size=20), st.booleans())
def test_a_password_is_taken_whole_and_never_printed(password: str, tls: bool) -> None:
    from urllib.parse import quote

    address = BrokerAddress.parse(f"mqtt{'s' * tls}://kitchen:{quote(password, safe='')}@broker:1884")
    assert address.password == password
    assert str(address) == f"mqtt{'s' * tls}://broker:1884"
    assert repr(address) == repr(BrokerAddress.parse(f"mqtt{'s' * tls}://kitchen:another@broker:1884"))


@pytest.mark.parametrize("url", ["mqtt://kitchen:s3cret@broker:99999", "mqtt://kitchen:s3cret@broker/topic"])
def test_a_bad_address_is_refused_without_printing_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="is no address") as refused:
        BrokerAddress.parse(url)
    assert "s3cret" not in str(refused.value)


def test_a_torn_ipv6_address_is_refused_naming_the_form() -> None:
    with pytest.raises(ValueError, match="Write mqtt://HOST:PORT"):
        BrokerAddress.parse("mqtt://[::1")


def test_what_an_address_prints_is_that_address() -> None:
    address = BrokerAddress("::1", 1883)
    assert BrokerAddress.parse(str(address)) == address


def test_port_zero_is_refused_and_not_read_as_another_port() -> None:
    with pytest.raises(ValueError, match="is no address"):
        BrokerAddress.parse("mqtt://broker:0")
