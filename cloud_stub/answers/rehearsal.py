"""A cloud of its own in a folder of its own, without a broker: what goes in and how time passes is the caller's to say.

Ingest, engine, sweeper, stores and third parties are the real ones; only the wire between them is left out, so that
months pass in a second and the same messages always leave the same records.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from sqlalchemy import select

from cloud_stub import accounts
from cloud_stub.assistant import Assistant
from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import (
    Confirm,
    Interaction,
    decode,
    encode,
    event_topic,
    new_id,
    recording_topic,
    rfc3339,
)
from cloud_stub.contract.partners import PartnerRequest, partner_topic
from cloud_stub.contract.trace import Sent
from cloud_stub.house import House, open_house
from cloud_stub.ingest import Ingest
from cloud_stub.residue.left import Left, left
from cloud_stub.retention.clock import keep_time
from cloud_stub.retention.rules import Period
from cloud_stub.retention.scopes import Scope
from cloud_stub.retention.sweeper import Sweeper
from cloud_stub.stores.tables import directive
from cloud_stub.third_parties.partner import STANCES, Skill

#: Messages of a trace that are stored together, if they come within the same second.
_BATCH = 200


class Rehearsal:
    """A house at work; time stands still between the calls."""

    def __init__(self, house: House, assistant: Assistant, training_share: float) -> None:
        """`training_share` as in Ingest."""
        self.house = house
        self.ingest = Ingest(
            house.stores, house.keys, house.engine, assistant, house.clock, ZoneInfo("UTC"), training_share
        )
        self._sweeper = Sweeper(house.stores, house.keys, house.engine, house.clock)
        self._skills = {name: Skill(name, stance, house.data) for name, stance in STANCES.items()}

    def play(self, trace: Iterable[Sent]) -> None:
        """Take a trace's events, each at its own time; in between, what falls due is done."""
        batch: list[Incoming] = []
        for sent in trace:
            if not sent.is_event():
                continue
            if batch and (sent.at > self.house.clock.now() or len(batch) == _BATCH):
                self._take(batch)
                batch = []
            self._forward(sent.at)
            batch.append(Incoming(sent.topic, sent.payload_base64))
        self._take(batch)

    def say(self, text: str, *, device: str = "kitchen", sound: bytes | None = None) -> str:
        """One request, now; returns the interaction's id."""
        at = self.house.clock.now()
        said = Interaction(
            id=new_id(at),
            device=device,
            at=at,
            source="text",
            wake_word="alexa",
            transcript=text,
            has_recording=sound is not None,
        )
        messages = [Incoming(said.topic(), encode(said))]
        if sound is not None:
            messages.append(Incoming(recording_topic(device, said.id), sound))
        self._take(messages)
        return said.id

    def delete(self, account: str, interaction: str | None = None) -> None:
        """The household deletes one interaction, or everything."""
        now = rfc3339(self.house.clock.now())
        until = None if interaction else now
        self.house.engine.erase([Scope(new_id(), account, now, interaction=interaction, until=until)])
        self._settle()

    def advance(self, period: str) -> None:
        """Let time pass, and do what falls due."""
        self.advance_to(Period(period).since(self.house.clock.now()))

    def advance_to(self, moment: datetime) -> None:
        """Let time pass until then, and do what falls due."""
        self._forward(moment)
        self._sweeper.sweep()
        self._settle()

    def close_account(self, account: str) -> None:
        """Close an account for good."""
        self.house.engine.close_account(account)
        self._settle()

    def register(self, device: str, account: str, *, child: bool = False) -> None:
        """Give a device to an account."""
        with self.house.stores.write() as connection:
            accounts.register(connection, self.house.clock, device, account, child=child)

    def left(self, account: str) -> list[Left]:
        """What is left of an account."""
        house = self.house
        with house.stores.read() as connection:
            return left(connection, house.keys, house.policy, account, house.clock.now(), house.data)

    def close(self) -> None:
        """Close the third parties' files."""
        for skill in self._skills.values():
            skill.close()

    def _take(self, batch: list[Incoming]) -> None:
        if batch:
            self.ingest.handle(batch)
            self._settle()

    def _forward(self, to: datetime) -> None:
        self.house.clock.forward(to)
        with self.house.stores.write() as connection:
            keep_time(connection, self.house.clock.now())

    def _settle(self) -> None:
        """Deliver what is on its way: devices confirm, third parties answer, or are given up."""
        while True:
            with self.house.stores.read() as connection:
                waiting = connection.execute(select(directive).order_by(directive.c.id)).mappings()
                rows = self.house.keys.seal.opened(directive, waiting)
            if not rows:
                return
            messages, silent = [], []
            for row in rows:
                room, _, name = row["recipient"].partition("/")
                if room == "device":
                    messages.append(Incoming(event_topic(name, Confirm.name), encode(Confirm([row["id"]]))))
                    continue
                reply = self._skills[name].answer(decode(PartnerRequest, row["payload"]))
                if reply is None:
                    silent.append(row["id"])
                else:
                    messages.append(Incoming(partner_topic(name, "reply"), encode(reply)))
            self.ingest.give_up(silent)
            self.ingest.handle(messages)


@contextmanager
def rehearsal(
    policy: str, start: datetime, *, data: Path | None = None, training_share: float = 0.1
) -> Iterator[Rehearsal]:
    """A new house under that policy, whose simulated clock begins at `start`; in `data`, or gone at the end."""
    with TemporaryDirectory(prefix="rehearsal-", dir=memory()) as folder:
        place = data or Path(folder)
        with open_house(place, policy, create=True, simulated=start) as house:
            made = Rehearsal(house, _assistant(), training_share)
            try:
                yield made
            finally:
                made.close()


@cache
def _assistant() -> Assistant:
    """Reading the templates takes longer than a week's requests."""
    return Assistant()


def memory() -> str | None:
    """A rehearsal has no power cut to survive, so it need not wait for a disk where there is a folder in memory."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - the folder in it is our own
