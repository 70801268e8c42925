"""Real Vosk on real sound: the requests that ship with the device, and people's recordings where they are."""

import csv
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import device
from device import speech_models
from device.audio_source import BLOCK, SAMPLE_RATE, Recording
from device.errors import EchoError
from device.hearing import Event, Hearing, Listening
from device.speech_models import SpeechModel
from device.transcriber import Transcriber
from device.utterance import Heard, Mistaken, Utterance
from tests.processes import missing

Sound = NDArray[np.int16]

FOLDER = Path(str(device.__file__)).parent / "spoken_requests"
with (FOLDER / "requests.tsv").open(encoding="utf-8") as table:
    SAID = {row["file"]: row["said"].removeprefix("alexa ") for row in csv.DictReader(table, delimiter="\t")}
TIME, TODAY = "what time is it", "delete everything i said today"
MEETING = "place a meeting with alice on my calendar for friday at ten"


@pytest.fixture(scope="module")
def model() -> SpeechModel:
    return speech_models.load(speech_models.locate())


def path(said: str) -> Path:
    return FOLDER / next(file for file, text in SAID.items() if text == said)


def request_sound(said: str) -> Sound:
    """The file that ships: half a second of room, the request, nearly a second of room."""
    sound: Sound = soundfile.read(path(said), dtype="int16")[0]
    return sound


def room(seconds: float, level: float = 10.0, seed: int = 3) -> Sound:
    """Noise of this effective value in int16 steps."""
    noise = np.random.default_rng(seed).normal(0, level, round(seconds * SAMPLE_RATE))
    return np.clip(np.rint(noise), -32768, 32767).astype(np.int16)


def hear(model: SpeechModel, *parts: Sound) -> list[Event]:
    sound = np.concatenate(parts)
    return list(Hearing(model).hear(sound[at : at + BLOCK] for at in range(0, sound.size, BLOCK)))


def requests(events: list[Event]) -> list[Heard]:
    return [event for event in events if isinstance(event, Heard)]


def texts(events: list[Event]) -> list[str]:
    return [heard.transcript.text for heard in requests(events)]


def pieces(model: SpeechModel, said: str) -> tuple[Sound, Sound]:
    """A request cut in two where the wake word ends; without the room after it."""
    sound = request_sound(said)
    (heard,) = requests(hear(model, room(1), sound, room(2)))
    wake_end, end = heard.wake.end - SAMPLE_RATE, heard.speech_end - SAMPLE_RATE
    return sound[:wake_end], sound[wake_end:end]


@pytest.mark.parametrize(("file", "said"), SAID.items())
def test_every_request_that_ships_is_heard_word_for_word(model: SpeechModel, file: str, said: str) -> None:
    listening, heard = Hearing(model).hear(Recording(FOLDER / file))
    assert isinstance(listening, Listening)
    assert isinstance(heard, Heard)
    assert heard.transcript.text == said
    assert heard.transcript.text == " ".join(word.word for word in heard.transcript.words)


def test_a_file_that_begins_with_the_wake_word_is_heard(model: SpeechModel, tmp_path: Path) -> None:
    sound = request_sound("subscribe to amazon music unlimited")
    (heard,) = requests(hear(model, sound))
    soundfile.write(tmp_path / "cut.wav", sound[heard.wake.start :], SAMPLE_RATE)
    assert texts(list(Hearing(model).hear(Recording(tmp_path / "cut.wav")))) == ["subscribe to amazon music unlimited"]


@pytest.mark.parametrize("voice", ["en-us", "en-gb", "en-us+m7"])
def test_a_plain_synthetic_voice_is_heard(model: SpeechModel, tmp_path: Path, voice: str) -> None:
    program = shutil.which("espeak-ng")
    if program is None:
        missing("espeak-ng", "apt install espeak-ng")
    file = tmp_path / "said.wav"
    subprocess.run([str(program), "-v", voice, "-w", str(file), f"alexa {TIME}"], check=True)
    assert texts(list(Hearing(model).hear(Recording(file)))) == [TIME]


def test_swapping_the_sounds_swaps_what_is_heard(model: SpeechModel) -> None:
    one, other = request_sound(TIME), request_sound(TODAY)
    assert texts(hear(model, one, room(2), other, room(2))) == [TIME, TODAY]
    assert texts(hear(model, other, room(2), one, room(2))) == [TODAY, TIME]


def test_the_next_request_may_follow_three_quarters_of_a_second_after_the_last_word(model: SpeechModel) -> None:
    call, command = pieces(model, TIME)
    events = hear(model, call, command, room(0.3), request_sound(TODAY), room(2))
    assert texts(events) == [TIME, TODAY]
    assert [type(event) for event in events] == [Listening, Heard] * 2


def test_who_pauses_after_the_wake_word_is_waited_for(model: SpeechModel) -> None:
    call, command = pieces(model, "subscribe to amazon music unlimited")
    (heard,) = requests(hear(model, call, room(1.5), command, room(2)))
    assert heard.transcript.text == "subscribe to amazon music unlimited"
    first = heard.transcript.words[0]
    pause_ends = heard.wake.end + 1.5 * SAMPLE_RATE
    assert heard.started_at + first.start_ms * 16 == pytest.approx(pause_ends, abs=0.2 * SAMPLE_RATE)


def test_a_wake_word_and_then_nothing_is_an_empty_request_of_three_seconds(model: SpeechModel) -> None:
    call, _ = pieces(model, TIME)
    (heard,) = requests(hear(model, room(1), call, room(6)))
    assert heard.transcript.text == ""
    assert heard.transcript.words == ()
    ends = heard.started_at + heard.sound.size
    assert 0 <= ends - (heard.wake.end + 3 * SAMPLE_RATE) <= BLOCK


def test_a_request_ends_after_fifteen_seconds_at_the_latest(model: SpeechModel) -> None:
    call, command = pieces(model, TODAY)
    (heard, *_) = requests(hear(model, room(1), call, *[command] * 15, room(2)))
    assert 0 <= heard.sound.size - 15 * SAMPLE_RATE < BLOCK
    assert heard.transcript.text.startswith(TODAY)


def test_the_recording_begins_before_the_first_sound_of_the_wake_word(model: SpeechModel) -> None:
    sound = np.concatenate([room(1), request_sound(TIME), room(2)])
    (heard,) = requests(hear(model, sound))
    loudness = np.abs(sound.astype(int))
    first_sound = int(np.argmax(loudness > 0.1 * loudness.max()))
    assert 0.1 * SAMPLE_RATE < first_sound - heard.started_at < 0.5 * SAMPLE_RATE


def test_the_recording_is_the_stream_and_its_words_lie_in_it(model: SpeechModel) -> None:
    stream = np.concatenate([room(1), request_sound(TIME), room(2), request_sound(TODAY), room(2)])
    for heard in requests(hear(model, stream)):
        assert np.array_equal(heard.sound, stream[heard.started_at : heard.started_at + heard.sound.size])
        times = [edge for word in heard.transcript.words for edge in (word.start_ms, word.end_ms)]
        assert times == sorted(times)
        assert times[0] >= (heard.wake.start - heard.started_at) / 16
        assert times[-1] <= heard.sound.size / 16
        loud = heard.sound.astype(float)[: times[-1] * 16].std()
        assert heard.sound.astype(float)[times[-1] * 16 + 4000 :].std() < loud / 4, "speech after the last word"


@pytest.mark.parametrize("size", [64, 320, 1024, 1_000_000])
@settings(max_examples=4, deadline=None, derandomize=True)
@given(shift=st.integers(0, 8 * BLOCK))
def test_the_words_do_not_depend_on_how_the_stream_falls_into_blocks(shift: int, size: int) -> None:
    model = speech_models.load(speech_models.locate())
    sound = np.concatenate([room(shift / SAMPLE_RATE), request_sound(TIME), request_sound(TODAY), room(1.5)])
    blocks = (sound[at : at + size] for at in range(0, sound.size, size))
    assert texts(list(Hearing(model).hear(blocks))) == [TIME, TODAY]


def test_stereo_at_44100_hz_is_heard_the_same(model: SpeechModel, tmp_path: Path) -> None:
    mono = soxr.resample(request_sound(TODAY), SAMPLE_RATE, 44_100)
    soundfile.write(tmp_path / "stereo.wav", np.stack([mono, mono // 2], axis=1), 44_100)
    assert texts(list(Hearing(model).hear(Recording(tmp_path / "stereo.wav")))) == [TODAY]


@pytest.mark.parametrize("level", [0, 3, 100, 3000])
def test_nothing_is_heard_in_silence_or_noise(model: SpeechModel, level: float) -> None:
    assert hear(model, room(20, level)) == []


def test_nothing_is_heard_without_the_wake_word(model: SpeechModel) -> None:
    commands = [pieces(model, said)[1] for said in SAID.values()]
    assert hear(model, room(1), *[part for command in commands for part in (command, room(1))]) == []


def test_a_stream_that_ends_in_mid_request_gives_what_was_said_so_far(model: SpeechModel) -> None:
    call, command = pieces(model, TODAY)
    assert texts(hear(model, call, command)) == [TODAY]
    assert texts(hear(model, room(1), call, room(0.1))) == [""]


def test_sounds_that_are_no_words_do_no_harm(model: SpeechModel) -> None:
    call, command = pieces(model, "remember that i am allergic to walnuts")
    events = hear(model, room(1), call, room(0.1), command[::-1], room(2), request_sound(TIME), room(2))
    *before, after = texts(events)  # a call that only noise follows may be taken back
    assert "walnuts" not in " ".join(before).split()
    assert after == TIME


def test_what_was_said_before_the_wake_word_is_not_part_of_the_request(model: SpeechModel) -> None:
    call, command = pieces(model, TIME)
    _, talk = pieces(model, "order milk and eggs from amazon fresh")
    assert texts(hear(model, room(1), talk, call[-SAMPLE_RATE // 2 :], command, room(2))) == [TIME]


def test_a_wake_word_that_lasts_longer_than_was_thought_is_not_part_of_the_request(model: SpeechModel) -> None:
    sound = np.concatenate([room(1), request_sound(TIME), room(2)])
    (heard,) = requests(hear(model, sound))
    early = replace(heard.wake, end=heard.wake.start + 1600)
    utterance = Utterance(Transcriber(model), early, heard.started_at)
    utterance.accept(heard.sound)
    outcome = utterance.finish()
    assert isinstance(outcome, Heard)
    assert outcome.transcript.text == TIME


def test_the_wake_word_said_twice_is_one_call(model: SpeechModel) -> None:
    call, command = pieces(model, TIME)
    assert texts(hear(model, room(1), call, call, command, room(2))) == [TIME]


def test_what_is_forgotten_is_not_heard_and_the_next_request_is(model: SpeechModel) -> None:
    hearing = Hearing(model)
    call, command = pieces(model, MEETING)
    half = np.concatenate([call, command])
    events = [event for at in range(0, half.size, BLOCK) for event in hearing.accept(half[at : at + BLOCK])]
    assert [type(event) for event in events] == [Listening]
    hearing.forget()
    call, command = pieces(model, TODAY)
    rest = np.concatenate([call[-6 * SAMPLE_RATE // 10 :], command, room(2)])
    later = list(hearing.hear(rest[at : at + BLOCK] for at in range(0, rest.size, BLOCK)))
    assert texts(later) == [TODAY]
    (heard,) = requests(later)
    assert np.array_equal(heard.sound, rest[heard.started_at - half.size :][: heard.sound.size])


def test_a_wake_word_that_the_model_does_not_know_is_refused(model: SpeechModel) -> None:
    with pytest.raises(EchoError, match="'echo-small-en' does not know the word 'xyzzy'"):
        Hearing(model, "xyzzy")


def test_another_wake_word_can_be_chosen(model: SpeechModel, recordings: Path) -> None:
    sounds = [soundfile.read(file, dtype="int16")[0] for file in sorted((recordings / "dev/computer").iterdir())[:20]]
    woken = 0
    for sound in sounds:
        stream = np.concatenate([room(1), sound, room(2)])
        woken += any(isinstance(event, Heard) for event in Hearing(model, "computer").hear(stream.reshape(1, -1)))
    assert woken >= 17


def people(recordings: Path, *words: str) -> list[Sound]:
    files = [file for word in words for file in sorted((recordings / "dev" / word).iterdir())]
    return [soundfile.read(file, dtype="int16")[0] for file in files]


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.soak)])
def test_people_who_say_the_wake_word_are_heard(model: SpeechModel, recordings: Path, step: int) -> None:
    called = people(recordings, "alexa")[::step]
    heard = sum(len(requests(hear(model, room(1, 3), sound, room(2, 3)))) == 1 for sound in called)
    assert heard >= 0.97 * len(called)


OTHERS = ("coffee_orders", "computer", "jarvis", "smart_mirror", "snowboy", "view_glass")


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.soak)])
def test_people_who_say_something_else_are_not_recorded(model: SpeechModel, recordings: Path, step: int) -> None:
    events = [hear(model, room(1, 3), sound, room(2, 3)) for sound in people(recordings, *OTHERS)[::step]]
    assert sum(len(requests(each)) for each in events) == 0


def test_a_false_wake_is_taken_back_and_a_call_in_the_same_breath_is_heard(
    model: SpeechModel, recordings: Path
) -> None:
    order = recordings / "dev" / "coffee_orders" / "388db33c-6be4-4c21-bb0d-e724f349e7d9.flac"
    call, command = pieces(model, MEETING)
    talk = soundfile.read(order, dtype="int16")[0]
    talk = talk[: np.flatnonzero(np.abs(talk) > 500)[-1]]  # without the quiet that would end the false request
    assert [type(event) for event in hear(model, talk, room(2))] == [Listening, Mistaken]
    events = hear(model, talk, call[-SAMPLE_RATE // 2 :], command, room(2))
    assert [type(event) for event in events] == [Listening, Mistaken, Listening, Heard]
    assert texts(events) == [MEETING]
