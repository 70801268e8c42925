"""Records what crosses the wire, and plays what devices said back to a cloud, at its own pace or faster."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import ROOT
from cloud_stub.contract.partners import PARTNER_ROOT
from cloud_stub.contract.tls import tls_problem
from cloud_stub.contract.trace import Sent, line
from device.errors import EchoError
from device.tls import Tls, context

PATIENCE_S = 10.0

Progress = Callable[[int, int], None]
"""Told of messages sent, and of all."""


def record(address: BrokerAddress, out: TextIO, stop: threading.Event, ready: Callable[[], None]) -> int:
    """Write every message of devices and third parties to `out` until `stop`. Returns how many there were.

    `ready` is called once nothing will be missed. Retained messages are no part of the session. Raises EchoError where
    no broker answers, or the file cannot be written.
    """
    arrived: queue.SimpleQueue[Sent] = queue.SimpleQueue()
    client = _client("recorder", address)
    subscribed = threading.Event()

    def take(_client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        if not message.retain:
            arrived.put(Sent(datetime.now(UTC), message.topic, bytes(message.payload)))

    def connected(client: mqtt.Client, *_: object) -> None:
        client.subscribe([(f"{ROOT}/#", 1), (f"{PARTNER_ROOT}/#", 1)])

    client.on_message, client.on_connect = take, connected
    client.on_subscribe = lambda *_: subscribed.set()
    _connect(client, address)
    try:
        if not subscribed.wait(PATIENCE_S):
            raise EchoError(f"the broker at {address} does not let us subscribe. Check user and password in --broker.")
        ready()
        count = 0
        while not (stop.is_set() and arrived.empty()):
            try:
                sent = arrived.get(timeout=0.2)
            except queue.Empty:
                continue
            out.write(line(sent) + "\n")
            out.flush()
            count += 1
    except OSError as error:
        raise EchoError(f"the trace cannot be written: {error}. Free some disk space.") from error
    finally:
        client.disconnect()
        client.loop_stop()
    return count


def replay(
    address: BrokerAddress, trace: Sequence[Sent], speed: float | None, progress: Progress = lambda *_: None
) -> int:
    """Publish the devices' events in their order. Returns how many there were.

    `speed` 1 keeps the trace's pauses, 60 makes a minute a second of them, None leaves them out. What the cloud once
    answered is not played: it answers anew. Raises EchoError where no broker answers.
    """
    events = [sent for sent in trace if sent.is_event()]
    client = _client("replayer", address)
    _connect(client, address)
    try:
        began = time.monotonic()
        for number, sent in enumerate(events):
            if speed is not None:
                due = (sent.at - events[0].at).total_seconds() / speed
                time.sleep(max(0.0, began + due - time.monotonic()))
            published = client.publish(sent.topic, sent.payload_base64, qos=1)
            published.wait_for_publish(PATIENCE_S)
            if not published.is_published():
                raise EchoError(f"the broker at {address} did not take message {number + 1} of {len(events)}.")
            progress(number + 1, len(events))
    finally:
        client.disconnect()
        client.loop_stop()
    return len(events)


def open_new(file: Path) -> TextIO:
    """A file to record into; words will be in it, so only its owner may read it. Raises EchoError where it exists."""
    try:
        file.touch(mode=0o600, exist_ok=False)
        return file.open("w", encoding="utf-8")
    except FileExistsError as error:
        raise EchoError(f"{file} is there already. Name another file, or remove it.") from error
    except OSError as error:
        raise EchoError(f"{file} cannot be written: {error}. Choose another place.") from error


def _client(name: str, address: BrokerAddress) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"{name}-{time.time_ns():x}", protocol=mqtt.MQTTv311)
    if address.user is not None:
        client.username_pw_set(address.user, address.password)
    if address.tls:
        client.tls_set_context(context(Tls(address.ca_file)))
    client.max_queued_messages_set(0)
    return client


def _connect(client: mqtt.Client, address: BrokerAddress) -> None:
    try:
        client.connect(address.host, address.port, keepalive=30)
    except (OSError, ValueError) as error:
        raise EchoError(
            tls_problem(address, error)
            or f"no MQTT broker at {address}: {error}. Start one, or give its address with --broker mqtt://HOST:PORT."
        ) from error
    client.loop_start()
