"""`cloud-stub serve`: the broker's messages into the stores, and what the stores hold for others out again."""

import contextlib
import gc
import hashlib
import logging
import queue
import signal
import sqlite3
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import filelock
import paho.mqtt.client as mqtt
from sqlalchemy.exc import DBAPIError

from cloud_stub import durable
from cloud_stub.assistant import Assistant
from cloud_stub.backing_up import Schedule
from cloud_stub.batch import Incoming
from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import ROOT
from cloud_stub.contract.partners import PARTNER_ROOT
from cloud_stub.contract.service_notice import ServiceNotice
from cloud_stub.errors import CloudError
from cloud_stub.house import House
from cloud_stub.ingest import Ingest
from cloud_stub.mqtt import client as mqtt_client
from cloud_stub.mqtt import connect, keep_connecting
from cloud_stub.outgoing import Outgoing
from cloud_stub.quarantine import LIMIT_BYTES
from cloud_stub.residue import brokers
from cloud_stub.retention.clock import SimulatedClock, kept_time
from cloud_stub.retention.sweeper import Sweeper
from cloud_stub.stores.sqlite import ErasureNotPhysical
from cloud_stub.third_parties.partner import STANCES, Partner, Skill
from cloud_stub.turns import Turns

log = logging.getLogger(__name__)

#: A batch is what has arrived while the last one was being committed, at most so many messages.
BATCH = 500

#: How often to look for messages that another command has queued, or that want repeating, in seconds.
LOOK_S = 0.25

SUBSCRIPTIONS = [f"{ROOT}/+/event/#", f"{PARTNER_ROOT}/+/reply", f"{PARTNER_ROOT}/+/notice"]

#: Whose session one that serves alone uses, so that nothing waits in vain in a session of its own.
FIRST = "1"


class Server:
    """The cloud stub at work on one data folder and one broker, alone or as one of several workers."""

    def __init__(
        self,
        house: House,
        address: BrokerAddress,
        zone: ZoneInfo,
        training_share: float,
        worker: str | None = None,
        broker_pid: int | None = None,
        quarantine_bytes: int = LIMIT_BYTES,
    ) -> None:
        """Connects. Raises CloudError where no broker answers.

        `worker` is its name among the workers that share the devices' messages; None where it serves alone.
        `broker_pid` is a Mosquitto that is told to save after every deletion: until it saves, its file keeps the past.
        `training_share` and `quarantine_bytes` as in Ingest.
        """
        self._house, self._address, self._worker = house, address, worker
        self._stopping = False
        self._notice = ServiceNotice()
        self._arrived: queue.SimpleQueue[Incoming | None] = queue.SimpleQueue()
        self._turns = Turns()
        self.ingest = Ingest(
            house.stores,
            house.keys,
            house.engine,
            Assistant(),
            house.clock,
            zone,
            training_share=training_share,
            quarantine_bytes=quarantine_bytes,
        )
        # A broker drops the older of two clients of one name, so the name tells data folders apart.
        self._name = hashlib.sha256(str(house.data.absolute()).encode()).hexdigest()[:8]
        self._client = mqtt_client(f"cloud-stub-{self._name}-{worker or FIRST}", address, manual_ack=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._outgoing = Outgoing(house.stores, house.keys.seal, self._publish, self._turns.any_of)
        self._sweeper = Sweeper(house.stores, house.keys, house.engine, house.clock)
        self._backups = Schedule(house)
        self._cleared: set[str] = set()
        self._broker_pid = broker_pid
        self._untidy, self._tidy_at = False, 0.0
        self._duty = filelock.FileLock(house.data / "duty.lock")
        self._partners: list[Partner] = []
        connect(self._client, address)
        self._on_duty()

    def run(self) -> None:
        """Work until `stop`. What a failing disk keeps out is tried again, and acknowledged only when stored."""
        while not self._stopping:
            self._notice.alive()
            batch = self._next_batch()
            if batch:
                self._store(batch)
            busy = False
            try:
                if self._on_duty():
                    self._send()
                    # One bounded chunk between batches: what is due must not keep what is said waiting.
                    busy = self._sweep()
                if not batch and not busy:
                    self._tidy()
                    self._backups.step()
            except (ErasureNotPhysical, CloudError) as error:
                log.warning("%s", error)
            except (DBAPIError, sqlite3.Error) as error:
                log.warning("the stores are out of reach, trying again in a second: %s", _cause(error))
                time.sleep(1)

    def stop(self) -> None:
        """Make `run` return after the batch in hand; what else has arrived is not acknowledged, and comes again."""
        self._stopping = True
        self._arrived.put(None)

    def close(self) -> None:
        """Leave the broker."""
        self._notice.stopping()
        self._client.disconnect()
        self._client.loop_stop()
        for partner in self._partners:
            partner.close()
        self._duty.release()

    def _on_duty(self) -> bool:
        """Whether what one worker does for all is ours: being the third parties, sending, sweeping.

        Were two to send, each device would get everything twice. When the worker on duty dies, another takes over.
        """
        if self._duty.is_locked:
            return True
        try:
            self._duty.acquire(blocking=False)
        except filelock.Timeout:
            return False
        for partner, stance in STANCES.items():
            client = mqtt_client(f"partner-{partner}-{self._name}", self._address)
            self._partners.append(Partner(Skill(partner, stance, self._house.data), client))
            keep_connecting(client, self._address)
        return True

    def _next_batch(self) -> list[Incoming]:
        """Of what has arrived, after a wait of LOOK_S at most, as much as one transaction takes."""
        with contextlib.suppress(queue.Empty):
            if not self._turns:
                self._take(self._arrived.get(timeout=LOOK_S))
            for _ in range(self._arrived.qsize()):
                self._take(self._arrived.get_nowait())
        return self._turns.take(BATCH)

    def _take(self, message: Incoming | None) -> None:
        if message is not None:
            self._turns.put(message)

    def _store(self, batch: list[Incoming]) -> None:
        pause = 0.5
        while not self._stopping:
            self._notice.alive()  # to be started again would not mend a full disk
            try:
                self.ingest.handle(batch)
            except ErasureNotPhysical as error:
                log.warning("%s", error)
            except (DBAPIError, sqlite3.Error) as error:
                remedy = "Free some disk space, or start the database again"
                log.error("cannot store: %s. %s; trying again in %.0f s.", _cause(error), remedy, pause)  # noqa: TRY400
                time.sleep(pause)
                pause = min(pause * 2, 30)
                continue
            self._untidy = True
            for message in batch:
                for mid, qos in ((message.mid, message.qos), *message.copies):
                    self._client.ack(mid, qos)
            return

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
        return self._sweeper.step()

    def _tidy(self) -> None:
        """What was answered and confirmed is erased: in a quiet moment, leave no copy in a log or at the broker.

        This takes a twentieth of the time at most, however large the stores are.
        """
        began = time.monotonic()
        if not self._untidy or began < self._tidy_at:
            return
        self._house.stores.checkpoint()
        self._untidy = False
        if self._duty.is_locked:
            # A message that is published as retained shows it only to those who subscribe after it, each for itself.
            self._client.subscribe([(topic, 1) for topic in SUBSCRIPTIONS])
            if self._worker:
                self._client.unsubscribe(SUBSCRIPTIONS)
        if self._broker_pid is not None:
            brokers.ask_to_save(self._broker_pid)
        now = time.monotonic()
        self._tidy_at = now + 20 * (now - began)

    def _publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1)

    def _on_connect(self, client: mqtt.Client, _userdata: object, _flags: object, reason: object, _p: object) -> None:
        if getattr(reason, "is_failure", False):
            log.error("the broker refused us: %s. Check user and password in --broker.", reason)
            return
        # The session may be that of a worker who once served alone, or that of one who served alone among others.
        alone, shared = SUBSCRIPTIONS, [f"$share/cloud-stub-{self._name}/{topic}" for topic in SUBSCRIPTIONS]
        wanted, other = (shared, alone) if self._worker else (alone, shared)
        client.unsubscribe(other)
        client.subscribe([(topic, 1) for topic in wanted])
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
        elif not message.payload and (self._worker or message.topic in self._cleared):
            # Our own clearing, which comes round like any message; another worker's too.
            self._cleared.discard(message.topic)
            client.ack(message.mid, message.qos)
            return
        self._arrived.put(Incoming(message.topic, bytes(message.payload), message.mid, message.qos))


def _cause(error: Exception) -> object:
    """What the driver said."""
    return error.orig if isinstance(error, DBAPIError) else error


def lock(data: Path, worker: str | None = None) -> filelock.BaseFileLock:
    """The right to serve this data folder, alone or as that worker.

    Raises CloudError where a process stands in the way that serves alone, or under the same name.
    """
    durable.make_folder(data)
    held = filelock.FileLock(data / (f"serve-{worker}.lock" if worker else "serve.lock"))
    others = [data / "serve.lock"] if worker else sorted(data.glob("serve-*.lock"))
    try:
        held.acquire(blocking=False)
        for other in others:
            filelock.FileLock(other).acquire(blocking=False).lock.release()
    except filelock.Timeout as error:
        held.release()
        raise CloudError(
            f"another cloud-stub serves {data} ({Path(error.lock_file).name}): SQLite has one writer. Stop it, choose "
            "another folder with --data, or use --store postgresql://... with a --worker NAME of its own for each."
        ) from error
    return held


def run_until_signalled(server: Server) -> None:
    """Serve until SIGINT or SIGTERM, then stop cleanly."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop())
    # What is there by now stays: Python need not search it for garbage again and again, in the middle of the work.
    gc.freeze()
    try:
        server.run()
    finally:
        server.close()
