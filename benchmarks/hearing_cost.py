"""What listening costs: python -m benchmarks.hearing_cost

Compares the CPU time of the device's pipeline with a bare loop of Vosk's AcceptWaveform over the same blocks, taking
turns in one run: silence, talk that is for nobody, and requests one after the other.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import vosk
from numpy.typing import NDArray

from benchmarks import hearing_sets, voices
from device import speech_models
from device.audio_source import BLOCK, SAMPLE_RATE
from device.hearing import Hearing
from device.speech_models import SpeechModel
from device.spoken_requests import FOLDER

TURNS = 5
SECONDS = 60

Sound = NDArray[np.int16]


def sounds(cache: Path) -> dict[str, Sound]:
    """What is listened to."""
    requests = [soundfile.read(file, dtype="int16")[0] for file in sorted(FOLDER.glob("*.flac"))]
    talk = [sound for _, sound in voices.say(hearing_sets.TALK[20:60], 1, cache)]
    noise = np.random.default_rng(0).normal(0, 3, SECONDS * SAMPLE_RATE).astype(np.int16)
    return {
        "digital silence": np.zeros(SECONDS * SAMPLE_RATE, np.int16),
        "a quiet room": noise,
        "talk": np.concatenate(talk),
        "requests": np.concatenate(requests),
    }


def bare(model: SpeechModel) -> Callable[[Sound], object]:
    """Vosk alone, with the model's whole vocabulary."""
    recogniser = vosk.KaldiRecognizer(model.vosk_model, SAMPLE_RATE)
    return lambda block: recogniser.AcceptWaveform(block.tobytes())


def spent(accept: Callable[[Sound], object], sound: Sound) -> float:
    """Seconds of CPU for a second of sound."""
    started = time.process_time()
    for at in range(0, sound.size, BLOCK):
        accept(sound[at : at + BLOCK])
    return (time.process_time() - started) * SAMPLE_RATE / sound.size


def main() -> None:
    """Measure, and print."""
    model = speech_models.load(speech_models.locate())
    print(f"{'':18}Vosk alone  pipeline  ratio")
    for name, sound in sounds(Path(".cache/voices")).items():
        turns = [(spent(bare(model), sound), spent(Hearing(model).accept, sound)) for _ in range(TURNS)]
        alone, pipeline = (statistics.median(column) for column in zip(*turns, strict=True))
        print(f"{name:18}{alone:.4f}      {pipeline:.4f}    {pipeline / alone:.2f}")


if __name__ == "__main__":
    main()
