"""The cloud with its stores in a real PostgreSQL, alone and as several workers that share Mosquitto's messages."""

import queue
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import func, select

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import (
    DIRECTIVES,
    Confirm,
    Directive,
    Interaction,
    decode,
    directive_topic,
    encode,
    event_topic,
    new_id,
    recording_topic,
)
from cloud_stub.house import open_house
from cloud_stub.retention import ledger
from cloud_stub.stores.tables import RECORDS
from tests.cloud_stub.house import flac, sealed
from tests.processes import Cloud, asked, cloud, cloud_stub, mosquitto, until
from tests.real.postgres import PASSWORD, Server
from tests.soak import SOAK
from tests.speaker import speaker


@pytest.fixture
def url(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new database; commands, which are not told the password, find it in their environment."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return postgres.database()


def test_a_household_lives_and_is_forgotten_in_postgresql(postgres: Server, url: str, tmp_path: Path) -> None:
    data, receipt = tmp_path / "data", tmp_path / "receipt.json"
    options = ("--store", url, "--policy", sealed(tmp_path), "--simulated-clock", "--training-share", "0")
    with cloud(data, *options) as server, speaker(server.broker, "kitchen") as device:
        fact, _ = device.ask("remember that i am allergic to walnuts")
        device.say("set a recurring alarm for seven a m")
        device.say("order a large pepperoni pizza from dominos")
        said = [row["transcript"] for row in asked("history", "--data", data)]
        assert said[0] == "remember that i am allergic to walnuts"
        assert len(said) == 3
        until(lambda: asked("status", "--data", data)["outgoing"] == 0, "the pizza to be ordered")
        done = cloud_stub("erase", "--interaction", fact, "--receipt", receipt, "--data", data)
        assert done.returncode == 0, done.stderr
        assert [row["transcript"] for row in asked("history", "--data", data)] == said[1:]
        _, answer = device.ask("what am i allergic to")
        assert "walnuts" in answer, "the letter lets the fact stay"
        asked("settings", "auto_delete", "P3M", "--data", data)
        asked("advance", "P4M", "--data", data)
        assert asked("history", "--data", data) == []
    left = asked("left", "--data", data)
    assert left["unexplained"] == 0
    assert {"actions", "commerce", "third_parties/pizza"} <= {row["store"] for row in left["left"]}
    assert [entry["what"] for entry in asked("due", "--data", data)] == ["ring"]
    report = asked("residue", "household", "--data", data)
    theirs = {place["verdict"] for place in report["places"] if place["place"].startswith("postgresql")}
    assert (report["unexplained"], theirs) == (0, {"not inspectable"}), "echo may not look into the server's files"
    whole = cloud_stub("ledger", "verify", receipt, "--data", data)
    assert whole.returncode == 0, whole.stdout
    assert cloud_stub("close-account", "household", "--data", data).returncode == 0
    assert {row["store"] for row in asked("left", "--data", data)["left"]} <= {"commerce", "third_parties/pizza"}
    files = {file.name for file in (data / "cloud").iterdir()}
    assert {name for name in files if name.endswith(".db")} == {"keys.db"}
    words = [b"allergic to walnuts", b"recurring alarm", b"pepperoni pizza", flac()[:40]]
    everywhere = postgres.files() | {str(file): file.read_bytes() for file in (data / "cloud").iterdir()}
    assert [name for name, content in everywhere.items() if any(text in content for text in words)] == []


def test_the_folder_finds_its_database_and_the_password_stays_out_of_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    with cloud(data, "--store", url, "--policy", sealed(tmp_path)):
        pass
    remembered = (data / "cloud" / "store").read_text().strip()
    assert remembered == url.replace(f":{PASSWORD}@", "@")
    assert not [file for file in data.rglob("*") if file.is_file() and PASSWORD.encode() in file.read_bytes()]
    monkeypatch.delenv("PGPASSWORD")
    alone = cloud_stub("history", "--data", data)
    assert (alone.returncode, alone.stderr.count("\n")) == (2, 1)
    assert "PGPASSWORD" in alone.stderr
    assert cloud_stub("history", "--data", data, "--store", url).returncode == 0
    (tmp_path / "pgpass").write_text(f"*:*:*:echo:{PASSWORD}")
    (tmp_path / "pgpass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    assert cloud_stub("history", "--data", data).returncode == 0


def test_connections_that_the_server_drops_are_made_again(postgres: Server, url: str, tmp_path: Path) -> None:
    name = url.rpartition("/")[2]
    options = ("--store", url, "--policy", sealed(tmp_path))
    with cloud(tmp_path / "data", *options) as server, speaker(server.broker, "kitchen") as device:
        for _ in range(5):
            device.say("what time is it")
            gone = postgres.execute(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND usename = 'echo'"
            )
            assert gone
        device.say("what time is it")
        assert len(asked("history", "--data", tmp_path / "data")) == 6


def refused(*options: str | Path) -> str:
    done = cloud_stub("serve", *options)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    return done.stderr


def test_workers_need_a_store_and_a_broker_that_can_be_shared_and_a_name_each(url: str, tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    assert "--store postgresql://" in refused("--worker", "1", "--data", other, "--broker", "mqtt://127.0.0.1:1")
    embedded = refused("--worker", "1", "--embedded-broker", "--data", other, "--store", url)
    assert "--broker" in embedded
    assert "no name" in refused("--worker", "A b", "--data", other, "--store", url)
    with mosquitto(tmp_path / "broker") as broker:
        options = ("--store", url, "--policy", sealed(tmp_path))
        both = ("--data", data, "--broker", broker, *options)
        with cloud(data, *options, "--worker", "1", broker=broker):
            assert "--worker NAME" in refused("--worker", "1", *both)
            assert "--worker NAME" in refused(*both)
        with cloud(data, *options, broker=broker):
            assert "--worker NAME" in refused("--worker", "2", *both)
            assert "--worker NAME" in refused(*both)


class Crowd:
    """Many devices on one connection: they say things without waiting for answers, and confirm them when told to."""

    def __init__(self, broker: str, devices: int) -> None:
        self.devices = [f"device{number}" for number in range(devices)]
        self.confirms = False
        self.said: dict[str, str] = {}
        self.expected: set[tuple[str, str]] = set()
        self.answers: Counter[tuple[str, str, str]] = Counter()
        self.spoken: dict[str, set[str]] = {}
        self._subscribed: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="crowd", protocol=mqtt.MQTTv311)
        self._client.max_inflight_messages_set(1000)
        self._client.on_message = self._take
        self._client.on_connect = lambda *_: self._client.subscribe(directive_topic("+", "+"), qos=1) and None
        self._client.on_subscribe = lambda *_: self._subscribed.put(None)
        address = BrokerAddress.parse(broker)
        self._client.connect(address.host, address.port)
        self._client.loop_start()
        self._subscribed.get(timeout=30)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, text: str, *, sound: bool) -> None:
        device = self.devices[len(self.said) % len(self.devices)]
        at = datetime.now(UTC)
        said = Interaction(
            id=new_id(at), device=device, at=at, source="text", wake_word="alexa", transcript=text, has_recording=sound
        )
        self.said[said.id] = text
        self.expected.add((said.id, "interaction"))
        self._client.publish(said.topic(), encode(said), qos=1)
        if sound:
            self.expected.add((said.id, "recording"))
            self._client.publish(recording_topic(device, said.id), flac(), qos=1)

    def stored(self) -> set[tuple[str, str]]:
        """The parts of interactions that were answered Stored."""
        return {(name, part) for name, part, answer in list(self.answers) if answer == "stored"}

    def _take(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        device, name = message.topic.split("/")[2], message.topic.rsplit("/", 1)[1]
        directive: Directive = decode(DIRECTIVES[name], message.payload)
        if name == "speak":
            self.spoken.setdefault(getattr(directive, "interaction", ""), set()).add(directive.id)
        elif getattr(directive, "part", None) is not None:
            self.answers[getattr(directive, "interaction", ""), getattr(directive, "part", ""), name] += 1
        if self.confirms:
            self._client.publish(event_topic(device, "confirm"), encode(Confirm([directive.id])), qos=1)


@contextmanager
def crowd(broker: str, devices: int) -> Iterator[Crowd]:
    it = Crowd(broker, devices)
    try:
        yield it
    finally:
        it.close()


SAID = (
    "remember that i am allergic to walnuts",
    "set an alarm for seven a m",
    "order a large pepperoni pizza from dominos",
    "what time is it",
)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(5 if SOAK else 1))
def test_two_workers_one_of_them_killed_store_every_interaction_once(url: str, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    kills, share = (4, 600) if SOAK else (2, 60)
    data = tmp_path / "data"
    options = ("--store", url, "--policy", sealed(tmp_path))
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(tmp_path / "broker"))
        names = ("1", "2")

        def work(name: str) -> Cloud:
            return stack.enter_context(cloud(data, *options, "--worker", name, broker=broker))

        workers = {name: work(name) for name in names}
        people = stack.enter_context(crowd(broker, devices=7))

        def talk(times: int) -> None:
            for _ in range(times):
                people.say(chance.choice(SAID), sound=chance.random() < 0.3)

        for kill in range(kills):
            # First the one that came first, which is on duty: the other one has to take over.
            name = names[kill % 2]
            already = len(people.stored())
            talk(share)
            until(lambda already=already: len(people.stored()) >= already + share // 4, "the first answers", 120)
            # At a seeded moment of an even stream without confirmations, so that it has something said in hand.
            threading.Timer(chance.uniform(0.1, 1), workers[name].process.kill).start()
            while workers[name].process.poll() is None:
                talk(1)
                time.sleep(0.005)
            talk(share)
            alone = len(people.stored())
            until(
                lambda alone=alone: len(people.stored()) >= alone + share // 4, "answers by the other worker alone", 120
            )
            assert people.stored() != people.expected, "the dead worker's share waits for it"
            workers[name] = work(name)
        until(lambda: people.stored() == people.expected, "every answer", patience_s=300)
        people.confirms = True
        until(lambda: asked("status", "--data", data)["outgoing"] == 0, "every confirmation", patience_s=120)
    assert {answer for _, _, answer in people.answers} == {"stored"}
    # Acted on twice, it would have been answered aloud by two directives.
    assert {len(ids) for ids in people.spoken.values()} == {1}
    assert set(people.spoken) == set(people.said)
    check_stores(data, people)


def check_stores(data: Path, people: Crowd) -> None:
    """Everything said is in every store that it belongs to, and there once."""
    kinds: dict[tuple[str, str], set[str]] = {
        ("primary", "transcript"): set(SAID),
        ("primary", "response"): set(SAID),
        ("subsystems", "transcript"): set(SAID),
        ("actions", "fact"): {SAID[0]},
        ("actions", "alarm"): {SAID[1]},
        ("commerce", "pizza"): {SAID[2]},
    }
    with open_house(data) as house, house.stores.read() as connection:
        for case, texts in kinds.items():
            stored = connection.execute(select(RECORDS[case].c.interaction)).scalars().all()
            assert sorted(stored) == sorted(name for name, text in people.said.items() if text in texts), case
        recordings = connection.execute(select(RECORDS["primary", "recording"].c.interaction)).scalars().all()
        assert sorted(recordings) == sorted(name for name, part in people.expected if part == "recording")
        pizza = RECORDS["commerce", "pizza"]
        ordered = connection.execute(select(func.count()).where(pizza.c.status == "done")).scalar()
        assert list(ledger.verify(connection)) == []
    with closing(sqlite3.connect(data / "third_parties" / "pizza" / "pizza.db")) as theirs:
        held = [name for (name,) in theirs.execute("SELECT interaction FROM held")]
    wanted = sorted(name for name, text in people.said.items() if text == SAID[2])
    assert sorted(held) == wanted
    assert ordered == len(wanted)


def test_no_file_of_the_server_says_what_was_erased(postgres: Server, url: str, tmp_path: Path) -> None:
    data, words = tmp_path / "data", "remember that the spare key lies under the blue flower pot"
    with (
        cloud(data, "--store", url, "--policy", sealed(tmp_path)) as server,
        speaker(server.broker, "kitchen") as device,
    ):
        said = device.say(words)
        until(lambda: asked("status", "--data", data)["outgoing"] == 0, "everything to be confirmed")
    asked("erase", "--interaction", said, "--data", data)

    def places() -> dict[str, tuple[str, str]]:
        report = asked("residue", said, "--data", data)
        assert report["unexplained"] == 0
        return {place["place"]: (place["verdict"], place["proof"]) for place in report["places"]}

    verdict, reason = places()["postgresql/tables and indexes"]
    assert (verdict, "pg_checkpoint" in reason) == ("not inspectable", True)
    postgres.execute("GRANT pg_checkpoint, pg_read_all_settings TO echo")
    ((folder,),) = postgres.execute("SHOW data_directory")
    try:
        found = places()
    finally:
        postgres.execute("REVOKE pg_checkpoint, pg_read_all_settings FROM echo")
    assert found["postgresql/tables and indexes"] == ("clean", "proved in place")
    assert found["postgresql/write-ahead log"] == ("clean", "proved in place")
    files = [file for file in Path(folder).rglob("*") if file.is_file()]
    assert len(files) > 100
    assert not any(words.encode() in file.read_bytes() for file in files)
