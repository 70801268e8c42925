"""The proof of the scanner: words that nobody said are put into a place, found there, and taken out again.

A search that cannot find what was put there proves nothing by finding nothing.
"""

import secrets

from sqlalchemy import Connection, LargeBinary, Text, delete, insert

from cloud_stub.contract.messages import new_id, rfc3339
from cloud_stub.retention.clock import SystemClock
from cloud_stub.stores.repository import Stores
from cloud_stub.stores.tables import RECORDS, fields, quarantine

#: No device can be registered for an account of this name.
ACCOUNT = "~canary"


def words() -> str:
    """Three words that were never said before."""
    return " ".join(secrets.token_hex(6) for _ in range(3))


def put(stores: Stores, text: str) -> None:
    """Write the canary into every kind of record, and among the rejects, and let it reach the files."""
    now = rfc3339(SystemClock().now())
    common = {"account": ACCOUNT, "interaction": new_id(), "received_at": now}
    with stores.write() as connection:
        _remove(connection)
        for table in RECORDS.values():
            row: dict[str, object] = {**common, "position": 0, "device": ACCOUNT, "at": now}
            for name in fields(table):
                if isinstance(table.c[name].type, Text):
                    row[name] = text
                elif isinstance(table.c[name].type, LargeBinary):
                    row[name] = text.encode()
            connection.execute(insert(table), row)
        reject = {"id": new_id(), "topic": "", "payload": text.encode(), "reason": "a canary"}
        connection.execute(insert(quarantine), common | reject)
    stores.checkpoint()


def take(stores: Stores) -> None:
    """Take it out again, physically."""
    with stores.write() as connection:
        _remove(connection)
    stores.checkpoint()


def _remove(connection: Connection) -> None:
    for table in (*RECORDS.values(), quarantine):
        connection.execute(delete(table).where(table.c.account == ACCOUNT))
