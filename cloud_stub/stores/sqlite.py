"""SQLite as physical storage: files that forget.

Facts, measured: with secure_delete off a deleted row stays readable in the file until VACUUM; with it on, it stays in
the write-ahead log and in the database file until a checkpoint that truncates the log. A checkpoint with a schema name
leaves the logs of the other attached files alone, and a reader that is still open makes it busy. And pages that were
split keep bytes of rows that have moved (see scrub).
"""

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import filelock

from cloud_stub import durable
from cloud_stub.stores import scrub

BUSY_TIMEOUT_S = 10.0

#: A log of this many bytes is written back at the end of the transaction that made it so long. Were it shorter, a busy
#: cloud would write back and scrub the same pages again and again.
LONG_LOG = 16_000_000

#: Databases that are open in this process, by path: see Files.close.
_open: Counter[Path] = Counter()
_descriptors: dict[Path, int] = {}


class ErasureNotPhysical(Exception):
    """Deleted bytes may still be readable. Names what stood in the way and what to do."""


class Files:
    """One connection over several files; whoever writes holds the lock that all processes share."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        """The first file is `main`, the others are attached under their names.

        Every file is in WAL mode with synchronous=FULL (a commit survives a power cut) and secure_delete, which is read
        back: some builds of SQLite compile it out. Raises ErasureNotPhysical where it is not in force.
        """
        names = ["main", *list(files)[1:]]
        self._paths = {name: file.absolute() for name, file in zip(names, files.values(), strict=True)}
        self._lock = filelock.FileLock(self._paths["main"].with_suffix(".lock"))
        with self._lock:
            self.connection = _connect(self._paths)
            for path in self._paths.values():
                _open[path] += 1
                if path not in _descriptors:
                    _descriptors[path] = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Write while this block runs: nobody else does, and no log is truncated under it."""
        with self._lock:
            yield self.connection
            for name, path in self._paths.items():
                if _size(_log(path)) > LONG_LOG:
                    self._write_back(name)

    def checkpoint(self, patience_s: float = BUSY_TIMEOUT_S) -> None:
        """Leave no deleted row in any log nor in the unused part of any page.

        A reader in another process makes this wait, `patience_s` seconds at most; then ErasureNotPhysical is raised.
        """
        deadline = time.monotonic() + patience_s
        with self._lock:
            while not self._write_back():
                if time.monotonic() > deadline:
                    raise ErasureNotPhysical(
                        "another program is reading the stores, so erased rows are still in their logs. Close it; the "
                        "erasure is finished the next time the stores are opened."
                    )
                time.sleep(0.02)

    def shorten(self) -> bool:
        """Write back the longest of several logs, as a checkpoint by steps begins. Returns whether there were several.

        False also where a reader stands in the way: that is for `checkpoint` to wait for.
        """
        with self._lock:
            sizes = {name: size for name, path in self._paths.items() if (size := _size(_log(path)))}
            return len(sizes) > 1 and self._write_back(max(sizes, key=sizes.__getitem__))

    def close(self) -> None:
        """Write the logs back as far as readers allow, and close."""
        with self._lock:
            self._write_back()
            self.connection.close()
            for path in self._paths.values():
                _open[path] -= 1
                # Closing any descriptor of a file drops every lock that this process holds on it (POSIX), SQLite's
                # too: so ours is closed only when no connection of this process is left.
                if not _open[path]:
                    os.close(_descriptors.pop(path))

    def _write_back(self, only: str | None = None) -> bool:
        """Checkpoint, scrub what was written, truncate the logs, or the log of one file. False if a reader hinders it.

        In this order, so that a crash in between leaves the log, and with it the list of the pages to scrub.
        """
        paths = [path for name, path in self._paths.items() if only in {None, name} and _size(_log(path))]
        if not paths:
            return True
        checkpoint = f'PRAGMA "{only}".wal_checkpoint' if only else "PRAGMA wal_checkpoint"
        # How long to wait for readers is the caller's to say, not SQLite's.
        self.connection.execute("PRAGMA busy_timeout=0")
        try:
            if self.connection.execute(f"{checkpoint}(FULL)").fetchone()[0]:
                return False
            for path in paths:
                scrub.scrub(_descriptors[path], scrub.pages_in_log(_log(path)))
            if self.connection.execute(f"{checkpoint}(TRUNCATE)").fetchone()[0]:
                return False
            for path in paths:
                # SQLite does not: after a power cut the log would be there again, with what was erased in it.
                durable.sync(_log(path))
            return True
        finally:
            self.connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000:.0f}")


def _connect(files: Mapping[str, Path]) -> sqlite3.Connection:
    main, *others = files
    connection = sqlite3.connect(
        files[main], isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S, cached_statements=512
    )
    for name in others:
        connection.execute("ATTACH DATABASE ? AS ?", (str(files[name]), name))
    for name in files:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", "full"), ("secure_delete", "on")):
            connection.execute(f'PRAGMA "{name}".{pragma}={value}')
        if connection.execute(f'PRAGMA "{name}".secure_delete').fetchone()[0] != 1:
            raise ErasureNotPhysical(
                "this build of SQLite does not zero deleted rows (secure_delete is off). Use Python's own sqlite3."
            )
    # We write logs back ourselves, since only we scrub.
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
