"""`cloud-stub serve`: the broker's messages into the stores, and what the stores hold for others out again."""

import hashlib
import logging
import queue
import signal
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import filelock
import paho.mqtt.client as mqtt
from sqlalchemy.exc import DBAPIError

from cloud_stub.assistant import Assistant
from cloud_stub.batch import Incoming
from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import ROOT
from cloud_stub.contract.partners import PARTNER_ROOT
from cloud_stub.errors import CloudError
from cloud_stub.house import House
from cloud_stub.ingest import Ingest
from cloud_stub.mqtt import client as mqtt_client
from cloud_stub.mqtt import connect
from cloud_stub.outgoing import Outgoing
from cloud_stub.residue import brokers
from cloud_stub.retention.clock import SimulatedClock, kept_time
from cloud_stub.retention.sweeper import Sweeper
from cloud_stub.stores.sqlite import ErasureNotPhysical
from cloud_stub.third_parties.partner import STANCES, Partner, Skill

log = logging.getLogger(__name__)

#: A batch is what has arrived while the last one was being committed, at most so many messages.
BATCH = 500

#: How often to look for messages that another command has queued, or that want repeating, in seconds.
LOOK_S = 0.25

SUBSCRIPTIONS = [(f"{ROOT}/+/event/#", 1), (f"{PARTNER_ROOT}/+/reply", 1), (f"{PARTNER_ROOT}/+/notice", 1)]


class Server:
    """The cloud stub at work on one data folder and one broker."""

    def __init__(
        self,
        house: House,
        address: BrokerAddress,
        zone: ZoneInfo,
        training_share: float,
        broker_pid: int | None = None,
    ) -> None:
        """Connects, and starts the third parties. Raises CloudError where no broker answers.

        `broker_pid` is a Mosquitto that is told to save after every deletion: until it saves, its file keeps the past.
        """
        self._house = house
        self._arrived: queue.SimpleQueue[Incoming | None] = queue.SimpleQueue()
        self.ingest = Ingest(
            house.stores, house.keys, house.engine, Assistant(), house.clock, zone, training_share=training_share
        )
        # A broker drops the older of two clients of one name, so the name tells data folders apart.
        name = hashlib.sha256(str(house.data.absolute()).encode()).hexdigest()[:8]
        self._client = mqtt_client(f"cloud-stub-{name}", address, manual_ack=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._outgoing = Outgoing(house.stores, self._publish)
        self._sweeper = Sweeper(house.stores, house.keys, house.engine, house.clock)
        self._untidy = False
        self._cleared: set[str] = set()
        self._broker_pid = broker_pid
        self._partners = []
        for partner, stance in STANCES.items():
            partner_client = mqtt_client(f"partner-{partner}-{name}", address)
            self._partners.append(Partner(Skill(partner, stance, house.data), partner_client))
            connect(partner_client, address)
        connect(self._client, address)

    def run(self) -> None:
        """Work until `stop`. What a failing disk keeps out is tried again, and acknowledged only when stored."""
        while True:
            batch = self._next_batch()
            if batch is None:
                return
            if batch:
                self._store(batch)
            self._send()
            # One bounded chunk between batches: what is due must not keep what is said waiting.
            busy = self._sweep()
            if not batch and not busy:
                self._tidy()

    def stop(self) -> None:
        """Make `run` return after the batch in hand."""
        self._arrived.put(None)

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()
        for partner in self._partners:
            partner.close()

    def _next_batch(self) -> list[Incoming] | None:
        """What has arrived, after a wait of LOOK_S at most; None once stopped."""
        batch: list[Incoming] = []
        try:
            message = self._arrived.get(timeout=LOOK_S)
            while message is not None:
                batch.append(message)
                if len(batch) == BATCH:
                    return batch
                message = self._arrived.get_nowait()
        except queue.Empty:
            return batch
        if batch:
            self._arrived.put(None)
            return batch
        return None

    def _store(self, batch: list[Incoming]) -> None:
        pause = 0.5
        while True:
            try:
                self.ingest.handle(batch)
                break
            except ErasureNotPhysical as error:
                log.warning("%s", error)
                break
            except DBAPIError as error:
                log.error("cannot store: %s. Free some disk space; trying again in %.0f s.", error.orig, pause)  # noqa: TRY400
                time.sleep(pause)
                pause = min(pause * 2, 30)
        self._untidy = True
        for message in batch:
            self._client.ack(message.mid, message.qos)

    def _send(self) -> None:
        silent = self._outgoing.send_due()
        if silent:
            self.ingest.give_up(silent)

    def _sweep(self) -> bool:
        """Do a chunk of what is due; follow a simulated clock that `cloud-stub advance` has set forward."""
        if isinstance(self._house.clock, SimulatedClock):
            with self._house.stores.read() as connection:
                kept = kept_time(connection)
            if kept is not None and kept > self._house.clock.shown():
                self._house.clock.forward(kept)
                self._sweeper.wake()
        try:
            return self._sweeper.step()
        except (ErasureNotPhysical, DBAPIError) as error:
            log.warning("a sweep is put off: %s", error)
            return False

    def _tidy(self) -> None:
        """In a quiet moment: what was answered and confirmed is erased, so leave no copy in a log or at the broker."""
        if not self._untidy:
            return
        try:
            self._house.stores.checkpoint()
            self._untidy = False
            # A message that is published as retained shows it only to those who subscribe after it.
            self._client.subscribe(SUBSCRIPTIONS)
            if self._broker_pid is not None:
                brokers.ask_to_save(self._broker_pid)
        except (ErasureNotPhysical, CloudError) as error:
            log.warning("%s", error)

    def _publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1)

    def _on_connect(self, client: mqtt.Client, _userdata: object, _flags: object, reason: object, _p: object) -> None:
        if getattr(reason, "is_failure", False):
            log.error("the broker refused us: %s. Check user and password in --broker.", reason)
            return
        client.subscribe(SUBSCRIPTIONS)
        log.info("connected to the broker")

    def _on_disconnect(
        self, _client: mqtt.Client, _userdata: object, _flags: object, reason: object, _p: object
    ) -> None:
        if getattr(reason, "is_failure", False):
            log.warning("the broker is gone (%s); trying again", reason)

    def _on_message(self, client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        if message.retain:
            # The broker would show it to whoever subscribes, for ever. It is stored here, so it need not stay there.
            self._cleared.add(message.topic)
            client.publish(message.topic, b"", qos=1, retain=True)
        elif not message.payload and message.topic in self._cleared:
            # Our own clearing, which comes round like any message.
            self._cleared.discard(message.topic)
            client.ack(message.mid, message.qos)
            return
        self._arrived.put(Incoming(message.topic, bytes(message.payload), message.mid, message.qos))


def lock(data: Path) -> filelock.BaseFileLock:
    """The right to serve this data folder. Raises CloudError where another process has it."""
    data.mkdir(parents=True, exist_ok=True)
    held = filelock.FileLock(data / "serve.lock")
    try:
        held.acquire(blocking=False)
    except filelock.Timeout as error:
        raise CloudError(
            f"another cloud-stub serves {data}: SQLite has one writer. Stop it, or choose another folder with --data."
        ) from error
    return held


def run_until_signalled(server: Server) -> None:
    """Serve until SIGINT or SIGTERM, then stop cleanly."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop())
    try:
        server.run()
    finally:
        server.close()
