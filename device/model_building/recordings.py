"""People's recordings, where they are: `transcripts.tsv` beside `train/` and `dev/`. Only `train` is learned from."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from device.errors import EchoError

WAKE_WORDS = frozenset({"alexa", "computer", "jarvis", "snowboy", "smart mirror", "view glass"})


@dataclass(frozen=True)
class Recorded:
    """One recording and what is said in it."""

    file: Path
    text: str

    @property
    def wake_word(self) -> bool:
        """Whether it is a wake word alone, and no sentence."""
        return self.text in WAKE_WORDS

    def sound(self) -> NDArray[np.int16]:
        """16 kHz, shape (n,)."""
        samples: NDArray[np.int16] = soundfile.read(self.file, dtype="int16")[0]
        return samples


def recordings(folder: Path, part: str) -> list[Recorded]:
    """The recordings of one part ("train" or "dev"), in the order of their names. Raises EchoError without a table."""
    table = folder / "transcripts.tsv"
    if not table.is_file():
        raise EchoError(f"{str(table)!r} is missing. Give the folder that holds train/, dev/ and transcripts.tsv.")
    with table.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines, delimiter="\t") if row["split"] == part]
    return sorted((Recorded(folder / row["file"], row["transcript"]) for row in rows), key=lambda each: str(each.file))
