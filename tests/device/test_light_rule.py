"""Whatever happens in whatever order: no illegal state, and the light is on while sound is kept or sent.

The real device with the real recogniser; only the microphone is played, and the cloud's answers are handed in.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import Attention, Speak, Stored, new_id
from device import speech_models
from device.audio_source import BLOCK, Block
from device.capture import Capture
from device.echo import Echo
from device.hearing import Hearing
from device.speech_models import SpeechModel
from device.spoken_requests import FOLDER
from device.uplink import Control
from device.utterance import Heard
from tests.soak import SOAK

NOWHERE = BrokerAddress("127.0.0.1", 1)
TIME = FOLDER / "11_question.flac"


@pytest.fixture(scope="module")
def model() -> SpeechModel:
    return speech_models.load(speech_models.locate())


def blocks(seconds: tuple[float, float] | None = None) -> list[Block]:
    """A request for the time with its room around it, or a part of it."""
    sound = soundfile.read(TIME, dtype="int16")[0]
    room = np.random.default_rng(7).normal(0, 10, 24_000).astype(np.int16)
    whole = np.concatenate([sound, room])
    begin, end = (round(16_000 * second) for second in seconds or (0, whole.size / 16_000))
    part = whole[begin:end]
    return list(part[: part.size - part.size % BLOCK].reshape(-1, BLOCK))


WHOLE, HALF, ROOM = blocks(), blocks((0, 1.6)), blocks((3.0, 4.0))


class Played(Capture):
    """A microphone that plays what the test wants: blocks, and between them whatever else happens."""

    def __init__(self, story: list["Happening"]) -> None:
        super().__init__("none")
        self.trouble, self.description, self.opened = "", "played", False
        self.echo: Echo | None = None
        self._story = list(story)
        self._blocks: list[Block] = []
        self.checks = 0

    def open(self) -> None:
        self.opened = True

    def close(self) -> None:
        self.opened = False
        self._blocks = []

    def ended(self) -> bool:
        return not self._story and not self._blocks

    def say(self, sound: list[Block]) -> None:
        if self.opened and not self.trouble:
            self._blocks = list(sound)

    def read(self, wait_s: float) -> Block | None:  # noqa: ARG002
        assert self.echo is not None
        self.check()
        if not self._blocks and self._story:
            HAPPENINGS[self._story.pop(0)](self, self.echo)
        return self._blocks.pop(0) if self._blocks else None

    def check(self) -> None:
        """The light rule, and that a muted or deaf device listens to nobody in the room."""
        assert self.echo is not None
        self.checks += 1
        attention = self.echo._attention.now
        kept = self.echo._hearing.open or len(self.echo.outbox) > 0
        assert not (kept and attention == "idle"), "sound is kept in the dark"
        if self.echo.switches.now.muted:
            assert not self.opened
            assert attention not in {"listening", "idle"}
            assert not self.echo._hearing.open


def command(name: str, payload: bytes = b"") -> Callable[[Played, Echo], None]:
    return lambda _, echo: echo.uplink._control.put(Control(name, payload, False))


def lose(capture: Played, _: Echo) -> None:
    capture.trouble, capture._blocks = "gone", []


def find(capture: Played, _: Echo) -> None:
    capture.trouble = ""


def answer(_: Played, echo: Echo) -> None:
    """The cloud answers for the oldest message, and speaks if that was the interaction."""
    for waiting in echo.outbox.waiting(1):
        if waiting.part == "interaction":
            echo.uplink._directives.put(Speak(new_id(), waiting.interaction, "AskTime", "It's noon."))
        echo.uplink._directives.put(Stored(new_id(), waiting.interaction, waiting.part))


Happening = str
HAPPENINGS: dict[Happening, Callable[[Played, Echo], None]] = {
    "a request": lambda capture, _: capture.say(WHOLE),
    "half a request": lambda capture, _: capture.say(HALF),
    "room": lambda capture, _: capture.say(ROOM),
    "the microphone goes": lose,
    "the microphone returns": find,
    "the cloud answers": answer,
    "hear": command("hear", TIME.read_bytes()),
    "say": command("say", b'{"text":"what time is it"}'),
    "speak": command("speak", b'{"text":"good day"}'),
    "push_to_talk": command("push_to_talk"),
    "mute": command("mute"),
    "unmute": command("unmute"),
    "stop": command("stop"),
    "garbage": command("hear", b"garbage"),
}


def lived(model: SpeechModel, story: list[Happening]) -> tuple[list[Attention], dict[str, Any]]:
    """What the light showed while all this happened, and what was heard."""
    shown: list[Attention] = []
    with tempfile.TemporaryDirectory() as folder:
        capture = Played([*story, "room"])
        echo = capture.echo = Echo("kitchen", Path(folder), NOWHERE, model, show=shown.append)
        try:
            echo.live(capture, capture.ended)
            capture.check()
            assert capture.checks > len(story)
            return shown, {"heard": [exchange.interaction.transcript for exchange in echo.exchanges]}
        finally:
            echo.close()


@settings(max_examples=100 if SOAK else 10, deadline=None, derandomize=True)
@given(story=st.lists(st.sampled_from(sorted(HAPPENINGS)), min_size=3, max_size=10))
def test_no_sequence_of_events_is_illegal_or_keeps_sound_in_the_dark(model: SpeechModel, story: list[str]) -> None:
    lived(model, story)


def test_the_light_stays_on_until_the_cloud_has_answered_for_both_parts(model: SpeechModel) -> None:
    shown, outcome = lived(model, ["a request", "the cloud answers", "room", "the cloud answers", "room"])
    assert outcome["heard"] == ["what time is it"]
    assert shown == ["listening", "thinking", "speaking", "thinking", "idle"]


def test_muting_in_the_middle_of_a_request_forgets_it(model: SpeechModel) -> None:
    shown, outcome = lived(model, ["half a request", "mute", "a request", "unmute", "room"])
    assert shown == ["listening", "muted", "idle"]
    assert outcome["heard"] == []


def test_a_pushed_button_takes_the_place_of_the_wake_word(model: SpeechModel) -> None:
    (woken,) = [event.wake.end for event in Hearing(model).hear(WHOLE) if isinstance(event, Heard)]
    without = blocks((woken / 16_000, len(WHOLE) * BLOCK / 16_000))
    HAPPENINGS["without a wake word"] = lambda capture, _: capture.say(without)
    try:
        _, outcome = lived(model, ["without a wake word", "push_to_talk", "without a wake word"])
    finally:
        del HAPPENINGS["without a wake word"]
    assert outcome["heard"] == ["what time is it"]


def test_a_deaf_device_still_hears_what_comes_by_control(model: SpeechModel) -> None:
    shown, outcome = lived(model, ["the microphone goes", "room", "hear", "say", "room"])
    assert shown[:3] == ["deaf", "listening", "thinking"]
    assert outcome["heard"] == ["what time is it"] * 2
