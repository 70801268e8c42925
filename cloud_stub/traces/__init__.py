"""Traces that ship: a household's week, and the story of the walnut."""

from functools import cache
from pathlib import Path

from cloud_stub.contract import trace

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The traces that ship."""
    return sorted(file.stem for file in FOLDER.glob("*.jsonl"))


def locate(name_or_path: str) -> Path:
    """A shipped trace by its name, or a file by its path."""
    shipped = FOLDER / f"{name_or_path}.jsonl"
    return shipped if shipped.is_file() else Path(name_or_path)


@cache
def sound() -> bytes:
    """One real recording (FLAC, 16 kHz mono): the first of the week's."""
    lines = (line for line in (FOLDER / "week.jsonl").read_text("utf-8").splitlines() if "/event/recording/" in line)
    return next(trace.read(lines)).payload_base64
