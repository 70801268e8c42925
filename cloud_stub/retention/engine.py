"""The engine: a deletion becomes a plan, the plan is written to the ledger, carried out, and made physical.

On delete: `remember` the scope (one commit; from then on nothing in it can come back), `ask` third parties, then in one
transaction write the plan's decisions and carry them out, then truncate every log. Each step can be repeated, so a
crash anywhere is mended by running `finish` again, which every program does when it opens the stores.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, insert, or_, select, update

from cloud_stub.contract.messages import PartnerRequest, encode, partner_topic, rfc3339
from cloud_stub.retention import ledger, scopes
from cloud_stub.retention.clock import SystemClock
from cloud_stub.retention.ledger import Decision
from cloud_stub.retention.policy import Policy, Rule
from cloud_stub.retention.scopes import Scope
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.repository import Stores
from cloud_stub.stores.tables import RECORDS, THIRD_PARTIES, directive, quarantine, seen

USER_DELETE: Literal["user_delete"] = "user_delete"


@dataclass(frozen=True)
class Step:
    """What one rule does to one kind of record within a deletion."""

    store: str
    kind: str
    rule: Rule
    where: ColumnElement[bool]
    table: Table
    interactions: tuple[str, ...]
    records: int


class Engine:
    """Carries out deletions under one policy."""

    def __init__(self, stores: Stores, keys: Keys, policy: Policy, clock: SystemClock) -> None:
        """Finishes what an earlier run left undone before anything can be read."""
        self._stores, self._keys, self._clock = stores, keys, clock
        self.policy = policy
        self.finish()

    def erase(self, wanted: list[Scope]) -> None:
        """A deletion asked for outside of a conversation: remember it, carry it out, make it physical."""
        with self._stores.write() as connection:
            for scope in wanted:
                scopes.remember(connection, scope)
        self.finish()

    def finish(self) -> int:
        """Carry out every remembered deletion that is not done. Returns how many there were.

        Raises sqlite.ErasureNotPhysical when another program keeps the logs from being truncated; the deletion is then
        done logically, and tried again next time.
        """
        with self._stores.read() as connection:
            waiting = scopes.unfinished(connection)
        for scope in waiting:
            self._ask(scope)
            self._act(scope)
            self._stores.checkpoint()
            # Marked only now: had we crashed before the logs were truncated, the next start would see to it.
            with self._stores.write() as connection:
                scopes.done(connection, scope, rfc3339(self._clock.now()))
        return len(waiting)

    def plan(self, connection: Connection, scope: Scope) -> list[Step]:
        """What a deletion will do to which records, by which rule. Reads only."""
        steps = [
            self._step(connection, store, kind, table, scope.within(table)) for (store, kind), table in RECORDS.items()
        ]
        interactions = {name for step in steps for name in step.interactions}
        if scope.interaction is not None:
            interactions.add(scope.interaction)
        for table in (seen, directive, quarantine):
            where = self._within_workings(table, scope, interactions)
            steps.append(self._step(connection, "operations", table.name, table, where))
        return [step for step in steps if step.records]

    def _step(self, connection: Connection, store: str, kind: str, table: Table, where: ColumnElement[bool]) -> Step:
        found = [row[0] for row in connection.execute(select(table.c.interaction).where(where))]
        rule = self.policy.rule(store, kind, USER_DELETE)
        named = tuple(sorted({name for name in found if name}))
        return Step(store, kind, rule, where, table, named, len(found))

    def _within_workings(self, table: Table, scope: Scope, interactions: set[str]) -> ColumnElement[bool]:
        """Queues and rejects of the deleted interactions: by id, and, as a torn message names none, by arrival.

        Two kinds of outgoing messages are no part of it: the spoken answer to the deletion itself, and a task on its
        way to a third party whose record a rule keeps ("prevent Alexa from performing the requested task").
        """
        where: ColumnElement[bool] = table.c.interaction.in_(interactions)
        if scope.interaction is None:
            received = and_(table.c.received_at >= (scope.since or ""), table.c.received_at <= scope.requested_at)
            where = or_(where, received)
        if table is directive:
            where = and_(where, table.c.purpose != "delete")
            if scope.requested_by is not None:
                where = and_(where, or_(table.c.interaction.is_(None), table.c.interaction != scope.requested_by))
            for partner, kind in THIRD_PARTIES.items():
                if self.policy.rule("commerce", kind, USER_DELETE).action != "erase":
                    where = and_(where, table.c.recipient != f"partner/{partner}")
        return and_(table.c.account == scope.account, where)

    def _ask(self, scope: Scope) -> None:
        """Queue a deletion request for each third party that a rule says to ask.

        In a transaction of its own, before the commerce record that tells whom to ask is erased.
        """
        asked = []
        with self._stores.write() as connection:
            for partner, kind in THIRD_PARTIES.items():
                rule = self.policy.rule(f"third_parties/{partner}", kind, USER_DELETE)
                table = RECORDS["commerce", kind]
                if rule.action != "ask":
                    continue
                mine = and_(scope.within(table), table.c.partner == rule.to, table.c.deleted_at.is_(None))
                rows = connection.execute(select(table.c.interaction, table.c.at).where(mine)).all()
                asked += [_deletion_request(scope, rule.to, row.interaction, self._clock.now()) for row in rows]
                self._note(connection, scope, rule, f"third_parties/{partner}", kind, [row.interaction for row in rows])
            if asked:
                connection.execute(insert(directive).prefix_with("OR IGNORE"), asked)

    def _note(
        self, connection: Connection, scope: Scope, rule: Rule, store: str, kind: str, interactions: list[str]
    ) -> None:
        cause = f"{scope.id}:{store}"
        if interactions and not ledger.holds(connection, cause):
            decision = Decision(
                account=scope.account,
                trigger=USER_DELETE,
                action=str(rule),
                store=store,
                kind=kind,
                rule=self.policy.cite(rule, USER_DELETE),
                interactions=tuple(interactions),
                records=len(interactions),
                cause=cause,
            )
            ledger.append(connection, self._keys, self._clock.now(), [decision])

    def _act(self, scope: Scope) -> None:
        with self._stores.write() as connection:
            steps = self.plan(connection, scope)
            if not ledger.holds(connection, scope.id):
                ledger.append(connection, self._keys, self._clock.now(), self._decisions(scope, steps))
            for step in steps:
                self._carry_out(connection, step)

    def _decisions(self, scope: Scope, steps: list[Step]) -> Iterator[Decision]:
        for step in steps:
            yield Decision(
                account=scope.account,
                trigger=USER_DELETE,
                action=str(step.rule),
                store=step.store,
                kind=step.kind,
                rule=self.policy.cite(step.rule, USER_DELETE),
                interactions=step.interactions,
                records=step.records,
                cause=scope.id,
            )

    def _carry_out(self, connection: Connection, step: Step) -> None:
        """Erase or redact what is due at once; on every record that stays, note that its interaction is deleted."""
        if step.rule.action == "erase" and step.rule.after is None:
            connection.execute(delete(step.table).where(step.where))
        elif "deleted_at" in step.table.c:
            values: dict[str, str | None] = {"deleted_at": self._now()}
            if step.rule.action == "redact" and step.rule.after is None:
                values |= dict.fromkeys(step.rule.fields)
            connection.execute(update(step.table).where(step.where, step.table.c.deleted_at.is_(None)).values(values))

    def _now(self) -> str:
        return rfc3339(self._clock.now())


def _deletion_request(scope: Scope, partner: str, interaction: str, now: datetime) -> dict[str, object]:
    # The id is derived from the deletion, so that asking again after a crash asks the same question.
    tail = hashlib.sha256(f"{scope.id}/{interaction}/{partner}".encode()).hexdigest()
    request_id = f"{scope.id[:15]}{tail[:3]}-8{tail[3:6]}-{tail[6:18]}"
    request = PartnerRequest(id=request_id, verb="delete", account=scope.account, interaction=interaction, at=now)
    return {
        "id": request_id,
        "account": scope.account,
        "interaction": interaction,
        "received_at": rfc3339(now),
        "recipient": f"partner/{partner}",
        "purpose": "delete",
        "topic": partner_topic(partner, "request"),
        "payload": encode(request),
        "attempts": 0,
    }
