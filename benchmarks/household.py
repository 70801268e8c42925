"""Writes what benchmarks.residue searches: python -m benchmarks.household FOLDER --bytes N --recordings N

A household of a thousand interactions is stored by the real ingest. Its database files (recordings are in them) fill
FOLDER/haystack, with a stretch of zeros after every four MiB; in each copy the letters are exchanged for other letters,
so that it has other words. Then texts and single windows of the household are planted. FOLDER/windows holds the windows
of all texts and of some of the recordings, twelve bytes each; FOLDER/lines the same, one a line.
"""

import argparse
import io
import random
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import ascii_lowercase
from zoneinfo import ZoneInfo

import numpy as np
import soundfile
from sqlalchemy import select

from cloud_stub.assistant import Assistant
from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import Interaction, encode, new_id, recording_topic
from cloud_stub.house import House, open_house
from cloud_stub.ingest import Ingest
from cloud_stub.residue.windows import of_flac, of_samples, of_text
from cloud_stub.stores.tables import RECORDS

INTERACTIONS = 1000
PLANTED = 2000
STRETCH = 1 << 20
DEVICE = Path(__file__).parent.parent / "device"
REQUESTS = (
    "remember that {}",
    "send a message to bob saying {}",
    "remind me to {} tomorrow at seven p m",
    "add {} to my shopping list",
    "request a ride from uber to the {}",
)


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bytes", type=int, required=True)
    parser.add_argument("--recordings", type=int, required=True)
    options = parser.parse_args()
    chance = random.Random(1)  # noqa: S311 - no secret
    data = options.folder / "house"
    with open_house(data, "amazon-2019", create=True) as house:
        texts, sounds = fill(house, chance)
    contents = [of_text(text) for text in texts]
    for sound in sounds[: options.recordings]:
        contents += [of_flac(sound), of_samples(soundfile.read(io.BytesIO(sound), dtype="int16")[0])]
    windows = np.unique(np.concatenate(contents), axis=0)
    # grep takes the patterns as lines, and cannot take one with a line feed in it.
    windows = windows[(windows != ord("\n")).all(axis=1)]
    windows.tofile(options.folder / "windows")
    lines = [window.tobytes() for window in windows]
    (options.folder / "lines").write_bytes(b"\n".join(lines) + b"\n")
    pages = b"".join(file.read_bytes() for file in sorted((data / "cloud").glob("*.db")))
    write(options.folder / "haystack", options.bytes, pages, chance)
    plant(options.folder / "haystack", texts, lines, chance)


def fill(house: House, chance: random.Random) -> tuple[list[str], list[bytes]]:
    """Store the household's interactions and recordings. Returns all texts of the primary store, and the recordings."""
    lines = (DEVICE / "models/echo-small-en/graph/words.txt").read_text("utf-8").splitlines()
    words = [line.split()[0] for line in lines if line.split()[0].isalpha()]
    files = sorted((DEVICE / "spoken_requests").glob("*.flac"))
    spoken = [soundfile.read(file, dtype="int16")[0] for file in files]
    ingest = Ingest(house.stores, house.keys, house.engine, Assistant(), house.clock, ZoneInfo("UTC"))
    sounds = []
    for number in range(INTERACTIONS):
        at = datetime.now(UTC) - timedelta(minutes=INTERACTIONS - number)
        said = chance.choice(REQUESTS).format(" ".join(chance.sample(words, chance.randint(3, 9))))
        interaction = Interaction(
            id=new_id(at), device="kitchen", at=at, source="text", wake_word="alexa", transcript=said
        )
        sounds.append(varied(spoken[number % len(spoken)], number))
        recording = Incoming(recording_topic("kitchen", interaction.id), sounds[-1])
        ingest.handle([Incoming(interaction.topic(), encode(interaction)), recording])
    columns = [RECORDS["primary", kind].c.text for kind in ("transcript", "response")]
    with house.stores.read() as connection:
        return [text for column in columns for text in connection.execute(select(column)).scalars()], sounds


def varied(sound: np.ndarray, seed: int) -> bytes:
    """The same request, from further away in a noisier room, as FLAC."""
    chance = np.random.default_rng(seed)
    heard = sound * chance.uniform(0.3, 0.9) + chance.normal(0, 20, len(sound))
    file = io.BytesIO()
    soundfile.write(file, heard.astype(np.int16), 16_000, format="FLAC")
    return file.getvalue()


def write(haystack: Path, size: int, pages: bytes, chance: random.Random) -> None:
    """Copies of the pages, each with other letters, and zeros between."""
    letters = ascii_lowercase.encode()
    with haystack.open("wb") as file:
        while file.tell() < size:
            copy = pages.translate(bytes.maketrans(letters, bytes(chance.sample(letters, len(letters)))))
            for first in range(0, len(copy), 4 * STRETCH):
                file.write(copy[first : first + 4 * STRETCH])
                file.write(bytes(STRETCH))
        file.truncate(size)


def plant(haystack: Path, texts: list[str], lines: list[bytes], chance: random.Random) -> None:
    """Texts, as they are, in UTF-16 and in base64, and single windows, at random places."""
    size = haystack.stat().st_size
    forms = [str.encode, lambda text: text.encode("utf-16-le"), lambda text: b64encode(text.encode())]
    planted = [chance.choice(forms)(chance.choice(texts)) for _ in range(PLANTED // 2)]
    planted += chance.sample(lines, PLANTED // 2)
    with haystack.open("r+b") as file:
        for content in planted:
            file.seek(chance.randrange(size - len(content)))
            file.write(content)


if __name__ == "__main__":
    main()
