"""When the device listens, and for what: silence, pauses, sensitivity, all wake words."""

import json
from pathlib import Path

import numpy as np
import pytest

from device import hearing as hearing_module
from device import speech_models
from device.audio_source import BLOCK, SAMPLE_RATE
from device.decoys import WAKE_WORDS
from device.hearing import Hearing
from device.speech_models import SpeechModel
from device.spoken_requests.make import speak
from device.utterance import Heard
from device.voice_activity import VoiceActivity
from device.wake_word import OVERLAP, RENEW, WakeWord
from tests.device.test_hearing import (
    MEETING,
    TIME,
    TODAY,
    Sound,
    hear,
    people,
    pieces,
    request_sound,
    requests,
    room,
    texts,
)
from tests.processes import missing
from tests.soak import SOAK


@pytest.fixture(scope="module")
def model() -> SpeechModel:
    return speech_models.load(speech_models.locate())


def listened(hearing: Hearing, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Samples that reach the recogniser of the wake word, as they do."""
    sizes: list[int] = []
    accept = hearing._wake_word.accept

    def count(block: Sound) -> object:
        sizes.append(block.size)
        return accept(block)

    monkeypatch.setattr(hearing._wake_word, "accept", count)
    return sizes


@pytest.mark.parametrize("level", [0, 3, 30])
def test_no_recogniser_listens_while_nobody_speaks(
    model: SpeechModel, monkeypatch: pytest.MonkeyPatch, level: float
) -> None:
    hearing = Hearing(model)
    sizes = listened(hearing, monkeypatch)
    silence = room(60, level)
    assert list(hearing.hear(silence[at : at + BLOCK] for at in range(0, silence.size, BLOCK))) == []
    assert sum(sizes) <= 0.02 * silence.size
    before = sum(sizes)
    events = list(hearing.hear([request_sound(TIME), silence]))
    assert texts(events) == [TIME]
    assert before < sum(sizes) <= 0.02 * silence.size + before + 3 * SAMPLE_RATE


@pytest.mark.parametrize("size", [1, 100, 320, 777, 48_000])
def test_a_voice_is_noticed_however_the_stream_falls_into_blocks(size: int) -> None:
    sound = np.concatenate([room(1), request_sound(TIME)])
    whole, cut = VoiceActivity(), VoiceActivity()
    assert whole.accept(sound)
    noticed = [cut.accept(sound[at : at + size]) for at in range(0, sound.size, size)]
    assert any(noticed)
    assert not VoiceActivity().accept(np.zeros(SAMPLE_RATE, np.int16))


@pytest.mark.parametrize("said", [TIME, TODAY, MEETING])
@pytest.mark.parametrize("pause", [0.0, 0.6, 2.0, 2.9])
def test_a_command_after_a_pause_of_up_to_three_seconds_is_whole(model: SpeechModel, said: str, pause: float) -> None:
    call, command = pieces(model, said)
    (text,) = texts(hear(model, room(1), call, room(pause), command, room(2)))
    assert text.endswith(said)
    assert len(text) - len(said) <= 5, "where the room's noise is cut off there is a click"


@pytest.mark.parametrize("said", [TIME, TODAY, MEETING])
def test_nothing_of_a_call_out_of_digital_silence_is_cut(model: SpeechModel, said: str) -> None:
    sound = request_sound(said)
    loud = int(np.flatnonzero(np.abs(sound) > 0.1 * np.abs(sound).max())[0])
    silence = np.zeros(3 * SAMPLE_RATE, np.int16)
    (heard,) = requests(hear(model, silence, sound[loud - 800 :], silence))
    assert heard.transcript.text == said
    assert heard.started_at <= silence.size


def chords(seconds: float) -> Sound:
    """Music of a kind: four chords with harmonics, each struck and dying away, and a drum."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    beat = time % 0.5
    root = np.array([220.0, 174.6, 261.6, 196.0])[(time // 2).astype(int) % 4]
    tones = sum(np.sin(2 * np.pi * root * ratio * n * time) / n for ratio in (1, 1.26, 1.5) for n in (1, 2, 3, 4))
    drum = np.random.default_rng(5).normal(0, 2, time.size) * np.exp(-beat * 30)
    return np.asarray(np.rint((tones * np.exp(-beat * 3) + drum) * 1500), np.int16)


def test_music_leaves_no_interaction_and_a_call_after_it_is_heard(model: SpeechModel) -> None:
    assert hear(model, chords(30), room(1)) == []
    assert texts(hear(model, chords(10), room(0.3), request_sound(TIME), room(2))) == [TIME]


@pytest.mark.parametrize("longer", np.linspace(-1.2, 1.0, 6))
def test_a_call_is_heard_wherever_it_falls_in_long_talk(model: SpeechModel, longer: float) -> None:
    talk = np.concatenate([pieces(model, said)[1] for said in (MEETING, TODAY, MEETING)])
    cut = talk[: round(RENEW + longer * SAMPLE_RATE)]
    call, command = pieces(model, TIME)
    assert OVERLAP < RENEW < talk.size
    assert texts(hear(model, cut, call[-SAMPLE_RATE * 6 // 10 :], command, room(2))) == [TIME]


def test_in_the_refractory_time_no_call_is_taken_for_another(
    model: SpeechModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sounds = (request_sound(TIME), request_sound(TODAY), room(8), request_sound(TODAY), room(2))
    assert texts(hear(model, *sounds)) == [TIME, TODAY, TODAY]
    monkeypatch.setattr(hearing_module, "REFRACTORY", 8 * SAMPLE_RATE)
    assert texts(hear(model, *sounds)) == [TIME, TODAY]


@pytest.mark.parametrize(("sensitivity", "wakes"), [(100, True), (70, True), (50, False), (0, False)])
def test_the_less_sensitive_the_surer_a_call_has_to_be(model: SpeechModel, sensitivity: int, wakes: bool) -> None:
    said = {"result": [{"word": "alexa", "start": 1.0, "end": 1.5, "conf": 0.6}]}
    wake = WakeWord(model, "alexa", sensitivity)._confirm(json.dumps(said))
    assert (wake is not None) == wakes


@pytest.mark.parametrize("lasts", [0.1, 1.5])
def test_what_is_too_short_or_too_long_is_no_call(model: SpeechModel, lasts: float) -> None:
    said = {"result": [{"word": "alexa", "start": 1.0, "end": 1.0 + lasts, "conf": 1.0}]}
    assert WakeWord(model)._confirm(json.dumps(said)) is None


def test_more_people_are_heard_the_more_sensitive_the_device_is(model: SpeechModel, recordings: Path) -> None:
    called = people(recordings, "alexa")[:: 1 if SOAK else 9]

    def hits(sensitivity: int) -> int:
        streams = ([np.concatenate([room(1, 3), sound, room(2, 3)])] for sound in called)
        return sum(
            any(isinstance(event, Heard) for event in Hearing(model, "alexa", sensitivity).hear(stream))
            for stream in streams
        )

    assert hits(0) <= hits(50) <= hits(100) <= len(called)
    assert hits(50) >= 0.97 * len(called)


@pytest.mark.parametrize("word", WAKE_WORDS)
def test_every_wake_word_can_be_chosen(model: SpeechModel, word: str) -> None:
    voices = ("espeak-ng en-us+m7", "espeak-ng en-us+f5", "espeak-ng en-gb-scotland+m8")
    try:
        said = [np.rint(speak(voice, 1.0, f"{word} what time is it") * 10_000) for voice in voices]
    except FileNotFoundError:
        missing("espeak-ng", "apt install espeak-ng")
    heard = [
        texts(list(Hearing(model, word).hear([np.concatenate([room(1), sound.astype(np.int16), room(2)])])))
        for sound in said
    ]
    assert sum(text == [TIME] for text in heard) >= 2, heard
    others = [each for each in WAKE_WORDS if each != word]
    assert not any(
        requests(list(Hearing(model, other).hear([np.concatenate([room(1), said[0].astype(np.int16), room(2)])])))
        for other in others
    )
