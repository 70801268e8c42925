"""Bad input gets one clear line that names the cause and the remedy, and exit code 2."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from device.spoken_requests import FOLDER
from tests.processes import asked, cloud, cloud_stub, echo_device, free_port

ALARM = FOLDER / "01_alarm.flac"


def complaint(*arguments: str | Path) -> str:
    """The one line that a command complains with."""
    run = cloud_stub if arguments[0] in {"serve", "history", "left", "erase", "policy"} else echo_device
    done = run(*arguments)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_wav_that_is_none(tmp_path: Path) -> None:
    fake = tmp_path / "fake.wav"
    fake.write_text("this is no sound")
    line = complaint("hear", fake, "--data", tmp_path)
    assert "fake.wav" in line
    assert "not a sound file" in line


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "nothing.wav" in complaint("hear", tmp_path / "nothing.wav", "--data", tmp_path)


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    line = complaint("hear", ALARM, "--model", tmp_path, "--data", tmp_path)
    assert str(tmp_path) in line
    assert "model" in line


def test_a_broker_that_is_not_there(tmp_path: Path) -> None:
    broker = f"mqtt://127.0.0.1:{free_port()}"
    line = complaint("hear", ALARM, "--broker", broker, "--data", tmp_path)
    assert f"no MQTT broker at {broker}" in line
    assert "mosquitto -p" in line
    assert "--embedded-broker" in complaint("serve", "--broker", broker, "--data", tmp_path)


def test_a_broker_address_that_is_none(tmp_path: Path) -> None:
    assert "mqtt://" in complaint("hear", ALARM, "--broker", "localhost", "--data", tmp_path)
    assert "mqtt://HOST:PORT" in complaint("serve", "--broker", "http://x", "--data", tmp_path)


def test_a_data_folder_with_nothing_in_it(tmp_path: Path) -> None:
    line = complaint("history", "--data", tmp_path)
    assert "cloud-stub serve" in line
    assert list(tmp_path.iterdir()) == [], "looking does not create anything"


def test_a_policy_that_does_not_exist(tmp_path: Path) -> None:
    line = complaint("serve", "--policy", "forget-me-not", "--data", tmp_path)
    assert "forget-me-not" in line
    assert "amazon-2019" in line


def test_erase_without_saying_what(tmp_path: Path) -> None:
    line = complaint("erase", "--data", tmp_path)
    assert "--all" in line


@pytest.mark.parametrize("text", ["yesterdayish", "2026-13-01"])
def test_a_time_that_is_none(tmp_path: Path, text: str) -> None:
    done = cloud_stub("erase", "--since", text, "--data", tmp_path)
    assert done.returncode == 2
    assert f"{text!r} is no time" in done.stderr


def test_a_stereo_file_at_44100_hz_is_heard(tmp_path: Path) -> None:
    sound, rate = soundfile.read(ALARM, dtype="float32")
    stereo = np.repeat(soxr.resample(sound, rate, 44_100)[:, None], 2, axis=1)
    file = tmp_path / "stereo.wav"
    soundfile.write(file, stereo, 44_100)
    data = tmp_path / "data"
    with cloud(data) as server:
        done = echo_device("hear", file, "--broker", server.broker, "--data", data)
        assert done.returncode == 0, done.stderr
    assert [row["transcript"] for row in asked("history", "--data", data)] == ["set a recurring alarm for seven a m"]


def test_a_file_without_a_call_is_named_and_the_others_are_heard(tmp_path: Path) -> None:
    hum, data = tmp_path / "hum.wav", tmp_path / "data"
    soundfile.write(hum, 0.1 * np.sin(2 * np.pi * 100 * np.arange(32_000) / 16_000), 16_000)
    with cloud(data) as server:
        done = echo_device("hear", hum, ALARM, "--broker", server.broker, "--data", data)
        assert "hum.wav: No 'alexa' was heard in the sound. Begin it with the wake word" in done.stdout
        assert done.returncode == 1
        assert len(asked("history", "--data", data)) == 1
        done = echo_device("hear", hum, "--broker", server.broker, "--data", data, "--json")
        assert json.loads(done.stdout) == [{"file": "hum.wav", "heard": None}]
        assert done.returncode == 1


def test_nothing_that_was_accepted_is_lost_when_one_of_several_files_is_bad(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with cloud(data) as server:
        assert echo_device("hear", ALARM, "--broker", server.broker, "--data", data).returncode == 0
        bad = tmp_path / "bad.flac"
        bad.write_bytes(ALARM.read_bytes()[:100])
        assert complaint("hear", ALARM, bad, "--broker", server.broker, "--data", data)
        assert len(asked("history", "--data", data)) == 1
