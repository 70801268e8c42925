"""PostgreSQL as physical storage, when SQLite is outgrown: each store is a schema of one database.

Facts, measured on PostgreSQL 15: a deleted row stays readable in its table until VACUUM, and its ids in the indexes
until REINDEX. VACUUM does not zero: in a page that keeps other rows the bytes of an erased one may stay (where every
second row was erased, half of them did); VACUUM FULL, which writes the table anew, leaves none. It costs twice a
REINDEX, so it is done while a table is small. The write-ahead log keeps all of it, whatever is done here: only content
that was never written in the clear (sealed storage) can be erased from there.
"""

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    Text,
    and_,
    create_engine,
    delete,
    event,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import TEXT, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema

from cloud_stub.contract.extras import install
from cloud_stub.errors import CloudError
from cloud_stub.stores import address
from cloud_stub.stores.sqlite import ErasureNotPhysical
from cloud_stub.stores.tables import STORES, metadata

#: Since 15 the server's count of dead rows is exact when VACUUM returns; what is physical is read from that.
OLDEST_VERSION = 15

#: How long to wait for other programs that read.
PATIENCE_S = 10.0

#: A table of up to so many bytes is written anew, which takes about 100 ms; of a larger one only the indexes are.
SMALL = 8_000_000

#: The advisory lock that whoever writes holds, whichever program it is: our number in this database.
_WRITE_LOCK = 0x5245_4348_4F

#: Tables that rows were deleted from, or changed in, since they were last made physical. In the database, so that it
#: outlives whoever was about to do it.
_untidy = Table(
    "untidy",
    MetaData(),
    Column("store", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    schema="operations",
)

# Said here, because the first word of it would load this dialect for those who have only files.
for _index in (index for table in metadata.tables.values() for index in table.indexes):
    if (_where := _index.dialect_options["sqlite"]["where"]) is not None:
        _index.dialect_kwargs["postgresql_where"] = _where

_CHANGE = re.compile(r'\s*(?:DELETE FROM|UPDATE) "?(\w+)"?\."?(\w+)"?')
_DEAD = text(
    "SELECT coalesce(sum(pg_stat_get_dead_tuples(part)), 0) FROM pg_class, unnest(ARRAY[oid, reltoastrelid]) AS part"
    " WHERE oid = to_regclass(:table)"
)


class Database:
    """The stores' schemas in one database. One thread at a time; other processes may work on the same database."""

    def __init__(self, url: URL) -> None:
        """Open, and create what is missing. Raises CloudError naming what is wrong with the server or the rights on it.

        Transactions that begin "IMMEDIATE" hold the write lock, and are durable when committed; "DEFERRED" ones read
        one moment and write nothing: SQLite's names, so that stores need not know which they are.
        """
        self._shown = address.shown(url)
        self.engine = _engine(url)
        # A connection of its own for what runs outside of transactions, and must not wait long for readers.
        self._upkeep = _create(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        try:
            with self.engine.execution_options(begin="IMMEDIATE").begin() as connection:
                self._create_tables(connection)
        except DBAPIError as error:
            self.close()
            raise self._explained(error) from error
        except CloudError:
            self.close()
            raise

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Nothing: whoever writes holds the lock within the transaction."""
        yield

    def checkpoint(self, patience_s: float = PATIENCE_S) -> None:
        """Clear the tables that rows were erased from, as far as PostgreSQL can.

        A reader that may still see the erased rows makes this wait, `patience_s` seconds at most; then
        ErasureNotPhysical is raised. Writers wait for one table at a time. The server writes its pages to disk when it
        likes, at its next own checkpoint at the latest.
        """
        deadline = time.monotonic() + patience_s
        with self._upkeep.connect() as connection:
            connection.exec_driver_sql("SET lock_timeout = '1s'")
            for store, kind in connection.execute(select(_untidy)).all():
                while not _cleared(connection, store, kind):
                    if time.monotonic() > deadline:
                        raise ErasureNotPhysical(
                            f"another program is reading the database, so erased rows are still in {store}.{kind}. End "
                            "its transaction; the erasure is finished the next time the stores are opened."
                        )
                    time.sleep(0.05)

    def flushed(self) -> tuple[Path, str]:
        """Let the server write all pages to its files. Returns its data folder, and the name of our database's folder.

        Raises CloudError where its user may not ask for that, or may not know the folder.
        """
        try:
            with self._upkeep.connect() as connection:
                connection.exec_driver_sql("CHECKPOINT")
                folder = connection.exec_driver_sql("SHOW data_directory").scalar_one()
                number = "SELECT oid FROM pg_database WHERE datname = current_database()"
                return Path(str(folder)), str(connection.exec_driver_sql(number).scalar_one())
        except DBAPIError as error:
            said = next(iter(str(error.orig).strip().splitlines()), "no answer")
            raise CloudError(f"{said}. Grant its user pg_checkpoint and pg_read_all_settings.") from error

    def close(self) -> None:
        """Close the connections. What was committed stays."""
        self.engine.dispose()

    def _create_tables(self, connection: Connection) -> None:
        version = connection.dialect.server_version_info or ()
        if version < (OLDEST_VERSION,):
            shown = ".".join(map(str, version))
            raise CloudError(f"{self._shown} is PostgreSQL {shown}. Use {OLDEST_VERSION} or newer.")
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            raise CloudError(
                f"{self._shown} is encoded as {encoding}. Create it anew: createdb -E UTF8 -T template0 NAME."
            )
        there = inspect(connection).get_schema_names()
        for store in STORES:
            if store not in there:
                connection.execute(CreateSchema(store))
        _tables().create_all(connection)
        _untidy.create(connection, checkfirst=True)

    def _explained(self, error: DBAPIError) -> CloudError:
        """What PostgreSQL said, in one line, with the remedy."""
        said = next(iter(str(error.orig).strip().splitlines()), "no answer").strip()
        if getattr(error.orig, "sqlstate", None) == "42501":
            remedy = "Let its user create schemas there: GRANT CREATE ON DATABASE ... TO ..."
        elif "password" in said:
            remedy = "Give the password in --store postgresql://USER:PASSWORD@HOST/DATABASE, PGPASSWORD or ~/.pgpass."
        elif 'database "' in said:
            remedy = "Create it: createdb NAME."
        else:
            remedy = (
                "Is the server running, and are host, port and user right? --store postgresql://USER@HOST:PORT/NAME"
            )
        return CloudError(f"PostgreSQL at {self._shown} cannot be used: {said}. {remedy}")


def _tables() -> MetaData:
    """The tables with text that is compared byte by byte, as SQLite does: times and ids are compared as text.

    Said of the columns alone: said of the types, SQLAlchemy would say it of every value too, where it is no syntax.
    """
    made = MetaData()
    for table in metadata.sorted_tables:
        for column in table.to_metadata(made).c:
            if isinstance(column.type, Text):
                column.type = TEXT(collation="C")
    return made


def _create(url: URL, **options: Any) -> Engine:
    """An engine on that database. Raises CloudError where the driver is missing."""
    # A server that does not answer is given up, not waited for.
    given = {"connect_timeout": "10"} | dict(url.query) | {"client_encoding": "utf8"}
    try:
        return create_engine(url.set(query=given), **options)
    except ImportError as error:
        raise CloudError(f"PostgreSQL needs the driver psycopg ({error}). Install it: {install('postgres')}") from error


def _engine(url: URL) -> Engine:
    # Read committed: what is read after the write lock was got has all that was written under it before.
    engine = _create(url, isolation_level="READ COMMITTED", pool_pre_ping=True, pool_size=1, max_overflow=2)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("begin") == "IMMEDIATE":
            connection.info["changed"] = set()
            # Answered is durable, whatever the server's default.
            connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
            connection.execute(select(func.pg_advisory_xact_lock(_WRITE_LOCK)))
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    @event.listens_for(engine, "after_cursor_execute")
    def _executed(connection: Connection, cursor: Any, statement: str, *_: object) -> None:
        found = _CHANGE.match(statement)
        if found and cursor.rowcount:
            connection.info["changed"].add(found.groups())

    @event.listens_for(engine, "commit")
    def _commit(connection: Connection) -> None:
        changed = connection.info.pop("changed", None)
        if changed:
            rows = [{"store": store, "kind": kind} for store, kind in sorted(changed)]
            connection.execute(insert(_untidy).on_conflict_do_nothing(), rows)

    return engine


def _cleared(connection: Connection, store: str, kind: str) -> bool:
    """Leave nothing of erased rows in one table, while nobody writes. False where a reader stands in the way."""
    table = f'"{store}"."{kind}"'
    mark = and_(_untidy.c.store == store, _untidy.c.kind == kind)
    try:
        connection.execute(select(func.pg_advisory_lock(_WRITE_LOCK)))
        if connection.execute(select(_untidy).where(mark)).first() is None:
            return True  # another program was faster
        connection.exec_driver_sql(f"VACUUM {table}")
        # Rows that an open transaction may still see are counted, not removed.
        if connection.execute(_DEAD, {"table": table}).scalar():
            return False
        size = connection.execute(select(func.pg_table_size(func.to_regclass(table)))).scalar_one()
        connection.exec_driver_sql(f"VACUUM FULL {table}" if size <= SMALL else f"REINDEX TABLE {table}")
        connection.execute(delete(_untidy).where(mark))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == "55P03":  # lock_not_available
            return False
        raise
    else:
        return True
    finally:
        if not connection.invalidated:
            connection.execute(select(func.pg_advisory_unlock_all()))
