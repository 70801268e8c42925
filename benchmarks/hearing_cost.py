"""What listening costs: python -m benchmarks.hearing_cost [--turns 5] [--json]

Compares the CPU time of the device's pipeline with a bare loop of Vosk's AcceptWaveform over the same blocks, taking
turns in one run: silence, talk that is for nobody, and requests one after the other.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import vosk
from numpy.typing import NDArray

from benchmarks import hearing_sets, voices
from benchmarks.figures import LISTENED_TO, show
from device import speech_models
from device.audio_source import BLOCK, SAMPLE_RATE
from device.hearing import Hearing
from device.speech_models import SpeechModel
from device.spoken_requests import FOLDER

SECONDS = 60

Sound = NDArray[np.int16]


def sounds(cache: Path) -> list[Sound | str]:
    """What is listened to in each case of LISTENED_TO, or why it cannot be."""
    requests = [soundfile.read(file, dtype="int16")[0] for file in sorted(FOLDER.glob("*.flac"))]
    noise = np.random.default_rng(0).normal(0, 3, SECONDS * SAMPLE_RATE).astype(np.int16)
    talk: Sound | str
    try:
        talk = np.concatenate([sound for _, sound in voices.say(hearing_sets.TALK[20:60], 1, cache)])
    except FileNotFoundError as error:
        talk = f"not measured: {error}"
    return [np.zeros(SECONDS * SAMPLE_RATE, np.int16), noise, talk, np.concatenate(requests)]


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5, metavar="N", help="each listens so often (5)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    model = speech_models.load(speech_models.locate())
    figures: dict[str, object] = {"machine": f"{platform.machine()}, Python {platform.python_version()}"}
    for name, sound in zip(LISTENED_TO, sounds(Path(".cache/voices")), strict=True):
        if isinstance(sound, str):
            figures[name] = sound
            continue
        turns = [(spent(bare(model), sound), spent(Hearing(model).accept, sound)) for _ in range(options.turns)]
        alone, pipeline = (statistics.median(column) for column in zip(*turns, strict=True))
        figures[name] = round(pipeline / alone, 2)
        what = name.partition(" (")[0]
        figures[f"  {what}, Vosk alone (baseline), ms of processor a second"] = round(1000 * alone, 1)
        figures[f"  {what}, the pipeline, ms of processor a second"] = round(1000 * pipeline, 1)
    show(figures, as_json=options.json)


if __name__ == "__main__":
    main()
