"""Speech by voices that the shipped model was not trained on, for benchmarks.hearing.

Programs: espeak-ng, flite, festival's text2wave; a voice whose program is missing is left out, and said so. The voices
held out of training are named in the model's card.
"""

import hashlib
import itertools
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from device.audio_source import SAMPLE_RATE
from device.spoken_requests.make import command, speak

ESPEAK = [f"espeak-ng {accent}+{variant}" for accent in ("en-us", "en-gb-scotland")
          for variant in ("f5", "m7", "m8", "AnxiousAndy", "klatt6")]  # fmt: skip
OTHERS = ["flite awb", "festival ked_diphone", "festival cmu_us_slt_arctic_hts"]
VOICES = [voice for pair in zip(ESPEAK, itertools.cycle(OTHERS), strict=False) for voice in pair]
PACES = (0.85, 1.0, 1.15, 1.3)


def available() -> list[str]:
    """The voices that can be heard here."""
    return [voice for voice in VOICES if shutil.which(command(voice, 1.0, "")[0])]


def say(texts: Sequence[str], times: int, folder: Path) -> Iterator[tuple[str, NDArray[np.int16]]]:
    """Each text by `times` different voices: text, samples at 16 kHz. What was said once is read from `folder`.

    Raises FileNotFoundError where no voice is installed.
    """
    voices = available()
    if not voices:
        raise FileNotFoundError("no voice is installed: apt install espeak-ng (and flite, festival for more)")
    folder.mkdir(parents=True, exist_ok=True)
    for number, (text, turn) in enumerate(itertools.product(texts, range(times))):
        voice, pace = voices[(number * 7 + turn) % len(voices)], PACES[number % len(PACES)]
        name = hashlib.sha256(f"{voice} {pace} {text}".encode()).hexdigest()[:20]
        file = folder / f"{name}.flac"
        if not file.exists():
            try:
                speech = speak(voice, pace, text)
            except subprocess.CalledProcessError:
                continue  # one text that one voice cannot say
            samples = np.asarray(np.rint(speech * (0.3 * 32768 / np.abs(speech).max())), np.int16)
            soundfile.write(file, samples, SAMPLE_RATE)
        yield text, soundfile.read(file, dtype="int16")[0]
