"""A fleet at a real broker, and a cloud that is killed again and again: all is stored, nothing twice, nothing lost."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from cloud_stub.contract.trace import interactions, load, locate
from cloud_stub.house import open_house
from cloud_stub.stores.tables import RECORDS
from tests import forked
from tests.processes import asked, cloud, cloud_stub, echo_device, mosquitto
from tests.soak import SOAK

#: The whole promise, or a twentieth of it.
DEVICES, INTERACTIONS, KILLS = (1000, 100_000, 20) if SOAK else (50, 5000, 4)
RATE = 500 if SOAK else 250


def register(data: Path, devices: int) -> None:
    """Every device of the fleet gets its household."""
    lines = echo_device("fleet", "--devices", str(devices), "--households").stdout
    command = [sys.executable, "-m", "cloud_stub", "register", "-", "--data", str(data)]
    forked.run(command, input=lines, text=True, check=True, capture_output=True)


def fleet(broker: str, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "device", "fleet", "--broker", broker, "--json", *options]
    return forked.Popen(command, stdout=forked.PIPE, text=True)


def stored(data: Path) -> int:
    """Interactions of which every store that gets one has a record. The stores' keys let none in twice."""
    kinds = (
        ("primary", "transcript"),
        ("primary", "response"),
        ("subsystems", "transcript"),
        ("witness", "fingerprint"),
    )
    with open_house(data) as house, house.stores.read() as connection:
        tables = [RECORDS[kind] for kind in kinds]
        names = [set(connection.execute(select(table.c.interaction)).scalars()) for table in tables]
        rows = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]
    assert rows == [len(names[0])] * len(tables)
    assert names == [names[0]] * len(tables)
    return len(names[0])


@pytest.mark.timeout(3600)
def test_through_kills_of_the_cloud_all_of_a_fleets_interactions_are_stored_once(tmp_path: Path) -> None:
    chance, data = random.Random(9), tmp_path / "data"
    register(data, DEVICES)
    sizes = ("--devices", str(DEVICES), "--interactions", str(INTERACTIONS), "--rate", f"{RATE}/s", "--seed", "9")
    with mosquitto(tmp_path / "broker") as broker, fleet(broker, *sizes) as process:
        for _ in range(KILLS):
            with cloud(data, broker=broker) as server:
                # Spread over the time that all of it takes to be said; it may be said and not yet stored.
                pause = chance.uniform(0.2, 1.6) * INTERACTIONS / RATE / KILLS
                with pytest.raises(forked.TimeoutExpired):
                    process.wait(pause)
                server.kill()
        with cloud(data, broker=broker):
            report, _ = process.communicate()
        figures: dict[str, Any] = json.loads(report)
    assert process.returncode == 0, figures
    assert list(figures) == ["sent", "acknowledged", "stored", "lost", "duplicated", "latency_ms"]
    assert [figures[name] for name in ("sent", "acknowledged", "stored")] == [INTERACTIONS] * 3
    assert [figures[name] for name in ("lost", "duplicated")] == [0, 0]
    assert stored(data) == INTERACTIONS
    assert asked("status", "--data", data)["quarantined"] == 0


def test_a_fleet_that_nobody_registered_is_told_so(tmp_path: Path) -> None:
    assert cloud_stub("register", "kitchen", "--account", "alice", "--data", tmp_path).returncode == 0
    with cloud(tmp_path) as server:
        told = echo_device("fleet", "--devices", "2", "--interactions", "3", "--broker", server.broker, "--json")
    figures = json.loads(told.stdout)
    assert told.returncode == 1
    assert (figures["sent"], figures["stored"], figures["lost"]) == (3, 0, 0)
    assert "is not registered, though others are" in told.stderr


def test_a_fleet_says_what_was_said_in_a_trace(tmp_path: Path) -> None:
    with cloud(tmp_path) as server:
        options = ("--devices", "3", "--interactions", "20", "--rate", "100/s", "--trace", "walnut", "--json")
        figures = json.loads(echo_device("fleet", "--broker", server.broker, *options).stdout)
    assert (figures["sent"], figures["lost"]) == (20, 0)
    said = {one.transcript for one in interactions(load(locate("walnut")))}
    with open_house(tmp_path) as house, house.stores.read() as connection:
        # The trace has deletions in it; this store forgets thirty days after one.
        texts = set(connection.execute(select(RECORDS["subsystems", "transcript"].c.request)).scalars())
    assert texts
    assert texts <= said


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--rate", "fast"], "'fast' is no rate. Write 500/s or 30/min."),
        (["--duplicates", "2"], "'2' is no share."),
        (["--devices", "0"], "'0' is no count."),
        (["--broker", "mqtt://127.0.0.1:1"], "no MQTT broker at mqtt://127.0.0.1:1"),
        (["--trace", "/none.jsonl"], "`record` wrote, or walnut or week."),
        (["--devices", "10001"], "a fleet has 10000 devices at most"),
    ],
)
def test_what_a_fleet_cannot_do_is_said_with_the_remedy(options: list[str], complaint: str) -> None:
    told = echo_device("fleet", *options)
    assert told.returncode == 2
    assert complaint in told.stderr
    assert "Traceback" not in told.stderr


def test_a_fleet_needs_nothing_of_the_clouds_libraries() -> None:
    shown = "import sys, device.commands.fleet; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True).stdout.split()
    assert "paho" in loaded
    assert not {"sqlalchemy", "hassil", "fastapi", "uvicorn", "amqtt", "cryptography", "prometheus_client"} & set(
        loaded
    )
