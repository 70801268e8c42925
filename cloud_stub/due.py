"""What is still going to ring, fire, be met or be charged: the data that lives on after its recording (L8)."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, select

from cloud_stub.contract.messages import rfc3339
from cloud_stub.contract.recurrence import next_due
from cloud_stub.retention.rules import Period
from cloud_stub.stores.sealing import Seal
from cloud_stub.stores.tables import RECORDS

#: How often a subscription is charged: no source says; a month is what such services do.
CHARGED = Period("P1M")


def due(connection: Connection, seal: Seal, account: str, now: datetime, zone: ZoneInfo) -> list[dict[str, Any]]:
    """The account's alarms, reminders, timers, meetings and charges to come, soonest first; recurring as in `zone`.

    Each has what (ring, fire, meet, charge), when (RFC 3339, UTC), about, interaction, and whether the recording that
    it came of has been deleted.
    """
    found = []
    for kind, what, field, about in (
        ("alarm", "ring", "due", "time"),
        ("timer", "ring", "due", "seconds"),
        ("reminder", "fire", "due", "about"),
        ("meeting", "meet", "starts", "attendee"),
    ):
        table = RECORDS["actions", kind]
        for row in _readable(connection, seal, table, account):
            if row[field] is None:
                continue
            when = next_due(datetime.fromisoformat(row[field]), row.get("recurrence") or "", zone, now)
            if when is not None:
                found.append(_entry(row, kind, what, when, row[about]))
    table = RECORDS["commerce", "subscription"]
    for row in _readable(connection, seal, table, account):
        when = datetime.fromisoformat(row["received_at"])
        while when <= now:
            when = CHARGED.since(when)
        found.append(_entry(row, "subscription", "charge", when, row["service"]))
    return sorted(found, key=lambda entry: str(entry["when"]))


def _readable(connection: Connection, seal: Seal, table: Table, account: str) -> list[dict[str, Any]]:
    rows = connection.execute(select(table).where(table.c.account == account)).mappings()
    return [row for row in seal.opened(table, rows) if row["seal"] is None]


def _entry(row: Any, kind: str, what: str, when: datetime, about: object) -> dict[str, Any]:
    return {
        "what": what,
        "kind": kind,
        "when": rfc3339(when),
        "about": about,
        "interaction": row["interaction"],
        "recording_deleted": row["deleted_at"] is not None,
    }
