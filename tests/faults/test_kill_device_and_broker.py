"""kill -9 of the device and of the broker: what was shown as heard is stored, once each, in order."""

import random
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests import forked
from tests.faults.device import words
from tests.processes import cloud, free_port, mosquitto, start_mosquitto
from tests.soak import SOAK

#: Interactions, and how often the device is killed while it produces them.
SAID, KILLS = (200, 20) if SOAK else (20, 2)

#: The same for the broker, which is killed as often in both.
HEARD, RESTARTS = (200, 5) if SOAK else (50, 5)


class Shown(list[tuple[int, str]]):
    """What a device has shown as heard: (number, id), in order. `settled` once the cloud has answered all."""

    settled = False

    def read(self, line: str) -> None:
        if line.startswith("settled"):
            self.settled = True
        else:
            number, name = line.split()
            self.append((int(number), name))


def device(data: Path, broker: str, first: int, last: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.faults.device", str(data), broker, str(first), str(last)]
    return forked.Popen(command, stdout=forked.PIPE, text=True)


def stored(data: Path, store: str, table: str) -> list[tuple[str, str]]:
    """(id, text) of the records of that kind, in the order in which the cloud received them."""
    connection = sqlite3.connect(data / "cloud" / f"{store}.db")
    rows = connection.execute(f"SELECT interaction, text FROM {table} ORDER BY received_at").fetchall()
    connection.close()
    return rows


def check(data: Path, shown: Shown) -> None:
    """Everything shown is stored and acted on once, and in the order in which it was heard."""
    assert shown.settled, "the device did not settle"
    names = [name for _, name in shown]
    for store, table in (("primary", "transcript"), ("actions", "fact")):
        rows = stored(data, store, table)
        assert [name for name, _ in rows if name in set(names)] == names, table
        # One more may be there for each kill: taken, and killed before it was shown.
        assert len(rows) - len(names) in range(KILLS + 1)
    said = dict(stored(data, "primary", "transcript"))
    assert [said[name] for _, name in shown] == [words(number) for number, _ in shown]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(1))
def test_what_a_killed_device_has_shown_as_heard_is_stored_once(tmp_path: Path, seed: int) -> None:
    chance, shown, number = random.Random(seed), Shown(), 1
    kills = sorted(chance.sample(range(1, SAID), KILLS))
    with mosquitto(tmp_path / "broker") as broker, cloud(tmp_path / "data", broker=broker):
        while not shown.settled:
            with device(tmp_path / "data", broker, number, SAID) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    shown.read(line)
                    if kills and not shown.settled and shown[-1][0] >= kills[0]:
                        # Not at the line itself, where it has just committed, but somewhere in what it does next.
                        kills.pop(0)
                        threading.Timer(chance.uniform(0, 0.05), process.kill).start()
            assert process.returncode in {0, -9}
            number = shown[-1][0] + 1
    assert [said for said, _ in shown] == list(range(1, SAID + 1))
    check(tmp_path / "data", shown)


@pytest.mark.timeout(1200)
def test_through_five_restarts_of_the_broker_all_are_stored_once_each_in_order(tmp_path: Path) -> None:
    chance, shown, port = random.Random(6), Shown(), free_port()
    kills = sorted(chance.sample(range(1, HEARD), RESTARTS))
    broker = start_mosquitto(tmp_path / "broker", port)
    try:
        with (
            cloud(tmp_path / "data", broker=f"mqtt://127.0.0.1:{port}"),
            device(tmp_path / "data", f"mqtt://127.0.0.1:{port}", 1, HEARD) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                shown.read(line)
                if kills and shown[-1][0] >= kills[0]:
                    kills.pop(0)
                    # Killed it forgets what it held; asked to stop it keeps it, and delivers it late.
                    broker.kill() if chance.random() < 0.5 else broker.terminate()
                    broker.wait()
                    broker = start_mosquitto(tmp_path / "broker", port)
    finally:
        broker.kill()
        broker.wait()
    assert kills == []
    assert len(shown) == HEARD
    check(tmp_path / "data", shown)
