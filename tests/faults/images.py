"""What must be true of a folder that a crash has left, once it was started again."""

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from device.alerts import Alerts
from device.outbox import Outbox
from tests.byte_search import searched
from tests.faults.household import ALARM, Promises
from tests.processes import cloud_stub


def rows(data: Path, name: str, query: str) -> list[Any]:
    """What that file of the data folder answers."""
    with closing(sqlite3.connect(data / f"{name}.db")) as database:
        return database.execute(query).fetchall()


def marks(texts: Iterable[str]) -> set[bytes]:
    """The words that tell requests apart."""
    return {mark.encode() for text in texts for mark in re.findall("zebra[0-9a-f]{16}", text)}


def started_cloud(data: Path) -> None:
    """Let the cloud open the folder, finish what was cut off, and verify its ledger."""
    done = cloud_stub("ledger", "verify", "--data", data)
    assert done.returncode == 0, done.stdout + done.stderr


def check_cloud(data: Path, promised: Promises) -> None:
    """A started cloud keeps its promises: what was stored is there, once; what was deleted is nowhere."""
    for store in ("primary", "subsystems"):
        names = {name for (name,) in rows(data, f"cloud/{store}", "SELECT interaction FROM transcript")}
        assert names >= promised.stored(), f"{store} has all that was answered Stored"
        assert not names & promised.deleted()
    facts = [text for (text,) in rows(data, "cloud/actions", "SELECT text FROM fact")]
    assert len(facts) == len(set(facts)), "nothing is remembered twice"
    alarms = {name for (name,) in rows(data, "cloud/actions", "SELECT interaction FROM alarm")}
    assert alarms >= {name for name in promised.stored() if promised.said[name] == ALARM}
    gone = marks(promised.said[name] for name in promised.deleted())
    assert not gone or not searched(data / "cloud", gone), "no byte of what was deleted is left"


def waiting(data: Path) -> Iterator[tuple[datetime, str]]:
    """When that was said which waits in the outbox, and its words; opened as the device opens it."""
    box = Outbox(data / "devices" / "kitchen")
    for message in box.waiting(100_000):
        said = json.loads(message.payload)
        yield datetime.fromisoformat(said["at"]), said["transcript"]
    box.close()


def check_device(data: Path, promised: Promises) -> None:
    """A device has what it has shown as heard, unless that was answered; and the alarms that it has confirmed."""
    answered = {promised.times[name] for name in promised.answers if name in promised.times}
    assert promised.heard - answered <= {time for time, _ in waiting(data)}
    if promised.alarms:
        alerts = Alerts(data / "devices" / "kitchen")
        assert {kept.interaction for kept in alerts.all()} >= promised.alarms
        alerts.close()
