"""A household at work at a real broker, and what its cloud and its device have promised by their messages."""

import contextlib
import json
import queue
import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import Setting, encode, event_topic, new_id
from tests.processes import PATIENCE_S, until

DELETE = "delete what I just said"
ALARM = "set a recurring alarm for seven a m"

Sent = tuple[str, bytes]
"""Topic and payload of a message."""


@dataclass
class Promises:
    """What was promised by the time of the last of some messages. Interactions are named by their ids."""

    said: dict[str, str] = field(default_factory=dict)
    """The words of those that the device has sent."""
    times: dict[str, datetime] = field(default_factory=dict)
    """When they were said."""
    heard: set[datetime] = field(default_factory=set)
    """When what the device's state has told of as heard was said: that stands in the outbox, or was answered."""
    answers: dict[str, str] = field(default_factory=dict)
    """stored or forgotten: from then on the cloud alone answers for it."""
    alarms: set[str] = field(default_factory=set)
    """Those whose alarm the device has confirmed: it will ring, whatever becomes of the cloud."""

    alerts: dict[str, str] = field(default_factory=dict)
    """By its alert, the interaction that an alarm was set by."""

    def take(self, topic: str, payload: bytes) -> None:
        """What one more message promises."""
        *_, room, name = topic.split("/")
        told: dict[str, Any] = json.loads(payload) if payload else {}
        if (room, name) == ("event", "interaction"):
            self.said[told["id"]] = told["transcript"]
            self.times[told["id"]] = datetime.fromisoformat(told["at"])
        elif name == "state" and told["last_heard"]:
            self.heard.add(datetime.fromisoformat(told["last_heard"]))
        elif (room, name) == ("directive", "alert"):
            self.alerts[told["id"]] = told["interaction"]
        elif (room, name) == ("event", "confirm"):
            self.alarms |= {self.alerts[each] for each in told["directives"] if each in self.alerts}
        elif room == "directive" and name in {"stored", "forgotten"}:
            self.answers[told["interaction"]] = name

    def deletions(self) -> dict[str, str]:
        """By the interaction that asks for a deletion, the one that it deletes: the last one that is left."""
        taken: dict[str, str] = {}
        left: list[str] = []
        for name in sorted(self.said, key=lambda name: self.times[name]):
            if self.said[name] != DELETE:
                left.append(name)
            elif left:
                taken[name] = left.pop()
        return taken

    def deleted(self) -> set[str]:
        """Of whose deletion the cloud has said that it is a matter of record."""
        return {gone for name, gone in self.deletions().items() if self.answers.get(name) == "forgotten"}

    def maybe_deleted(self) -> set[str]:
        """Whose deletion was asked for."""
        return set(self.deletions().values())

    def stored(self) -> set[str]:
        """What the cloud has said that it stores, and nobody has asked to delete."""
        return {name for name, answer in self.answers.items() if answer == "stored"} - self.maybe_deleted()


def promises(messages: Sequence[Sent]) -> Promises:
    """What cloud and device promise by these messages."""
    made = Promises()
    for topic, payload in messages:
        made.take(topic, payload)
    return made


def marked(number: int, chance: Random) -> str:
    """A request whose last word tells which it is, wherever a byte of it is found."""
    return f"remember that my locker code is zebra{number:04d}{chance.getrandbits(48):012x}"


def requests(chance: Random) -> Iterator[str]:
    """What the household says: things to remember, some of which it takes back at once, and an alarm now and then."""
    number = 0
    while True:
        number += 1
        yield marked(number, chance)
        if chance.random() < 0.3:
            yield DELETE
        elif chance.random() < 0.1:
            yield ALARM


class Wire:
    """Everything about one device that crosses a broker, in its order; and a way to speak to that device."""

    def __init__(self, client: mqtt.Client) -> None:
        self.messages: list[Sent] = []
        self._client, self._marks = client, queue.SimpleQueue[bytes]()
        client.on_message = self._take

    def say(self, text: str) -> None:
        """Let the device take it as heard."""
        self._client.publish("echo/v1/kitchen/control/say", json.dumps({"text": text}), qos=1).wait_for_publish()

    def allow_deletions(self) -> None:
        """Switch deleting by voice on."""
        wish = Setting(id=new_id(), at=datetime.now(UTC), setting="delete_by_voice", value="yes")
        self._client.publish(event_topic("kitchen", "setting"), encode(wish), qos=1)
        until(
            lambda: any(topic.endswith("/settings") for topic, _ in list(self.messages)), "the setting to be in force"
        )

    def so_far(self) -> list[Sent]:
        """All that has reached the broker by now."""
        mark = uuid.uuid4().bytes
        self._client.publish("mark", mark, qos=1)
        while self._marks.get(timeout=PATIENCE_S) != mark:
            pass
        return list(self.messages)

    def online(self) -> None:
        """Wait for the device to say that it is there."""
        until(
            lambda: any(
                topic.endswith("/state") and json.loads(payload)["connection"] == "online"
                for topic, payload in list(self.messages)
            ),
            "the device to be online",
        )

    def _take(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        if message.topic == "mark":
            self._marks.put(bytes(message.payload))
        elif not message.topic.startswith("echo/v1/kitchen/control/"):
            self.messages.append((message.topic, bytes(message.payload)))


@contextlib.contextmanager
def wire(broker: str) -> Iterator[Wire]:
    """Follow the device named kitchen while the block runs."""
    address = BrokerAddress.parse(broker)
    subscribed = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="observer", protocol=mqtt.MQTTv311)
    made = Wire(client)
    client.on_connect = lambda *_: client.subscribe([("echo/v1/kitchen/#", 1), ("mark", 1)]) and None
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(address.host, address.port)
    client.loop_start()
    try:
        assert subscribed.wait(PATIENCE_S)
        yield made
    finally:
        client.disconnect()
        client.loop_stop()
