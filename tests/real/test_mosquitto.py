"""Two processes with a real Mosquitto between them."""

import json
import shutil
import subprocess
from pathlib import Path

from cloud_stub.contract.messages import new_id
from device.spoken_requests import FOLDER, spoken_requests
from tests.processes import asked, cloud, cloud_stub, echo_device, missing, mosquitto, until


def client_program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        missing(name, "apt install mosquitto-clients")
    return str(found)


def test_what_is_heard_crosses_a_real_broker_and_both_parts_are_seen_on_the_wire(tmp_path: Path) -> None:
    data = tmp_path / "data"
    files = [request.file for request in spoken_requests()[:2]]
    with mosquitto(tmp_path / "broker") as broker, cloud(data, broker=broker):
        port = broker.rsplit(":", 1)[1]
        command = [client_program("mosquitto_sub"), "-p", port, "-t", "echo/v1/#", "-F", "%t %l", "-v"]
        seen = tmp_path / "seen"
        with seen.open("w") as lines, subprocess.Popen(command, stdout=lines) as listener:
            try:
                # Without a sign of life from the listener the device could be faster than its subscription.
                until(lambda: _published(port, "echo/v1/probe/state") and "probe" in seen.read_text(), "mosquitto_sub")
                done = echo_device("hear", *files, "--broker", broker, "--data", data, "--json")
                assert done.returncode == 0, done.stderr
                heard = json.loads(done.stdout)
                wire = until(lambda: _complete(seen, heard[1]["id"]), "both parts of both interactions on the wire")
            finally:
                listener.terminate()
    assert [row["heard"] for row in heard] == [
        "set a recurring alarm for seven a m",
        "remind me of my anniversary on june fourteenth",
    ]
    assert [row["answer"] for row in heard] == ["stored", "stored"]
    topics = [line.split()[0] for line in wire]
    assert topics.count("echo/v1/kitchen/event/interaction") == 2
    assert f"echo/v1/kitchen/event/recording/{heard[0]['id']}" in topics
    history = asked("history", "household", "--data", data)
    assert [row["id"] for row in history] == [row["id"] for row in heard]
    assert all(row["recording"] > 1000 for row in history)


def _published(port: str, topic: str) -> bool:
    command = [client_program("mosquitto_pub"), "-p", port, "-t", topic, "-m", "{}"]
    return subprocess.run(command, check=False).returncode == 0


def _complete(seen: Path, last: str) -> list[str]:
    lines = seen.read_text().splitlines()
    return lines if any(f"recording/{last}" in line for line in lines) else []


def test_a_torn_interaction_is_quarantined_and_refused_and_counted(tmp_path: Path) -> None:
    data = tmp_path / "data"
    torn = new_id()
    with mosquitto(tmp_path / "broker") as broker, cloud(data, broker=broker):
        port = broker.rsplit(":", 1)[1]
        kept = echo_device("hear", FOLDER / "01_alarm.flac", "--broker", broker, "--data", data, "--json")
        assert kept.returncode == 0, kept.stderr
        waiter = [client_program("mosquitto_sub"), "-p", port, "-t", "echo/v1/hall/directive/refused", "-C", "1"]
        with subprocess.Popen([*waiter, "-W", "30"], stdout=subprocess.PIPE, text=True) as listener:
            publish = [client_program("mosquitto_pub"), "-p", port, "-q", "1", "-t", "echo/v1/hall/event/interaction"]
            subprocess.run([*publish, "-m", f'{{"id":"{torn}","version":1,"device":"hall","at":"2026'], check=True)
            answer, _ = listener.communicate(timeout=40)
        refused = json.loads(answer)
        assert refused["interaction"] == torn
        assert "no Interaction message" in refused["reason"]
        status = asked("status", "--data", data)
    assert status["quarantined"] == 1
    assert status["interactions"] == 1, "what was accepted before is still there"


def test_commands_work_beside_a_running_serve_and_without_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    files = [request.file for request in spoken_requests()[:3]]
    with mosquitto(tmp_path / "broker") as broker, cloud(data, broker=broker):
        assert echo_device("hear", *files, "--broker", broker, "--data", data).returncode == 0
        said = [row["transcript"] for row in asked("history", "household", "--data", data)]
        first = asked("history", "household", "--data", data)[0]["id"]
        done = asked("erase", "household", "--interaction", first, "--data", data)
        assert {line["kind"] for line in done["plan"]} >= {"transcript", "recording", "response", "alarm"}
        assert len(asked("history", "household", "--data", data)) == 2
    later = asked("history", "household", "--data", data)
    assert [row["transcript"] for row in later] == said[1:]
    asked("erase", "household", "--since", later[1]["at"], "--until", later[1]["at"], "--data", data)
    assert [row["id"] for row in asked("history", "household", "--data", data)] == [later[0]["id"]]
    asked("erase", "household", "--all", "--data", data)
    assert asked("history", "household", "--data", data) == []
    assert asked("left", "household", "--data", data)["unexplained"] == 0
    for file in (data / "cloud").glob("primary.db*"):
        assert not [text for text in said if text.encode() in file.read_bytes()], file.name


def test_a_second_serve_on_one_folder_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with cloud(data) as first:
        second = cloud_stub("serve", "--data", data, "--broker", first.broker)
    assert second.returncode == 2
    assert "another cloud-stub serves" in second.stderr
    assert second.stderr.count("\n") == 1


def test_an_interaction_waits_in_the_outbox_until_a_cloud_is_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    alarm = FOLDER / "01_alarm.flac"
    with mosquitto(tmp_path / "broker") as broker:
        alone = echo_device("hear", alarm, "--broker", broker, "--data", data, "--timeout", "1")
        assert alone.returncode == 2
        assert "cloud-stub serve" in alone.stderr
        with cloud(data, broker=broker):
            done = echo_device("hear", FOLDER / "02_reminder.flac", "--broker", broker, "--data", data)
            assert done.returncode == 0, done.stderr
            said = [row["transcript"] for row in asked("history", "household", "--data", data)]
    assert said == ["set a recurring alarm for seven a m", "remind me of my anniversary on june fourteenth"]
    assert {file.name for file in (data / "devices" / "kitchen").iterdir()} == {"alerts.db", "outbox.db"}
