"""The keys of sealed records: each made durable before a row needs it, and destroyed once no row does.

In between a key stands in the table `doubt` of the key file: a new one until its transaction is known to be committed,
one whose row goes from before the commit until it is destroyed. Whatever a crash cuts off, the rows themselves tell
afterwards which of the keys in doubt they need.
"""

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hmac import digest as _digest
from typing import Any

from sqlalchemy import Connection, Select, Table, select

from cloud_stub.stores import sqlite
from cloud_stub.stores.tables import CONTENT

#: Why a key is in doubt. Its row may not have been committed; or may be gone; or, with a field's name behind it, that
#: field of the row may be.
_NEW = "+"
_GOING = "-"

#: Keys are made ahead within a transaction, ever more at a time up to so many: each time waits for the disk.
_MOST_AHEAD = 4096

#: How many keys one statement looks up.
_CHUNK = 500


class Ring:
    """The keys of some records, as far as they still exist."""

    def __init__(self, whole: Mapping[int, bytes], single: Mapping[tuple[int, str], bytes]) -> None:
        """`whole`: the keys of records; `single`: by field, the keys that are left of a redacted record."""
        self._whole, self._single = whole, single
        self._known = whole.keys() | {seal for seal, _ in single}

    def __contains__(self, seal: object) -> bool:
        """Whether anything of that record can be opened."""
        return seal in self._known

    def key(self, seal: int, field: str) -> bytes | None:
        """The key of a field; None where it was destroyed."""
        whole = self._whole.get(seal)
        return self._single.get((seal, field)) if whole is None else derived(whole, field)


class RecordKeys:
    """The part of the key file that sealed records need. Tables: record_key, field_key (of redacted records), doubt."""

    def __init__(self, files: sqlite.Files) -> None:
        """`files` is the key file."""
        self._files = files
        with files.writing() as keys:
            # AUTOINCREMENT: a number never comes again, so that an old copy's row never meets a later key.
            keys.execute(
                "CREATE TABLE IF NOT EXISTS record_key (seal INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL)"
            )
            keys.execute(
                "CREATE TABLE IF NOT EXISTS field_key"
                " (seal INTEGER, field TEXT, key BLOB NOT NULL, PRIMARY KEY (seal, field)) WITHOUT ROWID"
            )
            keys.execute(
                "CREATE TABLE IF NOT EXISTS doubt (why TEXT, seal INTEGER, PRIMARY KEY (why, seal)) WITHOUT ROWID"
            )
        # What the next writing to the key file sees to: marks that are settled, and keys that no row has taken.
        self._settled: list[tuple[str, int]] = []
        self._unused: list[int] = []
        self._begin_anew()
        self._cut_off = self._in_doubt(_NEW)

    def _begin_anew(self) -> None:
        self._ahead = 8
        self._spare: list[tuple[int, bytes]] = []
        self._used: list[int] = []
        self._erased: set[int] = set()
        self._redacted: list[tuple[Table, Sequence[str], list[int]]] = []

    @contextmanager
    def transaction(self, connection: Connection) -> Iterator[None]:
        """A transaction of the stores in which rows are sealed and erased; the keys follow what it commits.

        The caller holds the lock that all writers share: keys in doubt are nobody else's work in hand.
        """
        with connection.begin():
            if self._cut_off or self._in_doubt(_GOING):
                self._recover(connection)
            self._cut_off = True
            yield
            if going := self._going():
                with self._write() as keys:
                    keys.executemany("INSERT OR IGNORE INTO doubt VALUES (?, ?)", going)
        self._settle()
        self._cut_off = False

    def take(self, number: int) -> list[tuple[int, bytes]]:
        """(seal, key) for so many new rows, durable, and in doubt until the transaction is committed."""
        if len(self._spare) < number:
            self._ahead = min(2 * self._ahead, _MOST_AHEAD)
            made = max(number - len(self._spare), self._ahead)
            with self._write() as keys:
                first, drawn = self.last() + 1, secrets.token_bytes(32 * made)
                new = [(first + place, drawn[32 * place : 32 * (place + 1)]) for place in range(made)]
                keys.executemany("INSERT INTO record_key VALUES (?, ?)", new)
                keys.executemany("INSERT INTO doubt VALUES (?, ?)", [(_NEW, seal) for seal, _ in new])
            self._spare += new
        taken, self._spare = self._spare[:number], self._spare[number:]
        self._used += [seal for seal, _ in taken]
        return taken

    def last(self) -> int:
        """The highest seal that was ever taken."""
        found = self._files.connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record_key'").fetchone()
        return int(found[0]) if found else 0

    def ring(self, seals: Iterable[int | None]) -> Ring:
        """The keys of these records."""
        whole: dict[int, bytes] = {}
        single: dict[tuple[int, str], bytes] = {}
        for some in _chunks({seal for seal in seals if seal is not None}):
            here = f"WHERE seal IN ({','.join('?' * len(some))})"
            whole.update(self._files.connection.execute(f"SELECT seal, key FROM record_key {here}", some))  # noqa: S608
            left = self._files.connection.execute(f"SELECT seal, field, key FROM field_key {here}", some)  # noqa: S608
            single.update({(seal, field): key for seal, field, key in left})
        return Ring(whole, single)

    def between(self, first: int, last: int) -> set[int]:
        """The seals from first to last whose keys exist, wholly or in part."""
        found: set[int] = set()
        for table in ("record_key", "field_key"):
            query = f"SELECT seal FROM {table} WHERE seal BETWEEN ? AND ?"  # noqa: S608 - names of ours
            found.update(seal for (seal,) in self._files.connection.execute(query, (first, last)))
        return found

    def erase(self, seals: Iterable[int | None]) -> None:
        """The rows with these seals go in this transaction."""
        self._erased.update(seal for seal in seals if seal is not None)

    def redact(self, table: Table, names: Sequence[str], seals: Iterable[int | None]) -> None:
        """These fields of the rows with these seals go in this transaction."""
        if names:
            self._redacted.append((table, names, [seal for seal in seals if seal is not None]))

    def erase_unwritten(self, connection: Connection, table: Table, seals: set[int]) -> None:
        """Of these new keys, those that no row has taken."""
        self.erase(seals - _having(connection, select(table.c.seal), seals))

    def checkpoint(self) -> None:
        """Leave no byte of a destroyed key. Raises sqlite.ErasureNotPhysical when that cannot be."""
        self._tidy()
        self._files.checkpoint()

    def close(self) -> None:
        """Destroy what was made ahead; should that fail, the next start does it."""
        with suppress(sqlite3.Error):
            self._tidy()

    def _going(self) -> list[tuple[str, int]]:
        fields = [(_GOING + name, seal) for _, names, seals in self._redacted for name in names for seal in seals]
        return [(_GOING, seal) for seal in self._erased] + fields

    def _settle(self) -> None:
        """After the commit: destroy what no row needs any more. That the new ones are needed can be noted later."""
        self._settled += [(_NEW, seal) for seal in self._used]
        self._unused += [seal for seal, _ in self._spare]
        if going := self._going():
            with self._write() as keys:
                for redacted in self._redacted:
                    _narrow(keys, *redacted)
                _destroy(keys, self._erased)
                keys.executemany("DELETE FROM doubt WHERE why = ? AND seal = ?", going)
        self._begin_anew()

    def _recover(self, connection: Connection) -> None:
        """A transaction was cut off, here or in another process: keep the keys that rows need, and no others."""
        self._begin_anew()
        marks = self._files.connection.execute("SELECT why, seal FROM doubt").fetchall()
        if not marks:
            return
        gone = {seal for why, seal in marks if why in {_NEW, _GOING}}
        redacted: list[tuple[Table, Sequence[str], set[int]]] = []
        for table, names in CONTENT.items():
            gone -= _having(connection, select(table.c.seal), gone)
            for name in names:
                seals = {seal for why, seal in marks if why == _GOING + name}
                empty = select(table.c.seal).where(table.c[name].is_(None))
                redacted.append((table, [name], _having(connection, empty, seals)))
        with self._write() as keys:
            for narrowed in redacted:
                _narrow(keys, *narrowed)
            _destroy(keys, gone)
            keys.executemany("DELETE FROM doubt WHERE why = ? AND seal = ?", marks)

    def _in_doubt(self, why: str) -> bool:
        """Whether a key is in doubt for that reason, or one that sorts behind it."""
        found = self._files.connection.execute("SELECT 1 FROM doubt WHERE why >= ? LIMIT 1", (why,)).fetchone()
        return found is not None

    def _tidy(self) -> None:
        if self._settled or self._unused:
            with self._write():
                pass

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """A durable transaction of the key file."""
        with self._files.writing() as keys:
            keys.execute("BEGIN IMMEDIATE")
            with keys:
                marks = self._settled + [(_NEW, seal) for seal in self._unused]
                keys.executemany("DELETE FROM doubt WHERE why = ? AND seal = ?", marks)
                _destroy(keys, self._unused)
                yield keys
        self._settled, self._unused = [], []


def derived(key: bytes, field: str) -> bytes:
    """The key of one field of the record with that key."""
    return _digest(key, field.encode(), "sha256")


def _narrow(keys: sqlite3.Connection, table: Table, names: Sequence[str], seals: Iterable[int]) -> None:
    """Destroy the keys of these fields alone: those of the others take the record key's place."""
    others = [name for name in CONTENT[table] if name not in names]
    for seal in seals:
        whole = keys.execute("SELECT key FROM record_key WHERE seal = ?", (seal,)).fetchone()
        if whole is not None:
            left = [(seal, name, derived(whole[0], name)) for name in others]
            keys.executemany("INSERT INTO field_key VALUES (?, ?, ?)", left)
            keys.execute("DELETE FROM record_key WHERE seal = ?", (seal,))
        keys.executemany("DELETE FROM field_key WHERE seal = ? AND field = ?", [(seal, name) for name in names])


def _destroy(keys: sqlite3.Connection, seals: Iterable[int]) -> None:
    for table in ("record_key", "field_key"):
        keys.executemany(f"DELETE FROM {table} WHERE seal = ?", [(seal,) for seal in seals])  # noqa: S608 - ours


def _having(connection: Connection, rows: Select[Any], seals: set[int]) -> set[int]:
    """Those of the seals that one of the rows has."""
    found: set[int] = set()
    for some in _chunks(seals):
        found.update(connection.execute(rows.where(rows.selected_columns.seal.in_(some))).scalars())
    return found


def _chunks(seals: Iterable[int]) -> Iterator[list[int]]:
    every = list(seals)
    for first in range(0, len(every), _CHUNK):
        yield every[first : first + _CHUNK]
