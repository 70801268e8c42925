"""The sweeper: finds what has fallen due, by the times on the rows themselves, and carries it out in bounded chunks.

Nothing is scheduled, so nothing scheduled can be lost: a restart, a restored backup or another policy just changes what
is found. Each chunk is one short transaction, written to the ledger before it is carried out.
"""

import time
from collections.abc import Iterator

from sqlalchemy import Connection, LargeBinary, Table, and_, delete, exists, select

from cloud_stub.contract.messages import new_id, rfc3339
from cloud_stub.retention import acts, household, ledger
from cloud_stub.retention.clock import SystemClock
from cloud_stub.retention.engine import Engine
from cloud_stub.retention.jobs import Job, of_policy
from cloud_stub.retention.ledger import Decision
from cloud_stub.retention.rules import Action, Period, Rule
from cloud_stub.retention.scopes import NEVER, Scope
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.repository import Stores
from cloud_stub.stores.tables import RECORDS, account, device, scope

#: Rows in one transaction: at a million rows such a chunk holds the write lock for well under 250 ms (measured).
CHUNK = 2000

#: A row with sound in it counts as so many rows, and so does a row that gets another name, and with it another place.
HEAVY = 20

#: A sealed row counts as so many: it is longer, and its key has to go as well.
SEALED = 2

#: A step that finds nothing for so long ends, so that whoever calls it can do other work.
LOOK_S = 0.05

#: After a pass that found nothing, look again so many seconds later, or when the clock was set forward.
PAUSE_S = 60.0

_ORDER: tuple[Action, ...] = ("erase", "redact", "pseudonymise")


class Sweeper:
    """Works through everything that is due, a chunk at a call."""

    def __init__(self, stores: Stores, keys: Keys, engine: Engine, clock: SystemClock, chunk: int = CHUNK) -> None:
        """`chunk` bounds the rows of one transaction."""
        self._stores, self._keys, self._engine, self._clock, self._chunk = stores, keys, engine, clock, chunk
        # What is erased is not pseudonymised first, and what is redacted is still called by its name in the ledger.
        self._jobs = sorted(of_policy(engine.policy), key=lambda job: _ORDER.index(job.rule.action))
        self._pass = self._chunks()
        self._rest_until = 0.0
        self._touched = 0
        self.swept = 0

    def step(self) -> bool:
        """Do the next chunk, if a pass is due. Returns whether there is more to do at once."""
        if time.monotonic() < self._rest_until:
            return False
        until = time.monotonic() + LOOK_S
        for rows in self._pass:
            self._touched += rows
            self.swept += rows
            if rows or time.monotonic() > until:
                return True
        if self._touched and self._stores.shorten():
            return True
        if self._touched:
            self._stores.checkpoint()
        more, self._touched = self._touched > 0, 0
        self._pass = self._chunks()
        # What was swept may have made something else due, so an idle pass ends the work, not a busy one.
        self._rest_until = 0.0 if more else time.monotonic() + PAUSE_S
        return more

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
        """One pass: how many rows each chunk has touched."""
        # Deletions first: of what is erased nobody can be asked, and what has a pseudonym is nobody's any more.
        yield from self._auto_delete()
        yield from self._inactive()
        for job in self._jobs:
            start: str | None = ""
            rows = 0
            while start is not None:
                rows, start = self._one(job, start, likely=rows > 0)
                yield rows
        yield from self._closed()

    def _one(self, job: Job, start: str, *, likely: bool) -> tuple[int, str | None]:
        """A chunk of the rows that are due in the accounts from `start` on: how many, and where the next begins.

        Where nothing is due, as nearly always, nobody who wants to write has to wait for that, unless it is `likely`.
        """
        now = self._clock.now()
        before, limit = job.before(now), self._limit(job.table, job.rule)
        if not likely:
            with self._stores.read() as connection:
                rows, end = _found(connection, job, start, before, limit)
            if not rows:
                return 0, end
        with self._stores.write() as connection:
            rows, end = _found(connection, job, start, before, limit)
            if rows:
                decision = Decision(
                    trigger=job.trigger,
                    action=str(job.rule),
                    store=job.store,
                    kind=job.kind,
                    rule=self._engine.policy.cite(job.rule, job.trigger),
                    subjects=tuple(rows),
                    records=len(rows),
                )
                ledger.append(connection, self._keys, now, [decision])
                names = list(dict.fromkeys(name for name, _ in rows))
                # Of several accounts, all that is due is in the chunk.
                due = job.whole(names, before) if len(names) > 1 else job.first(names[0], before, limit)
                acts.change(connection, self._keys, job.table, job.rule, due, now)
        return len(rows), end

    def _limit(self, table: Table, rule: Rule) -> int:
        """How many rows of this table a chunk may have, given what the rule does to them."""
        large = any(isinstance(column.type, LargeBinary) for column in table.c)
        weight = HEAVY if large or rule.action == "pseudonymise" else 1
        return max(1, self._chunk // weight // (SEALED if self._keys.seal.on else 1))

    def _auto_delete(self) -> Iterator[int]:
        """A household's auto-delete: what arrived so long ago counts as deleted by its user."""
        with self._stores.read() as connection:
            wished = household.auto_deletes(connection, self._engine.policy)
        for name, period in wished:
            due = rfc3339(Period(period).before(self._clock.now()))
            while (until := self._next_end(name, due)) is not None:
                # By the cloud's time alone, and not remembered: a message that arrives late has its own age.
                taken = Scope(new_id(), name, until, until=NEVER)
                self._engine.ask(taken)
                yield self._engine.act(taken)
            yield 0

    def _next_end(self, name: str, due: str) -> str | None:
        """Up to when a chunk of the account's records that are due reaches; None where none is."""
        ends = []
        now, limit = self._clock.now(), max(1, self._chunk // len(RECORDS))
        with self._stores.read() as connection:
            for table in RECORDS.values():
                open_still = acts.undecided(self._engine.policy, table, "user_delete", now)
                mine = and_(table.c.account == name, table.c.received_at <= due, open_still)
                times = select(table.c.received_at).where(mine).order_by(table.c.received_at).limit(limit)
                found = connection.execute(times).scalars().all()
                if found:
                    ends.append(found[-1] if len(found) == limit else due)
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
            theirs = select(table.c.account).where(table.c.account.in_(closed))
            with self._stores.read() as connection:
                if connection.execute(theirs).first() is None:
                    continue
            with self._stores.write() as connection:
                names = connection.execute(theirs).scalars().all()
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


def _found(
    connection: Connection, job: Job, start: str, before: str, limit: int
) -> tuple[list[tuple[str, str]], str | None]:
    """(account, interaction) of the rows of a chunk, and the account with which the next one begins."""
    search = job.searches[connection.dialect.name]
    found = connection.execute(search, {"start": start, "before": before, "limit": limit + 1}).all()
    end = found[-1][0]
    rows = [(name, interaction) for name, interaction in found if interaction is not None]
    if len(found) > limit:
        # The last account may have more: it is the next chunk's, unless it fills one by itself.
        rows = [row for row in rows if row[0] != end]
        rows = rows or [(name, called) for name, called in connection.execute(job.subjects(end, before, limit))]
    return rows, end
