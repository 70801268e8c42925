"""One hash of what the stores hold, for telling whether two replays came to the same.

What differs from run to run without meaning anything is left out: keys and what is made with them (witness, ledger),
names that the cloud makes up (a reference, a rule's own ids), and fractions of a second of the cloud's own clock.
"""

import hashlib
import json
from typing import Any

from sqlalchemy import Connection, select

from cloud_stub.stores.sealing import Seal
from cloud_stub.stores.tables import RECORDS, fields

#: Made up by a third party for each request.
_MADE_UP = {"reference"}

_WHOLE_SECONDS = len("2026-06-01T09:00:00")


def digest(connection: Connection, seal: Seal) -> str:
    """SHA-256 in hex over every record but the witness's, in the order of store, kind and key."""
    sums = hashlib.sha256()
    for (store, kind), table in RECORDS.items():
        if store == "witness":
            continue
        rows = connection.execute(select(table).order_by(*table.primary_key)).mappings()
        for row in seal.opened(table, rows):
            shown = {name: row[name] for name in (*(column.name for column in table.primary_key), "device", "at")}
            shown |= {name: _whole(row[name]) for name in ("received_at", "deleted_at")}
            shown |= {"deleted_by": row["deleted_by"]}
            shown |= {name: row[name] for name in fields(table) if name not in _MADE_UP}
            sums.update(json.dumps([store, kind, shown], sort_keys=True, default=_bytes).encode())
    return sums.hexdigest()


def _whole(time: str | None) -> str | None:
    return time and time[:_WHOLE_SECONDS]


def _bytes(value: Any) -> str:
    return hashlib.sha256(value).hexdigest()
