"""Quarantine: messages that could not be taken, kept for whoever has to find out why, within two limits.

How long they stay is the policy's (its rule for age); how much stays is the operator's. What is over that goes oldest
first, in the transaction that brought the newest, and is written to the ledger like any other erasure.
"""

import logging
from functools import reduce
from operator import add

from sqlalchemy import ColumnElement, Connection, LargeBinary, cast, func, select

from cloud_stub.batch import Batch, Incoming, Origin
from cloud_stub.contract.messages import new_id, sender_of
from cloud_stub.errors import CloudError
from cloud_stub.residue import canary
from cloud_stub.retention import ledger
from cloud_stub.retention.clock import SystemClock
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.sealing import Seal
from cloud_stub.stores.tables import CONTENT
from cloud_stub.stores.tables import quarantine as table

log = logging.getLogger(__name__)

#: Bytes of a payload that are kept: quarantine is for finding out what went wrong, not for keeping sound.
PAYLOAD_BYTES = 4096

#: Bytes of topics, payloads and reasons that are kept in all, unless the operator says otherwise; and the least to say,
#: in which any one message has room.
LIMIT_BYTES = 16_000_000
LEAST_BYTES = 64_000

#: Who the ledger says it was, where an age or a household would stand.
TRIGGER = "size"


class Quarantine:
    """Takes what ingest could not."""

    def __init__(self, keys: Keys, clock: SystemClock, limit: int = LIMIT_BYTES) -> None:
        """`limit` in bytes as stored. `keys` make the ledger's pseudonyms, and let go of those of sealed rows."""
        self._keys, self._clock, self._limit = keys, clock, limit
        self._new = False

    def put(self, batch: Batch, message: Incoming, origin: Origin, reason: str, interaction: str | None = None) -> None:
        """Keep the message with the reason; `interaction` is the one it names, if it names one."""
        log.warning("quarantined a message on %s", message.topic[:200])
        self._new = True
        batch.add(
            table,
            {
                "id": new_id(),
                "account": origin.account,
                "interaction": interaction,
                "received_at": origin.received_at,
                # No topic may hold a NUL character (MQTT 3.1.1, 1.5.3), but a broker may let it pass.
                "topic": message.topic[:500].replace("\0", "\ufffd"),
                "payload": message.payload[:PAYLOAD_BYTES],
                "reason": reason[:2000],
            },
        )

    def bound(self, connection: Connection) -> None:
        """Erase the oldest rows that are over the limit, once those of the batch are written."""
        if not self._new:
            return
        self._new = False
        size = _size(connection)
        mine = table.c.account != canary.ACCOUNT
        if connection.execute(select(func.coalesce(func.sum(size), 0)).where(mine)).scalar_one() <= self._limit:
            return
        newest_first = (table.c.received_at.desc(), table.c.id.desc())
        with_newer = func.sum(size).over(order_by=newest_first).label("with_newer")
        rows = select(table.c.id, table.c.account, table.c.interaction, with_newer).where(mine).subquery()
        over = rows.c.with_newer > self._limit
        found = connection.execute(select(rows.c.account, rows.c.interaction).where(over)).all()
        decision = ledger.Decision(
            trigger=TRIGGER,
            action="erase",
            store=str(table.schema),
            kind=table.name,
            rule=f"quarantine holds {self._limit} bytes, and then the oldest goes",
            subjects=tuple((account, interaction or "") for account, interaction in found),
            records=len(found),
        )
        ledger.append(connection, self._keys, self._clock.now(), [decision])
        self._keys.seal.erase(connection, table, table.c.id.in_(select(rows.c.id).where(over)))
        log.warning("quarantine is full: the oldest %d messages are erased", len(found))


def senders(connection: Connection, seal: Seal, account: str | None) -> set[str]:
    """The devices whose messages are kept: the account's and those that are nobody's, or all."""
    # Not the messages themselves: they may be many megabytes.
    wanted = select(table.c.seal, table.c.topic).where(table.c.account != canary.ACCOUNT)
    if account is not None:
        wanted = wanted.where(table.c.account.in_([account, ""]))
    rows = seal.opened(table, connection.execute(wanted).mappings())
    return {sender for row in rows if (sender := sender_of(row["topic"] or ""))}


def held(connection: Connection) -> int:
    """Bytes of topics, payloads and reasons in quarantine."""
    size = func.coalesce(func.sum(_size(connection)), 0)
    return int(connection.execute(select(size).where(table.c.account != canary.ACCOUNT)).scalar_one())


def checked(limit: int | None) -> int:
    """The limit in bytes; None is for the default. Raises CloudError where a message may find no room in it."""
    if limit is None:
        return LIMIT_BYTES
    if limit < LEAST_BYTES:
        raise CloudError(f"--quarantine-bytes {limit} is too little. Give {LEAST_BYTES} at least.")
    return limit


def _size(connection: Connection) -> ColumnElement[int]:
    """A row's bytes, as they are stored."""
    columns = (table.c[name] for name in CONTENT[table])
    if connection.dialect.name == "postgresql":
        return reduce(add, (func.octet_length(column) for column in columns))
    # SQLite counts the characters of a text, and the bytes of a blob.
    return reduce(add, (func.length(cast(column, LargeBinary)) for column in columns))
