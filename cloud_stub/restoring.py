"""Bringing back from a backup what the stores have lost, and nothing of what was deleted since it was made.

Only what is missing comes back. The ledger, scopes, settings, accounts and keys stay as they are, and so does every
record that is there. A record whose key was destroyed does not come back, nor does a field. What was deleted, and stays
for a while or for good, is marked again with the time of its deletion, in the same transaction: nobody can read it
otherwise. While the marker file is there, whoever opens the folder finishes the restore first.

The limit: what was lost, and lies in a backup alone, no deletion finds. It keeps its key until it is restored or the
backup is removed.
"""

import logging
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, Table, select
from sqlalchemy.exc import DBAPIError

from cloud_stub import durable
from cloud_stub.contract.messages import new_id, rfc3339
from cloud_stub.errors import CloudError
from cloud_stub.retention import scopes
from cloud_stub.retention.again import decide_again
from cloud_stub.retention.sweeper import Sweeper
from cloud_stub.stores import backups
from cloud_stub.stores.backups import Backup
from cloud_stub.stores.repository import NOT_OURS
from cloud_stub.stores.tables import RECORDS, ledger, seen

if TYPE_CHECKING:
    from cloud_stub.house import House

log = logging.getLogger(__name__)

#: Rows that are brought back at a time.
_CHUNK = 500


class _Marker(msgspec.Struct):
    """What is being restored. The id names it in the ledger."""

    id: str
    backup: str


@dataclass
class Restored:
    """What a restore did."""

    backup: Backup
    records: Counter[str] = field(default_factory=Counter)
    """By store/kind, how many came back."""
    again: int = 0
    """How many decisions about them were carried out again."""


def restore(house: "House", name: str) -> Restored:
    """Restore from the backup of that name. The caller holds the right to serve the folder.

    Raises CloudError where there is no such backup, where it is of other keys, or older than deletions are remembered.
    """
    if not house.stores.files:
        raise CloudError(NOT_OURS)
    backup = backups.named(house.stores.folder, name)
    memory = house.policy.remembers()
    if backup.keys != house.keys.identity() or backup.sealed != house.policy.sealed:
        raise CloudError(f"the backup {name} is of another folder: its keys are not here, or it is not sealed alike.")
    if memory is not None and backup.time < rfc3339(memory.before(house.clock.now())):
        raise CloudError(
            f"the backup {name} is older than deletions are remembered ({memory}), so it may hold what was deleted. "
            "Choose a newer one: cloud-stub backup list"
        )
    durable.replace(_marker(house), msgspec.json.encode(_Marker(new_id(), name)))
    restored = finish(house)
    assert restored is not None
    return restored


def finish(house: "House") -> Restored | None:
    """Carry out the restore that the marker names, from its beginning. Returns None where there is none.

    Raises CloudError where the backup cannot be read; the restore is then given up.
    """
    marker = _marker(house)
    if not marker.exists():
        return None
    wanted = msgspec.json.decode(marker.read_bytes(), type=_Marker)
    try:
        restored = Restored(backups.named(house.stores.folder, wanted.backup))
        with house.stores.write() as connection:
            for (store, kind), table in RECORDS.items():
                restored.records[f"{store}/{kind}"] = _bring_back(house, connection, restored.backup, table)
            _bring_back(house, connection, restored.backup, seen)
            came_back = {table for pair, table in RECORDS.items() if restored.records["/".join(pair)]}
            since = restored.backup.time
            restored.again = decide_again(connection, house.engine, house.keys, since, came_back, wanted.id)
            done = scopes.done_since(connection, since)
    except CloudError as error:
        marker.unlink()
        durable.sync(marker.parent)
        raise CloudError(f"the restore is given up: {error} Choose another backup: cloud-stub backup list") from error
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise CloudError(f"the restore waits: {cause}. Free some disk space; the next command goes on.") from error
    Sweeper(house.stores, house.keys, house.engine, house.clock).sweep()
    try:
        backups.destroy_orphans(house.stores, house.keys.seal.keys)
    except CloudError as error:
        log.warning("%s", error)
    house.stores.checkpoint()
    for scope in done:
        house.engine.forget_name(scope)
    marker.unlink()
    durable.sync(marker.parent)
    return restored


def _bring_back(house: "House", connection: Connection, backup: Backup, table: Table) -> int:
    """Insert the backup's rows that are missing, as far as they were not erased since. Returns how many there were."""
    forgotten = _forgotten(connection, backup.time)
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    places = ", ".join("?" * len(table.columns))
    statement = f'INSERT OR IGNORE INTO "{table.schema}"."{table.name}" ({columns}) VALUES ({places})'  # noqa: S608
    number = 0
    for rows in _rows(house.stores.folder, backup, table, columns):
        there = house.keys.seal.surviving(rows) if table is not seen else rows
        if table is RECORDS["actions", "fact"]:
            pseudonym = house.keys.pseudonym
            there = [row for row in there if pseudonym(row["account"], row["interaction"]) not in forgotten]
        if there:
            number += connection.exec_driver_sql(statement, [tuple(row.values()) for row in there]).rowcount
    return number


def _rows(folder: Path, backup: Backup, table: Table, columns: str) -> Iterator[list[dict[str, Any]]]:
    try:
        with closing(backups.opened(folder, backup.name, str(table.schema))) as copy:
            copy.row_factory = sqlite3.Row
            found = copy.execute(f'SELECT {columns} FROM "{table.name}"')  # noqa: S608 - names of ours
            while rows := [dict(row) for row in found.fetchmany(_CHUNK)]:
                yield rows
    except sqlite3.DatabaseError as error:
        raise CloudError(f"{table.schema}.db in {backup.name} cannot be read: {error}.") from error


def _forgotten(connection: Connection, since: str) -> set[str]:
    """Pseudonyms of interactions whose facts the household has had the assistant forget."""
    told = select(ledger.c.interactions).where(ledger.c.trigger == "forget", ledger.c.at >= since)
    return {name for names in connection.execute(told).scalars() for name in names.split()}


def _marker(house: "House") -> Path:
    return house.stores.folder / "restore.json"
