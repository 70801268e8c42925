"""A trace: what crossed the wire, line by line, to be played back. JSON lines of at, topic and payload_base64."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from cloud_stub.contract.messages import MAX_RECORDING_BYTES, ROOT, Interaction, Utc, decode

#: Where the traces lie that ship: a household's week, and the story of the walnut.
FOLDER = Path(__file__).parents[1] / "traces"


def names() -> list[str]:
    """The traces that ship."""
    return sorted(file.stem for file in FOLDER.glob("*.jsonl"))


def locate(name_or_path: str | Path) -> Path:
    """A shipped trace by its name, or a file by its path."""
    shipped = FOLDER / f"{name_or_path}.jsonl"
    return shipped if shipped.is_file() else Path(name_or_path)


class Sent(Struct, frozen=True, forbid_unknown_fields=True):
    """One message: when it was seen, its topic, and its payload, which in the file is base64."""

    at: Utc
    topic: Annotated[str, Meta(max_length=1000)]
    payload_base64: bytes

    def is_event(self) -> bool:
        """Whether a device sent it to the cloud: the only messages that a replay sends again."""
        return self.topic.startswith(f"{ROOT}/") and self.topic.split("/")[3:4] == ["event"]


def read(lines: Iterable[str], name: str = "the trace") -> Iterator[Sent]:
    """The messages of a trace, in its order. Raises ValueError naming the line that is none, and the remedy."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if len(line) > 2 * MAX_RECORDING_BYTES:
            raise ValueError(f"{name}:{number}: the line is too long for a message. Take it out.")
        try:
            yield msgspec.json.decode(line, type=Sent)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise ValueError(f"{name}:{number}: no message of a trace: {error}. Record it again.") from error


def load(file: Path) -> list[Sent]:
    """All messages of a file. Raises ValueError where it cannot be read, or a line is no message."""
    try:
        with file.open(encoding="utf-8") as lines:
            return list(read(lines, file.name))
    except (OSError, UnicodeDecodeError) as error:
        known = " or ".join(names())
        raise ValueError(
            f"the trace {file} cannot be read: {error}. Name one that `record` wrote, or {known}."
        ) from error


def line(sent: Sent) -> str:
    """The message as it stands in a trace, without the line's end."""
    return msgspec.json.encode(sent).decode()


def interactions(trace: Iterable[Sent]) -> list[Interaction]:
    """The interactions that the trace's events tell of, in its order; what is none is passed over."""
    found = []
    for sent in trace:
        if sent.is_event() and sent.topic.endswith("/interaction"):
            try:
                found.append(decode(Interaction, sent.payload_base64))
            except ValueError:
                continue
    return found
