"""Random policies, random days: what a rule erases goes when it is due, what it keeps stays, the ledger knows of it.

The model that the cloud is held against is written from the policy language's description, not from the engine.
"""

import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cloud_stub import accounts
from cloud_stub.house import House, open_house
from cloud_stub.residue.left import left
from cloud_stub.retention import household, ledger
from cloud_stub.retention.policy import Policy, load
from cloud_stub.stores.tables import RECORDS
from cloud_stub.stores.tables import ledger as entries
from cloud_stub.third_parties.partner import STANCES, held
from tests.cloud_stub.random_days import Days
from tests.cloud_stub.random_policies import OPERATIONAL, random_policy
from tests.cloud_stub.retention_model import Home, Model, Remembered
from tests.cloud_stub.street import Street, found
from tests.soak import SOAK

#: Seeded, so that a run tells what another did; the long run takes ten times as many.
EXAMPLES = 150 if SOAK else 15


@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_what_a_rule_erases_goes_when_it_is_due_and_what_it_keeps_stays(tmp_path: Path, seed: int) -> None:
    live(tmp_path, seed)


def live(folder: Path, seed: int, store: str | None = None) -> None:
    """Live through the days of that seed, and hold the cloud against the model all the while."""
    chance = random.Random(seed)
    file, data = folder / "random.toml", folder / "data"
    file.write_text(random_policy(chance))
    street = neighbours(chance, data, load(str(file)))
    days = Days(street)
    try:
        for number in range(chance.randint(2, 3)):
            # Each round ends with closing the house and opening it again.
            with open_house(data, str(file), store=store, create=True, simulated=True) as house:
                street.open(house)
                if number == 0:
                    move_in(street)
                for _ in range(chance.randint(10, 18)):
                    days.step()
                    check_records(house, street.model)
                days.sweep()
                check_records(house, street.model)
                check_ledger(house, street.model)
                street.postman.settle(house, street.ingest)
                check_third_parties(house, street.model)
                check_explained(house, street.model)
                street.keep_time()
    except BaseException:
        print(*street.story, sep="\n")
        raise
    finally:
        street.postman.close()


def neighbours(chance: random.Random, data: Path, policy: Policy) -> Street:
    """Several households side by side, one of them a child's; or one alone that registers no device."""
    devices = {"kitchen": "anna", "bedroom": "anna", "nursery": "ben", "study": "carl"}
    if chance.random() < 0.2:
        devices = {"kitchen": accounts.DEFAULT, "bedroom": accounts.DEFAULT}
    homes = {name: Home(dict(policy.settings), child=name == "ben") for name in set(devices.values())}
    return Street(chance, data, Model(policy, homes), devices)


def move_in(street: Street) -> None:
    """Register the devices, as `cloud-stub register` does."""
    house = street.house
    # Always on the same day, or "today" would be another in every run.
    house.clock.forward(datetime(2040, 1, 1, tzinfo=UTC))
    for name, account in street.owners.items():
        home = street.model.homes[account]
        home.known = account != accounts.DEFAULT
        if home.known:
            with house.stores.write() as connection:
                accounts.register(connection, house.clock, name, account, child=home.child)
            home.heard = house.clock.now()


def check_records(house: House, model: Model) -> None:
    """The stores hold what the model says, field by field, and nothing else."""
    there = found(house)
    alive = {record.key: record for record in model.records if not record.erased}
    assert sorted(alive.keys() - there.keys()) == [], "disappeared under a rule that keeps it"
    assert sorted(there.keys() - alive.keys()) == [], "survives its erase rule, or came back"
    for key, record in alive.items():
        check_names(record, there[key])
        check_fields(record, there[key])
    with house.stores.read() as connection:
        for name, home in model.homes.items():
            assert household.words(household.of(connection, model.policy, name)) == home.settings


def check_names(record: Remembered, row: dict[str, Any]) -> None:
    own = (row["account"], row["interaction"]) == (record.account, record.interaction)
    assert own != record.pseudonymous, f"{record} stands under {row['account']}, {row['interaction']}"
    if record.pseudonymous:
        assert record.account not in row["account"]
        assert record.interaction not in row["interaction"]
        assert row["device"] == ""


def check_fields(record: Remembered, row: dict[str, Any]) -> None:
    for name, value in record.fields.items():
        if name in OPERATIONAL or value is None:
            continue
        if row[name] is None and name in record.early:
            record.redacted.add(name)
        assert row[name] == (None if name in record.redacted else value), f"{name} of {record}"


def check_ledger(house: House, model: Model) -> None:
    """The chain holds; each trigger that met a record is in it, and each erasure once."""
    with house.stores.read() as connection:
        assert list(ledger.verify(connection)) == []
        rows = connection.execute(select(entries)).all()
    said = {(row.trigger, row.store, row.kind, name) for row in rows for name in row.interactions.split()}
    silent = [
        (trigger, record)
        for record in model.records
        for trigger in record.decided
        if (trigger, *record.key[:2], record.pseudonym) not in said
    ]
    assert silent == [], "a trigger met it, and the ledger does not say so"
    erased: Counter[tuple[str, str]] = Counter()
    for row in rows:
        # A decision names what caused it, and says `erase after` of what a sweep will erase, and write down, later.
        at_once = row.action == "erase" or row.trigger == "inactive"
        if row.action.startswith("erase") and (row.store, row.kind) in RECORDS and (at_once or not row.cause):
            erased[row.store, row.kind] += row.records
    assert erased == model.erased


def check_third_parties(house: House, model: Model) -> None:
    """Each was asked to delete what a rule says, and its answer, or its silence, is written down."""
    with house.stores.read() as connection:
        rows = connection.execute(select(entries).where(entries.c.store.startswith("third_parties/"))).all()
    said = {(row.store, row.trigger, row.action, name) for row in rows for name in row.interactions.split()}
    for trigger, partner, record in model.asked:
        if STANCES[partner] == "honours":
            theirs = {row["interaction"] for row in held(house.data, partner, record.account)}
            assert record.interaction not in theirs
        store, stance = f"third_parties/{partner}", STANCES[partner]
        if not model.homes[record.account].unnamed:
            answer = {"honours": "honoured", "refuses": "refused"}.get(stance, stance)
            assert (store, trigger, f"asked: {answer}", record.pseudonym) in said


def check_explained(house: House, model: Model) -> None:
    with house.stores.read() as connection:
        for name in model.homes:
            rows = left(connection, house.keys, house.policy, name, house.clock.now(), house.data)
            assert [row for row in rows if row.rule is None] == []
