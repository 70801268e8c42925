"""A person with an MQTT client: says things to a running device, sends it commands, sees what crosses the wire."""

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import DIRECTIVES, ROOT, Clock, Confirm, Directive, Interaction, Speak, decode
from device.errors import EchoError
from device.exchange import Exchange
from device.testing.processes import PATIENCE_S, until


class RemoteEcho:
    """`states`, `errors`, `interactions` (as JSON) and `directives` in the order in which they crossed the wire."""

    def __init__(self, client: mqtt.Client, device: str) -> None:
        self.device = device
        self.states: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        self.interactions: list[dict[str, Any]] = []
        self.directives: list[Directive] = []
        self._confirmed: set[str] = set()
        self._client = client
        self._waited_for = 0
        self._errors_waited_for = 0
        client.on_message = self._take

    def say(self, text: str, patience_s: float = PATIENCE_S) -> Exchange:
        """Let the device take `text` as heard, and wait for the cloud's answer.

        Raises EchoError where the device refuses it, or no answer comes within `patience_s` seconds.
        """
        return self._heard("say", {"text": text}, patience_s)

    def play(self, sound: Path | str, patience_s: float = PATIENCE_S) -> Exchange:
        """Let the device hear a WAV or FLAC file, wake word and all, and wait for the cloud's answer.

        Raises EchoError where it hears no wake word in it, or no answer comes.
        """
        return self._heard("hear", Path(sound).read_bytes(), patience_s)

    def wait_for_interaction(self, patience_s: float = PATIENCE_S) -> Exchange:
        """The next interaction that was not waited for yet, when the cloud has answered all of it.

        Raises EchoError where none comes within `patience_s` seconds.
        """
        number = self._waited_for
        found: Exchange = until(lambda: self._answered(number), "an interaction and its answer", patience_s)
        self._waited_for = number + 1
        return found

    def command(self, name: str, payload: bytes | dict[str, Any] = b"", *, retain: bool = False) -> None:
        """Send a control command, and wait for nothing but the broker."""
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._client.publish(f"echo/v1/{self.device}/control/{name}", content, qos=1, retain=retain).wait_for_publish()

    def ask(self, name: str, payload: bytes | dict[str, Any] = b"") -> dict[str, Any]:
        """Send a control command; the state that answers it.

        Raises EchoError where the device refuses the command: then an error comes before the state.
        """
        already, complaints = len(self.states), len(self.errors)
        self.command(name, payload)
        until(lambda: len(self.states) > already, f"an answer to {name}")
        if len(self.errors) > complaints:
            raise EchoError(self._complaint())
        return self.states[-1]

    def wait_for_error(self, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """The next error that was not waited for yet: `problem`, `remedy`, and `at`.

        Raises EchoError where none comes within `patience_s` seconds.
        """
        number = self._errors_waited_for
        until(lambda: len(self.errors) > number, "an error", patience_s)
        self._errors_waited_for = number + 1
        return self.errors[number]

    def attention(self) -> str:
        """What the light ring shows."""
        return str(self.states[-1]["attention"]) if self.states else ""

    def online(self) -> None:
        """Wait for the device."""
        until(self.is_online, "the device to be online")

    def is_online(self) -> bool:
        """Whether the last state says so."""
        return bool(self.states) and bool(self.states[-1]["connection"] == "online")

    def knows_the_time(self, directive: str) -> bool:
        """Whether the device is away, or has confirmed this directive about the time or a later one."""
        told = {each.id for each in self.directives if isinstance(each, Clock) and each.id >= directive}
        return not self.is_online() or bool(told & self._confirmed)

    def _heard(self, command: str, payload: bytes | dict[str, Any], patience_s: float) -> Exchange:
        self._waited_for, complaints = len(self._said()), len(self.errors)
        self.command(command, payload)
        until(
            lambda: len(self.errors) > complaints or len(self._said()) > self._waited_for,
            f"the device to hear what was sent to {command}",
            patience_s,
        )
        if len(self._said()) == self._waited_for:
            raise EchoError(self._complaint())
        return self.wait_for_interaction(patience_s)

    def _complaint(self) -> str:
        return f"{self.errors[-1]['problem']} {self.errors[-1]['remedy']}"

    def _said(self) -> list[dict[str, Any]]:
        """Each interaction once: a device sends again what is not answered in time."""
        return list({said["id"]: said for said in list(self.interactions)}.values())

    def _answered(self, number: int) -> Exchange | None:
        """That interaction with its answers, once all of them have come."""
        if number >= len(interactions := self._said()):
            return None
        said = decode(Interaction, json.dumps(interactions[number]).encode())
        exchange, parts = Exchange(said), {"interaction": "", "recording": "" if said.has_recording else "none"}
        for directive in self.directives:
            if getattr(directive, "interaction", None) != said.id:
                continue
            if isinstance(directive, Speak):
                exchange.intent, exchange.response = directive.intent, directive.text
            elif part := getattr(directive, "part", None):
                parts[part] = directive.name
        exchange.answer = parts["interaction"]
        return exchange if exchange.settled() and all(parts.values()) else None

    def _take(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        if not message.topic.startswith(f"{ROOT}/{self.device}/"):
            # The embedded broker sends whoever connects all retained states for which anybody has subscribed.
            return
        *_, room, name = message.topic.split("/")
        # What is no message is left to who tests for it: it must not end this thread.
        with contextlib.suppress(ValueError, RecursionError):
            self._keep(room, name, message.payload)

    def _keep(self, room: str, name: str, payload: bytes | bytearray) -> None:
        place = {"state": self.states, "error": self.errors, "interaction": self.interactions}.get(name)
        if place is not None and room != "control":
            place.append(json.loads(payload))
        elif room == "event" and name == Confirm.name:
            self._confirmed.update(decode(Confirm, payload).directives)
        elif room == "directive" and name in DIRECTIVES:
            self.directives.append(decode(DIRECTIVES[name], payload))


@contextlib.contextmanager
def remote(broker: str, device: str = "kitchen") -> Iterator[RemoteEcho]:
    """Connect, and follow that device, while the block runs."""
    address = BrokerAddress.parse(broker)
    subscribed = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"remote-{device}", protocol=mqtt.MQTTv311)
    made = RemoteEcho(client, device)
    client.on_connect = lambda *_: client.subscribe(f"echo/v1/{device}/#", qos=1) and None
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(address.host, address.port)
    client.loop_start()
    try:
        if not subscribed.wait(PATIENCE_S):
            raise EchoError(f"the broker at {address} does not let us follow {device}.")
        yield made
    finally:
        client.disconnect()
        client.loop_stop()
        # It closes its last sockets when nobody refers to it any more; found by the garbage collector, they would warn.
        client.on_connect = client.on_subscribe = client.on_message = None
