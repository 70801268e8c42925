"""Many devices in one process, for load: one thread, one connection to the broker for each device.

They do what a device does with what is heard: send it, send it again until the cloud has answered, confirm what the
cloud sends, and come back when the broker is gone. They hear and ring nothing, and keep what is unanswered in memory.
On top they make the trouble that networks make, seeded: connections cut in the middle, messages twice and out of order.
"""

import contextlib
import heapq
import itertools
import random
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import (
    DIRECTIVES,
    Confirm,
    Forgotten,
    Interaction,
    Refused,
    Speak,
    Stored,
    decode,
    directive_topic,
    encode,
    event_topic,
    new_id,
)
from cloud_stub.contract.tls import tls_problem
from device.connection import LOGIN_REMEDY
from device.errors import EchoError
from device.fleet_report import Report
from device.tls import Tls, context
from device.uplink import FIRST_REPEAT_S, LONGEST_REPEAT_S

#: Seconds without a single answer, once everything is said, after which what is unanswered counts as lost.
PATIENCE_S = 120.0

#: Seconds that the last confirmations may take.
LEAVE_S = 10.0

#: Longest pauses, in seconds: of a message that is held back, and of a device whose connection was cut.
HELD_BACK_S, AWAY_S = 3.0, 2.0


_BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE


@dataclass(frozen=True)
class Trouble:
    """Shares of all interactions: sent twice, held back so that later ones overtake, or followed by a cut."""

    duplicates: float = 0.02
    reordered: float = 0.02
    disconnects: float = 0.002


@dataclass
class Said:
    """One interaction on its way."""

    device: int
    payload: bytes
    sent: float | None = None
    """When it was first handed to the broker, by the monotonic clock."""
    pause: float = FIRST_REPEAT_S


class Fleet:
    """The devices at work."""

    def __init__(
        self, address: BrokerAddress, devices: list[str], sayings: list[Iterator[str]], trouble: Trouble, seed: int
    ) -> None:
        """`sayings` has, for each device, what is said to it. Nothing is connected before `run`."""
        self._address, self._names, self._sayings, self._trouble = address, devices, sayings, trouble
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._waiting: dict[str, Said] = {}
        self._outboxes: list[deque[str]] = [deque() for _ in devices]
        self._under_way = ["" for _ in devices]
        self._acknowledged: set[str] = set()
        self._spoken: dict[str, str] = {}
        self._spoken_twice: set[str] = set()
        self._on_wire: list[dict[int, str]] = [{} for _ in devices]
        self._to_confirm: dict[int, list[str]] = {}
        self._online: set[int] = set()
        self._answered_at = self._care_at = time.monotonic()
        self._refusal, self._leaving = "", False
        self.report = Report()
        self._clients = [self._client(number, name) for number, name in enumerate(devices)]

    def run(self, interactions: int, rate: float, shown: Callable[[Report], None]) -> Report:
        """Connect; say so many, so many a second in the mean; wait for the answers. `shown` is called in every turn.

        Raises EchoError where no broker answers, or it refuses us.
        """
        for number in range(len(self._clients)):
            self._connect(number, must=True)
        while len(self._online) < len(self._clients):
            self._turn(shown)
        self._at(0.0, lambda: self._speak(interactions, rate, time.monotonic()))
        self._answered_at = time.monotonic()
        while (self.report.sent < interactions or self._waiting) and not self._given_up(interactions):
            self._turn(shown)
        deadline = time.monotonic() + LEAVE_S
        # Behind the last answer are its confirmation, and what is sent twice.
        while (any(self._on_wire) or self._to_confirm) and time.monotonic() < deadline:
            self._turn(shown)
        self._leaving = True
        for client in self._clients:
            client.disconnect()
        while any(client.socket() for client in self._clients) and time.monotonic() < deadline:
            self._turn(shown)
        return self.report

    def _given_up(self, interactions: int) -> bool:
        return self.report.sent == interactions and time.monotonic() > self._answered_at + PATIENCE_S

    def _turn(self, shown: Callable[[Report], None]) -> None:
        """Do what is due, and what the sockets are ready for."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
        wait = min(max(self._due[0][0] - now, 0.0), 0.05) if self._due else 0.05
        for key, ready in self._selector.select(wait):
            client = self._clients[key.data]
            if ready & selectors.EVENT_READ:
                client.loop_read()
                # What TLS has taken from the socket and not given out yet makes no socket ready.
                while (sock := client.socket()) is not None and getattr(sock, "pending", int)():
                    client.loop_read()
            if ready & selectors.EVENT_WRITE:
                client.loop_write()
        for number in [number for number in self._to_confirm if number in self._online]:
            self._publish(number, "", Confirm.name, encode(Confirm(self._to_confirm.pop(number))))
        if now > self._care_at + 1:
            self._care_at = now
            for client in self._clients:
                client.loop_misc()
        if self._refusal:
            raise EchoError(self._refusal)
        if not self._leaving:
            self.report.online = len(self._online)
        shown(self.report)

    def _at(self, pause: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time.monotonic() + pause, next(self._order), what))

    def _speak(self, interactions: int, rate: float, due: float) -> None:
        """Say something to one of the devices; then it is the next one's turn, at a time that chance tells."""
        chance, trouble = self._chance, self._trouble
        number = chance.randrange(len(self._names))
        at = datetime.now(UTC)
        said = Interaction(
            id=new_id(at),
            device=self._names[number],
            at=at,
            source="text",
            wake_word="alexa",
            transcript=next(self._sayings[number]),
        )
        self._waiting[said.id] = Said(number, encode(said))
        self.report.sent += 1
        if chance.random() < trouble.reordered:
            self._at(chance.uniform(0, HELD_BACK_S), self._sending(said.id))
        else:
            self._outboxes[number].append(said.id)
            self._next(number)
        if chance.random() < trouble.disconnects:
            self._cut(number)
        due += chance.expovariate(rate)
        if self.report.sent < interactions:
            self._at(due - time.monotonic(), lambda: self._speak(interactions, rate, due))

    def _next(self, number: int) -> None:
        """Send what has waited longest, if nothing is on its way: as devices do, and so a slow cloud is not flooded."""
        if self._outboxes[number] and self._under_way[number] not in self._waiting:
            self._under_way[number] = self._outboxes[number].popleft()
            self._send(self._under_way[number])

    def _sending(self, interaction: str) -> Callable[[], None]:
        return lambda: self._send(interaction)

    def _send(self, interaction: str) -> None:
        """Send it unless it is answered; look again after a pause, each time a longer one."""
        said = self._waiting.get(interaction)
        if said is None:
            return
        if said.device not in self._online:
            self._at(0.2, self._sending(interaction))
            return
        if said.sent is None:
            said.sent = time.monotonic()
            self._publish(said.device, interaction, Interaction.name, said.payload)
            if self._chance.random() < self._trouble.duplicates:
                again = self._chance.uniform(0, HELD_BACK_S)
                self._at(again, lambda: self._again(said.device, interaction, said.payload))
        else:
            self._again(said.device, interaction, said.payload)
        self._at(said.pause, self._sending(interaction))
        said.pause = min(2 * said.pause, LONGEST_REPEAT_S)

    def _again(self, number: int, interaction: str, payload: bytes) -> None:
        if number in self._online:
            self.report.sent_again += 1
            self._publish(number, interaction, Interaction.name, payload)

    def _publish(self, number: int, interaction: str, event: str, payload: bytes) -> None:
        message = self._clients[number].publish(event_topic(self._names[number], event), payload, qos=1)
        self._on_wire[number][message.mid] = interaction

    def _take(self, number: int, message: mqtt.MQTTMessage) -> None:
        name = message.topic.rsplit("/", 1)[1]
        if name not in DIRECTIVES:
            return
        directive = decode(DIRECTIVES[name], message.payload)
        self._to_confirm.setdefault(number, []).append(directive.id)
        match directive:
            case Speak(id=new, interaction=interaction):
                if self._spoken.setdefault(interaction, new) != new:
                    self._spoken_twice.add(interaction)
                    self.report.duplicated = len(self._spoken_twice)
            case Refused(interaction=interaction, reason=reason):
                self.report.reason = reason
                self._settle(interaction or "", directive.name)
            case Stored(interaction=interaction) | Forgotten(interaction=interaction):
                self._settle(interaction, directive.name)

    def _settle(self, interaction: str, answer: str) -> None:
        said = self._waiting.pop(interaction, None)
        if said is None or said.sent is None:
            return
        self._answered_at = time.monotonic()
        self.report.answered[answer] += 1
        if answer == Stored.name:
            self.report.latencies.append(self._answered_at - said.sent)
        self._next(said.device)

    def _acknowledge(self, number: int, mid: int) -> None:
        interaction = self._on_wire[number].pop(mid, "")
        if interaction:
            self._acknowledged.add(interaction)
            self.report.acknowledged = len(self._acknowledged)

    def _cut(self, number: int) -> None:
        """Cut the device's connection, as a network does: without a farewell."""
        sock = self._clients[number].socket()
        if number in self._online and isinstance(sock, socket.socket):
            self.report.cuts += 1
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _client(self, number: int, name: str) -> mqtt.Client:
        # A clean session: what is sent while a device is away is not confirmed, so the cloud sends it again.
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"echo-{name}", protocol=mqtt.MQTTv311)
        if self._address.user is not None:
            client.username_pw_set(self._address.user, self._address.password)
        if self._address.tls:
            client.tls_set_context(context(Tls(self._address.ca_file)))
        client.on_connect = lambda _c, _u, _f, reason, _p: self._connected(number, reason)
        client.on_subscribe = lambda *_: self._online.add(number)
        client.on_disconnect = lambda *_: self._lost(number)
        client.on_publish = lambda _c, _u, mid, _r, _p: self._acknowledge(number, mid)
        client.on_message = lambda _c, _u, message: self._take(number, message)
        client.on_socket_open = lambda _c, _u, sock: self._watch(sock, number, selectors.EVENT_READ)
        client.on_socket_close = lambda _c, _u, sock: self._watch(sock, number, 0)
        client.on_socket_register_write = lambda _c, _u, sock: self._watch(sock, number, _BOTH)
        client.on_socket_unregister_write = lambda _c, _u, sock: self._watch(sock, number, selectors.EVENT_READ)
        return client

    def _watch(self, sock: Any, number: int, events: int) -> None:
        # Not watched yet, or closed already.
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)
        with contextlib.suppress(ValueError):
            if events:
                self._selector.register(sock, events, number)

    def _connect(self, number: int, *, must: bool = False) -> None:
        try:
            self._clients[number].connect(self._address.host, self._address.port, keepalive=60)
        except OSError as error:
            if must:
                raise EchoError(
                    tls_problem(self._address, error)
                    or f"no MQTT broker at {self._address} for device {number + 1} of the fleet: {error}. Start one "
                    f"(mosquitto -p {self._address.port}), or give its address with --broker mqtt://HOST:PORT."
                ) from error
            self._at(self._chance.uniform(0.5, AWAY_S), lambda: self._connect(number))

    def _connected(self, number: int, reason: Any) -> None:
        if reason.is_failure:
            self._refusal = f"the broker at {self._address} refuses {self._names[number]}: {reason}. {LOGIN_REMEDY}"
            return
        self._clients[number].subscribe(directive_topic(self._names[number], "+"), qos=1)

    def _lost(self, number: int) -> None:
        self._online.discard(number)
        if not self._leaving:
            self._at(self._chance.uniform(0.1, AWAY_S), lambda: self._connect(number))
