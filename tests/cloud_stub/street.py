"""Households with their devices, and the messages between them and one cloud: the model learns of what is stored.

What has to be stored, and what must not be any more, the model says before a message is delivered.
"""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cloud_stub import accounts
from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import rfc3339
from cloud_stub.house import House
from cloud_stub.ingest import Ingest
from cloud_stub.retention.clock import keep_time
from cloud_stub.retention.sweeper import Sweeper
from cloud_stub.stores.tables import RECORDS, fields
from tests.cloud_stub.house import UTC_ZONE, Neighbourhood, assistant
from tests.cloud_stub.postman import Postman
from tests.cloud_stub.retention_model import Key, Model, Remembered, Taken
from tests.soak import SOAK

#: What the cloud keeps to prove a deletion with.
WITNESS = ("witness", "fingerprint")

#: What every interaction leaves that is stored at all.
TRACES = {("primary", "transcript"), ("primary", "response"), ("subsystems", "transcript"), WITNESS}


def found(house: House) -> dict[Key, dict[str, Any]]:
    """Every record of every account, as the stores hold it, readable where it is sealed."""
    there = {}
    with house.stores.read() as connection:
        for (store, kind), table in RECORDS.items():
            for row in house.keys.seal.opened(table, connection.execute(select(table)).mappings()):
                there[store, kind, row["received_at"], row["position"]] = row
    return there


class Street:
    """Devices, their clocks, what they have said, and the cloud that hears it."""

    house: House
    ingest: Ingest
    sweeper: Sweeper

    def __init__(self, chance: random.Random, data: Path, model: Model, devices: dict[str, str]) -> None:
        """`devices` are whose: device -> account."""
        self.chance, self.model, self.owners = chance, model, devices
        self.postman = Postman(data)
        self.story: list[str] = []
        self.said: dict[str, Incoming] = {}
        self.late: list[str] = []
        """Interactions whose recording is still on its way."""
        self._data = data
        self._by: dict[str, tuple[str, str]] = {}
        # No two clocks in a house agree, and one is often far off.
        self._offsets = {name: timedelta(hours=chance.choice([0, 0, 1, -50])) for name in devices}

    def open(self, house: House) -> None:
        """The cloud has been started (again)."""
        self.house = house
        self.ingest = Ingest(
            house.stores, house.keys, house.engine, assistant(), house.clock, UTC_ZONE, training_share=0.5
        )
        # One at a time takes long; test_sweeper.py does it each time.
        chunk = self.chance.choice([1 if SOAK else 4, 3, 500])
        self.sweeper = Sweeper(house.stores, house.keys, house.engine, house.clock, chunk=chunk)
        self._cloud = Neighbourhood(house, self.ingest, self._data, self.said)

    def note(self, text: object) -> None:
        """Add to what is told of the step, should it fail."""
        self.story[-1] += f": {text}"

    def wait(self, time: timedelta) -> None:
        """Time passes."""
        self.house.clock.forward(self.house.clock.now() + time)

    def keep_time(self) -> None:
        """Before the cloud is stopped: time goes on from here when it is started again."""
        with self.house.stores.write() as connection:
            keep_time(connection, self.house.clock.now())

    def owner(self, name: str) -> str:
        """Whose the device is that said it."""
        return self.owners[self.device(name)]

    def device(self, name: str) -> str:
        """Which device said it."""
        return self._by[name][0]

    def said_at(self, name: str) -> str:
        """When, by the device's clock."""
        return self._by[name][1]

    def speak(self, text: str) -> str:
        """Say something on any device that is not delivered yet. Returns the interaction's id."""
        device = self.chance.choice(sorted(self.owners))
        at = self.house.clock.now() + self._offsets[device]
        name = self._cloud.say(text, at=at, device=device, send=False)
        self._by[name] = (device, rfc3339(at))
        self.note(f"{device} {text!r} {name}")
        # No two ids of one millisecond: their order would be another in every run.
        self.wait(timedelta(seconds=1))
        return name

    def deliver(self, names: list[str], *, stored: bool = True) -> None:
        """Interactions arrive in one batch, for the first time or again. `stored`: whether such as these are stored."""
        welcome = [name for name in names if self.welcome(name, "interaction")]
        for name in names:
            home, now = self.model.homes[self.owner(name)], self.house.clock.now()
            if home.closed is None and self.model.deleted(self.owner(name), name, self.said_at(name), now):
                # Its recording, which may know another time only, is as unwelcome.
                home.taken.append(Taken(interaction=name))
        self._cloud.again(*names)
        new = self._learn() if stored else self._learn_of_request(*welcome)
        for name in welcome:
            home = self.model.homes[self.owner(name)]
            home.heard, home.known = self.house.clock.now(), True
            home.answered.add((name, "interaction"))
            left = {record.key[:2] for record in new if record.interaction == name}
            assert left >= TRACES if stored else left == {WITNESS}, f"{name} left {left}"
        back = {(record.interaction, *record.key[:2]) for record in new if record.interaction not in welcome}
        assert back == set(), "what was stored before, or is not to be stored, came back"

    def deliver_sound(self, name: str) -> None:
        """The recording of an interaction arrives, for the first time or again."""
        self.note(f"sound of {name}")
        home, welcome = self.model.homes[self.owner(name)], self.welcome(name, "recording")
        self._cloud.record(name, self.device(name))
        new = self._learn()
        if welcome:
            home.answered.add((name, "recording"))
            home.arrivals.setdefault(name, []).append(rfc3339(self.house.clock.now()))
        wanted = welcome and home.settings["save_recordings"] == "yes"
        assert {record.interaction for record in new} <= {name}
        assert (("primary", "recording") in {record.key[:2] for record in new}) == wanted, f"{welcome=}"

    def tear(self, name: str) -> None:
        """An interaction arrives broken."""
        self.ingest.handle([Incoming(self.said[name].topic, self.said[name].payload[:70])])

    def welcome(self, name: str, part: str) -> bool:
        """Whether the cloud has to take this part of an interaction, which it has not taken before."""
        account = self.owner(name)
        home = self.model.homes[account]
        # A forgotten account's devices are nobody's, unless none was ever registered.
        if (name, part) in home.answered or not (home.known or account == accounts.DEFAULT):
            return False
        at = self.said_at(name) if part == "interaction" else self.model.time_of(account, name)
        return home.closed is None and not self.model.deleted(account, name, at, self.house.clock.now())

    def _learn(self) -> list[Remembered]:
        """The records that the model has not known."""
        known = {record.key for record in self.model.records}
        rows = {key: row for key, row in found(self.house).items() if key not in known}
        new = [self._remembered(key, row) for key, row in rows.items()]
        self.model.records += new
        return new

    def _learn_of_request(self, *names: str) -> list[Remembered]:
        """Of a request to delete only the witness knows; what it knows falls under that deletion, and may be gone."""
        known = {record.key for record in self.model.records}
        rows = {key: row for key, row in found(self.house).items() if key not in known and key[:2] == WITNESS}
        new = []
        for name in names:
            now = rfc3339(self.house.clock.now())
            gone = ((*WITNESS, now, 0), {"at": now, "needles": None, "short": None})
            key, row = rows.popitem() if rows else gone
            own = {"account": self.owner(name), "interaction": name, "device": self.device(name)}
            new.append(self._remembered(key, row | own))
        self.model.records += new
        return new

    def _remembered(self, key: Key, row: dict[str, Any]) -> Remembered:
        name = row["interaction"]
        account = self.owner(name)
        assert row["account"] == account, "a record is its device's account's"
        home = self.model.homes[account]
        assert key[0] != "training" or home.settings["use_for_improvement"] == "yes", "used against the setting"
        home.arrivals.setdefault(name, []).append(key[2])
        own = {field: row[field] for field in fields(RECORDS[key[:2]])}
        pseudonym = self.house.keys.pseudonym(account, name)
        return Remembered(key, account, name, row["device"], row["at"], own, pseudonym)
