"""From spoken sound to the last byte: what every shipped policy leaves after a deletion is what the search finds."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt import publish
from paho.mqtt.enums import CallbackAPIVersion

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import Interaction, encode
from cloud_stub.residue import sounds, windows
from cloud_stub.residue.brokers import retained
from cloud_stub.retention import policy
from cloud_stub.stores.tables import RECORDS, fields
from device.spoken_requests import FOLDER
from tests.byte_search import searched
from tests.processes import asked, cloud, cloud_stub, echo_device, mosquitto, until
from tests.soak import rarely
from tests.speaker import speaker

REQUESTS = sorted(FOLDER.glob("[01]*.flac"))[:11]

#: Policies under which a deletion takes the actions too.
STRICT = {"ftc-2023", "erase-everything"}

#: The two ends run each time; `make soak` runs them all.
OFTEN = {"amazon-2019", "erase-everything"}
POLICIES = rarely(policy.names(), but=OFTEN)


def contents(data: Path) -> Iterator[windows.Windows]:
    """The windows of every text and sound that the stores hold, read with SQL."""
    for (store, kind), table in RECORDS.items():
        if store == "witness":
            continue
        with closing(sqlite3.connect(data / "cloud" / f"{store}.db")) as database:
            for row in database.execute(f'SELECT {", ".join(fields(table))} FROM "{kind}"'):
                for value in row:
                    if isinstance(value, bytes):
                        yield sounds.windows_of(value)
                    elif isinstance(value, str) and not value.startswith("["):
                        yield windows.of_text(value)


def residue(data: Path, *options: str | Path) -> dict[str, Any]:
    done = cloud_stub("residue", "household", "--data", data, "--json", *options)
    assert done.returncode in {0, 1}, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if report["unexplained"] else 0)
    return report


@pytest.mark.parametrize("name", POLICIES)
def test_after_a_deletion_everything_left_is_explained_and_nothing_is_overlooked(tmp_path: Path, name: str) -> None:
    data = tmp_path / "data"
    with mosquitto(tmp_path / "broker") as broker:
        with cloud(data, "--policy", name, "--simulated-clock", broker=broker):
            done = echo_device("hear", *REQUESTS, "--broker", broker, "--data", data)
            assert done.returncode == 0, done.stderr
            until(lambda: asked("status", "--data", data)["outgoing"] == 0, "everything to be confirmed")
            wanted = {bytes(window) for content in contents(data) for window in content}
            asked("erase", "household", "--all", "--data", data)
            until(lambda: asked("status", "--data", data)["outgoing"] == 0, "third parties to answer")
            # Once the ongoing effort has come to its end, and before the witness forgets.
            asked("advance", "P29D" if name in STRICT else "P31D", "--data", data)
        report = residue(data, "--broker", broker)
    found = {(finding["file"], finding["offset"]) for place in report["places"] for finding in place["findings"]}
    assert report["unexplained"] == 0, [finding for place in report["places"] for finding in place["findings"]]
    assert len(wanted) > 300
    assert found == searched(data, wanted)
    verdicts = {place["place"]: place["verdict"] for place in report["places"]}
    assert verdicts["cloud/primary"] == verdicts["broker/retained messages"] == "clean"
    # The alarm lives on the device, which was away and has yet to be told where the rule erased it.
    assert verdicts["devices/kitchen"] == "residue explained"
    assert "not inspectable" not in verdicts.values()
    assert verdicts["cloud/actions"] == ("clean" if name in STRICT else "residue explained")
    proofs = {place["place"]: place["proof"] for place in report["places"]}
    assert (proofs["cloud/primary"], proofs["cloud/ledger"]) == ("proved in place", "proved on a copy")


def test_a_retained_message_with_deleted_words_is_found_and_a_running_cloud_clears_it(tmp_path: Path) -> None:
    data, words = tmp_path / "data", "remember that the spare key lies under the blue flower pot"
    with mosquitto(tmp_path / "broker") as broker:
        address = BrokerAddress.parse(broker)
        with cloud(data, "--policy", "erase-everything", broker=broker):
            with speaker(broker, "kitchen") as kitchen:
                said = kitchen.say(words)
                until(lambda: asked("status", "--data", data)["outgoing"] == 0, "everything to be confirmed")
            asked("erase", "household", "--interaction", said, "--data", data)
        topic, payload = "echo/v1/kitchen/event/interaction", interaction(said, words)
        publish.single(topic, payload, qos=1, retain=True, hostname=address.host, port=address.port)
        report = residue(data, "--broker", broker)
        assert report["unexplained"] > 0
        (kept,) = [place for place in report["places"] if place["findings"]]
        assert (kept["place"], kept["verdict"]) == ("broker/retained messages", "residue UNEXPLAINED")
        assert {finding["file"] for finding in kept["findings"]} == {f"retained message on {topic}"}
        with cloud(data, broker=broker):
            until(lambda: not retained(address), "the retained message to be cleared")
        assert residue(data, "--broker", broker)["unexplained"] == 0
        assert asked("status", "--data", data)["quarantined"] == 0


def test_a_broker_that_may_be_signalled_keeps_no_deleted_words_in_its_file(tmp_path: Path) -> None:
    data, folder, words = (
        tmp_path / "data",
        tmp_path / "broker",
        "remember that the spare key lies under the flower pot",
    )
    with mosquitto(folder) as broker:
        process = int((folder / "mosquitto.pid").read_text())
        with cloud(data, "--policy", "erase-everything", broker=broker), speaker(broker, "kitchen") as kitchen:
            # A subscriber that is away: the broker keeps for it whatever is said.
            away = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="away", clean_session=False)
            address = BrokerAddress.parse(broker)
            away.connect(address.host, address.port)
            away.subscribe("echo/v1/+/event/#", qos=1)
            away.loop_start()
            until(away.is_connected, "the other subscriber to connect")
            away.disconnect()
            away.loop_stop()
            said = kitchen.say(words)
            until(lambda: asked("status", "--data", data)["outgoing"] == 0, "everything to be confirmed")
            asked("erase", "household", "--interaction", said, "--data", data)
        options = ("--broker", broker, "--broker-pid", str(process), "--broker-data", folder)
        report = residue(data, *options)
        (place,) = [place for place in report["places"] if place["place"] == "broker/persistence"]
        assert place["verdict"] == "residue UNEXPLAINED"
        assert {finding["file"] for finding in place["findings"]} == {str(folder / "mosquitto.db")}
        fetch = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="away", clean_session=True)
        fetch.connect(address.host, address.port)
        fetch.loop_start()
        until(fetch.is_connected, "the other subscriber to come back, and to want none of it")
        fetch.disconnect()
        fetch.loop_stop()
        report = residue(data, *options)
        (place,) = [place for place in report["places"] if place["place"] == "broker/persistence"]
        assert (place["verdict"], place["proof"]) == ("clean", "proved on a copy")
        assert report["unexplained"] == 0


def interaction(name: str, words: str) -> bytes:
    said = Interaction(
        id=name, device="kitchen", at=datetime.now(UTC), source="text", wake_word="alexa", transcript=words
    )
    return encode(said)
