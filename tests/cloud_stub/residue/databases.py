"""Real SQLite databases full of unique words, and the truth about each word: what SELECT says of it."""

import random
import re
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from cloud_stub.residue.sqlite_file import InNoRow, InRow, Place, SqliteFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS numbered(id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT, b BLOB, c REAL);
CREATE INDEX IF NOT EXISTS numbered_a ON numbered(a);
CREATE TABLE IF NOT EXISTS plain(a TEXT UNIQUE, "b ""b" BLOB, twice AS (a || a), kept AS (a || '!') STORED);
CREATE INDEX IF NOT EXISTS plain_lower ON plain(lower(a), "b ""b") WHERE a IS NOT NULL;
CREATE TABLE IF NOT EXISTS keyed(a TEXT, account TEXT, b BLOB, position INTEGER,
    PRIMARY KEY(account, position, account)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS keyed_b ON keyed(b);
"""
#: What is stored of each table, as SELECT names it. "added" is there after add_column.
STORED = {
    "numbered": ["id", "a", "b", "c"],
    "plain": ["rowid", "a", 'b "b', "kept"],
    "keyed": ["a", "account", "b", "position"],
    "sqlite_schema": ["rowid", "type", "name", "tbl_name", "rootpage", "sql"],
}
#: The columns of each index, its table's key included; an expression stands for the column that it is made of.
INDEXED = {
    "numbered_a": ("numbered", {"a": "a", "id": "id"}),
    "sqlite_autoindex_plain_1": ("plain", {"a": "a", "rowid": "rowid"}),
    "plain_lower": ("plain", {"(expression)": "a", 'b "b': 'b "b', "rowid": "rowid"}),
    "keyed_b": ("keyed", {"b": "b", "account": "account", "position": "position"}),
}
WORD = rb"w[0-9a-f]{15}"
#: A word wherever it begins, in the bytes that a file of that encoding has for a text or a blob.
ANYWHERE = {
    "UTF-8": re.compile(rb"(?=(%b))" % WORD),
    "UTF-16le": re.compile(rb"(?=(%b|w\0(?:[0-9a-f]\0){15}))" % WORD),
    "UTF-16be": re.compile(rb"(?=(%b|\0w(?:\0[0-9a-f]){15}))" % WORD),
}


@dataclass
class Shape:
    """How a file is laid out; all but `reserved` are pragmas."""

    page_size: int = 4096
    encoding: str = "UTF-8"
    auto_vacuum: int = 0
    secure_delete: int = 0
    reserved: int = 0


@dataclass
class Database:
    """A database with unique words in every table."""

    path: Path
    shape: Shape
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        self.connection = self._connect()
        if self.shape.reserved:
            self.connection.execute("PRAGMA user_version = 1")
            self.connection.close()
            reserve(self.path, self.shape.reserved)
            self.connection = self._connect()
        self.connection.executescript(SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None)
        for name in ("page_size", "encoding", "auto_vacuum", "secure_delete"):
            connection.execute(f"PRAGMA {name} = '{getattr(self.shape, name)}'")
        # No power is cut here.
        connection.executescript("PRAGMA synchronous = off; PRAGMA journal_mode = memory")
        return connection

    def words(self, longest: int) -> str:
        """A few new words of 16 letters, and dots between them, so many bytes at most (or one word)."""
        count = self.chance.randint(1, max(1, min(8, longest // 17)))
        dots = "." * self.chance.randint(1, max(1, longest // count - 16))
        return dots.join(f"w{self.chance.getrandbits(60):015x}" for _ in range(count))

    def insert(self, longest: int, rows: int = 1) -> None:
        """Rows in every table, with values of at most so many bytes."""
        say, execute = self.words, self.connection.execute
        for _ in range(rows):
            number = self.chance.choice([None, None, None, self.chance.randint(-(2**62), 2**30)])
            real = self.chance.choice([1.5, 2.0, None, -(2.0**40)])
            execute(
                "INSERT OR REPLACE INTO numbered(id, a, b, c) VALUES (?, ?, ?, ?)",
                (number, say(longest), say(longest).encode(), real),
            )
            execute('INSERT INTO plain(a, "b ""b") VALUES (?, ?)', (say(longest), say(longest).encode()))
            position = self.chance.choice([0, 1, 300, -(2**50)])
            keyed = (say(longest), say(longest // 20), say(longest).encode(), position)
            execute("INSERT INTO keyed(a, account, b, position) VALUES (?, ?, ?, ?)", keyed)

    def delete(self, share: float) -> None:
        for table in INDEXED_TABLES:
            for key in self._some(table, share):
                self.connection.execute(f"DELETE FROM {table} WHERE a = ?", (key,))

    def update(self, longest: int, share: float) -> None:
        for table in INDEXED_TABLES:
            for key in self._some(table, share):
                text = self.words(longest)
                column, value = self.chance.choice([("a", text), (STORED[table][2], text.encode())])
                column = '"b ""b"' if column == 'b "b' else column
                self.connection.execute(f"UPDATE {table} SET {column} = ? WHERE a = ?", (value, key))

    def drop(self, table: str) -> None:
        """Drop a table and make it again."""
        self.connection.execute(f"DROP TABLE {table}")
        self.connection.executescript(SCHEMA)

    def add_column(self) -> None:
        """Rows that were there before lack the column; they say its default."""
        for table in INDEXED_TABLES:
            if "added" not in stored(self.connection, table):
                self.connection.execute(f"ALTER TABLE {table} ADD COLUMN added TEXT DEFAULT '{self.words(1)}'")

    def reindex(self) -> None:
        self.connection.execute("DROP INDEX numbered_a")
        self.connection.executescript(SCHEMA)

    def vacuum(self) -> None:
        self.connection.execute("VACUUM")

    def vacuum_a_little(self) -> None:
        self.connection.executescript("PRAGMA incremental_vacuum(3)")

    def _some(self, table: str, share: float) -> list[str]:
        keys = [key for (key,) in self.connection.execute(f"SELECT a FROM {table} ORDER BY a")]
        return self.chance.sample(keys, round(len(keys) * share))


INDEXED_TABLES = ("numbered", "plain", "keyed")


def reserve(path: Path, length: int) -> None:
    """Reserve so many bytes at the end of every page of a database that has but its first page."""
    content = bytearray(path.read_bytes())
    content[20] = length
    struct.pack_into(">H", content, 105, len(content) - length)
    path.write_bytes(content)


class Spot(NamedTuple):
    """Where a word is: a column of a table, or of one of its indexes."""

    word: bytes
    table: str
    index: str | None
    column: str


def stored(connection: sqlite3.Connection, table: str) -> list[str]:
    added = connection.execute(f"SELECT 1 FROM pragma_table_xinfo('{table}') WHERE name = 'added'").fetchone()
    return [*STORED[table], *(["added"] if added else [])]


def truth(path: Path) -> dict[Spot, dict[str, Any]]:
    """Everywhere that SELECT says that a word is, and the row that it is in."""
    spots = {}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for table in STORED:
            columns = stored(connection, table)
            names = ", ".join('"' + column.replace('"', '""') + '"' for column in columns)
            for values in connection.execute(f"SELECT {names} FROM {table}"):
                row = dict(zip(columns, values, strict=True))
                trees = {None: {column: column for column in columns}}
                trees |= {index: shown for index, (of, shown) in INDEXED.items() if of == table}
                for index, shown in trees.items():
                    for column, source in shown.items():
                        value = row[source].encode() if isinstance(row[source], str) else row[source]
                        if isinstance(value, bytes):
                            spots |= {Spot(word, table, index, column): row for word in re.findall(WORD, value)}
    return spots


def occurrences(content: bytes, encoding: str) -> Iterator[tuple[int, int, bytes]]:
    """(offset, length, word) for everything that looks like a word."""
    for match in ANYWHERE[encoding].finditer(content):
        yield match.start(1), len(match[1]), match[1].replace(b"\0", b"")


def check_tiling(places: tuple[Place, ...], offset: int, length: int) -> None:
    """Places follow each other without a gap, and one that is in a row names a column."""
    for place in places:
        assert place.offset == offset
        assert place.length > 0
        assert not isinstance(place, InRow) or place.columns
        offset, length = offset + place.length, length - place.length
    assert length == 0


def check(database: Database) -> Counter[str]:
    """Hold the reader against the truth for every word that is in the file. Returns how often it saw what."""
    content, said = database.path.read_bytes(), truth(database.path)
    seen: Counter[Spot] = Counter()
    kinds: Counter[str] = Counter()
    with SqliteFile(database.path) as file:
        assert file.damage == ()
        everything = file.locate(0, len(content))
        check_tiling(everything, 0, len(content))
        assert not [place for place in everything if isinstance(place, InNoRow) and place.kind == "damaged"]
        for offset, length, word in occurrences(content, database.shape.encoding):
            places = file.locate(offset, length)
            check_tiling(places, offset, length)
            for place in places:
                kinds["in a row" if isinstance(place, InRow) else place.kind] += 1
                for column in place.columns if isinstance(place, InRow) else ():
                    spot = Spot(word, place.table, place.index, column)
                    # A row is SELECT's row, an index's entry is a part of it.
                    row = said[spot]
                    shown = INDEXED[place.index][1] if place.index else dict(zip(row, row, strict=True))
                    entry = {name: row[source] for name, source in shown.items()}
                    assert column == "added" or dict(place.row) == entry
                    seen[spot] += place.length == length
        for stretch in file.stretches():
            pieces = list(stretch.pieces())
            assert [content[offset : offset + len(piece)] for offset, piece in pieces] == [piece for _, piece in pieces]
            borders = [sum(len(piece) for _, piece in pieces[:number]) for number in range(1, len(pieces))]
            whole = b"".join(piece for _, piece in pieces)
            for offset, length, word in occurrences(whole, database.shape.encoding):
                if any(offset < border < offset + length for border in borders):
                    kinds["on two pages"] += 1
                    seen[Spot(word, stretch.table, stretch.index, stretch.column)] += 1
    # The default of a column that was added is in many rows, or in none: only in the schema.
    assert {spot: count for spot, count in seen.items() if spot.column != "added"} == {
        spot: 1 for spot in said if spot.column != "added"
    }
    return kinds
