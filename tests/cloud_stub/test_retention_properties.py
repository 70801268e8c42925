"""Random policies, random days: what a rule erases goes when it is due, what it keeps stays, the ledger knows of all.

The model here is written from the policy language's own description, not from the engine: for every record it holds the
times that the rules count from, and asks the policy only which rule a case has.
"""

import os
import random
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from cloud_stub.contract.messages import new_id, rfc3339
from cloud_stub.house import open_house
from cloud_stub.ingest import Ingest
from cloud_stub.retention import ledger
from cloud_stub.retention.clock import keep_time
from cloud_stub.retention.policy import Policy, parse
from cloud_stub.retention.scopes import Scope
from cloud_stub.retention.sweeper import Sweeper
from cloud_stub.stores.tables import RECORDS, THIRD_PARTIES, WORKINGS
from cloud_stub.stores.tables import ledger as entries
from tests.cloud_stub.house import UTC_ZONE, Neighbourhood, assistant

TEXTS = (
    "what time is it",
    "set an alarm for seven a m",
    "remember that i am allergic to walnuts",
    "send a message to bob saying i am running late",
    "add milk to my shopping list",
    "order milk and eggs from amazon fresh",
    "subscribe to amazon music unlimited",
)
#: Seeded, so that a run tells what another did; the long run takes ten times as many.
EXAMPLES = 150 if os.environ.get("RESIDUAL_ECHO_SOAK") == "1" else 15

REDACTABLE = {"transcript": "text", "response": "text", "fact": "text", "message": "text", "list_item": "item"}
TRIGGERS = ("user_delete", "age", "account_closed", "setting_changed", "third_party_request")


def random_policy(chance: random.Random) -> str:
    """A policy that decides every case at random, as TOML."""
    rules = []
    for store, kind in RECORDS:
        for trigger in TRIGGERS:
            actions = ["keep", "erase", "erase"]
            if kind in REDACTABLE and store != "subsystems":
                actions.append("redact")
            action = chance.choice(actions)
            after = "" if action == "keep" else chance.choice(["", "P5D", "P20D"])
            if trigger == "age" and action != "keep":
                after = chance.choice(["P10D", "P40D"])
            rules.append(rule(store, kind, trigger, action, after, REDACTABLE.get(kind, "")))
        rules.append(rule(store, kind, "inactive", "keep", "", ""))
    for store, kind in (*WORKINGS, *((f"third_parties/{name}", kind) for name, kind in THIRD_PARTIES.items())):
        rules += [rule(store, kind, trigger, "keep", "", "") for trigger in (*TRIGGERS, "inactive")]
    return 'name = "random"\n' + "".join(rules)


def rule(store: str, kind: str, trigger: str, action: str, after: str, name: str) -> str:
    lines = [f'store = "{store}"', f'kind = "{kind}"', f'trigger = "{trigger}"', f'action = "{action}"']
    lines += [f'after = "{after}"'] if after else []
    lines += [f'fields = ["{name}"]'] if action == "redact" else []
    return "\n[[rule]]\n" + "\n".join(lines) + '\nbecause = "at random (assumed)"\nassumed = true\n'


@dataclass
class Remembered:
    """A record as the model knows it: whose, when it came, and when it was deleted."""

    store: str
    kind: str
    interaction: str
    received: datetime
    deleted: datetime | None = None


@dataclass
class Model:
    """What ought to be there."""

    policy: Policy
    records: list[Remembered] = field(default_factory=list)

    def fate(self, record: Remembered, now: datetime) -> str:
        """What ought to have become of a record by now: kept, redacted or erased."""
        fates = set()
        for trigger, since in (("user_delete", record.deleted), ("age", record.received)):
            if since is None:
                continue
            found = self.policy.rule(record.store, record.kind, trigger)  # type: ignore[arg-type]
            wait = timedelta(days=int(found.after.text[1:-1])) if found.after else timedelta()
            if found.action != "keep" and since + wait <= now:
                fates.add(found.action)
        return "erased" if "erase" in fates else "redacted" if "redact" in fates else "kept"


def found(cloud: Neighbourhood) -> dict[tuple[str, str, str], dict[str, Any]]:
    there = {}
    with cloud.house.stores.read() as connection:
        for (store, kind), table in RECORDS.items():
            for row in connection.execute(select(table)).mappings():
                there[store, kind, row["interaction"]] = dict(row)
    return there


def check(cloud: Neighbourhood, model: Model, now: datetime) -> None:
    """After a sweep the stores hold what the model says, and the ledger accounts for the rest."""
    there = found(cloud)
    with cloud.house.stores.read() as connection:
        assert list(ledger.verify(connection)) == []
        said = {
            (row.store, row.kind, name)
            for row in connection.execute(select(entries)).all()
            if row.action.startswith("erase")
            for name in row.interactions.split()
        }
    for record in model.records:
        case = (record.store, record.kind, record.interaction)
        fate = model.fate(record, now)
        if fate == "erased":
            assert case not in there, (case, "survives its erase rule")
            pseudonym = cloud.house.keys.pseudonym("household", record.interaction)
            assert (record.store, record.kind, pseudonym) in said, (case, "is gone, and the ledger does not say why")
        else:
            assert case in there, (case, "disappeared under a rule that keeps it")
            if record.kind in REDACTABLE and record.store != "subsystems":
                gone = there[case][REDACTABLE[record.kind]] is None
                assert gone == (fate == "redacted"), (case, fate)
    assert [row for row in cloud.left() if row.rule is None] == []


@pytest.mark.timeout(900)
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_what_a_rule_erases_goes_when_it_is_due_and_what_it_keeps_stays(seed: int) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "random.toml"
        file.write_text(random_policy(chance))
        model = Model(parse(file.read_text(), "random.toml"))
        ids: list[str] = []
        messages: dict[str, Any] = {}
        for _ in range(chance.randint(1, 3)):
            # Each round ends with closing the house and opening it again.
            with open_house(folder / "data", str(file), create=True, simulated=True) as house:
                ingest = Ingest(
                    house.stores, house.keys, house.engine, assistant(), house.clock, UTC_ZONE, training_share=0.5
                )
                cloud = Neighbourhood(house, ingest, folder / "data", messages)
                for _ in range(chance.randint(3, 12)):
                    step(cloud, model, chance, ids)
                Sweeper(house.stores, house.keys, house.engine, house.clock, chunk=chance.randint(1, 9)).sweep()
                check(cloud, model, house.clock.now())


def step(cloud: Neighbourhood, model: Model, chance: random.Random, ids: list[str]) -> None:
    """One thing that happens."""
    house = cloud.house
    match chance.choice(["say", "say", "say", "again", "delete", "range", "advance", "sweep"]):
        case "say":
            before = found(cloud)
            now = house.clock.now()
            ids.append(cloud.say(chance.choice(TEXTS), at=now, sound=chance.random() < 0.5))
            for store, kind, interaction in set(found(cloud)) - set(before):
                model.records.append(Remembered(store, kind, interaction, now))
        case "again" if ids:
            cloud.again(*chance.sample(ids, min(len(ids), 3)))
        case "delete" if ids:
            delete(
                cloud, model, Scope(new_id(), "household", rfc3339(house.clock.now()), interaction=chance.choice(ids))
            )
        case "range":
            now = house.clock.now()
            # Never just where something was said: there a microsecond would decide, and the model has none.
            since = now - timedelta(days=chance.randint(0, 30), seconds=chance.randint(100, 80_000))
            delete(cloud, model, Scope(new_id(), "household", rfc3339(now), since=rfc3339(since), until=rfc3339(now)))
        case "advance":
            house.clock.forward(
                house.clock.now() + timedelta(days=chance.randint(1, 15), seconds=chance.randint(0, 80_000))
            )
            with house.stores.write() as connection:
                keep_time(connection, house.clock.now())
            # What is due is done before anything else happens, as a running cloud does it.
            Sweeper(house.stores, house.keys, house.engine, house.clock, chunk=chance.randint(1, 9)).sweep()
        case "sweep":
            Sweeper(house.stores, house.keys, house.engine, house.clock, chunk=chance.randint(1, 9)).sweep()


def delete(cloud: Neighbourhood, model: Model, scope: Scope) -> None:
    now = cloud.house.clock.now()
    cloud.house.engine.erase([scope])
    for record in model.records:
        received = rfc3339(record.received)
        if record.deleted is None and scope.covers(record.interaction, received, received):
            record.deleted = now
