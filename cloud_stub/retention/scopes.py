"""What a trigger takes: one interaction, or all of an account's within a time. It outlives what it took."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, Connection, Table, and_, insert, or_, select, update

from cloud_stub.retention.rules import Trigger
from cloud_stub.stores.tables import scope as scopes


@dataclass(frozen=True)
class Scope:
    """An interaction's id, or (since, until, requested_at). Times are RFC 3339 text in UTC.

    A range takes an interaction by its device's time (`at` within since..until) or by the cloud's (`received_at` within
    since..requested_at). The two ends differ because a request that waited in a device's outbox speaks of what was
    said before it was spoken, not before it arrived.
    """

    id: str
    account: str
    requested_at: str
    interaction: str | None = None
    since: str | None = None
    until: str | None = None
    requested_by: str | None = None
    """The interaction that asked by voice; its spoken answer is on its way out and no part of what is deleted."""
    trigger: Trigger = "user_delete"

    def covers(self, interaction: str, at: str, received_at: str) -> bool:
        """Whether that interaction is taken."""
        if self.interaction is not None:
            return interaction == self.interaction
        since = self.since or ""
        return since <= at <= (self.until or "") or since <= received_at <= self.requested_at

    def within(self, table: Table) -> ColumnElement[bool]:
        """The same as a condition on a record's table."""
        mine = table.c.account == self.account
        if self.interaction is not None:
            return and_(mine, table.c.interaction == self.interaction)
        by_device = table.c.at <= (self.until or "")
        by_cloud = table.c.received_at <= self.requested_at
        if self.since is not None:
            by_device = and_(by_device, table.c.at >= self.since)
            by_cloud = and_(by_cloud, table.c.received_at >= self.since)
        return and_(mine, or_(by_device, by_cloud))


_NAMES = tuple(Scope.__dataclass_fields__)


def remember(connection: Connection, scope: Scope) -> None:
    """Write the scope: from this commit on it holds for whatever arrives."""
    connection.execute(insert(scopes), asdict(scope))


def of_accounts(connection: Connection, accounts: Iterable[str]) -> dict[str, list[Scope]]:
    """All that is remembered as taken, by account."""
    found: dict[str, list[Scope]] = {account: [] for account in accounts}
    for row in connection.execute(select(scopes).where(scopes.c.account.in_(found))):
        found[row.account].append(_scope(row))
    return found


def unfinished(connection: Connection) -> list[Scope]:
    """What was asked for and not yet carried out to the end, oldest first."""
    waiting = select(scopes).where(scopes.c.done_at.is_(None)).order_by(scopes.c.id)
    return [_scope(row) for row in connection.execute(waiting)]


def done(connection: Connection, scope: Scope, at: str) -> None:
    """The scope has been carried out."""
    connection.execute(update(scopes).where(scopes.c.id == scope.id).values(done_at=at, requested_by=None))


def _scope(row: object) -> Scope:
    return Scope(**{name: getattr(row, name) for name in _NAMES})
