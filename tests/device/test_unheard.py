"""What is said of a sound without a call is so, and what it advises helps."""

import re
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import soxr

from device import speech_models
from device.audio_source import BLOCK, SAMPLE_RATE
from device.hearing import Hearing
from device.speech_models import SpeechModel
from device.unheard import LONGEST, STEP, why
from device.utterance import Mistaken
from tests.device.test_hearing import MEETING, TIME, Sound, request_sound, requests, room, texts


@pytest.fixture(scope="module")
def model() -> SpeechModel:
    return speech_models.load(speech_models.locate())


def blocks(sound: Sound) -> list[Sound]:
    return [sound[at : at + BLOCK] for at in range(0, sound.size, BLOCK)]


@pytest.mark.parametrize(("loud", "level"), [(0.0003, r"-\d{2}"), (0.0, "-inf")])
def test_a_quiet_sound_is_called_quiet(model: SpeechModel, loud: float, level: str) -> None:
    told = why(model, blocks((request_sound(TIME) * loud).astype(np.int16)), "alexa", 50)
    assert re.fullmatch(
        rf"No 'alexa' was heard in the sound: it is quiet, {level} dBFS at its loudest\. Record .*", told
    )


def test_another_wake_word_is_named(model: SpeechModel) -> None:
    told = why(model, blocks(np.concatenate([request_sound(TIME), room(2)])), "computer", 50)
    assert told.endswith("the sound, but 'alexa'. Set wake_word to 'alexa', or say 'computer'.")


def test_the_sensitivity_that_it_names_is_the_least_that_helps(model: SpeechModel) -> None:
    hasty = soxr.resample(request_sound(MEETING), SAMPLE_RATE, 0.7 * SAMPLE_RATE)
    sound = blocks(np.concatenate([hasty, room(2)]))
    told = why(model, sound, "alexa", 0)
    named = re.search(r"the sound, but with a sensitivity of (\d+) it is\. Set that, ", told)
    assert named is not None, told
    for sensitivity, helps in ((int(named[1]) - STEP, []), (int(named[1]), [MEETING])):
        assert texts(list(Hearing(model, sensitivity=sensitivity).hear(sound))) == helps


def test_a_word_that_was_heard_and_taken_for_talk_is_not_called_unheard(model: SpeechModel) -> None:
    call = request_sound(TIME)
    (heard,) = requests(list(Hearing(model).hear(blocks(np.concatenate([call, room(2)])))))
    start, end = heard.wake.start, heard.wake.end
    # Somebody was speaking just before it, and what follows is no request.
    talk = np.concatenate([room(1), call[end:][::-1], call[start:end], call[end:][::-1], room(2)])
    sound = blocks(talk)
    assert [type(event) for event in Hearing(model).hear(sound)][1::2] == [Mistaken]
    assert " that was a call: it was taken for talk. " in why(model, sound, "alexa", 50)


def test_what_comes_nowhere_near_is_said_to(model: SpeechModel) -> None:
    call = request_sound(TIME)
    (heard,) = requests(list(Hearing(model).hear(blocks(np.concatenate([call, room(2)])))))
    told = why(model, blocks(np.concatenate([room(1), call[heard.wake.end :], room(1)])), "alexa", 50)
    assert told.endswith("the sound. Begin it with the wake word, spoken clearly.")


def test_a_long_sound_is_looked_through_and_not_held(model: SpeechModel) -> None:
    alive: list[weakref.ref[Sound]] = []
    most = 0

    def arriving() -> Iterator[Sound]:
        nonlocal most
        for height in (10, 20_000, 10):
            for _ in range(LONGEST // BLOCK):
                block = np.full(BLOCK, height, np.int16)
                alive.append(weakref.ref(block))
                yield block
                most = max(most, sum(one() is not None for one in alive))

    assert why(model, arriving(), "alexa", 50).endswith("Begin it with the wake word, spoken clearly.")
    assert len(alive) == 3 * (LONGEST // BLOCK)
    assert most <= LONGEST // BLOCK + 2
