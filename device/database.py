"""A small SQLite file on the device: what is in it survives a power cut, what is deleted from it leaves no bytes."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from device import durable
from device.errors import EchoError


def open_file(path: Path, name: str, schema: Iterable[str]) -> sqlite3.Connection:
    """Open, and create, the file and its folder. Raises EchoError, calling it `name`, where that cannot be done.

    No write-ahead log outlives a commit, and secure_delete is on. Transactions are the caller's to begin.
    """
    try:
        durable.make_folder(path.parent, 0o700)
        database = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=delete", "synchronous=extra", "secure_delete=on"):
            database.execute(f"PRAGMA {pragma}")
        for statement in schema:
            database.execute(statement)
    except (OSError, sqlite3.Error) as error:
        raise EchoError(f"the {name} in {path.parent} cannot be opened: {error}. Choose another --data.") from error
    return database
