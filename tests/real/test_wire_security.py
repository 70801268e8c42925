"""The configuration that broker-config writes, in a real Mosquitto with real TLS: each device is confined to itself."""

import contextlib
import json
import queue
import re
import ssl
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cloud_stub import certificates
from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import Interaction, encode, new_id
from device.spoken_requests import FOLDER
from device.testing.processes import mosquitto_program
from tests.processes import Cloud, asked, cloud, cloud_stub, echo_device, free_port, listens, missing, until


@dataclass
class Street:
    """A broker with that configuration, and a cloud on it."""

    folder: Path
    cloud: Cloud


@contextlib.contextmanager
def secured_broker(folder: Path, *options: str) -> Iterator[Path]:
    """Mosquitto with what broker-config has written, as the user that we are."""
    program = mosquitto_program()
    if program is None:
        missing("Mosquitto", "apt install mosquitto")
    port, cloud_port = free_port(), free_port()
    ports = ("--port", str(port), "--cloud-port", str(cloud_port))
    done = cloud_stub("broker-config", folder, *ports, "--host", "127.0.0.1", *options)
    assert done.returncode == 0, done.stderr
    conf = folder / "mosquitto.conf"
    ours = folder.parent / "ours.conf"
    ours.write_text(conf.read_text() + "user root\n")
    with (
        (folder.parent / "mosquitto.log").open("w") as log,
        subprocess.Popen([program, "-c", str(ours)], stderr=log) as process,
    ):
        until(lambda: process.poll() is not None or (listens(port) and listens(cloud_port)), "Mosquitto to listen")
        assert process.returncode is None, (folder.parent / "mosquitto.log").read_text()
        try:
            yield folder
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    base = tmp_path_factory.mktemp("street")
    with (
        secured_broker(base / "broker", "--device", "kitchen", "--device", "bedroom") as folder,
        cloud(base / "data", broker=f"@{folder}/cloud.broker") as server,
    ):
        yield Street(folder, server)


class Client:
    """Whoever has a device's password, with a client of their own that does what they like."""

    def __init__(self, client: mqtt.Client, device: str) -> None:
        self.client, self.device = client, device
        self.arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.topics: set[str] = set()
        client.on_message = self._take

    def say(self, text: str, *, topic: str = "", device: str = "") -> str:
        """As `send`; returns when the broker has taken it, or has put us out for it."""
        said = self.send(text, topic=topic, device=device)
        until(lambda: self.last.is_published() or not self.client.is_connected(), "the broker to take it")
        return said

    def send(self, text: str, *, topic: str = "", device: str = "") -> str:
        """Publish an interaction, on another's topic or in another's name if so told; its id."""
        now = datetime.now(UTC)
        said = Interaction(
            id=new_id(now), device=device or self.device, at=now, source="text", wake_word="alexa", transcript=text
        )
        self.last = self.client.publish(topic or f"echo/v1/{self.device}/event/interaction", encode(said), qos=1)
        return said.id

    def answer(self, interaction: str) -> str:
        """Wait for the answer to that interaction: stored, forgotten or refused."""
        while True:
            told = json.loads(self.arrived.get(timeout=30))
            if told.get("interaction") == interaction and told["directive"] in {"stored", "forgotten", "refused"}:
                return str(told["directive"])

    def _take(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        self.topics.add(message.topic)
        self.arrived.put(message.payload)


@contextlib.contextmanager
def client(
    folder: Path, device: str, *topics: str, password: str | None = None, client_id: str = "", to_loopback: bool = False
) -> Iterator[Client]:
    """Connect with that device's password, subscribed to its own directives or to `topics`."""
    settings = tomllib.loads((folder / "devices" / f"{device}.toml").read_text())
    address = BrokerAddress.parse(settings["broker"])
    made = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id or f"echo-{device}", protocol=mqtt.MQTTv311)
    made.tls_set_context(ssl.create_default_context(cafile=settings["ca_file"]))
    made.username_pw_set(address.user, password or address.password)
    connected: queue.SimpleQueue[object] = queue.SimpleQueue()
    subscribed = threading.Event()
    made.on_connect = lambda *arguments: connected.put(arguments[3])
    made.on_subscribe = lambda *_: subscribed.set()
    ours = Client(made, device)
    made.connect(address.host, address.port)
    made.loop_start()
    try:
        reason = connected.get(timeout=30)
        if getattr(reason, "is_failure", False):
            raise PermissionError(str(reason))
        made.subscribe([(topic, 1) for topic in topics or (f"echo/v1/{device}/directive/+",)])
        assert subscribed.wait(30)
        yield ours
    finally:
        made.disconnect()
        made.loop_stop()


def history(street: Street) -> list[str]:
    return [row["id"] for row in asked("history", "household", "--data", street.cloud.data)]


def test_a_device_runs_with_the_settings_that_were_written(street: Street, tmp_path: Path) -> None:
    settings = street.folder / "devices" / "kitchen.toml"
    done = echo_device("hear", FOLDER / "11_question.flac", "--config", settings, "--data", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["answer"] == "stored"


def test_a_device_cannot_publish_as_another(street: Street) -> None:
    with client(street.folder, "kitchen") as liar:
        as_another = liar.say("what time is it", topic="echo/v1/bedroom/event/interaction", device="bedroom")
    with client(street.folder, "kitchen") as kitchen:
        mine = kitchen.say("what time is it")
        # The broker sends the cloud in order what it lets through: the first would have come before this one.
        assert kitchen.answer(mine) == "stored"
    assert as_another not in history(street)
    assert mine in history(street)


def test_a_device_that_speaks_for_another_on_its_own_topic_is_refused_by_the_cloud(street: Street) -> None:
    with client(street.folder, "kitchen") as kitchen:
        as_another = kitchen.say("what time is it", device="bedroom")
        assert kitchen.answer(as_another) == "refused"
    assert as_another not in history(street)


def test_a_device_cannot_read_another_whatever_it_subscribes_to(street: Street) -> None:
    bedrooms = ("echo/v1/bedroom/#", "echo/v1/bedroom/directive/speak", "echo/v1/bedroom/state")
    everything = ("#", "echo/v1/#", "echo/v1/+/event/#", "partner/#", *bedrooms)
    with client(street.folder, "kitchen", *everything) as spy, client(street.folder, "bedroom") as bedroom:
        assert bedroom.answer(bedroom.say("order a large pepperoni pizza from dominos")) == "stored"
        # The answer to its own request comes behind whatever the broker had for it before.
        assert spy.answer(spy.say("what time is it")) == "stored"
    assert {topic.rpartition("/")[0] for topic in bedroom.topics} == {"echo/v1/bedroom/directive"}
    assert {topic.rpartition("/")[0] for topic in spy.topics} == {"echo/v1/kitchen/directive"}


def test_a_device_cannot_take_anothers_session_by_its_client_id(street: Street) -> None:
    with (
        client(street.folder, "bedroom") as bedroom,
        client(street.folder, "kitchen", client_id="echo-bedroom") as _,
        client(street.folder, "kitchen", client_id="bedroom") as _,
    ):
        assert bedroom.answer(bedroom.say("what time is it")) == "stored"
        assert bedroom.client.is_connected()


def test_nobody_comes_in_without_the_password_or_without_tls(street: Street) -> None:
    with pytest.raises(PermissionError, match="Not authorized"), client(street.folder, "kitchen", password="guessed"):
        pass
    settings = tomllib.loads((street.folder / "devices" / "kitchen.toml").read_text())
    plain = settings["broker"].replace("mqtts://", "mqtt://")
    done = echo_device("hear", FOLDER / "11_question.flac", "--broker", plain, "--data", street.folder.parent / "plain")
    assert done.returncode == 2
    assert "is it for TLS (mqtts://)?" in done.stderr


def test_a_flood_from_one_device_does_not_stop_anothers(street: Street) -> None:
    stop, sent = threading.Event(), [0]
    with client(street.folder, "kitchen") as kitchen, client(street.folder, "bedroom") as bedroom:

        def flood() -> None:
            while not stop.is_set():
                kitchen.say("what time is it") if sent[0] % 2 else kitchen.client.publish(
                    "echo/v1/kitchen/event/interaction", b"rubbish" * 100, qos=0
                )
                sent[0] += 1

        flooding = threading.Thread(target=flood)
        flooding.start()
        try:
            until(lambda: sent[0] > 500, "the flood")
            for _ in range(3):
                already = sent[0]
                assert bedroom.answer(bedroom.say("what time is it")) == "stored"
                assert sent[0] > already
        finally:
            stop.set()
            flooding.join()


def test_what_waits_for_the_cloud_is_more_than_a_default_mosquitto_keeps(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with secured_broker(tmp_path / "broker") as folder:
        with cloud(data, broker=f"@{folder}/cloud.broker"):
            pass  # its session is there from now on
        with client(folder, "kitchen") as kitchen:
            ids = [kitchen.send("what time is it") for _ in range(1200)]
            kitchen.say("what time is it")  # taken by the broker after all of them
        with cloud(data, broker=f"@{folder}/cloud.broker"):
            until(
                lambda: asked("status", "--data", data)["interactions"] == len(ids) + 1, "all that waited to be stored"
            )


def test_run_again_it_adds_devices_and_keeps_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    assert cloud_stub("broker-config", folder, "--device", "kitchen").returncode == 0
    names = ("ca.pem", "cloud.broker", "devices/kitchen.toml")
    before = {name: (folder / name).read_bytes() for name in names}
    done = cloud_stub("broker-config", folder, "--device", "bedroom", "--home-assistant")
    assert [line for line in done.stdout.splitlines() if "echo-device" in line] == [
        f"echo-device run --config {folder}/devices/{name}.toml" for name in ("bedroom", "kitchen")
    ]
    assert {name: (folder / name).read_bytes() for name in names} == before
    assert (folder / "passwords").read_text().count("\n") == 3
    assert "pattern write homeassistant/+/residual_echo_%u/#" in (folder / "acl").read_text()
    assert {
        file.stat().st_mode & 0o077 for file in folder.rglob("*") if file.suffix in {".key", ".toml", ".broker"}
    } == {0}


def test_run_again_with_other_ports_every_file_says_where_the_broker_is_now(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    hosts = ("--host", "echo.example", "--host", "127.0.0.1")
    assert cloud_stub("broker-config", folder, "--device", "kitchen", *hosts).returncode == 0
    kitchen, served = folder / "devices" / "kitchen.toml", folder / "cloud.broker"
    kitchen.write_text(kitchen.read_text() + 'wake_word = "computer"\n')
    before, before_served = kitchen.read_text(), served.read_text()

    ports = ("--port", "18883", "--cloud-port", "18831")
    assert cloud_stub("broker-config", folder, "--device", "bedroom", *ports).returncode == 0
    assert kitchen.read_text() == before.replace("echo.example:8883", "echo.example:18883") != before
    assert served.read_text() == before_served.replace("127.0.0.1:1883", "127.0.0.1:18831") != before_served
    assert "@echo.example:18883" in (folder / "devices" / "bedroom.toml").read_text()

    # What is not given anew is as before.
    assert cloud_stub("broker-config", folder, "--device", "hall").returncode == 0
    assert kitchen.read_text() == before.replace(":8883", ":18883")
    assert re.findall(r"^listener .+", (folder / "mosquitto.conf").read_text(), re.MULTILINE) == [
        "listener 18883",
        "listener 18831 127.0.0.1",
    ]
    assert certificates.hosts(folder / "broker.crt") == ["echo.example", "127.0.0.1"]


@pytest.mark.parametrize("name", ["cloud", "Kitchen", "+", "a/b", "kitchen\n"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    done = cloud_stub("broker-config", tmp_path / "broker", "--device", name)
    assert done.returncode == 2
    assert "is no name for a device" in done.stderr
