"""Measures a model: word errors on voices that were never trained on, and wake words through the device's own hearing.

The figures of a model card come from here; `benchmarks/hearing.py` measures more, of any model.
"""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from device import speech_models
from device.audio_source import BLOCK, SAMPLE_RATE
from device.hearing import Hearing, Listening
from device.model_building import synthesis
from device.model_building.recordings import recordings
from device.model_building.sentences import Sentences
from device.speech_models import SpeechModel
from device.utterance import Heard

Sound = NDArray[np.int16]

SYNTHESISED = {"espeak": 60, "flite": 60, "festival": 40}
"""Sentences by each engine's voices that are held out."""


class Figures(msgspec.Struct, frozen=True):
    """What was measured on one set."""

    name: str
    words: int = 0
    errors: int = 0
    sentences: int = 0
    right: int = 0
    woken: int | None = None
    """Clips in which the wake word was heard through the device's pipeline."""

    def __str__(self) -> str:
        parts = [f"{self.name}: {self.sentences} clips"]
        if self.words:
            errors, right = 100 * self.errors / self.words, 100 * self.right / self.sentences
            parts.append(f"word error rate {errors:.1f} %, sentences right {right:.0f} %")
        if self.woken is not None:
            parts.append(f"wake word heard in {self.woken}")
        return ", ".join(parts)


def measure(model_path: Path, people: Path | None, sentences: Sentences, seed: int = 901) -> Iterator[Figures]:
    """One set after the other. Synthesisers and recordings that are not here are left out."""
    model = speech_models.load(model_path)
    chance = random.Random(seed)
    for engine, count in SYNTHESISED.items():
        if synthesis.available(engine):
            jobs = [
                synthesis.Job(chance.getrandbits(40), sentences.request(chance), engine, True) for _ in range(count)
            ]
            spoken = [(job.text, _framed(sound)) for job in jobs if (sound := synthesis.say(job)) is not None]
            yield _transcribed(f"{engine}, voices held out", model, spoken)
    if people is None:
        return
    recorded = recordings(people, "dev")
    orders = [(each.text, each.sound()) for each in recorded if not each.wake_word]
    yield _transcribed("people's coffee orders (dev)", model, orders)
    yield _woken("people's alexa (dev)", model, [each.sound() for each in recorded if each.text == "alexa"])
    yield _woken("people's other words (dev)", model, [each.sound() for each in recorded if each.text != "alexa"])


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words to exchange, drop or add to get from one to the other."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def transcribe(model: SpeechModel, sound: Sound) -> str:
    """What a bare recogniser with the whole vocabulary hears."""
    import vosk  # noqa: PLC0415 - loads Kaldi

    recogniser = vosk.KaldiRecognizer(model.vosk_model, SAMPLE_RATE)
    blocks = (sound[at : at + BLOCK].tobytes() for at in range(0, sound.size, BLOCK))
    texts = [json.loads(recogniser.Result())["text"] for block in blocks if recogniser.AcceptWaveform(block)]
    texts.append(json.loads(recogniser.FinalResult())["text"])
    return " ".join(text for text in texts if text)


def _transcribed(name: str, model: SpeechModel, said: Sequence[tuple[str, Sound]]) -> Figures:
    pairs = [(text.split(), transcribe(model, sound).split()) for text, sound in said]
    return Figures(
        name,
        words=sum(len(text) for text, _ in pairs),
        errors=sum(word_errors(text, heard) for text, heard in pairs),
        sentences=len(pairs),
        right=sum(text == heard for text, heard in pairs),
    )


def _woken(name: str, model: SpeechModel, sounds: Sequence[Sound]) -> Figures:
    quiet = np.random.default_rng(3)
    woken = 0
    for sound in sounds:
        before, after = (np.rint(quiet.normal(0, 3, seconds * SAMPLE_RATE)).astype(np.int16) for seconds in (1, 2))
        stream = np.concatenate([before, sound, after])
        events = Hearing(model).hear(stream[at : at + BLOCK] for at in range(0, stream.size, BLOCK))
        woken += any(isinstance(event, Heard) for event in events if not isinstance(event, Listening))
    return Figures(name, sentences=len(sounds), woken=woken)


def _framed(sound: Sound) -> Sound:
    """With the quiet before and after it that a microphone would have heard."""
    return np.concatenate([np.zeros(3200, np.int16), sound, np.zeros(6400, np.int16)])
