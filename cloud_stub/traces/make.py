"""Makes the traces that ship anew: python -m cloud_stub.traces.make

What is said when stands in NAME.tsv. A line that names a sound is heard by a real device (`echo-device hear`, recorded
by `echo-device record`); any other is a text that fits the sentence templates. Ids and times are of the table, and
random bits are seeded, so that the same model hears the same trace.
"""

import csv
import json
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from cloud_stub.contract import trace
from cloud_stub.contract.messages import Interaction, encode, new_id, recording_topic
from cloud_stub.contract.trace import FOLDER, Sent

#: A Monday. Times in the tables are UTC.
START = datetime(2026, 6, 1, tzinfo=UTC)

SOUNDS = FOLDER.parent.parent / "device" / "spoken_requests"


def main() -> None:
    """Write NAME.jsonl for every NAME.tsv."""
    for table in sorted(FOLDER.glob("*.tsv")):
        with table.open(encoding="utf-8", newline="") as rows:
            said = list(csv.DictReader(rows, delimiter="\t"))
        files = sorted({row["said"] for row in said if row["said"].endswith(".flac")})
        heard = hear([SOUNDS / name for name in files])
        made = [sent for row in messages(said, dict(zip(files, heard, strict=True))) for sent in row]
        table.with_suffix(".jsonl").write_text("".join(f"{trace.line(sent)}\n" for sent in made), "utf-8")
        print(f"{table.stem}: {len(made)} messages")


def messages(said: list[dict[str, str]], heard: dict[str, tuple[Interaction, bytes]]) -> Iterator[list[Sent]]:
    """The messages of each line, in its own words and at its own time."""
    chance = random.Random(14)  # noqa: S311 - no secret: the same ids every time
    for row in said:
        at = START + timedelta(days=int(row["day"]) - 1) + _of_day(row["time"])
        interaction, sound = heard.get(row["said"], (None, None))
        if interaction is None:
            interaction = Interaction(
                id=new_id(), device="kitchen", at=at, source="text", wake_word="alexa", transcript=row["said"]
            )
        name = new_id(at, chance.randbytes(10))
        interaction = msgspec.structs.replace(interaction, id=name, device=row["device"], at=at)
        sent = [Sent(at, interaction.topic(), encode(interaction))]
        if sound is not None:
            sent.append(Sent(at, recording_topic(row["device"], name), sound))
        yield sent


def hear(files: list[Path]) -> list[tuple[Interaction, bytes]]:
    """What a device makes of these sounds: the interaction and its recording (FLAC), in the order of the files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        serve = ("cloud_stub", "serve", "--embedded-broker", "--port", "0", "--json", "--no-page")
        with _running(*serve, "--data", str(folder / "data")) as cloud:
            assert cloud.stdout is not None
            broker = json.loads(cloud.stdout.readline())["broker"]
            with _running("device", "record", str(folder / "heard.jsonl"), "--broker", broker) as recorder:
                assert recorder.stderr is not None
                recorder.stderr.readline()
                hearing = ["hear", *map(str, files), "--broker", broker, "--data", str(folder / "data")]
                subprocess.run([sys.executable, "-m", "device", *hearing], check=True)  # noqa: S603 - our own program
        events = [sent for sent in trace.load(folder / "heard.jsonl") if sent.is_event()]
    said = {one.id: one for one in trace.interactions(events)}
    sounds = {sent.topic.rsplit("/", 1)[1]: sent.payload_base64 for sent in events if "/event/recording/" in sent.topic}
    found = [(interaction, sounds[name]) for name, interaction in said.items()]
    if len(found) != len(files):
        raise SystemExit(f"{len(files)} sounds were played, {len(found)} requests heard.")
    return found


@contextmanager
def _running(module: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)


def _of_day(text: str) -> timedelta:
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


if __name__ == "__main__":
    main()
