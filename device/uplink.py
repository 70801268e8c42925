"""The way to the cloud: publishes what the outbox holds until the cloud answers, and receives its directives."""

import contextlib
import logging
import queue
import time
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

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
from device.errors import EchoError
from device.outbox import Outbox

log = logging.getLogger(__name__)

#: An unanswered message is sent again after so many seconds, then after twice as many, up to LONGEST_REPEAT_S.
FIRST_REPEAT_S = 2.0
LONGEST_REPEAT_S = 60.0

#: So many messages may be on their way at once; the outbox holds the rest.
IN_FLIGHT = 50


@dataclass(frozen=True)
class Control:
    """A control message as it came, not yet read."""

    command: str
    payload: bytes
    retained: bool


class Uplink:
    """One device's connection. paho's thread only queues; all work is done by whoever calls `pump`."""

    def __init__(self, device: str, address: BrokerAddress, outbox: Outbox) -> None:
        """Nothing is sent before `connect`."""
        self._device, self._address, self._outbox = device, address, outbox
        self._state = State("idle", "online")
        self._control: queue.SimpleQueue[Control] = queue.SimpleQueue()
        self._directives: queue.SimpleQueue[Directive] = queue.SimpleQueue()
        self._sent: dict[int, tuple[float, float]] = {}
        self._acted_on: dict[str, None] = {}
        self.refused_login = ""
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"echo-{device}",
            clean_session=False,
            protocol=mqtt.MQTTv311,
        )
        if address.user is not None:
            self._client.username_pw_set(address.user, address.password)
        if address.tls:
            self._client.tls_set()
        self._client.reconnect_delay_set(min_delay=1, max_delay=30)
        self._client.will_set(state_topic(device), encode(State("idle", "offline")), qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def connect(self, *, must: bool) -> None:
        """Connect and stay connected. With `must`, raises EchoError where no broker answers; else keeps trying."""
        try:
            self._client.connect(self._address.host, self._address.port, keepalive=15)
        except (OSError, ValueError) as error:
            if must:
                raise EchoError(
                    f"no MQTT broker at {self._address}: {error}. Start one (mosquitto -p {self._address.port}), or "
                    "give its address with --broker mqtt://HOST:PORT."
                ) from error
            log.warning("no MQTT broker at %s yet (%s); what is heard waits in the outbox", self._address, error)
            self._client.connect_async(self._address.host, self._address.port, keepalive=15)
        self._client.loop_start()

    def pump(self, wait_s: float = 0.0) -> list[Directive]:
        """Send what is due, take what has come (waiting for it so long at most), act on it, confirm it.

        Returns the new directives; answers have already made the outbox forget. Raises EchoError when the broker
        refuses our user or password: trying again would not help.
        """
        if self.refused_login:
            raise EchoError(
                f"the broker at {self._address} refuses us: {self.refused_login}. Check the user and password in "
                "--broker mqtt://USER:PASSWORD@HOST:PORT."
            )
        self._send()
        directives = []
        try:
            directives.append(self._directives.get(timeout=wait_s) if wait_s else self._directives.get_nowait())
            while True:
                directives.append(self._directives.get_nowait())
        except queue.Empty:
            pass
        new = [directive for directive in directives if directive.id not in self._acted_on]
        for directive in new:
            self._act_on(directive)
        if directives:
            confirmed = Confirm([directive.id for directive in directives])
            self._client.publish(event_topic(self._device, Confirm.name), encode(confirmed), qos=1)
        return new

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
        if self._client.is_connected():
            self._client.publish(state_topic(self._device), encode(state), qos=1, retain=True)

    def complain(self, error: DeviceError) -> None:
        """Publish what went wrong. Offline nobody would read it in time, so it does not wait."""
        if self._client.is_connected():
            self._client.publish(event_topic(self._device, DeviceError.name), encode(error), qos=1)

    def close(self) -> None:
        """Say offline and leave; what is unanswered stays in the outbox."""
        if self._client.is_connected():
            farewell = self._client.publish(
                state_topic(self._device), encode(State("idle", "offline")), qos=1, retain=True
            )
            farewell.wait_for_publish(timeout=2)
        self._client.disconnect()
        self._client.loop_stop()

    def _send(self) -> None:
        if not self._client.is_connected():
            return
        now = time.monotonic()
        waiting = self._outbox.waiting(IN_FLIGHT)
        self._sent = {message.number: self._sent[message.number] for message in waiting if message.number in self._sent}
        for message in waiting:
            due, pause = self._sent.get(message.number, (0.0, FIRST_REPEAT_S / 2))
            if due <= now:
                pause = min(pause * 2, LONGEST_REPEAT_S)
                self._sent[message.number] = (now + pause, pause)
                self._client.publish(message.topic, message.payload, qos=1)

    def _act_on(self, directive: Directive) -> None:
        # A directive is repeated until its confirmation arrives: it is confirmed again, not acted on again.
        self._acted_on[directive.id] = None
        if len(self._acted_on) > 1000:
            del self._acted_on[next(iter(self._acted_on))]
        if isinstance(directive, Stored | Forgotten) or (isinstance(directive, Refused) and directive.interaction):
            self._outbox.forget(directive.interaction or "", directive.part)

    def _on_connect(self, client: mqtt.Client, _userdata: object, _flags: object, reason: object, _p: object) -> None:
        if getattr(reason, "is_failure", False):
            if getattr(reason, "value", 0) in {134, 135}:  # bad user name or password; not authorised
                self.refused_login = str(reason)
            log.warning("the broker refused us: %s", reason)
            return
        client.subscribe(directive_topic(self._device, "+"), qos=1)
        # At most once, so that the broker keeps no command for a device that is away.
        client.subscribe(control_topic(self._device, "+"), qos=0)
        client.publish(state_topic(self._device), encode(self._state), qos=1, retain=True)
        self._sent = {}
        log.info("online at %s", self._address)

    def _on_disconnect(
        self, _client: mqtt.Client, _userdata: object, _flags: object, reason: object, _p: object
    ) -> None:
        if getattr(reason, "is_failure", False):
            log.warning("offline: %s; what is heard waits in the outbox", reason)

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        *_, room, name = message.topic.split("/")
        if room == "control":
            self._control.put(Control(name, bytes(message.payload), message.retain))
            return
        kind = DIRECTIVES.get(name)
        try:
            if kind is not None:
                self._directives.put(decode(kind, message.payload))
        except ValueError as error:
            log.warning("ignored a message on %s: %s", message.topic, error)
