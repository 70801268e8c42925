"""kill -9 at any moment: afterwards the work is finished, nothing is half erased, nothing answered is gone."""

import json
import random
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import rfc3339
from cloud_stub.retention import ledger, scopes
from cloud_stub.retention.sweeper import Sweeper
from cloud_stub.stores.tables import RECORDS
from tests import forked
from tests.cloud_stub.house import Neighbourhood, neighbourhood, sealed
from tests.cloud_stub.test_sealing import check_keys
from tests.faults.driver import marked
from tests.soak import SOAK

KILLS = 200 if SOAK else 20


def run_and_kill(folder: Path, seed: int, policy: str) -> list[dict[str, Any]]:
    """Let the driver work, kill it at a seeded moment, and return what it had answered by then."""
    chance = random.Random(seed)
    command = [sys.executable, "-m", "tests.faults.driver", str(folder), str(seed), policy]
    lines: list[dict[str, Any]] = []
    with forked.Popen(command, stdout=forked.PIPE, text=True) as process:
        assert process.stdout is not None
        wanted = chance.randint(1, 60)
        for line in process.stdout:
            lines.append(json.loads(line))
            if len(lines) == wanted:
                # Not at the line itself, where the driver has just committed, but somewhere in what it does next.
                timer = threading.Timer(chance.uniform(0, 0.03), process.kill)
                timer.start()
    return lines


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(KILLS))
def test_after_a_kill_nothing_is_half_erased_and_nothing_answered_is_gone(tmp_path: Path, seed: int) -> None:
    policy = sealed(tmp_path) if seed % 2 else "amazon-2019"
    lines = run_and_kill(tmp_path, seed, policy)
    stored = {line["stored"]: line for line in lines if "stored" in line}
    asked = {line["deleting"]: line["at"] for line in lines if "deleting" in line}
    deleted = {line["deleted"] for line in lines if "deleted" in line}
    with neighbourhood(tmp_path, policy) as cloud:
        there = {row["id"] for row in cloud.history()}
        assert there >= set(stored) - asked.keys(), (
            "what was answered Stored is there unless its deletion was asked for"
        )
        assert not there & deleted, "what was answered deleted is not"
        with cloud.house.stores.read() as connection:
            assert scopes.unfinished(connection) == []
            assert list(ledger.verify(connection)) == []
        check_wholeness(cloud, set(stored), there)
        # A deletion is remembered for as long as a message may be late, and the days of a long run are more than that.
        remembered = cloud.house.policy.rule("operations", "scope", "age").after
        assert remembered is not None
        forgotten = {name for name, at in asked.items() if at <= rfc3339(remembered.before(cloud.house.clock.now()))}
        redeliver(cloud, [line for name, line in stored.items() if name not in forgotten], there)
        sweeper = Sweeper(cloud.house.stores, cloud.house.keys, cloud.house.engine, cloud.house.clock)
        sweeper.sweep()
        assert [row for row in cloud.left() if row.rule is None] == []
        primary = {name: content for name, content in cloud.files().items() if "primary.db" in name}
        gone = set(stored) - {row["id"] for row in cloud.history()}
        left = [(file, name) for file, content in primary.items() for name in gone if words(stored, name) in content]
        assert left == []
        if seed % 2:
            check_keys(cloud)


def words(stored: dict[str, dict[str, Any]], name: str) -> bytes:
    return marked(stored[name]["words"]).encode()


def check_wholeness(cloud: Neighbourhood, stored: set[str], there: set[str]) -> None:
    """Of a deleted interaction nothing is left in primary; of the others every part is there."""
    for row in cloud.left():
        if row.store == "primary" and row.interaction in stored - there:
            pytest.fail(f"{row.kind} of a deleted interaction is left")
    kinds = {(row.store, row.kind, row.interaction) for row in cloud.left()}
    for name in stored & there:
        for case in (("primary", "response"), ("subsystems", "transcript"), ("actions", "fact")):
            assert (*case, name) in kinds


def redeliver(cloud: Neighbourhood, stored: Any, there: set[str]) -> None:
    """The broker delivers everything again: nothing is doubled, nothing deleted comes back."""
    topic = "echo/v1/kitchen/event/interaction"
    fact = RECORDS["actions", "fact"]
    with cloud.house.stores.read() as connection:
        before = connection.execute(select(func.count()).select_from(fact)).scalar()
    cloud.ingest.handle([Incoming(topic, line["message"].encode()) for line in stored])
    with cloud.house.stores.read() as connection:
        assert connection.execute(select(func.count()).select_from(fact)).scalar() == before
    assert {row["id"] for row in cloud.history()} == there
