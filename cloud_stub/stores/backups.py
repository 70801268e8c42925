"""Backups: whole copies of the stores, without the keys, so that of what is erased later nothing can be read in them.

One lies in `cloud/backups/{time}/`: `{store}.db` for each store but the ledger, which is only added to and never put
back, and `manifest.json`. A folder without a manifest is no backup: the manifest is there last and goes first.
"""

import shutil
import sqlite3
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from sqlalchemy import select

from cloud_stub import durable
from cloud_stub.contract.messages import rfc3339
from cloud_stub.errors import CloudError
from cloud_stub.stores.record_keys import RecordKeys
from cloud_stub.stores.repository import Stores
from cloud_stub.stores.tables import CONTENT, RECORDS, STORES

#: So many keys at a time are held against the rows, so that nobody waits for long.
_CHUNK = 10_000

#: What a backup has: all but the ledger.
COPIED = tuple(store for store in STORES if store != "ledger")


class Backup(msgspec.Struct, frozen=True):
    """A backup's manifest. `time` is when it was begun (RFC 3339, UTC), `bytes` the sizes of its files by store."""

    name: str
    time: str
    policy: str
    sealed: bool
    keys: str
    """Which key file opens it: Keys.identity."""
    bytes: dict[str, int]


def make(stores: Stores, policy: str, keys: str, now: datetime, *, sealed: bool) -> Backup:
    """Copy all stores as they are at one moment. Nobody writes meanwhile.

    Raises CloudError where it cannot be written; there is no half a backup then.
    """
    time = rfc3339(now)
    name = time.replace(":", "")
    place = stores.folder / "backups"
    unfinished = place / f".{name}"
    try:
        durable.make_folder(place)
        with stores.still():
            # Nobody else is at it, so what has no manifest is what a crash has left.
            for left in place.iterdir():
                if not (left / "manifest.json").exists():
                    shutil.rmtree(left, ignore_errors=True)
            unfinished.mkdir()
            for store in COPIED:
                stores.copy(store, unfinished / f"{store}.db")
            sizes = {store: (unfinished / f"{store}.db").stat().st_size for store in COPIED}
            made = Backup(name, time, policy, sealed, keys, sizes)
            (unfinished / "manifest.json").write_bytes(msgspec.json.format(msgspec.json.encode(made)))
            for file in (*unfinished.iterdir(), unfinished):
                durable.sync(file)
            unfinished.rename(place / name)
            durable.sync(place)
    except (OSError, sqlite3.Error) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise CloudError(f"the backup cannot be written to {place}: {error}. Free some disk space there.") from error
    return made


def listed(folder: Path) -> list[Backup]:
    """The backups under that `cloud` folder, oldest first. Raises CloudError for a manifest that is none."""
    return [_read(manifest) for manifest in sorted((folder / "backups").glob("[0-9]*/manifest.json"))]


def named(folder: Path, name: str) -> Backup:
    """The backup of that name. Raises CloudError where there is none, or a file of it is missing."""
    manifest = folder / "backups" / name / "manifest.json"
    if name not in {file.parent.name for file in manifest.parent.parent.glob("[0-9]*/manifest.json")}:
        raise CloudError(f"there is no backup {name!r}. See: cloud-stub backup list")
    backup = _read(manifest)
    for store in COPIED:
        if not (manifest.parent / f"{store}.db").is_file():
            raise CloudError(f"{manifest.parent / store}.db is missing. Choose another backup: cloud-stub backup list")
    return backup


def exist(folder: Path) -> bool:
    """Whether there is any backup under that `cloud` folder."""
    return any((folder / "backups").glob("[0-9]*/manifest.json"))


def expire(folder: Path, before: datetime) -> list[str]:
    """Remove the backups from before then. Returns their names."""
    old = [backup.name for backup in listed(folder) if backup.time < rfc3339(before)]
    for name in old:
        (folder / "backups" / name / "manifest.json").unlink()
        durable.sync(folder / "backups" / name)
        shutil.rmtree(folder / "backups" / name)
        durable.sync(folder / "backups")
    return old


def destroy_orphans(stores: Stores, keys: RecordKeys) -> int:
    """Destroy the keys of records that were lost, and are in no backup any more. Returns how many there were.

    Nothing that erases records meets those again. Raises CloudError where a backup cannot be read.
    """
    number = 0
    with ExitStack() as stack:
        copies = [
            (kind, stack.enter_context(closing(opened(stores.folder, backup.name, store))))
            for backup in listed(stores.folder)
            for store, kind in RECORDS
        ]
        for first in range(1, keys.last() + 1, _CHUNK):
            some = (first, first + _CHUNK - 1)
            with stores.write() as connection:
                orphans = keys.between(*some)
                for table in CONTENT:
                    mine = select(table.c.seal).where(table.c.seal.between(*some))
                    orphans -= set(connection.execute(mine).scalars())
                for kind, copy in copies:
                    orphans -= _held(copy, kind, some)
                keys.erase(orphans)
            number += len(orphans)
    return number


def _held(copy: sqlite3.Connection, kind: str, some: tuple[int, int]) -> set[int]:
    """The seals, from one to another, that a backup's rows of that kind have."""
    theirs = f'SELECT seal FROM "{kind}" WHERE seal BETWEEN ? AND ?'  # noqa: S608 - names of ours
    try:
        return {seal for (seal,) in copy.execute(theirs, some)}
    except sqlite3.DatabaseError as error:
        raise CloudError(
            f"a backup cannot be read: {error}. Remove it; until then keys of lost records are kept."
        ) from error


def opened(folder: Path, name: str, store: str) -> sqlite3.Connection:
    """A backup's copy of a store, for reading."""
    file = (folder / "backups" / name / f"{store}.db").absolute()
    return sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)


def _read(manifest: Path) -> Backup:
    try:
        found = msgspec.json.decode(manifest.read_bytes(), type=Backup)
        datetime.fromisoformat(found.time).astimezone(UTC)
    except (OSError, ValueError, OverflowError) as error:
        raise CloudError(f"{manifest} is no backup's: {error}. Remove its folder.") from error
    return found
