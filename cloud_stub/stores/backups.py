"""Backups: whole copies of the stores, without the keys, so that of what is erased later nothing can be read in them.

One lies in `cloud/backups/{time}/`: `{store}.db` for each store but the ledger, which is only added to and never put
back, and `manifest.json`. A folder without a manifest is no backup: the manifest is there last and goes first.
"""

import os
import shutil
import sqlite3
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from cloud_stub.contract.messages import rfc3339
from cloud_stub.errors import CloudError
from cloud_stub.stores.repository import Stores
from cloud_stub.stores.tables import STORES

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
        place.mkdir(exist_ok=True)
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
                sync(file)
            unfinished.rename(place / name)
            sync(place)
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
        shutil.rmtree(folder / "backups" / name)
    return old


def sync(path: Path) -> None:
    """Make a file, or a folder's listing, durable."""
    # Not every system lets a folder be opened.
    with suppress(PermissionError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _read(manifest: Path) -> Backup:
    try:
        return msgspec.json.decode(manifest.read_bytes(), type=Backup)
    except (OSError, msgspec.DecodeError) as error:
        raise CloudError(f"{manifest} is no backup's: {error}. Remove its folder.") from error
