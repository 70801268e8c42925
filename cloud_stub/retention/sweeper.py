"""The sweeper: finds what has fallen due, by the times on the rows themselves, and carries it out in bounded chunks.

Nothing is scheduled, so nothing scheduled can be lost: a restart, a restored backup or another policy just changes what
is found. Each chunk is one short transaction, written to the ledger before it is carried out.
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, literal, select

from cloud_stub.contract.messages import new_id, rfc3339
from cloud_stub.retention import acts, device_copies, household, ledger
from cloud_stub.retention.acts import MARKED
from cloud_stub.retention.clock import SystemClock
from cloud_stub.retention.engine import Engine
from cloud_stub.retention.ledger import Decision
from cloud_stub.retention.rules import Action, Period, Rule, Trigger
from cloud_stub.retention.scopes import NEVER, Scope
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.repository import Stores
from cloud_stub.stores.tables import RECORDS, WORKINGS, account, device, scope

#: Rows in one transaction: at a million rows such a chunk holds the write lock for well under 250 ms (measured).
CHUNK = 500

#: After a pass that found nothing, look again so many seconds later, or when the clock was set forward.
PAUSE_S = 60.0

_ORDER: tuple[Action, ...] = ("erase", "redact", "pseudonymise")


@dataclass(frozen=True)
class Job:
    """Rows of one table that one rule says something about, once they are old enough."""

    store: str
    kind: str
    table: Table
    rule: Rule
    trigger: Trigger

    def due(self, before: str) -> ColumnElement[bool]:
        """The rows that are due when times up to `before` are."""
        columns = self.table.c
        if self.trigger in MARKED:
            return and_(
                columns.deleted_at <= before, columns.deleted_by == self.trigger, acts.undone(self.table, self.rule)
            )
        since = columns.requested_at if self.table is scope else columns.received_at
        return and_(since <= before, acts.undone(self.table, self.rule))


class Sweeper:
    """Works through everything that is due, a chunk at a call."""

    def __init__(self, stores: Stores, keys: Keys, engine: Engine, clock: SystemClock, chunk: int = CHUNK) -> None:
        """`chunk` bounds the rows of one transaction."""
        self._stores, self._keys, self._engine, self._clock, self._chunk = stores, keys, engine, clock, chunk
        # What is erased is not pseudonymised first, and what is redacted is still called by its name in the ledger.
        self._jobs = sorted(self._all_jobs(), key=lambda job: _ORDER.index(job.rule.action))
        self._pass = self._chunks()
        self._rest_until = 0.0
        self._untidy = False
        self.swept = 0

    def step(self) -> bool:
        """Do the next chunk, if a pass is due. Returns whether there is more to do at once."""
        if time.monotonic() < self._rest_until:
            return False
        rows = next(self._pass, None)
        if rows is None:
            if self._untidy:
                self._stores.checkpoint()
            more, self._untidy = self._untidy, False
            self._pass = self._chunks()
            # What was swept may have made something else due, so an idle pass ends the work, not a busy one.
            self._rest_until = 0.0 if more else time.monotonic() + PAUSE_S
            return more
        self.swept += rows
        self._untidy = True
        return True

    def wake(self) -> None:
        """Look at once: the clock was set forward, or a setting has changed."""
        self._rest_until = 0.0

    def sweep(self) -> int:
        """Do everything that is due now. Returns how many rows were touched."""
        before = self.swept
        self._pass = self._chunks()
        self.wake()
        while self.step():
            pass
        return self.swept - before

    def _chunks(self) -> Iterator[int]:
        """One pass: the rows touched by each chunk that found any."""
        # Deletions first: of what is erased nobody can be asked, and what has a pseudonym is nobody's any more.
        yield from self._auto_delete()
        yield from self._inactive()
        for job in self._jobs:
            accounts = self._due_accounts(job)
            while accounts and (rows := self._one(job, accounts)):
                yield rows
        yield from self._closed()

    def _all_jobs(self) -> Iterator[Job]:
        policy = self._engine.policy
        for (store, kind), table in RECORDS.items():
            for trigger in (*MARKED, "age"):
                rule = policy.rule(store, kind, trigger)
                if rule.after is not None:
                    yield Job(store, kind, table, rule, trigger)
        for (store, kind), table in WORKINGS.items():
            rule = policy.rule(store, kind, "age")
            if rule.after is not None and ("received_at" in table.c or table is scope):
                yield Job(store, kind, table, rule, "age")

    def _due_accounts(self, job: Job) -> deque[str]:
        """The accounts that have rows due: what is sorted by account first is swept account by account."""
        due = select(job.table.c.account).where(self._due(job)).distinct()
        with self._stores.read() as connection:
            return deque(connection.execute(due).scalars())

    def _due(self, job: Job) -> ColumnElement[bool]:
        assert job.rule.after is not None
        return job.due(rfc3339(job.rule.after.before(self._clock.now())))

    def _one(self, job: Job, accounts: deque[str]) -> int:
        """A chunk of the rows that are due in these accounts; those that are done with are taken out."""
        now = self._clock.now()
        table = job.table
        interaction = table.c.get("interaction", literal(""))
        found = select(table.c.account, interaction, *table.primary_key).where(self._due(job))
        with self._stores.write() as connection:
            rows: list[Any] = []
            while accounts and len(rows) < self._chunk:
                room = self._chunk - len(rows)
                mine = found.where(table.c.account == accounts[0]).limit(room)
                some = connection.execute(mine).all()
                rows += some
                if len(some) < room:
                    accounts.popleft()
            if not rows:
                return 0
            decision = Decision(
                trigger=job.trigger,
                action=str(job.rule),
                store=job.store,
                kind=job.kind,
                rule=self._engine.policy.cite(job.rule, job.trigger),
                subjects=tuple((row[0], row[1] or "") for row in rows),
                records=len(rows),
            )
            ledger.append(connection, self._keys, now, [decision])
            keys = [tuple(row[2:]) for row in rows]
            if job.rule.action == "erase":
                device_copies.forget_rows(connection, table, keys, now)
            self._apply(connection, job, keys)
        return len(rows)

    def _apply(self, connection: Connection, job: Job, keys: list[tuple[Any, ...]]) -> None:
        """Do what the rule says to the rows with these primary keys."""
        columns = list(job.table.primary_key)
        if job.rule.action == "erase":
            # The driver's own executemany: at this rate the statement builder would cost more than the deletion.
            where = " AND ".join(f"{column.name} = ?" for column in columns)
            statement = f'DELETE FROM "{job.store}"."{job.kind}" WHERE {where}'  # noqa: S608 - names of ours
            connection.exec_driver_sql(statement, keys)
            return
        for key in keys:
            here = and_(*(column == value for column, value in zip(columns, key, strict=True)))
            acts.change(connection, self._keys, job.table, job.rule, here)

    def _auto_delete(self) -> Iterator[int]:
        """A household's auto-delete: what arrived so long ago counts as deleted by its user."""
        for name in self._accounts():
            with self._stores.read() as connection:
                wish = household.of(connection, self._engine.policy, name).auto_delete
            if wish == "never":
                continue
            due = rfc3339(Period(wish).before(self._clock.now()))
            while (until := self._next_end(name, due)) is not None:
                # By the cloud's time alone, and not remembered: a message that arrives late has its own age.
                taken = Scope(new_id(), name, until, until=NEVER)
                self._engine.ask(taken)
                yield self._engine.act(taken)

    def _next_end(self, name: str, due: str) -> str | None:
        """Up to when a chunk of the account's records that are due reaches; None where none is."""
        ends = []
        now = self._clock.now()
        with self._stores.read() as connection:
            for table in RECORDS.values():
                open_still = acts.undecided(self._engine.policy, table, "user_delete", now)
                mine = and_(table.c.account == name, table.c.received_at <= due, open_still)
                times = select(table.c.received_at).where(mine).order_by(table.c.received_at).limit(self._chunk)
                found = connection.execute(times).scalars().all()
                if found:
                    ends.append(found[-1] if len(found) == self._chunk else due)
        return min(ends, default=None)

    def _inactive(self) -> Iterator[int]:
        """Children's accounts that have been silent for as long as the policy allows."""
        after = self._engine.policy.inactive_after()
        if after is None:
            return
        now = self._clock.now()
        taken = exists().where(
            scope.c.account == account.c.account,
            scope.c.trigger == "inactive",
            scope.c.requested_at >= account.c.heard_at,
        )
        silent = select(account.c.account).where(
            account.c.child == 1, account.c.heard_at <= rfc3339(after.before(now)), ~taken
        )
        with self._stores.read() as connection:
            names = connection.execute(silent).scalars().all()
        for name in names:
            now_text = rfc3339(now)
            self._engine.erase([Scope(new_id(), name, now_text, until=now_text, trigger="inactive")])
            yield 1

    def _closed(self) -> Iterator[int]:
        """Closed accounts that have been remembered for long enough, with the devices that were theirs."""
        for table in (device, account):
            rule = self._engine.policy.rule("operations", table.name, "account_closed")
            if rule.action != "erase" or rule.after is None:
                continue
            now = self._clock.now()
            closed = select(account.c.account).where(account.c.closed_at <= rfc3339(rule.after.before(now)))
            with self._stores.write() as connection:
                names = connection.execute(select(table.c.account).where(table.c.account.in_(closed))).scalars().all()
                if not names:
                    continue
                decision = Decision(
                    trigger="account_closed",
                    action=str(rule),
                    store="operations",
                    kind=table.name,
                    rule=self._engine.policy.cite(rule, "account_closed"),
                    subjects=tuple((name, "") for name in names),
                    records=len(names),
                )
                ledger.append(connection, self._keys, now, [decision])
                connection.execute(delete(table).where(table.c.account.in_(closed)))
            yield len(names)

    def _accounts(self) -> list[str]:
        with self._stores.read() as connection:
            return list(connection.execute(select(account.c.account).order_by(account.c.account)).scalars())
