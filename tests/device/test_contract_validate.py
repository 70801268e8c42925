"""`echo-device contract validate`: what was captured from a broker is good, or its line, topic and reason are named."""

import json
import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stub.contract.channels import CHANNELS
from cloud_stub.contract.messages import Interaction, Stored, encode
from device.commands.contract import judge
from device.spoken_requests import FOLDER
from tests.cloud_stub.wire import structs
from tests.processes import cloud, echo_device, mosquitto, until
from tests.real.test_mosquitto import client_program

ID = "01998877-6655-7433-8211-00ffeeddccbb"
AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
TOPIC = "echo/v1/kitchen/event/interaction"


def said(**changes: object) -> bytes:
    good = json.loads(
        encode(Interaction(id=ID, device="kitchen", at=AT, source="text", wake_word="alexa", transcript="stop"))
    )
    return json.dumps({name: value for name, value in (good | changes).items() if value is not ...}).encode()


def reason(topic: str, payload: bytes) -> str:
    (judged,) = judge([f"{topic} {payload.hex()}\n".encode()])
    assert judged.topic == topic
    return judged.reason


@given(st.sampled_from([channel for channel in CHANNELS if channel.kind]), st.data())
def test_what_the_contract_can_say_is_good_on_its_own_topic(channel: object, data: st.DataObject) -> None:
    message = data.draw(structs(channel.kind))
    named = {"device": getattr(message, "device", "kitchen"), "partner": getattr(message, "partner", "pizza")}
    assert reason(channel.address.format(**named), encode(message)) == ""


@pytest.mark.parametrize(
    ("topic", "payload", "complaint"),
    [
        ("echo/v1/bedroom/event/interaction", said(), "bedroom spoke for kitchen"),
        ("echo/v1/Kitchen/event/interaction", said(), "is no device"),
        ("echo/v1/kitchen/event/mood", b"{}", "no topic of this contract"),
        ("weather/today", b"{}", "no topic of this contract"),
        (TOPIC, b"", "no Interaction message"),
        (TOPIC, said(transcript="a" * 2001), r"at `$.transcript`"),
        (TOPIC, said(transcript="a\0b"), "NUL"),
        (TOPIC, b" " * 64_001, "too many"),
        (f"echo/v1/kitchen/event/recording/{ID}", b"RIFF", "no FLAC"),
        ("echo/v1/kitchen/event/recording/1", b"fLaC", "is no interaction"),
        ("echo/v1/kitchen/control/volume", b'{"level": 200}', "Expected a JSON object with level"),
        ("echo/v1/kitchen/directive/stored", encode(Stored(ID, ID, "recording")).replace(b"stored", b"speak"), "speak"),
    ],
)
def test_a_bad_message_is_named_with_its_reason(topic: str, payload: bytes, complaint: str) -> None:
    assert complaint in reason(topic, payload)


def test_an_older_devices_message_is_accepted_without_what_is_new_since() -> None:
    assert reason(TOPIC, said(version=..., words=..., model=..., has_recording=...)) == ""
    assert reason("echo/v1/kitchen/state", b'{"attention": "idle", "connection": "online"}') == ""


def test_a_newer_devices_message_is_refused_with_the_reason() -> None:
    assert "version 2 of the contract, and this is version 1. Update the older" in reason(TOPIC, said(version=2))
    assert "version 2 of the contract, and this is version 1" in reason(TOPIC.replace("v1", "v2"), said(version=2))
    assert "unknown field `mood`" in reason(TOPIC, said(mood="good"))


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_line_is_more_than_bad(line: bytes) -> None:
    for judged in judge([line]):
        assert judged.reason


def test_the_command_names_line_topic_and_reason_and_exits_with_1(tmp_path) -> None:
    file = tmp_path / "captured"
    file.write_text(f"{TOPIC} {said().hex()}\n\n{TOPIC} {said(source='telepathy').hex()}\nrubbish\n")
    done = echo_device("contract", "validate", file)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith(f"line 3: {TOPIC}: no Interaction message: ")
    assert done.stdout.splitlines()[1].startswith("line 4: no topic: no captured message.")
    assert done.stdout.splitlines()[2] == "3 messages, 2 of them bad"
    told = json.loads(echo_device("contract", "validate", file, "--json").stdout)
    assert (told["messages"], [bad["line"] for bad in told["bad"]]) == (3, [3, 4])


def test_a_file_that_is_not_there_is_named_with_the_remedy(tmp_path) -> None:
    done = echo_device("contract", "validate", tmp_path / "nothing")
    assert done.returncode == 2
    assert "Name what mosquitto_sub wrote" in done.stderr


def test_what_device_and_cloud_say_to_each_other_is_good(tmp_path) -> None:
    program = client_program("mosquitto_sub")
    with mosquitto(tmp_path / "broker") as broker, cloud(tmp_path / "data", broker=broker):
        port = broker.rsplit(":", 1)[1]
        captured = tmp_path / "captured"
        listen = ["stdbuf", "-oL", program, "-p", port, "-t", "echo/v1/#", "-t", "partner/v1/#", "-F", "%t %x", "-d"]
        with captured.open("w") as file, subprocess.Popen(listen, stdout=file, stderr=file) as listening:
            try:
                until(lambda: "Subscribed" in captured.read_text(), "mosquitto_sub to listen")
                heard = echo_device(
                    "hear", FOLDER / "08_pizza.flac", "--broker", broker, "--data", tmp_path / "data", "--json"
                )
                assert heard.returncode == 0, heard.stderr
                until(lambda: "partner/v1/pizza/reply" in captured.read_text(), "the pizza service to answer")
            finally:
                listening.terminate()
    lines = [line for line in captured.read_text().splitlines() if line.startswith(("echo/", "partner/"))]
    judged = list(judge(f"{line}\n".encode() for line in lines))
    assert [one for one in judged if one.reason] == []
    assert {"event", "state", "directive"} <= {one.topic.split("/")[3] for one in judged if one.topic[0] == "e"}


def test_a_capture_of_nothing_is_no_success(tmp_path) -> None:
    file = tmp_path / "captured"
    file.write_bytes(b"\n")
    done = echo_device("contract", "validate", file)
    assert done.returncode == 1
    assert "nothing was captured" in done.stdout
    done = echo_device("contract", "validate", file, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (1, {"messages": 0, "bad": []})
