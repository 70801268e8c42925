"""Counts that tell whether the cloud is well: what is stored, what waits, what could not be taken."""

from sqlalchemy import Connection, func, select

from cloud_stub import outgoing
from cloud_stub.stores.tables import RECORDS, quarantine, scope


def status(connection: Connection) -> dict[str, int]:
    """By name: interactions and recordings stored, messages waiting for a confirmation, quarantined ones, deletions."""

    def count(table: object) -> int:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]

    return {
        "interactions": count(RECORDS["primary", "transcript"]),
        "recordings": count(RECORDS["primary", "recording"]),
        "outgoing": outgoing.count(connection),
        "untold": outgoing.untold(connection),
        "quarantined": count(quarantine),
        "deletions": count(scope),
    }
