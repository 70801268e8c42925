"""The page's ear on the broker: the devices' states, what crosses the wire while somebody watches, and commands."""

import asyncio
import contextlib
import queue
import re
import secrets
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt

from cloud_stub import accounts
from cloud_stub.answers import provenance
from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.control import control_topic
from cloud_stub.contract.messages import (
    DEVICE_PATTERN,
    DIRECTIVES,
    ROOT,
    DeviceError,
    Forget,
    Forgotten,
    Interaction,
    Refused,
    Speak,
    State,
    Stored,
    decode,
    event_topic,
    state_topic,
)
from cloud_stub.mqtt import client as mqtt_client
from cloud_stub.mqtt import keep_connecting
from cloud_stub.page.desk import Desk

#: Always heard: little, and without words. The rest only while somebody watches, since recordings are in it.
ALWAYS = (state_topic("+"), event_topic("+", DeviceError.name))
WATCHED = (f"{ROOT}/+/event/#", f"{ROOT}/+/directive/#")

#: What waits for a browser that is too slow; beyond that it misses something.
QUEUED = 200

#: How long a device may take to answer a command, in seconds.
PATIENCE_S = 5.0

Event = dict[str, Any]


@dataclass(eq=False)
class Watcher:
    """One browser that watches: its account, its queue and the loop that reads it."""

    account: str
    loop: asyncio.AbstractEventLoop
    events: "asyncio.Queue[Event | None]"

    def tell(self, event: Event | None) -> None:
        """Put an event into the queue, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(self._put, event)

    def _put(self, event: Event | None) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self.events.put_nowait(event)


class Unanswered(Exception):
    """The device did not do what it was told. Says why, and what to do."""


class Wire:
    """One MQTT client for the page. Nothing that it hears is kept but the devices' last states."""

    def __init__(self, desk: Desk, address: BrokerAddress) -> None:
        """Connects, and again whenever the broker was away."""
        self._desk = desk
        self._states: dict[str, State] = {}
        self._watchers: set[Watcher] = set()
        self._waiting: dict[str, list[queue.SimpleQueue[State | DeviceError]]] = {}
        self._lock = threading.Lock()
        self._client = mqtt_client(f"cloud-stub-page-{secrets.token_hex(4)}", address, keeps_session=False)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        keep_connecting(self._client, address)

    def close(self) -> None:
        """Leave the broker; who watches is told that this is the end."""
        with self._lock:
            watchers = list(self._watchers)
        for watcher in watchers:
            watcher.tell(None)
        self._client.disconnect()
        self._client.loop_stop()

    def devices(self, account: str) -> dict[str, State | None]:
        """The account's devices with their last states; None for one that is registered and was never seen."""
        with self._desk.house() as house, house.stores.read() as connection:
            owners = accounts.owners(connection, self._states)
            names = {name for name, owner in owners.items() if owner == account}
            names.update(accounts.devices(connection, account))
        return {name: self._states.get(name) for name in sorted(names)}

    def command(self, device: str, command: str, payload: bytes = b"") -> State:
        """Tell a device something; the state that it answers with. Raises Unanswered."""
        state = self._states.get(device)
        if state is None or state.connection != "online":
            raise Unanswered(f"{device} is not connected, so nothing was sent. Start it: echo-device run")
        answers: queue.SimpleQueue[State | DeviceError] = queue.SimpleQueue()
        with self._lock:
            self._waiting.setdefault(device, []).append(answers)
        try:
            self._client.publish(control_topic(device, command), payload, qos=1)
            answer = answers.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise Unanswered(f"{device} has not answered in {PATIENCE_S:.0f} s. Try again.") from None
        finally:
            with self._lock:
                self._waiting[device].remove(answers)
        if isinstance(answer, DeviceError):
            raise Unanswered(f"{answer.problem} {answer.remedy}")
        return answer

    async def watch(self, account: str) -> AsyncIterator[Event]:
        """What happens in the account's rooms from now on, until the wire is closed."""
        watcher = Watcher(account, asyncio.get_running_loop(), asyncio.Queue(QUEUED))
        with self._watching(watcher):
            while (event := await watcher.events.get()) is not None:
                yield event

    @contextmanager
    def _watching(self, watcher: Watcher) -> Iterator[None]:
        with self._lock:
            self._watchers.add(watcher)
            if len(self._watchers) == 1:
                self._client.subscribe([(topic, 0) for topic in WATCHED])
        try:
            yield
        finally:
            with self._lock:
                self._watchers.discard(watcher)
                if not self._watchers:
                    self._client.unsubscribe(list(WATCHED))

    def _on_connect(self, client: mqtt.Client, _userdata: object, _flags: object, reason: object, _p: object) -> None:
        if getattr(reason, "is_failure", False):
            return  # the server's own client has said so
        with self._lock:
            topics = [*ALWAYS, *(WATCHED if self._watchers else ())]
        client.subscribe([(topic, 0) for topic in topics])

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        # Whatever somebody publishes must not end this thread: what is no message of the contract is not shown.
        with contextlib.suppress(ValueError):
            _, _, device, room, *rest = message.topic.split("/")
            if message.payload and re.match(DEVICE_PATTERN, device):
                self._take(device, room, rest, message)

    def _take(self, device: str, room: str, rest: list[str], message: mqtt.MQTTMessage) -> None:
        answer: State | DeviceError | None = None
        if room == "state":
            answer = self._states[device] = decode(State, message.payload)
        elif room == "event" and rest == [DeviceError.name]:
            answer = decode(DeviceError, message.payload)
        with self._lock:
            waiting = [] if message.retain else list(self._waiting.get(device, ()))
            watchers = list(self._watchers)
        for answers in waiting:
            if answer is not None:
                answers.put(answer)
        if not watchers:
            return
        with self._desk.house() as house, house.stores.read() as connection:
            owner = accounts.owners(connection, [device]).get(device)
        mine = [watcher for watcher in watchers if watcher.account == owner]
        if not mine or owner is None:
            return
        event = self._event(owner, device, room, rest, message)
        event |= {"device": device, "topic": message.topic, "bytes": len(message.payload)}
        for watcher in mine:
            watcher.tell(event)

    def _event(self, owner: str, device: str, room: str, rest: list[str], message: mqtt.MQTTMessage) -> Event:
        """What the Live room shows of a message."""
        if room == "state":
            return {"kind": "state", **told(self._states[device])}
        match room, rest:
            case "event", [Interaction.name]:
                said = decode(Interaction, message.payload)
                words = [[word.word, word.confidence] for word in said.words]
                return {"kind": "heard", "id": said.id, "text": said.transcript, "words": words}
            case "event", ["recording", interaction]:
                return {"kind": "recording", "id": interaction}
            case "event", [DeviceError.name]:
                wrong = decode(DeviceError, message.payload)
                return {"kind": "error", "text": f"{wrong.problem} {wrong.remedy}"}
            case "directive", [name] if name in DIRECTIVES:
                return self._directive(owner, decode(DIRECTIVES[name], message.payload))
        return {"kind": "other"}

    def _directive(self, owner: str, directive: object) -> Event:
        match directive:
            case Speak():
                return {"kind": "answer", "id": directive.interaction, "text": directive.text}
            case Stored():
                return {"kind": "stored", "id": directive.interaction, "places": self._places(owner, directive)}
            case Forgotten():
                return {"kind": "forgotten", "id": directive.interaction}
            case Refused():
                return {"kind": "refused", "id": directive.interaction, "text": directive.reason}
            case Forget(what="interaction"):
                return {"kind": "forget", "ids": directive.interactions}
        return {"kind": "other"}

    def _places(self, owner: str, stored: Stored) -> list[dict[str, str]]:
        """Where the interaction is now, and what lets it be there."""
        with self._desk.house() as house:
            graph = provenance.trace(house, stored.interaction)
        if graph is None or graph.account != owner:
            return []
        rules = {edge.target: edge for edge in graph.edges}
        return [
            {"name": node.name, "says": node.says, "rule": rules[node.name].rule, "clause": rules[node.name].clause}
            for node in graph.nodes
            if node.there and node.name in rules
        ]


def told(state: State | None) -> dict[str, str]:
    """A device's state in the words of the page: what the ring shows, and what that means."""
    if state is None:
        return {"attention": "unseen", "says": "registered, and never seen"}
    if state.connection == "offline":
        return {"attention": "offline", "says": "offline"}
    return {"attention": state.attention, "says": SAYS[state.attention]}


SAYS = {
    "idle": "waits for its wake word",
    "listening": "listens",
    "thinking": "waits for the cloud's answer",
    "speaking": "speaks",
    "alerting": "rings",
    "muted": "its microphone is off",
    "deaf": "no sound arrives",
}
