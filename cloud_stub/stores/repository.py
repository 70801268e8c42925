"""The stores of one data folder behind one connection: open, read, write, and forget physically."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

from cloud_stub.stores import sqlite
from cloud_stub.stores.record_keys import RecordKeys
from cloud_stub.stores.tables import STORES, metadata

#: SQLite calls the first file of a connection main.
_SCHEMAS = {STORES[0]: "main"}


class Stores:
    """All stores of a data folder. One thread at a time; other processes may work on the same folder."""

    def __init__(self, data: Path, keys: RecordKeys | None = None) -> None:
        """Open, and create what is missing, under `data`/cloud. Raises OSError where that cannot be written.

        The `keys` of sealed records follow what each transaction commits.
        """
        self._keys = keys
        self.folder = data / "cloud"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
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
        """Copy a store into a new file, as it is, but for its unused pages."""
        with self._files.writing() as raw:
            raw.execute(f'VACUUM "{store}" INTO ?', (str(file),))

    def checkpoint(self) -> None:
        """After an erasure: leave no byte of a deleted row. Raises sqlite.ErasureNotPhysical when it cannot."""
        self._files.checkpoint()
        if self._keys is not None:
            self._keys.checkpoint()

    def close(self) -> None:
        """Close the files. What was committed stays."""
        self._files.close()
        self._engine.dispose()


def _engine(raw: sqlite3.Connection) -> Engine:
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)

    # The driver must not open transactions of its own: a read that becomes a write would then meet SQLITE_BUSY.
    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        kind = connection.get_execution_options().get("begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {kind}")

    return engine.execution_options(schema_translate_map=_SCHEMAS)
