"""A session is recorded as it was; a replay, however it stumbles, comes to the same stores."""

import json
import random
import signal
import sys
from pathlib import Path

import pytest

from cloud_stub.assistant.understanding import Understanding
from cloud_stub.contract import trace
from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.trace import FOLDER, Sent
from device.trace import replay
from tests import forked
from tests.processes import asked, cloud, cloud_stub, echo_device, mosquitto, until
from tests.soak import SOAK
from tests.speaker import speaker

REPLAYS = 20 if SOAK else 2


def digest(data: Path) -> str:
    done = cloud_stub("digest", "--data", data)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def stumbling(events: list[Sent], chance: random.Random) -> list[list[Sent]]:
    """The events in stretches, between which the connection is lost; each stretch begins with some that were sent."""
    stretches, first = [], 0
    while first < len(events):
        last = min(len(events), first + chance.randint(5, 25))
        stretches.append(events[max(0, first - chance.randint(0, 4)) : last])
        first = last
    return stretches


@pytest.mark.timeout(600)
def test_replays_that_stumble_come_to_one_hash(tmp_path: Path) -> None:
    events = [sent for sent in trace.load(FOLDER / "week.jsonl") if sent.is_event()]
    hashes = set()
    for number in range(REPLAYS):
        chance, data = random.Random(number), tmp_path / f"data{number}"
        with (
            mosquitto(tmp_path / f"broker{number}") as broker,
            cloud(data, "--simulated-clock", "2026-06-08T00:00:00Z", broker=broker),
        ):
            for stretch in stumbling(events, chance):
                replay(BrokerAddress.parse(broker), stretch, None)
            until(lambda data=data: asked("status", "--data", data)["interactions"] == 47, "all to be stored")
            until(lambda data=data: asked("status", "--data", data)["recordings"] == 11, "all recordings too")
        hashes.add(digest(data))
    assert len(hashes) == 1


def test_what_is_recorded_is_what_was_sent(tmp_path: Path) -> None:
    file = tmp_path / "session.jsonl"
    with mosquitto(tmp_path / "broker") as broker, cloud(tmp_path / "data", broker=broker):
        command = [sys.executable, "-m", "device", "record", str(file), "--broker", broker]
        with forked.Popen(command, stderr=forked.PIPE, text=True) as recorder:
            assert recorder.stderr is not None
            assert recorder.stderr.readline().startswith("recording")
            with speaker(broker, "kitchen") as kitchen:
                said = kitchen.say("what time is it")
            until(lambda: sum(said in line for line in file.read_text().splitlines()) >= 1, "the session to be written")
            recorder.send_signal(signal.SIGINT)
            assert recorder.wait(30) == 0
        session = trace.load(file)
        (heard,) = trace.interactions(session)
        assert (heard.id, heard.transcript) == (said, "what time is it")
        assert {sent.topic.split("/")[3] for sent in session} == {"event", "directive"}
        assert file.stat().st_mode & 0o077 == 0, "words are in it"
        done = echo_device("record", file, "--broker", broker)
        assert (done.returncode, "is there already" in done.stderr) == (2, True)
    with mosquitto(tmp_path / "broker2") as broker, cloud(tmp_path / "data2", broker=broker):
        done = echo_device("replay", file, "--fast", "--broker", broker)
        assert done.returncode == 0, done.stderr
        rows = until(lambda: asked("history", "household", "--data", tmp_path / "data2"), "the replay to be stored")
        assert [(row["id"], row["transcript"]) for row in rows] == [(said, "what time is it")]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("not json", "no message of a trace"),
        ('{"at": "2026-06-01T00:00:00Z", "topic": "echo/v1/kitchen/event/interaction"}', "payload_base64"),
        ('{"at": "yesterday", "topic": "t", "payload_base64": ""}', "at"),
        ('{"at": "2026-06-01T00:00:00Z", "topic": "t", "payload_base64": "?"}', "payload_base64"),
    ],
)
def test_a_torn_trace_is_refused_with_its_line(tmp_path: Path, line: str, complaint: str) -> None:
    file = tmp_path / "torn.jsonl"
    whole = '{"at": "2026-06-01T00:00:00Z", "topic": "t", "payload_base64": ""}'
    file.write_text(f"{whole}\n{line}\n")
    done = echo_device("replay", file)
    assert done.returncode == 2
    assert "torn.jsonl:2:" in done.stderr
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_the_week_is_made_of_sounds_that_ship_and_texts_that_fit_the_templates() -> None:
    understanding = Understanding()
    said = trace.interactions(trace.load(FOLDER / "week.jsonl"))
    assert len(said) == 47
    assert sum(one.has_recording for one in said) == 11
    assert [one.transcript for one in said if understanding.understand(one.transcript) is None] == []


def test_the_same_trace_under_all_policies(tmp_path: Path) -> None:
    page = tmp_path / "compared.html"
    done = cloud_stub("compare", "--policies", "auto-delete-3-months,erase-everything", "--json", "--html", page)
    assert done.returncode == 0, done.stderr
    auto, everything = json.loads(done.stdout)
    assert auto["steps"] == [
        "all said",
        "one deleted",
        "all deleted",
        "+3 months",
        "+18 months",
        "+24 months",
        "closed",
    ]
    assert auto["left"]["primary/transcript"] == [47, 46, 0, 0, 0, 0, 0]
    assert auto["left"]["actions/alarm"][:3] == [4, 4, 4]
    assert auto["alone"]["subsystems/transcript"] == [47, 0, 0]
    assert [place for place, counts in everything["left"].items() if counts[2]] == [
        "third_parties/pizza",
        "third_parties/quiz",
    ]
    assert everything["unexplained"] == auto["unexplained"] == 0
    html = page.read_text()
    assert "<script" not in html
    assert html.count("<svg viewBox") == 2
    done = cloud_stub("compare", "--policies", "nonsense")
    assert (done.returncode, "no policy 'nonsense'" in done.stderr) == (2, True)
