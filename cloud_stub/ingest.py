"""MQTT messages in, records out: one transaction for each batch, answers written in the same transaction.

Every message of a device ends in exactly one answer: Stored (Settings, for a setting's event), Forgotten (it falls
within a deletion) or Refused. What a deletion covers is dropped here, however late, often or out of order it arrives.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from zoneinfo import ZoneInfo

from cloud_stub import accounts, outgoing, recordings
from cloud_stub.assistant import Assistant, Change, Outcome, Request
from cloud_stub.batch import Batch, Incoming, Origin
from cloud_stub.conduct import Conductor, Memory
from cloud_stub.contract.messages import (
    ID_PATTERN,
    MAX_MESSAGE_BYTES,
    Clock,
    Confirm,
    DeviceError,
    Interaction,
    Part,
    Refused,
    Setting,
    Settings,
    Speak,
    decode,
    new_id,
    read_event_topic,
    rfc3339,
    sender_of,
)
from cloud_stub.errors import CloudError
from cloud_stub.quarantine import LIMIT_BYTES, Quarantine
from cloud_stub.residue.witness import Witness
from cloud_stub.retention import household
from cloud_stub.retention.clock import SimulatedClock, SystemClock, keep_time, kept_time
from cloud_stub.retention.engine import Engine
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.repository import Stores
from cloud_stub.third_parties.replies import Replies

log = logging.getLogger(__name__)

#: What a household is told that has not allowed anybody in the room to delete.
DELETION_OFF = "Deleting by voice is switched off. It can be switched on with: cloud-stub settings delete_by_voice yes."

_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Ingest:
    """Takes batches of messages; owns no connection to the broker."""

    def __init__(
        self,
        stores: Stores,
        keys: Keys,
        engine: Engine,
        assistant: Assistant,
        clock: SystemClock,
        zone: ZoneInfo,
        training_share: float = 0.1,
        quarantine_bytes: int = LIMIT_BYTES,
    ) -> None:
        """`training_share` of each account's interactions is copied to the training corpus, evenly, the first one too.

        `zone` is the household's, for "today" and for spoken times. `quarantine_bytes` is how much of what cannot be
        taken is kept.
        """
        self._stores, self._keys, self._engine, self._clock, self._zone = stores, keys, engine, clock, zone
        self._assistant = assistant
        self._conductor = Conductor(keys, engine, clock, zone)
        self._replies = Replies(keys, engine.policy, clock)
        self._witness = Witness(stores.folder)
        self._training_share = training_share
        self._heard: Counter[str] = Counter()
        self._quarantine = Quarantine(keys, clock, quarantine_bytes)

    def handle(self, messages: list[Incoming]) -> None:
        """Store a batch, answers included, in one transaction; then carry out the deletions that it asked for."""
        with self._stores.write() as connection:
            if isinstance(self._clock, SimulatedClock):
                # Another program may have set it forward: it must not fall back to our time.
                self._clock.forward(kept_time(connection) or self._clock.shown())
            named = {
                (sender, name.decode())
                for message in messages
                if (sender := sender_of(message.topic))
                for name in _named(message) or [b""]
            }
            batch = Batch(connection, self._keys.seal, named, self._engine.policy)
            for message in messages:  # each has a time of its own: what came after a deletion is not deleted by it
                self._one(batch, message, rfc3339(self._clock.now()))
            batch.flush()
            self._quarantine.bound(connection)
            outgoing.confirm(connection, batch.seal, batch.confirmed)
            self._witness.note(batch)
            now = self._clock.now()
            accounts.heard(connection, batch.heard, rfc3339(now))
            if isinstance(self._clock, SimulatedClock):
                # A simulated clock must not fall back when we are started again.
                keep_time(connection, now)
        self._engine.finish()

    def _one(self, batch: Batch, message: Incoming, received_at: str) -> None:
        if message.topic.startswith("partner/"):
            try:
                self._replies.hear(batch, message, received_at)
            except ValueError as error:
                self._quarantine.put(batch, message, _nobody(received_at), str(error))
            return
        try:
            device, event, interaction = read_event_topic(message.topic)
        except ValueError as error:
            sender = sender_of(message.topic)
            if sender is None:
                self._quarantine.put(batch, message, _nobody(received_at), str(error))
            else:
                origin = Origin(batch.owners.get(sender, ""), sender, "", received_at, received_at)
                self._refuse(batch, message, origin, str(error))
            return
        origin = Origin(batch.owners.get(device, ""), device, interaction or "", received_at, received_at)
        takers: dict[str, Callable[[Batch, Incoming, Origin], None]] = {
            "interaction": self._interaction,
            "recording": recordings.take,
            "setting": self._setting,
            "confirm": self._confirm,
            "error": self._error,
        }
        # A confirmation ends what was sent to that very device, whoever's it is now. Refused, it would be answered, and
        # the answer confirmed, for ever.
        if not origin.account and event != "confirm":
            remedy = f"Register it: cloud-stub register {device} --account NAME."
            self._refuse(batch, message, origin, f"device {device} is not registered, though others are. {remedy}")
            return
        try:
            takers[event](batch, message, origin)
        except (ValueError, CloudError) as error:
            self._refuse(batch, message, origin, str(error))

    def _interaction(self, batch: Batch, message: Incoming, origin: Origin) -> None:
        if len(message.payload) > MAX_MESSAGE_BYTES:
            raise ValueError(f"{len(message.payload)} bytes are too many for an interaction ({MAX_MESSAGE_BYTES}).")
        said = decode(Interaction, message.payload)
        if said.device != origin.device:
            raise ValueError(f"device {origin.device} spoke for {said.device}. A device sends only its own events.")
        if not 2000 <= said.at.year < 2200:
            raise ValueError(f"at is in the year {said.at.year}. Set the device's clock.")
        origin = Origin(origin.account, said.device, said.id, rfc3339(said.at), origin.received_at)
        if batch.deleted(origin):
            recordings.drop(batch, origin)
            batch.answer(origin, "interaction", "forgotten")
            return
        before = batch.answered(origin, "interaction")
        if before is None:
            before = self._hear(batch, said, origin)
            batch.mark(origin, "interaction", before)
        batch.answer(origin, "interaction", before)

    def _hear(self, batch: Batch, said: Interaction, origin: Origin) -> str:
        """Understand, act, answer, store. Returns the answer's name."""
        request = Request(
            account=origin.account,
            interaction=said.id,
            device=said.device,
            at=said.at.astimezone(UTC),
            zone=self._zone,
            text=said.transcript,
        )
        batch.heard.add(origin.account)
        if isinstance(self._clock, SimulatedClock):
            batch.send(Clock(id=new_id(), now=self._clock.shown()), origin, None)
        outcome = self._assistant.answer(request, Memory(batch))
        if outcome.deletion is not None and not batch.household(origin.account).delete_by_voice:
            outcome = Outcome(outcome.intent, DELETION_OFF)
        if outcome.response:
            speak = Speak(id=new_id(), interaction=said.id, intent=outcome.intent, text=outcome.response)
            batch.send(speak, origin, said.id)
        if outcome.deletion is not None:
            # Never stored, but it was on the wire and in the device's outbox.
            batch.words[origin] = {"transcript.text": said.transcript, "response.text": outcome.response}
            self._conductor.delete(batch, origin, outcome.deletion, said)
            return "forgotten"
        words = [
            {"word": w.word, "start_ms": w.start_ms, "end_ms": w.end_ms, "confidence": w.confidence} for w in said.words
        ]
        batch.record(
            "primary",
            "transcript",
            origin,
            source=said.source,
            wake_word=said.wake_word,
            text=said.transcript,
            words=words,
            model=said.model,
        )
        batch.record("primary", "response", origin, intent=outcome.intent, text=outcome.response)
        batch.record(
            "subsystems",
            "transcript",
            origin,
            subsystem="language-understanding",
            request=said.transcript,
            response=outcome.response,
        )
        self._conductor.act(batch, origin, outcome, said.at)
        # After the act: whoever asks not to be used for training is not used from that request on.
        if batch.household(origin.account).use_for_improvement and self._sampled(origin.account):
            batch.record("training", "transcript", origin, text=said.transcript)
            recordings.sample(batch, origin)
        return "stored"

    def _sampled(self, account: str) -> bool:
        """Every n-th interaction of an account, beginning with the first."""
        count = self._heard[account]
        self._heard[account] += 1
        return int((count + 1) * self._training_share + 1 - 1e-9) > int(count * self._training_share + 1 - 1e-9)

    def _setting(self, batch: Batch, message: Incoming, origin: Origin) -> None:
        """Change a setting of the device's account, once; the answer, given each time, is what is in force now."""
        wish = decode(Setting, message.payload)
        origin = Origin(origin.account, origin.device, wish.id, rfc3339(wish.at), origin.received_at)
        if origin.account in batch.closed:
            batch.answer(origin, "setting", "forgotten")
            return
        if batch.answered(origin, "setting") is None:
            self._conductor.change(batch, origin, Change(wish.setting, wish.value))
            batch.mark(origin, "setting", Settings.name)
        in_force = household.words(batch.household(origin.account))
        batch.send(Settings(id=new_id(), interaction=wish.id, **in_force), origin, wish.id)

    def _confirm(self, batch: Batch, message: Incoming, origin: Origin) -> None:
        confirmed = decode(Confirm, message.payload)
        batch.confirmed.update((f"device/{origin.device}", name) for name in confirmed.directives)

    def _error(self, batch: Batch, message: Incoming, origin: Origin) -> None:  # noqa: ARG002 - all takers alike
        trouble = decode(DeviceError, message.payload)
        log.warning("device %s reports: %s", origin.device, trouble.problem)

    def give_up(self, ids: list[str]) -> None:
        """Deletion requests that a third party never answered: written down as silence, and asked no more."""
        with self._stores.write() as connection:
            self._replies.give_up(Batch(connection, self._keys.seal), ids)

    def _refuse(self, batch: Batch, message: Incoming, origin: Origin, reason: str) -> None:
        """Quarantine the message and tell its device why; name the interaction where it can still be read."""
        kind = message.topic.split("/")[4]
        part: Part = "recording" if kind == "recording" else "setting" if kind == "setting" else "interaction"
        found = origin.interaction or next((name.decode() for name in _named(message)), "")
        interaction = found if re.fullmatch(ID_PATTERN, found) else None
        if interaction is not None and origin.account:
            # What was deleted does not come back as a reject either.
            named = recordings.alone(replace(origin, interaction=interaction))
            if batch.deleted(named):
                batch.answer(named, part, "forgotten")
                return
        self._quarantine.put(batch, message, origin, reason, interaction)
        batch.send(Refused(id=new_id(), reason=reason[:2000], interaction=interaction, part=part), origin, interaction)


def _named(message: Incoming) -> list[bytes]:
    """The interaction ids that a message names, in its topic or at the head of its JSON, torn as it may be."""
    if "/event/recording/" in message.topic:
        name = message.topic.rsplit("/", 1)[1]
        return [name.encode()] if re.fullmatch(ID_PATTERN, name) else []
    return _UUID.findall(message.payload[:200])[:1]


def _nobody(received_at: str) -> Origin:
    return Origin("", "", "", received_at, received_at)
