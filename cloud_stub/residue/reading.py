"""Reads one file for needles, and says of each hit what its bytes are part of. Runs in a process of its own.

Fact: closing any descriptor of a file drops every lock that the process holds on it (POSIX), SQLite's own too. So who
has the stores open must not read their files as files.
"""

import io
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

from cloud_stub.residue.needles import Needles
from cloud_stub.residue.places import is_database
from cloud_stub.residue.scan import scan
from cloud_stub.residue.sqlite_file import InRow, SqliteFile
from cloud_stub.residue.windows import WINDOW
from cloud_stub.stores.btree_page import Unreadable

#: Columns that tell whose row it is; no other is read.
_NAMING = ("account", "interaction", "position", "id", "number", "request", "at", "details")

#: Where a database says by which versions of its format it is written and read: 2 with a log, 1 without. Source:
#: https://www.sqlite.org/fileformat2.html, 1.3.
_VERSIONS = 18


@dataclass(frozen=True)
class Part:
    """What some bytes of a hit belong to: columns of a table's live row, or nothing that counts as live."""

    kind: str
    """`row`, or what the bytes are instead: a free page, an index, a file that is no database, ..."""
    table: str = ""
    columns: tuple[str, ...] = ()
    key: tuple[tuple[str, Any], ...] = ()
    """(column, value) of the row's naming columns."""


@dataclass(frozen=True)
class Found:
    """A needle at an offset of the file, whose it is, and what its bytes are part of."""

    offset: int
    owners: tuple[int, ...]
    parts: tuple[Part, ...]


class Reader:
    """Reads in another process."""

    def __init__(self, pool: ProcessPoolExecutor, memory_mib: int) -> None:
        """`memory_mib` bounds what is held of a file."""
        self._pool, self._memory = pool, memory_mib

    def read(self, file: Path, needles: Needles) -> list[Found]:
        """All hits in a file. Raises OSError where it cannot be read."""
        return self._pool.submit(read, file, needles, self._memory).result()

    def finds_in_copies(self, files: Sequence[Path], words: str, needles: Needles) -> bool:
        """Whether the needles of `words` are found where the words are put into private copies of these files.

        Raises sqlite3.DatabaseError where one is a database and so damaged that nothing can be put there.
        """
        return self._pool.submit(finds_in_copies, tuple(files), words, needles, self._memory).result()


@contextmanager
def reader(memory_mib: int) -> Iterator[Reader]:
    """A reader, at work while this block runs."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_watch) as pool:
        yield Reader(pool, memory_mib)


def _watch() -> None:
    """End when the search has: of a killed one the pool would wait for the next task for ever."""

    def wait() -> None:
        search = parent_process()
        if search is not None:
            search.join()
            os._exit(1)

    Thread(target=wait, daemon=True).start()


def read(file: Path, needles: Needles, memory: int) -> list[Found]:
    """All hits in a file; `memory` in MiB bounds what is held of it. Raises OSError where it cannot be read."""
    hits = list(scan(file, needles, memory=memory))
    if not hits:
        return []
    if not is_database(file):
        no_store = (Part("a file that is no store"),)
        return [Found(hit.offset, hit.owners, no_store) for hit in hits]
    try:
        with SqliteFile(file) as database:
            return [Found(hit.offset, hit.owners, _parts(database, hit.offset)) for hit in hits]
    except Unreadable as error:
        unsure = (Part(str(error)),)
        return [Found(hit.offset, hit.owners, unsure) for hit in hits]


def _parts(database: SqliteFile, offset: int) -> tuple[Part, ...]:
    return tuple(_part(place) for place in database.locate(offset, WINDOW))


def _part(place: Any) -> Part:
    if not isinstance(place, InRow):
        return Part(place.kind)
    if place.index is not None:
        return Part(f"an index that keeps words: {place.index}")
    key = tuple((name, place.row[name]) for name in _NAMING if name in place.row)
    return Part("row", place.table, place.columns, key)


def finds_in_copies(files: tuple[Path, ...], words: str, needles: Needles, memory: int) -> bool:
    """Of each kind of file the largest is copied: what can be read to its end there can be read in a smaller one."""
    kinds = {is_database(file): file for file in sorted(files, key=lambda file: file.stat().st_size)}
    for database, file in kinds.items():
        with _copied(file, database=database) as (copy, connection):
            if database:
                # A journal would lie under a name.
                connection.execute("PRAGMA journal_mode=memory")
                connection.execute("CREATE TABLE canary (words TEXT)")
                connection.execute("INSERT INTO canary VALUES (?)", (words,))
            else:
                copy.write(words.encode())
            copy.seek(0)
            if not any(True for _ in scan(copy, needles, memory=memory)):
                return False
    return True


@contextmanager
def _copied(file: Path, *, database: bool) -> Iterator[tuple[io.RawIOBase, sqlite3.Connection]]:
    """A copy that stands at its end, and SQLite's connection to it; a kill leaves nothing of it under any name.

    SQLite opens files by name, so it does so, and the name goes, before anything is in the copy.
    """
    with ExitStack() as stack:
        descriptor, name = tempfile.mkstemp(prefix="canary-")
        stack.callback(Path(name).unlink, missing_ok=True)
        copy = stack.enter_context(os.fdopen(descriptor, "r+b", buffering=0))
        connection = stack.enter_context(closing(sqlite3.connect(name, isolation_level=None)))
        with suppress(PermissionError):  # Windows does not let go of the name of an open file
            Path(name).unlink()
        with file.open("rb", buffering=0) as original:
            shutil.copyfileobj(original, copy)
        if database:
            # As one without a log: the log, too, would lie under a name.
            copy.seek(_VERSIONS)
            copy.write(b"\1\1")
            copy.seek(0, os.SEEK_END)
        yield copy, connection
