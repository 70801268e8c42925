"""SQLite as physical storage: files that forget.

Facts, measured: with secure_delete off a deleted row stays readable in the file until VACUUM; with it on, it stays in
the write-ahead log and in the database file until a checkpoint that truncates the log. A checkpoint with a schema name
leaves the logs of the other attached files alone, and a reader that is still open makes it busy.
"""

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

BUSY_TIMEOUT_MS = 10_000


class ErasureNotPhysical(Exception):
    """Deleted bytes may still be readable. Names what stood in the way and what to do."""


def connect(files: Mapping[str, Path]) -> sqlite3.Connection:
    """One connection over several files: the first is `main`, the others are attached under their names.

    Every file is in WAL mode with synchronous=FULL (a commit survives a power cut) and secure_delete, which is read
    back: some builds of SQLite compile it out. Raises ErasureNotPhysical where it is not in force.
    """
    (_, main), *others = files.items()
    connection = sqlite3.connect(
        main, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000, cached_statements=512
    )
    for name, file in others:
        connection.execute("ATTACH DATABASE ? AS ?", (str(file), name))
    for name in ["main", *(name for name, _ in others)]:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", "full"), ("secure_delete", "on")):
            connection.execute(f'PRAGMA "{name}".{pragma}={value}')
        if connection.execute(f'PRAGMA "{name}".secure_delete').fetchone()[0] != 1:
            raise ErasureNotPhysical(
                "this build of SQLite does not zero deleted rows (secure_delete is off). Use Python's own sqlite3."
            )
    return connection


def checkpoint(connection: sqlite3.Connection, patience_s: float = 10.0) -> None:
    """Write every attached file's log back and truncate it, so that no deleted row is left in one.

    A reader in another process makes this wait, `patience_s` seconds at most; then ErasureNotPhysical is raised.
    """
    deadline = time.monotonic() + patience_s
    while True:
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if not busy:
            return
        if time.monotonic() > deadline:
            raise ErasureNotPhysical(
                "another program is reading the stores, so erased rows are still in their logs. Close it; the erasure "
                "is finished the next time the stores are opened."
            )
        time.sleep(0.02)
