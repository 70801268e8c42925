"""The stores of one data folder, in files or in a database: open, read, write, and forget physically."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Table,
    Text,
    cast,
    create_engine,
    event,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.pool import StaticPool

from cloud_stub import durable
from cloud_stub.errors import CloudError
from cloud_stub.stores import sqlite
from cloud_stub.stores.record_keys import RecordKeys
from cloud_stub.stores.tables import STORES, metadata

if TYPE_CHECKING:
    from cloud_stub.stores import postgres

#: Why there is no backup of a database.
NOT_OURS = (
    "backups of PostgreSQL are the database's own business: use pg_dump. The keys of sealed records are not in it."
)

#: SQLite calls the first file of a connection main.
_SCHEMAS = {STORES[0]: "main"}


class Stores:
    """All stores of a data folder. One thread at a time; other processes may work on the same folder."""

    def __init__(self, data: Path, database: URL | None = None, keys: RecordKeys | None = None) -> None:
        """Open, and create what is missing: files under `data`/cloud, or schemas of that PostgreSQL database.

        The `keys` of sealed records follow what each transaction commits. Raises OSError where the folder cannot be
        written, CloudError where the database cannot be used.
        """
        self._keys = keys
        self.folder = data / "cloud"
        durable.make_folder(self.folder)
        self.folder.chmod(0o700)
        self.files: dict[str, Path] = {}
        self._files: sqlite.Files | postgres.Database
        if database is not None:
            # Loaded where it is used: SQLite's commands start a fifth faster without it.
            from cloud_stub.stores.postgres import Database  # noqa: PLC0415

            self._files = Database(database)
            self._engine = self._files.engine
            return
        self.files = {store: self.folder / f"{store}.db" for store in STORES}
        self._files = sqlite.Files(self.files)
        self._engine = _engine(self._files.connection)
        with self.write() as connection:
            metadata.create_all(connection)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start; commits at the end, rolls back on any error."""
        wanted = self._engine.execution_options(begin="IMMEDIATE")
        begin = Connection.begin if self._keys is None else self._keys.transaction
        with self._files.writing(), wanted.connect() as connection, begin(connection):
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one moment of every store. Keep it short: it delays a checkpoint."""
        with self._engine.connect().execution_options(begin="DEFERRED") as connection, connection.begin():
            yield connection

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nobody else writes while this block runs, in any process."""
        with self._files.writing():
            yield

    def copy(self, store: str, file: Path) -> None:
        """Copy a store into a new file, as it is, but for its unused pages. Raises CloudError on PostgreSQL."""
        if not isinstance(self._files, sqlite.Files):
            raise CloudError(NOT_OURS)
        with self._files.writing() as raw:
            raw.execute(f'VACUUM "{store}" INTO ?', (str(file),))

    def flushed(self) -> tuple[Path, str] | None:
        """On PostgreSQL: all written to its files, its data folder and our database's number; None for SQLite.

        Raises CloudError where the server does not let us.
        """
        return None if isinstance(self._files, sqlite.Files) else self._files.flushed()

    def shorten(self) -> bool:
        """A part of what `checkpoint` does, so that others can write in between. Returns whether there was one."""
        return isinstance(self._files, sqlite.Files) and self._files.shorten()

    def checkpoint(self) -> None:
        """After an erasure: leave no byte of a deleted row. Raises sqlite.ErasureNotPhysical when it cannot."""
        self._files.checkpoint()
        if self._keys is not None:
            self._keys.checkpoint()

    def close(self) -> None:
        """Close the files. What was committed stays."""
        self._files.close()
        self._engine.dispose()


def insert_missing(connection: Connection, table: Table) -> Insert:
    """An INSERT for that connection that leaves alone what is there already."""
    if connection.dialect.name == "sqlite":
        return sqlite_dialect.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - as in Stores

    return postgresql.insert(table).on_conflict_do_nothing()


def write_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Write rows; one that is there already stays as it is. Returns how many are new.

    All rows have the same columns, those with a default among them. SQLite is given the values as they are: what
    SQLAlchemy does for each row of an INSERT takes longer than SQLite.
    """
    options = {"preserve_rowcount": True}
    if connection.dialect.name != "sqlite":
        return connection.execute(insert_missing(connection, table), rows, execution_options=options).rowcount
    statement, values = _insert(table, tuple(rows[0]))
    return connection.exec_driver_sql(statement, list(map(values, rows)), execution_options=options).rowcount


def one_of(
    connection: Connection, columns: Sequence[Column[str]], rows: Collection[Sequence[str]]
) -> ColumnElement[bool]:
    """Whether these columns, together, are one of the rows: found by an index that begins with the columns.

    SQLite would scan the table for a list of pairs, and for two lists look up every pairing of their values; not so
    for a query's rows, whose values have the columns' type.
    """
    if connection.dialect.name != "sqlite":
        return tuple_(*columns).in_([tuple(row) for row in rows])
    given = func.json_each(json.dumps(list(rows))).table_valued("value")
    places = [cast(func.json_extract(given.c.value, f"$[{place}]"), Text) for place in range(len(columns))]
    return tuple_(*columns).in_(select(*places))


@cache
def _insert(table: Table, columns: tuple[str, ...]) -> tuple[str, Callable[[Mapping[str, Any]], tuple[Any, ...]]]:
    """The statement of `write_missing` for rows with these columns, and what makes of a row the tuple of its values."""
    dialect = sqlite_dialect.dialect(paramstyle="qmark", json_serializer=_json)
    insert = sqlite_dialect.insert(table).on_conflict_do_nothing()
    statement = insert.compile(
        dialect=dialect, column_keys=columns, schema_translate_map=_SCHEMAS, render_schema_translate=True
    )
    names = statement.positiontup or []
    types = [table.c[name].type.dialect_impl(dialect) for name in names]
    converted = {
        place: convert for place, found in enumerate(types) if (convert := found.bind_processor(dialect)) is not None
    }
    pick = itemgetter(*names)

    def values(row: Mapping[str, Any]) -> tuple[Any, ...]:
        picked: tuple[Any, ...] = pick(row)
        if not converted:
            return picked
        return tuple(converted[place](value) if place in converted else value for place, value in enumerate(picked))

    return str(statement), values


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _engine(raw: sqlite3.Connection) -> Engine:
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool, json_serializer=_json)

    # The driver must not open transactions of its own: a read that becomes a write would then meet SQLITE_BUSY.
    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        kind = connection.get_execution_options().get("begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {kind}")

    return engine.execution_options(schema_translate_map=_SCHEMAS)
