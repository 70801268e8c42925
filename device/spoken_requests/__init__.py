"""The spoken requests that ship: what is said in each, and where its sound is."""

import csv
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class SpokenRequest:
    """One request: the sound's file (FLAC, 16 kHz mono), whose voice, and the words with the wake word."""

    file: Path
    voice: str
    said: str


def spoken_requests(folder: Path = FOLDER) -> list[SpokenRequest]:
    """Those in the folder's table, in its order, which is that of the story."""
    with (folder / "requests.tsv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    return [SpokenRequest(folder / row["file"], row["voice"], row["said"]) for row in rows]
