"""kill -9 of the broker and of the cloud between a deletion and the broker's save: what was deleted stays deleted."""

import json
import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from paho.mqtt import publish

from cloud_stub.contract.messages import new_id
from cloud_stub.residue import brokers
from tests.processes import asked, cloud, cloud_stub, free_port, listens, mosquitto, until
from tests.test_residue import interaction

WORDS = "remember that the spare key lies under the blue flower pot"


def left(data: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = asked("left", "household", "--data", data)["left"]
    return rows


def test_a_broker_that_forgot_its_deliveries_brings_nothing_deleted_back(tmp_path: Path) -> None:
    data, folder, port, said = tmp_path / "data", tmp_path / "broker", free_port(), new_id()
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(folder, port))
        pid = int((folder / "mosquitto.pid").read_text())
        with cloud(data, "--policy", "erase-everything", broker=broker):
            pass
        # The cloud is away: the broker keeps the message for it, in its file too.
        topic = "echo/v1/kitchen/event/interaction"
        publish.single(topic, interaction(said, WORDS), qos=1, hostname="127.0.0.1", port=port)
        brokers.save(pid, folder)
        assert WORDS.encode() in (folder / "mosquitto.db").read_bytes()
        with cloud(data, broker=broker) as server:
            until(lambda: asked("history", "household", "--data", data), "the message to be stored")
            asked("erase", "household", "--interaction", said, "--data", data)
            server.kill()
        os.kill(pid, signal.SIGKILL)
        until(lambda: not listens(port), "the broker to be gone")

        broker = stack.enter_context(mosquitto(folder, port))
        pid = int((folder / "mosquitto.pid").read_text())
        with cloud(data, broker=broker):
            until(lambda: [row["fields"]["purpose"] for row in left(data)] == ["forgotten"], "its answer, and no other")
            assert asked("history", "household", "--data", data) == []
        brokers.save(pid, folder)
        options = ("--broker", broker, "--broker-pid", str(pid), "--broker-data", folder)
        report = json.loads(cloud_stub("residue", said, "--data", data, "--json", *options).stdout)
        assert report["unexplained"] == 0
        assert {place["verdict"] for place in report["places"]} == {"clean"}
