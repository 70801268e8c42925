"""What a trigger takes: one interaction, or all of an account's within a time. It outlives what it took."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Table, and_, false, insert, or_, select, update

from cloud_stub.retention.rules import Trigger
from cloud_stub.stores.repository import write_missing
from cloud_stub.stores.tables import RECORDS, seen
from cloud_stub.stores.tables import scope as scopes

#: Before every time of a device: a range until then takes nothing by what devices say.
NEVER = ""


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
        taken = table.c.received_at <= self.requested_at
        if self.since is not None:
            taken = and_(taken, table.c.received_at >= self.since)
        if self.until:
            taken = or_(taken, table.c.at.between(self.since or "", self.until))
        return and_(mine, taken)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES = tuple(Scope.__dataclass_fields__)


def remember(connection: Connection, scope: Scope) -> None:
    """Write the scope: from this commit on it holds for whatever arrives."""
    connection.execute(insert(scopes), asdict(scope))


def name_strays(connection: Connection, scope: Scope) -> None:
    """Remember by their ids the interactions of a range that their own times would not bring into it again.

    Those are taken by the cloud's time, which is another when they are redelivered, or for one of their parts only. A
    closed account's are named too: that it is closed may be forgotten before its deletion is. Auto-delete's are not: it
    is not remembered.
    """
    if scope.interaction is not None or scope.until == NEVER:
        return
    first, last = scope.since or "", scope.until or ""
    known = seen.c.interaction
    by_cloud = and_(seen.c.account == scope.account, seen.c.received_at.between(first, scope.requested_at))
    strays = set(connection.execute(select(known).where(by_cloud, _outside(known, first, last))).scalars())
    for table in RECORDS.values():
        named = table.c.interaction
        stray = or_(table.c.at < first, table.c.at > last, _outside(named, first, last))
        strays.update(connection.execute(select(named).distinct().where(scope.within(table), stray)).scalars())
    # Their ids come of the range's, so that naming them again after a crash names the same.
    rows = [
        asdict(replace(scope, id=f"{scope.id}:{name}", interaction=name, since=None, until=None)) for name in strays
    ]
    if rows:
        write_missing(connection, scopes, rows)


def _outside(interaction: ColumnElement[str], first: str, last: str) -> ColumnElement[bool]:
    """Whether the time in an id, which is all that a recording knows of its time, lies outside."""
    before = interaction < _id_from(first, round_up=True) if first else false()
    return or_(before, interaction >= _id_from(last, round_up=False)) if last else before


def _id_from(time: str, *, round_up: bool) -> str:
    """How the ids begin that are of that time or later (`round_up`), or later."""
    milliseconds = (datetime.fromisoformat(time) - _EPOCH) // timedelta(milliseconds=1)
    whole = datetime.fromisoformat(time).microsecond % 1000 == 0
    digits = f"{milliseconds + (0 if round_up and whole else 1):012x}"
    return f"{digits[:8]}-{digits[8:]}"


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


def done_since(connection: Connection, time: str) -> list[Scope]:
    """What has been carried out since then, in the order in which it was asked for."""
    mine = select(scopes).where(scopes.c.done_at >= time).order_by(scopes.c.requested_at, scopes.c.id)
    return [_scope(row) for row in connection.execute(mine)]


def done(connection: Connection, scope: Scope, at: str) -> None:
    """The scope has been carried out."""
    connection.execute(update(scopes).where(scopes.c.id == scope.id).values(done_at=at, requested_by=None))


def _scope(row: object) -> Scope:
    return Scope(**{name: getattr(row, name) for name in _NAMES})
