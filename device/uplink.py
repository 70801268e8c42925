"""The way to the cloud: publishes what the outbox holds until the cloud answers, and receives its directives."""

import contextlib
import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.control import control_topic
from cloud_stub.contract.messages import (
    DIRECTIVES,
    Confirm,
    DeviceError,
    Directive,
    Forgotten,
    Refused,
    State,
    Stored,
    decode,
    directive_topic,
    encode,
    event_topic,
    state_topic,
)
from device.connection import Connection
from device.errors import EchoError
from device.outbox import Outbox
from device.tls import Tls

log = logging.getLogger(__name__)

#: An unanswered message is sent again after so many seconds, then after twice as many, up to LONGEST_REPEAT_S.
FIRST_REPEAT_S = 2.0
LONGEST_REPEAT_S = 60.0

#: Directives that one message confirms at most.
CONFIRMED = 500

#: So many of the oldest messages are looked at; the outbox holds the rest.
LOOK_AT = 50


@dataclass(frozen=True)
class Control:
    """A control message as it came, not yet read."""

    command: str
    payload: bytes
    retained: bool


@dataclass
class _Sending:
    """One message on its way: when it is to be sent again, and how long the pause before that is, in seconds."""

    due: float = 0.0
    pause: float = FIRST_REPEAT_S / 2


class Uplink:
    """One device's way to the cloud. paho's thread only queues; all work is done by whoever calls `pump`.

    One interaction is on its way at a time, so that they arrive in the order in which they were heard, whatever a
    broker loses when it dies. One that stays unanswered through all its repeats no longer holds up the others.
    """

    def __init__(
        self,
        device: str,
        address: BrokerAddress,
        outbox: Outbox,
        tls: Tls | None = None,
        introduction: tuple[str, bytes] | None = None,
    ) -> None:
        """Nothing is sent before `connect`. Raises EchoError for TLS files that cannot be used.

        `introduction` (topic, payload) is published retained at every connect.
        """
        self._introduction = introduction
        self._device, self._outbox = device, outbox
        self._state = State("idle", "online")
        self._control: queue.SimpleQueue[Control] = queue.SimpleQueue()
        self._directives: queue.SimpleQueue[Directive] = queue.SimpleQueue()
        self._sending: dict[int, _Sending] = {}
        self._reconnected = False
        self._acted_on: dict[str, None] = {}
        self._connection = Connection(
            f"echo-{device}",
            address,
            tls or Tls(),
            will=(state_topic(device), encode(State("idle", "offline"))),
            on_online=self._on_online,
            on_message=self._on_message,
        )
        self._client = self._connection.client

    def connect(self, *, must: bool) -> None:
        """Connect and stay connected. With `must`, raises EchoError where no broker answers; else keeps trying.

        In any case raises EchoError where the broker refuses us or its certificate cannot be verified.
        """
        self._connection.open(must=must)

    def pump(self, act: Callable[[Directive], None], wait_s: float = 0.0) -> None:
        """Send what is due; take what has come (waiting for it so long at most), act on it, confirm it.

        `act` is given every new directive once; answers make the outbox forget besides. Where it raises EchoError the
        directive is not confirmed, and so comes again.
        """
        self._send()
        directives = []
        with contextlib.suppress(queue.Empty):
            directives.append(self._directives.get(timeout=wait_s) if wait_s else self._directives.get_nowait())
            while True:
                directives.append(self._directives.get_nowait())
        done = [directive.id for directive in directives if self._done(directive, act)]
        for start in range(0, len(done), CONFIRMED):
            confirmed = Confirm(done[start : start + CONFIRMED])
            self._client.publish(event_topic(self._device, Confirm.name), encode(confirmed), qos=1)

    def commands(self) -> list[Control]:
        """The control messages that have come since the last call."""
        came = []
        with contextlib.suppress(queue.Empty):
            while True:
                came.append(self._control.get_nowait())
        return came

    def show(self, state: State) -> None:
        """Publish the state, retained; again at every connect."""
        self._state = state
        if self._connection.online:
            # At most once: paho would send an older one again after a reconnect, behind the newer.
            self._client.publish(state_topic(self._device), encode(state), qos=0, retain=True)

    def complain(self, error: DeviceError) -> None:
        """Publish what went wrong. Offline nobody would read it in time, so it does not wait."""
        if self._connection.online:
            self._client.publish(event_topic(self._device, DeviceError.name), encode(error), qos=1)

    def close(self) -> None:
        """Say offline and leave; what is unanswered stays in the outbox."""
        if self._connection.online:
            farewell = self._client.publish(
                state_topic(self._device), encode(State("idle", "offline")), qos=1, retain=True
            )
            # The broker may go at this very moment: then its last will says the same.
            with contextlib.suppress(RuntimeError):
                farewell.wait_for_publish(timeout=2)
        self._connection.close()

    def _send(self) -> None:
        if not self._connection.online:
            return
        if self._reconnected:
            self._reconnected, self._sending = False, {}
        if dropped := self._outbox.untold():
            self.complain(_lost(dropped))
            self._outbox.told(dropped)
        now = time.monotonic()
        waiting = self._outbox.waiting(LOOK_AT)
        self._sending = {message.number: self._sending.get(message.number, _Sending()) for message in waiting}
        held_up: str | None = None
        for message in waiting:
            if held_up not in {None, message.interaction}:
                return
            sending = self._sending[message.number]
            if sending.due <= now:
                sending.pause = min(sending.pause * 2, LONGEST_REPEAT_S)
                sending.due = now + sending.pause
                self._client.publish(message.topic, message.payload, qos=1)
            if sending.pause < LONGEST_REPEAT_S:
                held_up = message.interaction

    def _done(self, directive: Directive, act: Callable[[Directive], None]) -> bool:
        """Act on a directive, unless that was done before. Returns whether it is done."""
        if directive.id in self._acted_on:
            return True
        if isinstance(directive, Stored | Forgotten) or (isinstance(directive, Refused) and directive.interaction):
            self._outbox.forget(directive.interaction or "", directive.part)
        try:
            act(directive)
        except EchoError as error:
            log.error("a directive waits: %s", error)  # noqa: TRY400 - the message says all
            return False
        self._acted_on[directive.id] = None
        if len(self._acted_on) > 1000:
            del self._acted_on[next(iter(self._acted_on))]
        return True

    def _on_online(self) -> None:
        self._client.subscribe(directive_topic(self._device, "+"), qos=1)
        # At most once, so that the broker keeps no command for a device that is away.
        self._client.subscribe(control_topic(self._device, "+"), qos=0)
        if self._introduction is not None:
            self._client.publish(*self._introduction, qos=0, retain=True)
        self._client.publish(state_topic(self._device), encode(self._state), qos=0, retain=True)
        self._reconnected = True

    def _on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        *_, room, name = topic.split("/")
        if room == "control":
            self._control.put(Control(name, payload, retained))
            return
        kind = DIRECTIVES.get(name)
        try:
            if kind is not None:
                self._directives.put(decode(kind, payload))
        except ValueError as error:
            log.warning("ignored a message on %s: %s", topic, error)


def _lost(dropped: int) -> DeviceError:
    problem = f"{dropped} interaction(s) waited too long, or too many did, and were dropped before the cloud had them."
    return DeviceError(datetime.now(UTC), problem, "Keep the cloud in reach, or raise outbox_age and outbox_bytes.")
