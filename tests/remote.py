"""A person with an MQTT client: sends a device control commands and sees what it publishes."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cloud_stub.contract.address import BrokerAddress
from tests.processes import until


class Remote:
    """`states`, `errors` and `interactions` in the order in which the device published them."""

    def __init__(self, client: mqtt.Client, device: str) -> None:
        self.states: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        self.interactions: list[dict[str, Any]] = []
        self._client, self._device = client, device
        client.on_message = self._take

    def command(self, name: str, payload: bytes | dict[str, Any] = b"", *, retain: bool = False) -> None:
        """Send a control command."""
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._client.publish(f"echo/v1/{self._device}/control/{name}", content, qos=1, retain=retain).wait_for_publish()

    def ask(self, name: str, payload: bytes | dict[str, Any] = b"") -> dict[str, Any]:
        """Send a control command; the state that answers it."""
        already = len(self.states)
        self.command(name, payload)
        until(lambda: len(self.states) > already, f"an answer to {name}")
        return self.states[-1]

    def attention(self) -> str:
        """What the light ring shows."""
        return str(self.states[-1]["attention"]) if self.states else ""

    def online(self) -> None:
        """Wait for the device."""
        until(lambda: self.states and self.states[-1]["connection"] == "online", "the device to be online")

    def _take(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        *_, room, name = message.topic.split("/")
        place = {"state": self.states, "error": self.errors, "interaction": self.interactions}.get(name)
        if place is not None and room != "control":
            place.append(json.loads(message.payload))


@contextlib.contextmanager
def remote(broker: str, device: str = "kitchen") -> Iterator[Remote]:
    """Connect, and follow that device, while the block runs."""
    address = BrokerAddress.parse(broker)
    subscribed = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"remote-{device}", protocol=mqtt.MQTTv311)
    made = Remote(client, device)
    client.on_connect = lambda *_: client.subscribe(f"echo/v1/{device}/#", qos=1) and None
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(address.host, address.port)
    client.loop_start()
    try:
        assert subscribed.wait(30)
        yield made
    finally:
        client.disconnect()
        client.loop_stop()


@contextlib.contextmanager
def running(broker: str, data: Path, *options: str, **environment: str) -> "Iterator[subprocess.Popen[str]]":
    """`echo-device run` while the block runs; what it prints goes to `data`.parent/run.log."""
    command = [sys.executable, "-m", "device", "run", "--broker", broker, "--data", str(data), *options]
    with (
        (data.parent / "run.log").open("a") as log,
        subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log, text=True) as device,
    ):
        try:
            yield device
        finally:
            device.terminate()
