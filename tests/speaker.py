"""A device made of nothing but MQTT: says texts to a running cloud and waits for its answers."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import (
    DIRECTIVES,
    Confirm,
    Directive,
    Forgotten,
    Interaction,
    Refused,
    Setting,
    Speak,
    State,
    Stored,
    decode,
    directive_topic,
    encode,
    event_topic,
    new_id,
    recording_topic,
    state_topic,
)
from tests.cloud_stub.house import flac

PATIENCE_S = 30


class Speaker:
    """Speaks as one device."""

    def __init__(self, client: mqtt.Client, device: str, arrived: "queue.SimpleQueue[Directive]") -> None:
        self.device = device
        self._client, self._arrived = client, arrived

    def say(self, text: str, *, at: datetime | None = None, sound: bool = True, speaks: bool = True) -> str:
        """Say something with its recording; returns the interaction's id once everything is answered.

        With `speaks` False no spoken answer is waited for.
        """
        return self.ask(text, at=at, sound=sound, speaks=speaks)[0]

    def ask(self, text: str, *, at: datetime | None = None, sound: bool = True, speaks: bool = True) -> tuple[str, str]:
        """The same, with the spoken answer."""
        at = at or datetime.now(UTC)
        said = Interaction(
            id=new_id(at),
            device=self.device,
            at=at,
            source="text",
            wake_word="alexa",
            transcript=text,
            has_recording=sound,
        )
        self._client.publish(said.topic(), encode(said), qos=1)
        if sound:
            self._client.publish(recording_topic(self.device, said.id), flac(), qos=1)
        answer, open_parts = "", {"interaction", "recording"} if sound else {"interaction"}
        while open_parts or (speaks and not answer):
            directive = self._arrived.get(timeout=PATIENCE_S)
            if getattr(directive, "interaction", None) != said.id:
                continue
            if isinstance(directive, Speak):
                answer = directive.text
            elif isinstance(directive, Stored | Forgotten | Refused):
                assert directive.name in {"stored", "forgotten"}, directive
                open_parts.discard(directive.part or "")
        return said.id, answer

    def show(self) -> None:
        """Publish the state of a device at rest; not retained."""
        state = State(attention="idle", connection="online")
        self._client.publish(state_topic(self.device), encode(state), qos=1)

    def set(self, name: str, value: str) -> Directive:
        """Change a setting of the household by a message; returns the answer."""
        wish = Setting(id=new_id(), at=datetime.now(UTC), setting=name, value=value)
        self._client.publish(event_topic(self.device, "setting"), encode(wish), qos=1)
        while True:
            directive = self._arrived.get(timeout=PATIENCE_S)
            if getattr(directive, "interaction", None) == wish.id:
                return directive


@contextmanager
def speaker(broker: str, device: str) -> Iterator[Speaker]:
    """Connect a device to a broker while the block runs."""
    address = BrokerAddress.parse(broker)
    arrived: queue.SimpleQueue[Directive] = queue.SimpleQueue()
    subscribed: queue.SimpleQueue[None] = queue.SimpleQueue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"test-{device}", protocol=mqtt.MQTTv311)

    def take(client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        directive = decode(DIRECTIVES[message.topic.rsplit("/", 1)[1]], message.payload)
        client.publish(event_topic(device, "confirm"), encode(Confirm([directive.id])), qos=1)
        arrived.put(directive)

    client.on_message = take
    client.on_connect = lambda *_: client.subscribe(directive_topic(device, "+"), qos=1) and None
    client.on_subscribe = lambda *_: subscribed.put(None)
    client.connect(address.host, address.port)
    client.loop_start()
    try:
        subscribed.get(timeout=PATIENCE_S)
        yield Speaker(client, device, arrived)
    finally:
        client.disconnect()
        client.loop_stop()
