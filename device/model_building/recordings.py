"""People's recordings, where they are: `transcripts.tsv` beside `train/` and `dev/`. Only `train` is learned from."""

import csv
from collections.abc import Collection
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
    rows = [row for row in table_rows(table, ("file", "transcript", "split")) if row["split"] == part]
    return sorted((Recorded(folder / row["file"], row["transcript"]) for row in rows), key=lambda each: str(each.file))


def table_rows(table: Path, columns: Collection[str]) -> list[dict[str, str]]:
    """The rows of a table, tab-separated under a line of names. Raises EchoError where one of the columns is missing,
    in the first line or any other, or where it is no text.
    """
    try:
        with table.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EchoError(f"{str(table)!r} cannot be read: {error}. Write it as UTF-8, separated by tabs.") from error
    for number, row in enumerate(rows, 1):
        if missing := [name for name in columns if not isinstance(row.get(name), str)]:
            raise EchoError(
                f"{str(table)!r}: row {number} has no {' and no '.join(missing)}. Its columns are {', '.join(columns)}."
            )
    return rows
