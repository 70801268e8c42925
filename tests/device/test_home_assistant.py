"""Home Assistant finds a mute switch, the attention state and when the device last heard; never a word."""

import json
import subprocess
from pathlib import Path
from typing import get_args

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.control import Mute, read_command
from cloud_stub.contract.messages import Attention, State, decode
from device import speech_models
from device.echo import Echo
from device.home_assistant import discovery
from tests.processes import mosquitto, until


def test_one_message_describes_the_device_and_what_it_has() -> None:
    topic, payload = discovery("kitchen")
    found = json.loads(payload)
    assert topic == "homeassistant/device/residual_echo_kitchen/config"
    assert found["state_topic"] == found["availability_topic"] == "echo/v1/kitchen/state"
    assert found["availability_template"] == "{{ value_json.connection }}"
    assert found["device"]["identifiers"] == ["residual_echo_kitchen"]
    assert found["origin"]["name"] == "residual-echo"
    kinds = {key: component["platform"] for key, component in found["components"].items()}
    assert kinds == {"mute": "switch", "attention": "sensor", "last_heard": "sensor"}
    assert found["components"]["attention"]["options"] == list(get_args(Attention))
    assert len({component["unique_id"] for component in found["components"].values()}) == 3


def test_the_switch_says_what_the_device_understands() -> None:
    switch = json.loads(discovery("kitchen")[1])["components"]["mute"]
    assert switch["command_topic"] == "echo/v1/kitchen/control/mute"
    assert read_command("mute", switch["payload_on"].encode()) == Mute(on=True)
    assert read_command("mute", switch["payload_off"].encode()) == Mute(on=False)


def retained(broker: str, topic: str) -> bytes:
    port = broker.rsplit(":", 1)[1]
    command = ["mosquitto_sub", "-p", port, "-t", topic, "-C", "1", "-W", "20"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_it_is_retained_only_when_switched_on_and_what_it_shows_has_no_words(tmp_path: Path) -> None:
    model = speech_models.load(speech_models.locate(None))
    with mosquitto(tmp_path / "broker") as broker:
        address = BrokerAddress.parse(broker)
        off = Echo("hall", tmp_path, address, model)
        off.uplink.connect(must=True)
        on = Echo("kitchen", tmp_path, address, model, home_assistant=True)
        on.uplink.connect(must=True)
        on.say("remember that i am allergic to walnuts")
        on.publish()
        found = retained(broker, "homeassistant/#")
        assert found.strip() == discovery("kitchen")[1]
        heard = until(
            lambda: decode(State, retained(broker, "echo/v1/kitchen/state").strip()).last_heard,
            "when it last heard",
        )
        assert heard == on.exchanges[-1].interaction.at
        assert b"walnut" not in retained(broker, "echo/v1/kitchen/state") + found
        on.close()
        off.close()
        assert decode(State, retained(broker, "echo/v1/kitchen/state").strip()).connection == "offline"
