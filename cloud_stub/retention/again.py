"""Deciding again what was decided before, about records that have come back since: in its order, and with its times.

What a rule does later is thereby due when it was due before.
"""

from collections import defaultdict
from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, and_, select

from cloud_stub.retention import scopes
from cloud_stub.retention.acts import MARKED
from cloud_stub.retention.engine import Engine, Step
from cloud_stub.retention.rules import Trigger
from cloud_stub.retention.scopes import Scope
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.tables import RECORDS, ledger, seen

#: How many interactions one decision names at most.
_CHUNK = 500


@dataclass(frozen=True)
class _Entry:
    """What an entry of the ledger tells of records that have come back."""

    id: str
    requested_at: str
    account: str
    table: Table
    trigger: Trigger
    interactions: list[str]


def decide_again(
    connection: Connection, engine: Engine, keys: Keys, since: str, tables: Set[Table], restore: str
) -> int:
    """Everything that was decided since then, about records in these tables; the ledger names the `restore`.

    A remembered deletion says itself what it takes. What a changed setting took, or auto-delete, only the ledger knows,
    by pseudonyms. Returns how many decisions met records.
    """
    done = scopes.done_since(connection, since)
    before: list[Scope | _Entry] = [
        *done,
        *_from_the_ledger(connection, keys, since, tables, {scope.id for scope in done}),
    ]
    met = 0
    for event in sorted(before, key=lambda event: event.requested_at):
        steps = _steps(connection, engine, tables, event)
        at = datetime.fromisoformat(event.requested_at)
        engine.decide(connection, event.account, steps, at, cause=f"{event.id}:{restore}")
        met += any(step.table in tables for step in steps)
    return met


def _steps(connection: Connection, engine: Engine, tables: Set[Table], event: Scope | _Entry) -> list[Step]:
    if isinstance(event, Scope):
        return [step for step in engine.plan(connection, event) if step.table in tables or step.table is seen]
    where = and_(event.table.c.account == event.account, event.table.c.interaction.in_(event.interactions))
    return [engine.step(connection, event.table, where, event.trigger)]


def _from_the_ledger(
    connection: Connection, keys: Keys, since: str, tables: Set[Table], known: Set[str]
) -> Iterator[_Entry]:
    entries = select(ledger).where(ledger.c.at >= since, ledger.c.trigger.in_(MARKED)).order_by(ledger.c.seq)
    people: dict[Table, dict[str, tuple[str, str]]] = {}
    for entry in connection.execute(entries).all():
        table = RECORDS.get((entry.store, entry.kind))
        if table is None or table not in tables or entry.cause.partition(":")[0] in known:
            continue
        if table not in people:
            people[table] = _people(connection, keys, table)
        met = defaultdict(list)
        for name in people[table].keys() & set(entry.interactions.split()):
            account, interaction = people[table][name]
            met[account].append(interaction)
        for account, said in met.items():
            for first in range(0, len(said), _CHUNK):
                some = said[first : first + _CHUNK]
                yield _Entry(f"{entry.cause}:{entry.seq}:{first}", entry.at, account, table, entry.trigger, some)


def _people(connection: Connection, keys: Keys, table: Table) -> dict[str, tuple[str, str]]:
    """Whose and which interactions the ledger's pseudonyms mean, of those that have records in the table."""
    found = connection.execute(select(table.c.account, table.c.interaction).distinct()).all()
    keys.prepare({account for account, _ in found})
    return {keys.pseudonym(account, interaction): (account, interaction) for account, interaction in found}
