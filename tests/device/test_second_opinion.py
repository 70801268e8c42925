"""Whether somebody called: what only sounds like the wake word, what a decoy would take, and what nobody understands.

Said by voices that the shipped model has never heard.
"""

import numpy as np
import pytest

from cloud_stub.contract.messages import Word
from device import second_opinion, speech_models
from device.audio_source import SAMPLE_RATE
from device.decoys import DECOYS, WAKE_WORDS
from device.hearing import Hearing
from device.speech_models import SpeechModel
from device.spoken_requests.make import speak
from device.utterance import Heard, Mistaken
from device.wake_word import Wake
from tests.device.test_hearing import TIME, Sound, request_sound, room
from tests.processes import missing

SCOTLAND, UNITED_STATES = "espeak-ng en-gb-scotland", "espeak-ng en-us"
ANDY, KLATT = f"{SCOTLAND}+AnxiousAndy", f"{SCOTLAND}+klatt6"
MALE, FEMALE = f"{UNITED_STATES}+m8", f"{UNITED_STATES}+f5"


@pytest.fixture(scope="module")
def model() -> SpeechModel:
    return speech_models.load(speech_models.locate())


def spoken(voice: str, said: str, pace: float = 1.0) -> Sound:
    try:
        speech = speak(voice, pace, said)
    except FileNotFoundError:
        missing("espeak-ng", "apt install espeak-ng")
    return np.asarray(np.rint(speech * (0.3 * 32768 / np.abs(speech).max())), np.int16)


def heard(model: SpeechModel, *sounds: Sound) -> list[Heard | Mistaken]:
    events = Hearing(model).hear([np.concatenate([room(1), *sounds, room(2)])])
    return [event for event in events if isinstance(event, Heard | Mistaken)]


@pytest.mark.parametrize(
    "request_", ["start my free trial of the news", "start a peppers timer for fifty nine and a half hours"]
)
def test_a_call_that_the_decoys_would_take_is_heard(model: SpeechModel, request_: str) -> None:
    (event,) = heard(model, spoken(ANDY, f"alexa {request_}"))
    assert isinstance(event, Heard)
    assert event.transcript.text == request_
    start, end = event.wake.start - event.started_at, event.wake.end - event.started_at
    sound = event.sound[: end + second_opinion.AFTER]
    assert second_opinion._among_decoys(model, "alexa", sound, start) < second_opinion.CERTAIN, "a weaker case"


@pytest.mark.parametrize(
    ("voice", "said"),
    [
        (KLATT, "a lexicon of slang was lying on the kitchen table"),
        (KLATT, "she has a lexicon of old sailing words"),
        (MALE, "they bought a lexus and drove it across the country"),
        (FEMALE, "they bought a lexus and drove it across the country"),
        # The n-gram knows what follows these names.
        (FEMALE, "alexis and her cousin opened a bakery downtown"),
        (f"{UNITED_STATES}+AnxiousAndy", "i never thought he would buy a lexus"),
        # Of these the transcriber hears a call once, and none at another time.
        (f"{SCOTLAND}+m7", "a lexicon without examples isn't much use to beginners"),
        (f"{SCOTLAND}+m7", "alexei and his wife run a bakery downtown"),
    ],
)
def test_talk_that_woke_the_device_is_taken_back(model: SpeechModel, voice: str, said: str) -> None:
    events = heard(model, spoken(voice, said))
    assert [type(event) for event in events] == [Mistaken]


@pytest.mark.parametrize("voice", [ANDY, FEMALE, MALE])
def test_a_request_that_is_not_understood_is_a_request(model: SpeechModel, voice: str) -> None:
    (event,) = heard(model, spoken(voice, "alexa open headspace meditation"))
    assert isinstance(event, Heard)
    assert "[unk]" in event.transcript.text.split()


def judged(model: SpeechModel, sound: Sound, sure: float, words: tuple[tuple[str, float], ...], lead: int) -> bool:
    """What is decided of a wake word 0.5 s long, `lead` samples into a sound, and of words after it."""
    at = lead * 1000 // SAMPLE_RATE
    call = Word("alexa", at, at + 500, sure)
    request = [Word(word, at + 500, at + 900, confidence) for word, confidence in words]
    wake = Wake("alexa", 5000 + lead, 5000 + lead + SAMPLE_RATE // 2, 0.9)
    return second_opinion.called(model, wake, [call, *request], sound, 5000)


UNDERSTOOD = (("what", 1.0), ("time", 0.95))
GARBLED = (("what", 1.0), ("[unk]", 1.0))


@pytest.mark.parametrize(
    ("sure", "words", "called"),
    [
        (0.2, (), True),  # the wake word alone
        (0.95, UNDERSTOOD, True),
        (0.85, UNDERSTOOD, False),  # the transcriber is not sure of the wake word
        (0.95, GARBLED, False),  # nor is the other recogniser: there is no word in this sound
    ],
)
def test_the_witnesses_decide_together(
    model: SpeechModel, sure: float, words: tuple[tuple[str, float], ...], *, called: bool
) -> None:
    lead = 4800
    quiet_then_noise = np.concatenate([room(0.3, 3), room(1.5, 3000)])
    assert judged(model, quiet_then_noise, sure, words, lead) is called


def test_who_is_in_doubt_listens_again(model: SpeechModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_opinion, "CERTAIN", 1.1)  # not even what knows the decoys helps
    unsure = (("what", 0.85), ("time", 1.0))
    assert judged(model, request_sound(TIME), 1.0, unsure, 0)
    assert not judged(model, np.concatenate([room(1.5, 3), room(1.5, 3000)]), 1.0, unsure, 0)
    assert not judged(model, request_sound(TIME), 1.0, (("what", 0.5), ("time", 0.85)), 0)


def test_a_name_at_the_end_of_a_sentence_is_no_call(model: SpeechModel) -> None:
    speaking, call = room(0.3, 3000), request_sound(TIME)
    assert judged(model, np.concatenate([room(0.3, 3), call]), 1.0, (), 4800)
    assert judged(model, np.concatenate([speaking, call]), 1.0, (), 4800)  # but a call is one, whoever else speaks
    assert not judged(model, np.concatenate([speaking, room(1, 3000)]), 1.0, (), 4800)


def test_who_is_speaking_already_does_not_call_unless_no_decoy_could_be_meant(model: SpeechModel) -> None:
    noise = room(2, 3000)
    assert not judged(model, noise, 1.0, UNDERSTOOD, 4800)
    call = request_sound(TIME)
    assert judged(model, np.concatenate([noise[:4800], call]), 1.0, UNDERSTOOD, 4800)


def test_a_transcript_without_the_wake_word_at_its_time_is_no_call(model: SpeechModel) -> None:
    wake, later = Wake("alexa", 16_000, 24_000, 1.0), Word("alexa", 1600, 2000, 1.0)
    said = [Word("like", 1000, 1500, 1.0), later]
    assert not second_opinion.called(model, wake, said, room(3), 0)
    assert not second_opinion.called(model, wake, said[:1], room(3), 0)


@pytest.mark.parametrize("word", WAKE_WORDS)
def test_the_shipped_model_knows_every_word_of_the_decoys(model: SpeechModel, word: str) -> None:
    assert DECOYS[word]
    assert [part for decoy in DECOYS[word] for part in decoy.split() if not model.knows(part)] == []
    assert word not in DECOYS[word]
