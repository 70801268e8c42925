"""Sealed storage: each record's content is encrypted with a key of its own; to destroy the key is to erase all copies.

It is for the places that no erasure reaches: backups, replicas, a database's write-ahead log. The keys lie in keys.db,
which is erased physically (sqlite.py) and is part of no backup. What stays readable in such copies: that there was a
record, of which store and kind, account, device and interaction, and when; of an order, the third party's name and how
far it got. Content alone is sealed, not who and when.

- One key a record, not one an interaction: a rule may keep one record of an interaction and erase another.
- Each field is sealed (AES-256-GCM) with a key derived from the record's (HMAC-SHA256). To redact a field, the record's
  key is replaced by the derived keys of its other fields: those can still be read in every copy, and it in none.
- The ciphertext stands in the field's own column, as base64 where that is no sound: NULL is NULL, sealed or not. It is
  bound to store, kind, position and field; not to account and interaction, whose place a pseudonym may take.
"""

import base64
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, Connection, LargeBinary, RowMapping, Table, delete, null, update

from cloud_stub.errors import CloudError
from cloud_stub.stores.record_keys import RecordKeys, derived
from cloud_stub.stores.repository import write_missing
from cloud_stub.stores.tables import CONTENT

#: A row to be written, or as it was read.
Row = Mapping[str, Any] | RowMapping

#: What sealing adds to the bytes of a field: a nonce before and a tag behind.
NONCE_BYTES = 12
OVERHEAD_BYTES = NONCE_BYTES + 16


class Seal:
    """Writes, reads and erases content. Under a policy that does not seal it just passes on what it is given."""

    def __init__(self, keys: RecordKeys) -> None:
        """`keys` are those of the folder."""
        self.keys = keys
        self.on = False
        """Whether the policy seals."""

    def insert(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows; one that is there already stays as it is."""
        if not self.on or table not in CONTENT:
            write_missing(connection, table, rows)
            return
        sealed = [_sealed(table, row, *key) for row, key in zip(rows, self.keys.take(len(rows)), strict=True)]
        if write_missing(connection, table, sealed) < len(sealed):
            self.keys.erase_unwritten(connection, table, {row["seal"] for row in sealed})

    def opened(self, table: Table, rows: Iterable[Row]) -> list[dict[str, Any]]:
        """Rows as they were read (`seal` and `position` among them), their content readable.

        Afterwards `seal` is None; where it is not, the record's key is destroyed, and its content is None. Raises
        CloudError where the content does not open.
        """
        found = [dict(row) for row in rows]
        if table not in CONTENT:
            return found
        ring = self.keys.ring(row["seal"] for row in found)
        for row in found:
            seal = row["seal"]
            if seal is None:
                continue
            for name in CONTENT[table]:
                if row.get(name) is not None:
                    key = ring.key(seal, name)
                    row[name] = None if key is None else _opened(table, name, row, key)
            if seal in ring:
                row["seal"] = None
        return found

    def surviving(self, rows: Iterable[Row]) -> list[dict[str, Any]]:
        """Those rows of an old copy, still sealed, that were not erased since."""
        old = [dict(row) for row in rows]
        ring = self.keys.ring(row["seal"] for row in old)
        return [row for row in old if row["seal"] is None or row["seal"] in ring]

    def erase(self, connection: Connection, table: Table, where: ColumnElement[bool]) -> None:
        """Delete rows, and with their keys every copy of what they said."""
        if not self.on or table not in CONTENT:
            connection.execute(delete(table).where(where))
            return
        self.keys.erase(connection.execute(delete(table).where(where).returning(table.c.seal)).scalars())

    def redact(self, connection: Connection, table: Table, names: Sequence[str], where: ColumnElement[bool]) -> None:
        """Take these fields out of rows, and out of every copy."""
        # Not None: in a JSON column that would be the text "null", and never done.
        statement = update(table).where(where).values({name: null() for name in names})
        if not self.on:
            connection.execute(statement)
            return
        seals = connection.execute(statement.returning(table.c.seal)).scalars()
        self.keys.redact(table, [name for name in names if name in CONTENT[table]], seals)

    def field(self, table: Table, row: Row, name: str, value: object) -> object:
        """A field's new value as it is to be written into that row."""
        if row["seal"] is None or value is None:
            return value
        key = self.keys.ring([row["seal"]]).key(row["seal"], name)
        return None if key is None else _shut(table, name, row, key, value)


def _sealed(table: Table, row: Row, seal: int, key: bytes) -> dict[str, Any]:
    given = [name for name in CONTENT[table] if row.get(name) is not None]
    return {**row, "seal": seal} | {name: _shut(table, name, row, derived(key, name), row[name]) for name in given}


def _shut(table: Table, name: str, row: Row, key: bytes, value: object) -> bytes | str:
    binary = isinstance(table.c[name].type, LargeBinary)
    nonce = secrets.token_bytes(NONCE_BYTES)
    clear = value if isinstance(value, bytes) and binary else msgspec.json.encode(value)
    shut = nonce + AESGCM(key).encrypt(nonce, clear, _place(table, name, row))
    return shut if binary else base64.b64encode(shut).decode()


def _opened(table: Table, name: str, row: Row, key: bytes) -> object:
    value = row[name]
    try:
        shut = value if isinstance(value, bytes) else base64.b64decode(value, validate=True)
        clear = AESGCM(key).decrypt(shut[:NONCE_BYTES], shut[NONCE_BYTES:], _place(table, name, row))
    except (InvalidTag, TypeError, ValueError) as error:
        raise CloudError(
            f"{table.schema}/{table.name} has a field {name} that its key does not open: something else has written "
            "into the file. Take the file away and bring its records back with: cloud-stub restore"
        ) from error
    return clear if isinstance(value, bytes) else msgspec.json.decode(clear)


def _place(table: Table, name: str, row: Row) -> bytes:
    """What a field's ciphertext is bound to."""
    return f"{table.schema}/{table.name}/{row.get('position', '')}/{name}".encode()
