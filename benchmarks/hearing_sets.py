"""What benchmarks.hearing lets the device hear: clips with what is said in them.

Who calls, is to be heard; what is said to nobody, is not. A third of the talk sounds like the wake word, and each of
the near-misses does; these were written by somebody who had seen neither the templates nor the talk, after the model
was made. People's coffee orders begin with no wake word: they are said to nobody, and once more after a push of the
button, for their words.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks import voices
from device.audio_source import Recording
from device.model_building.recordings import table_rows

HERE = Path(__file__).parent
COMMANDS = (HERE / "hearing_commands.txt").read_text("utf-8").splitlines()
TALK = (HERE / "hearing_talk.txt").read_text("utf-8").splitlines()
NEAR_MISSES = (HERE / "hearing_near_misses.txt").read_text("utf-8").splitlines()
CALLS = 26  # calls by voices: every voice, most at more than one pace
TIMES = (2, 7, 4)  # voices that say each command, sentence of the talk (with people, more than an hour), and near-miss


@dataclass(frozen=True)
class Clip:
    """One recording: its samples are at 16 kHz, int16, shape (n,)."""

    transcript: str
    sound: NDArray[np.int16]
    pushed: bool = False
    """Said after a push of the button instead of a wake word."""


def synthesised(wake_word: str, folder: Path, part: int = 1) -> dict[str, list[Clip]]:
    """Voices not in training; every `part`-th text. What they said is kept in `folder`."""
    commands = [f"{wake_word} {command}" for command in COMMANDS[::part]]

    def said(texts: list[str], times: int, *, to_us: bool = True) -> list[Clip]:
        return [Clip(text if to_us else "", sound) for text, sound in voices.say(texts, times, folder)]

    return {
        "voices: calls": said([wake_word], max(2, CALLS // part)),
        "voices: commands": said(commands, TIMES[0]),
        "voices: talk": said(TALK[::part], TIMES[1], to_us=False),
        "voices: near-misses": said(NEAR_MISSES[::part], TIMES[2], to_us=False),
    }


def people(folder: Path, wake_word: str, part: int = 1) -> dict[str, list[Clip]]:
    """The dev part of people's recordings, never trained on; every `part`-th of a kind."""
    sets: dict[str, list[Clip]] = {}
    for kind, clip in _table(folder, folder / "transcripts.tsv", "dev"):
        orders = kind == "coffee_orders"
        name = "calls" if clip.transcript == wake_word else "coffee orders" if orders else "other words"
        sets.setdefault(f"people: {name}", []).append(clip)
        if orders:
            sets.setdefault("people: orders, pushed", []).append(_pushed(clip))
    return {name: clips[::part] for name, clips in sets.items()}


def of_folder(folder: Path, table: Path, wake_word: str, *, pushed: bool) -> dict[str, list[Clip]]:
    """Any recordings; with `pushed`, sentences without a wake word are measured after a push of the button, too."""
    clips = [clip for _, clip in _table(folder, table)]
    again = [_pushed(clip) for clip in clips if pushed and clip.transcript.split()[:1] != [wake_word]]
    return {str(folder): clips} | ({f"{folder}, pushed": again} if again else {})


def _pushed(clip: Clip) -> Clip:
    """The same after a push of the button, half a second before the voice begins."""
    loud = np.flatnonzero(np.abs(clip.sound) > 0.1 * np.abs(clip.sound).max())
    return Clip(clip.transcript, clip.sound[max(0, loud[0] - 8_000) :], pushed=True)


def _table(folder: Path, table: Path, split: str | None = None) -> Iterator[tuple[str, Clip]]:
    """The clips of a table (columns file, transcript), each with the name of its folder. Raises EchoError."""
    for row in table_rows(table, ("file", "transcript") if split is None else ("file", "transcript", "split")):
        if split is None or row["split"] == split:
            path = folder / row["file"]
            yield path.parent.name, Clip(" ".join(row["transcript"].lower().split()), _read(path))


def _read(path: Path) -> NDArray[np.int16]:
    with soundfile.SoundFile(path) as sound:
        if sound.samplerate == 16_000 and sound.channels == 1:
            samples: NDArray[np.int16] = sound.read(dtype="int16")
            return samples
    return np.concatenate(list(Recording(path, tail_s=0, lead_s=0)))
