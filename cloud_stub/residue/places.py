"""Where content could be: every file of a data folder, grouped into places that a person can name."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cloud_stub.stores.tables import STORES

_SQLITE = b"SQLite format 3\x00"


@dataclass(frozen=True)
class Place:
    """Files that stand or fall together."""

    name: str
    files: tuple[Path, ...]
    unreadable: dict[Path, str] = field(default_factory=dict)
    """Files that cannot be read, and why."""


def places(data: Path) -> list[Place]:
    """All places of the data folder, the stores first. Nothing is left out: what has no name is among "other files"."""
    found: dict[str, list[Path]] = {f"cloud/{store}": [] for store in STORES}
    unreadable: dict[str, dict[Path, str]] = {}
    for file in _files(data, unreadable):
        name = _place(file.relative_to(data))
        found.setdefault(name, []).append(file)
        reason = _reason(file)
        if reason:
            unreadable.setdefault(name, {})[file] = reason
    for name in unreadable:  # a folder of which nothing at all could be seen is a place, too
        found.setdefault(name, [])
    return [
        Place(name, tuple(sorted(files)), unreadable.get(name, {}))
        for name, files in found.items()
        if files or unreadable.get(name)
    ]


#: PostgreSQL's log: what was written is in it until the server writes over it, so a canary cannot be taken out.
LOG = "postgresql/write-ahead log"
TABLES = "postgresql/tables and indexes"


def of_postgres(folder: Path, database: str) -> list[Place]:
    """PostgreSQL's own files: those of our database, and its write-ahead log."""
    found = []
    for name, place in ((TABLES, folder / "base" / database), (LOG, folder / "pg_wal")):
        if os.access(place, os.R_OK | os.X_OK):
            files = tuple(sorted(file for file in place.iterdir() if file.is_file()))
            found.append(Place(name, files, {file: reason for file in files if (reason := _reason(file))}))
        else:
            found.append(Place(name, (), {place: "only the server's own user may read its files"}))
    return found


def is_database(file: Path) -> bool:
    """Whether the file begins as SQLite's do."""
    with file.open("rb") as opened:
        return opened.read(len(_SQLITE)) == _SQLITE


def _files(data: Path, unreadable: dict[str, dict[Path, str]]) -> Iterator[Path]:
    """Every regular file below the folder; links are not followed, folders that cannot be listed are noted."""

    def note(error: OSError) -> None:
        folder = Path(error.filename)
        unreadable.setdefault(_place(folder.relative_to(data) / "."), {})[folder] = error.strerror or str(error)

    for folder, _, names in os.walk(data, onerror=note):
        for name in sorted(names):
            file = Path(folder) / name
            if file.is_file() and not file.is_symlink():
                yield file


def _reason(file: Path) -> str:
    return "" if os.access(file, os.R_OK) else "permission denied"


def _place(inside: Path) -> str:
    """The place that a file belongs to, by its path within the data folder."""
    match inside.parts:
        case ("cloud", "backups", name, *_):
            return f"cloud/backups/{name}"
        case ("cloud", name):
            # A database with its log and its index of the log is one place.
            return f"cloud/{name.split('.')[0]}"
        case ("devices" | "third_parties" as room, name, *_):
            return f"{room}/{name}"
        case (room, _, *_):
            return room
        case _:
            return "other files"
