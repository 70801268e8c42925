"""Devices keep copies too: what waits in an outbox, saved sound, alerts that will ring.

When a record is erased, whatever the trigger, the device that it came from is told to erase its copy, in the
transaction that erases the record. A record that a rule keeps has its copy kept: the alarm still rings (L8); one whose
words a rule takes out rings without them.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Table, and_, select, union

from cloud_stub.contract.messages import Clock, Forget, directive_topic, encode, new_id, rfc3339
from cloud_stub.stores.sealing import Seal
from cloud_stub.stores.tables import RECORDS, device, directive

#: What the device's copy of a record is called.
COPIES: dict[tuple[str, str], Literal["interaction", "recording", "alert"]] = {
    ("primary", "transcript"): "interaction",
    ("primary", "recording"): "recording",
    ("actions", "alarm"): "alert",
    ("actions", "timer"): "alert",
    ("actions", "reminder"): "alert",
}

#: The kinds of action that ring.
ALERTS = tuple(RECORDS[case] for case, what in COPIES.items() if what == "alert")

#: Directives to devices that are about their copies, or the time, and hold no words.
WORDLESS = (Forget.name, Clock.name)

#: Interactions that one directive names at most.
CHUNK = 500


def forget(connection: Connection, seal: Seal, table: Table, where: ColumnElement[bool], now: datetime) -> None:
    """The rows of `where` are about to be erased: tell their devices."""
    what = COPIES.get((str(table.schema), table.name))
    if what is not None:
        _tell(connection, seal, table, where, what, now)


def forget_fields(
    connection: Connection, seal: Seal, table: Table, names: Sequence[str], where: ColumnElement[bool], now: datetime
) -> None:
    """These fields of the rows of `where` are about to be taken out: tell the devices that ring for them."""
    if table in ALERTS and "about" in names:
        _tell(connection, seal, table, and_(where, table.c.about.is_not(None)), "about", now)


def tell_time(connection: Connection, seal: Seal, now: datetime, *others: tuple[str, str]) -> dict[str, str]:
    """A simulated clock was set forward: tell every device that is registered, or has something that will ring, or
    said something that is still here; and `others`, by account and name. Any other is told when it speaks.

    Returns the ids of the directives, by device.
    """
    told_of = (*ALERTS, RECORDS["primary", "transcript"])
    known = union(
        select(device.c.account, device.c.device),
        *(select(table.c.account, table.c.device).where(table.c.device != "") for table in told_of),
    )
    seal.erase(connection, directive, directive.c.purpose == Clock.name)
    mine = sorted({*others, *((row.account, row.device) for row in connection.execute(known))})
    rows = [_row(account, name, Clock(id=new_id(), now=now), now) for account, name in mine]
    if rows:
        seal.insert(connection, directive, rows)
    return {name: row["id"] for (_, name), row in zip(mine, rows, strict=True)}


def _tell(
    connection: Connection,
    seal: Seal,
    table: Table,
    where: ColumnElement[bool],
    what: Literal["interaction", "recording", "alert", "about"],
    now: datetime,
) -> None:
    mine: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for account, name, interaction in connection.execute(
        select(table.c.account, table.c.device, table.c.interaction).where(where)
    ):
        if name:  # a pseudonymised record does not say
            mine[account, name].add(interaction)
    rows: list[dict[str, Any]] = []
    for (account, name), interactions in sorted(mine.items()):
        every = sorted(interactions)
        chunks = (every[start : start + CHUNK] for start in range(0, len(every), CHUNK))
        rows += (_row(account, name, Forget(new_id(), what, chunk), now) for chunk in chunks)
    if rows:
        seal.insert(connection, directive, rows)


def _row(account: str, name: str, message: Forget | Clock, now: datetime) -> dict[str, Any]:
    return {
        "id": message.id,
        "account": account,
        "interaction": None,
        "received_at": rfc3339(now),
        "recipient": f"device/{name}",
        "purpose": message.name,
        "topic": directive_topic(name, message.name),
        "payload": encode(message),
        "attempts": 0,
    }
