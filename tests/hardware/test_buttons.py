"""A press on mock pins, through the real device: real capture process, real broker, real recogniser."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import Alert, new_id
from device import speech_models
from device.alerts import Alerts
from device.audio_source import SAMPLE_RATE
from device.capture import Capture
from device.echo import Echo
from device.pins import PARTS
from device.settings import Settings
from device.speech_models import SpeechModel
from device.spoken_requests import FOLDER
from device.testing.remote import RemoteEcho, remote
from hardware.panel import GpioPanel
from tests.hardware.panels import Board
from tests.processes import mosquitto, until
from tests.real.virtual_microphone import virtual_microphone

MUTE, ACTION, LED = (PARTS[key].default for key in ("mute_button_pin", "action_button_pin", "mute_led_pin"))
TIME = FOLDER / "11_question.flac"


@pytest.fixture(scope="module")
def model() -> SpeechModel:
    return speech_models.load(speech_models.locate())


class Household:
    """A device with a panel that lives, and a person who follows it over the broker."""

    def __init__(self, echo: Echo, person: RemoteEcho, capture: Capture) -> None:
        self.echo, self.person, self.capture = echo, person, capture

    def recorders(self) -> set[int]:
        """The processes that could hold the microphone: children of ours that run the capture module."""
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                command = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:  # it has ended meanwhile
                continue
            if parent == os.getpid() and b"device.capture" in command:
                found.add(int(folder.name))
        return found


@contextmanager
def living(
    folder: Path, model: SpeechModel, microphone: str, panel: GpioPanel, *, voice: bool = False
) -> Iterator[Household]:
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(folder / "broker"))
        person = stack.enter_context(remote(broker))
        address = BrokerAddress.parse(broker)
        ended, capture, made = threading.Event(), Capture(microphone), list[Echo]()

        def live() -> None:  # on one thread from its first moment to its last
            echo = Echo("kitchen", folder / "data", address, model, voice=voice, panel=panel)
            made.append(echo)
            try:
                echo.live(capture, ended.is_set)
            finally:
                echo.close()

        thread = threading.Thread(target=live)
        thread.start()
        try:
            person.online()
            yield Household(made[0], person, capture)
        finally:
            ended.set()
            thread.join()


@pytest.fixture
def panel(pi: Board) -> Iterator[GpioPanel]:
    made = GpioPanel(Settings(panel="apa102"))
    yield made
    made.close()


@contextmanager
def in_a_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """A virtual sound card for this process's children, with a room's noise in it; yields how to play to it."""
    room = tmp_path / "room.wav"
    soundfile.write(room, np.random.default_rng(6).normal(0, 10, 300 * SAMPLE_RATE).astype(np.int16), SAMPLE_RATE)
    with virtual_microphone(tmp_path / "sound") as microphone, microphone.playing(room):
        for name, value in microphone.environment.items():
            monkeypatch.setenv(name, value)
        yield microphone.play


def test_a_press_on_mute_ends_the_process_that_holds_the_microphone_and_the_next_brings_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: SpeechModel, pi: Board, panel: GpioPanel
) -> None:
    with in_a_room(tmp_path, monkeypatch), living(tmp_path, model, "pulse", panel) as house:
        until(lambda: house.capture.description and house.person.attention() == "idle", "the device to listen")
        (recorder,) = house.recorders()
        assert pi.lit(LED) == 0

        pi.press(MUTE)
        until(lambda: house.person.states[-1]["muted"], "the muted state on the broker")
        until(lambda: pi.lit(LED) == 1, "the red LED")
        assert house.recorders() == set(), "the operating system has closed the microphone"
        assert not Path(f"/proc/{recorder}").exists()
        assert house.person.states[-1]["attention"] == "muted"
        assert house.person.states[-1]["microphone"]["name"] == "closed"

        pi.press(MUTE)
        until(lambda: not house.person.states[-1]["muted"], "the state on the broker")
        until(lambda: house.recorders() and house.capture.description, "the microphone")
        until(lambda: pi.lit(LED) == 0, "the red LED to go out")
        assert house.person.states[-1]["attention"] == "idle"
        assert house.person.errors == []


def test_the_action_button_takes_the_place_of_the_wake_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: SpeechModel, pi: Board, panel: GpioPanel
) -> None:
    sound, rate = soundfile.read(TIME, dtype="int16")
    without = tmp_path / "without.wav"
    soundfile.write(without, sound[round(0.9 * rate) :], rate)
    with in_a_room(tmp_path, monkeypatch) as play, living(tmp_path, model, "pulse", panel) as house:
        until(lambda: house.capture.description and house.person.attention() == "idle", "the device to listen")
        play(without)
        assert house.person.attention() == "idle"
        pi.press(ACTION)
        until(lambda: house.person.attention() == "listening", "the device to listen")
        play(without)
        until(lambda: house.person.interactions, "the request")
    (said,) = house.person.interactions
    assert (said["source"], said["wake_word"]) == ("microphone", "")
    assert "time is it" in said["transcript"]


def test_the_action_button_stops_an_alarm_that_rings_and_listens_to_nobody(
    tmp_path: Path, model: SpeechModel, pi: Board, panel: GpioPanel
) -> None:
    with living(tmp_path, model, "none", panel) as house:
        due = datetime.now(UTC) - timedelta(seconds=1)
        alert = Alert(id=new_id(), interaction=new_id(), kind="alarm", due=due)
        house.echo.uplink._directives.put(alert)
        until(lambda: house.person.attention() == "alerting", "the alarm")
        pi.press(ACTION)
        until(lambda: house.person.attention() == "deaf", "the device to be quiet")
        assert "listening" not in [state["attention"] for state in house.person.states]
        assert house.person.errors == []
    assert Alerts(tmp_path / "data/devices/kitchen").all() == []


def test_the_action_button_stops_the_voice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: SpeechModel, pi: Board, panel: GpioPanel
) -> None:
    with (
        in_a_room(tmp_path, monkeypatch),
        living(tmp_path, model, "pulse", panel, voice=True) as house,
    ):
        until(lambda: house.capture.description and house.person.attention() == "idle", "the device to listen")
        house.person.command("speak", {"text": "this will take quite a while. " * 60})
        until(lambda: house.echo._voice and house.echo._voice._process, "the voice")
        voice = house.echo._voice._process
        assert voice is not None
        pi.press(ACTION)
        until(lambda: voice.returncode is not None, "the voice to end")
        until(lambda: house.person.attention() == "idle", "the device to be at rest")
        assert voice.returncode < 0, "it did not come to its own end"
        assert "listening" not in [state["attention"] for state in house.person.states]


def test_a_muted_device_is_not_talked_to_by_button_and_says_why(
    tmp_path: Path, model: SpeechModel, pi: Board, panel: GpioPanel
) -> None:
    with living(tmp_path, model, "none", panel) as house:
        pi.press(MUTE)
        until(lambda: pi.lit(LED) == 1, "the red LED")
        pi.press(ACTION)
        until(lambda: house.person.errors, "an error")
        assert "the device is muted" in house.person.errors[0]["problem"]


def test_a_ring_that_is_unplugged_does_not_stop_the_device(
    tmp_path: Path, model: SpeechModel, pi: Board, panel: GpioPanel, caplog: pytest.LogCaptureFixture
) -> None:
    pi.wire.broken = True
    with living(tmp_path, model, "none", panel) as house:
        until(lambda: pi.wire.failed >= 3, "three pictures that get lost")
        house.person.command("hear", TIME.read_bytes())
        until(lambda: house.person.interactions, "the request")
        assert house.person.interactions[0]["transcript"] == "what time is it"
    assert [line for line in caplog.messages if "ring" in line] == [
        "the light ring does not take what is drawn: [Errno 108] Cannot send after transport endpoint shutdown. "
        "The device goes on without it; look at its wires."
    ]
