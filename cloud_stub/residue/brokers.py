"""What a broker keeps: retained messages, read as any client would, and its persistence file, once it has saved it."""

import os
import queue
import secrets
import signal
import time
from pathlib import Path

import paho.mqtt.client as mqtt

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.tls import tls_problem
from cloud_stub.errors import CloudError
from cloud_stub.mqtt import client as mqtt_client
from cloud_stub.residue.search import Message

PATIENCE_S = 10.0

#: Below this lie only messages of our own, for the proof.
_OWN = "residue"


def retained(address: BrokerAddress) -> list[Message]:
    """Every retained message that the broker shows us. Raises CloudError where it shows not even our own canary.

    Messages arrive in the order in which the broker queues them, so a marker that is sent when the subscription is
    answered comes last.
    """
    token = secrets.token_hex(8)
    canary, marker = f"{_OWN}/canary/{token}", f"{_OWN}/end/{token}"
    arrived: queue.SimpleQueue[mqtt.MQTTMessage] = queue.SimpleQueue()
    client = mqtt_client(f"residue-{token}", address, keeps_session=False)
    client.on_message = lambda _client, _userdata, message: arrived.put(message)

    def subscribed(*_: object) -> None:
        client.publish(marker, b"end", qos=1)

    client.on_subscribe = subscribed
    try:
        client.connect(address.host, address.port)
        client.loop_start()
        client.publish(canary, b"canary", qos=1, retain=True).wait_for_publish(PATIENCE_S)
        client.subscribe("#", qos=0)
        found = _until(marker, arrived)
        client.publish(canary, b"", qos=1, retain=True).wait_for_publish(PATIENCE_S)
    except (OSError, ValueError, RuntimeError, queue.Empty) as error:
        raise CloudError(
            tls_problem(address, error)
            or f"the broker at {address} does not show its retained messages: {error or 'no answer'}. Check --broker, "
            "and that its access rules let this user subscribe to #."
        ) from error
    finally:
        client.disconnect()
        client.loop_stop()
    if canary not in {message.topic for message in found}:
        raise CloudError(
            f"the broker at {address} does not show a message that was just retained there. Check its access rules."
        )
    return [message for message in found if not message.topic.startswith(f"{_OWN}/")]


def _until(marker: str, arrived: "queue.SimpleQueue[mqtt.MQTTMessage]") -> list[Message]:
    found = []
    deadline = time.monotonic() + PATIENCE_S
    while (message := arrived.get(timeout=max(0.01, deadline - time.monotonic()))).topic != marker:
        if message.retain:
            found.append(Message(message.topic, bytes(message.payload)))
    return found


def save(pid: int, folder: Path) -> Path:
    """Let Mosquitto write its persistence file anew (SIGUSR1). Returns the file.

    Fact, measured: a delivered message stays in the file until the next save; by default that is half an hour later.
    Raises CloudError where the process may not be signalled, or does not save.
    """
    file = folder / "mosquitto.db"
    before = _stamp(file)
    ask_to_save(pid)
    deadline = time.monotonic() + PATIENCE_S
    while _stamp(file) == before:
        if time.monotonic() > deadline:
            raise CloudError(f"the broker has not written {file}. Check its persistence_location, and --broker-data.")
        time.sleep(0.02)
    return file


def ask_to_save(pid: int) -> None:
    """Tell Mosquitto to save (SIGUSR1), without waiting. Raises CloudError where that process may not be signalled."""
    try:
        os.kill(pid, signal.SIGUSR1)
    except (ProcessLookupError, PermissionError) as error:
        raise CloudError(
            f"the broker with process id {pid} cannot be asked to save: {error}. Run this as its user, with its id."
        ) from error


def _stamp(file: Path) -> tuple[int, int]:
    """Changes whenever the file is replaced or written."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns
