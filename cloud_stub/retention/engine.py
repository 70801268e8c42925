"""The engine: a trigger becomes a plan, the plan is written to the ledger, carried out, and made physical.

On delete: `remember` the scope (one commit; from then on nothing in it can come back), `ask` third parties, then in one
transaction write the plan's decisions and carry them out, then truncate every log. Each step can be repeated, so a
crash anywhere is mended by running `finish` again, which every program does when it opens the stores. What a rule does
only `after` a while is left marked on the record, for the sweeper to find.
"""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import filelock
from sqlalchemy import ColumnElement, Connection, Table, and_, false, insert, or_, select, union, update

from cloud_stub.contract.messages import encode, new_id, rfc3339
from cloud_stub.contract.partners import PartnerRequest, partner_topic
from cloud_stub.retention import acts, device_copies, household, ledger, scopes
from cloud_stub.retention.clock import SystemClock
from cloud_stub.retention.ledger import Decision
from cloud_stub.retention.policy import Policy
from cloud_stub.retention.rules import Rule, Trigger
from cloud_stub.retention.scopes import NEVER, Scope
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.repository import Stores
from cloud_stub.stores.sqlite import ErasureNotPhysical
from cloud_stub.stores.tables import (
    RECORDS,
    THIRD_PARTIES,
    WORKINGS,
    account,
    device,
    directive,
    quarantine,
    seen,
    setting,
)


@dataclass(frozen=True)
class Step:
    """What one rule does to one kind of record."""

    store: str
    kind: str
    rule: Rule
    trigger: Trigger
    where: ColumnElement[bool]
    table: Table
    interactions: tuple[str, ...]
    records: int
    due: str | None
    """When it will happen (RFC 3339, UTC); None for now, and for records that stay."""


class Engine:
    """Carries out triggers under one policy."""

    def __init__(self, stores: Stores, keys: Keys, policy: Policy, clock: SystemClock) -> None:
        """Finishes what an earlier run left undone before anything can be read."""
        self._stores, self._keys, self._clock = stores, keys, clock
        self.policy = policy
        self._turn = filelock.FileLock(stores.folder / "deletions.lock")
        # After a crash a log may still hold what a sweep erased, a page what nobody has scrubbed, and the key file keys
        # of rows that are gone: any transaction sees to those.
        with self._stores.write():
            pass
        with suppress(ErasureNotPhysical):
            self._stores.checkpoint()
        self.finish()

    def erase(self, wanted: Iterable[Scope]) -> None:
        """Remember what is to be taken, carry it out, make it physical."""
        with self._stores.write() as connection:
            for scope in wanted:
                scopes.remember(connection, scope)
        self.finish()

    def finish(self) -> int:
        """Carry out every remembered scope that is not done. Returns how many there were.

        Raises sqlite.ErasureNotPhysical when another program keeps the logs from being truncated; the deletion is then
        done logically, and tried again next time.
        """
        finished = 0
        # Again and again: a deletion may have named others on its way (scopes.name_strays).
        while self._unfinished():
            # One program at a time, so that a third party is asked once; another may have finished it meanwhile.
            with self._turn:
                waiting = self._unfinished()
                for scope in waiting:
                    self.ask(scope)
                    self.act(scope)
                self._stores.checkpoint()
                for scope in waiting:
                    self.forget_name(scope)
                    # Marked only now: had we crashed before this, the next start would see to it.
                    with self._stores.write() as connection:
                        scopes.done(connection, scope, self._now())
            finished += len(waiting)
        return finished

    def forget_name(self, scope: Scope) -> None:
        """Of a closed account: destroy the key that ties its pseudonyms in the ledger to it, if the policy says so."""
        rule = self.policy.rule("ledger", WORKINGS["ledger", "entry"].name, "account_closed")
        if scope.trigger == "account_closed" and rule.action == "pseudonymise":
            self._keys.destroy(scope.account)

    def close_account(self, name: str) -> Scope:
        """Close an account: nothing more is taken from it, and the rules for account_closed hold for what there is."""
        now = self._now()
        with self._stores.write() as connection:
            known = connection.execute(update(account).where(account.c.account == name).values(closed_at=now))
            if not known.rowcount:
                # It has never said anything, and is not to be opened by its first word either.
                row = {"account": name, "child": 0, "received_at": now, "heard_at": now, "closed_at": now}
                connection.execute(insert(account), row)
        scope = Scope(new_id(), name, now, until=now, trigger="account_closed")
        self.erase([scope])
        return scope

    def change_setting(self, connection: Connection, name: str, key: str, value: str) -> None:
        """Change a household's setting within the caller's transaction, and act where it takes something back.

        Raises CloudError for a setting or a value that does not exist.
        """
        household.change(connection, name, key, value, self._now())
        if not household.narrowed(key, value):
            return
        tables = [RECORDS[pair] for pair in household.TOUCHES[key]]
        steps = [self.step(connection, table, table.c.account == name, "setting_changed") for table in tables]
        # A cause of its own, so that there is a receipt for what it takes back.
        self.decide(connection, name, [step for step in steps if step.records], self._clock.now(), cause=new_id())

    def plan(self, connection: Connection, scope: Scope) -> list[Step]:
        """What a trigger will do to which records, when, by which rule. Reads only."""
        trigger = scope.trigger
        steps = [
            self.step(connection, table, and_(scope.within(table), self._undecided(table, trigger)), trigger)
            for table in RECORDS.values()
        ]
        for table in (seen, directive, quarantine):
            where = self._within_workings(table, scope)
            steps.append(self.step(connection, table, where, trigger))
        if trigger == "account_closed":
            for table in (setting, device, account):
                mine = table.c.account == scope.account
                steps.append(self.step(connection, table, mine, trigger))
        return [step for step in steps if step.records]

    def act(self, scope: Scope) -> int:
        """Write the plan's decisions, and carry them out, in one transaction. Returns how many records it met."""
        with self._stores.write() as connection:
            steps = self.plan(connection, scope)
            self.decide(connection, scope.account, steps, self._clock.now(), cause=scope.id)
        return sum(step.records for step in steps)

    def decide(self, connection: Connection, name: str, steps: list[Step], at: datetime, cause: str = "") -> None:
        """Write what was decided about an account's records, unless the ledger has it, and carry it out.

        `at` is when the trigger fired: what a rule does later is counted from then.
        """
        if not cause or not ledger.holds(connection, cause):
            decisions = [self._decision(name, step, cause=cause) for step in steps]
            ledger.append(connection, self._keys, self._clock.now(), decisions)
        # The workings first: which are meant is known from the records.
        for step in reversed(steps):
            acts.carry_out(connection, self._keys, self.policy, step.table, step.trigger, step.where, at)

    def _unfinished(self) -> list[Scope]:
        with self._stores.read() as connection:
            return scopes.unfinished(connection)

    def cite(self, step: Step) -> str:
        """The step's rule as reports print it."""
        return self.policy.cite(step.rule, step.trigger)

    def _undecided(self, table: Table, trigger: Trigger) -> ColumnElement[bool]:
        """Not yet marked by this trigger: what was decided is not decided again."""
        return or_(table.c.deleted_at.is_(None), table.c.deleted_by != trigger)

    def step(self, connection: Connection, table: Table, where: ColumnElement[bool], trigger: Trigger) -> Step:
        """What a trigger will do to these rows. Reads only."""
        case = (str(table.schema), table.name)
        rule = self.policy.rule(*case, trigger)
        named = table.c.interaction if "interaction" in table.c else None
        if named is not None:
            found = [row[0] for row in connection.execute(select(named).where(where))]
        else:
            found = [""] * len(connection.execute(select(table.c.account).where(where)).all())
        due = None
        if rule.after is not None and trigger in acts.MARKED:
            due = rfc3339(rule.after.since(self._clock.now()))
        names = tuple(sorted({name for name in found if name}))
        return Step(*case, rule, trigger, where, table, names, len(found), due)

    def _within_workings(self, table: Table, scope: Scope) -> ColumnElement[bool]:
        """Queues and rejects of the interactions: by id, and, as a torn message names none, by arrival.

        Three kinds of outgoing messages are no part of it: the spoken answer to the deletion itself, what makes the
        deletion or the time known elsewhere, and a task on its way to a third party, or to a device that is to ring,
        whose record a rule keeps ("prevent Alexa from performing the requested task").
        """
        where: ColumnElement[bool] = table.c.interaction == scope.interaction
        if scope.interaction is None:
            # A query, not a list: an account may have more interactions than a statement can have values.
            taken = union(*(select(records.c.interaction).where(scope.within(records)) for records in RECORDS.values()))
            where = table.c.interaction.in_(taken)
            received = and_(table.c.received_at >= (scope.since or ""), table.c.received_at <= scope.requested_at)
            where = or_(where, received)
        if table is seen and scope.until == NEVER:
            # An auto-delete is not remembered: that the messages came must be, for as long as any is.
            where = false()
        elif table is seen and scope.trigger != "account_closed":
            # A setting is no part of an interaction: its event, come again, must not undo a later change.
            where = and_(where, table.c.part != "setting")
        if table is directive:
            where = and_(where, table.c.purpose.not_in(("delete", *device_copies.WORDLESS)))
            for records in device_copies.ALERTS:
                if not acts.erases(self.policy.rule("actions", records.name, scope.trigger), scope.trigger):
                    rings = select(records.c.interaction).where(records.c.account == scope.account)
                    where = and_(where, or_(table.c.purpose != "alert", table.c.interaction.not_in(rings)))
            if scope.requested_by is not None:
                where = and_(where, or_(table.c.interaction.is_(None), table.c.interaction != scope.requested_by))
            for partner, kind in THIRD_PARTIES.items():
                if self.policy.rule("commerce", kind, scope.trigger).action != "erase":
                    where = and_(where, table.c.recipient != f"partner/{partner}")
        return and_(table.c.account == scope.account, where)

    def ask(self, scope: Scope) -> None:
        """Queue a deletion request for each third party that a rule says to ask; name what only its id can name again.

        In a transaction of its own, before the commerce record that tells whom to ask is erased.
        """
        asked = []
        with self._stores.write() as connection:
            scopes.name_strays(connection, scope)
            for partner, kind in THIRD_PARTIES.items():
                store = f"third_parties/{partner}"
                rule = self.policy.rule(store, kind, scope.trigger)
                table = RECORDS["commerce", kind]
                if rule.action != "ask":
                    continue
                mine = and_(scope.within(table), table.c.partner == rule.to, self._undecided(table, scope.trigger))
                names = list(connection.execute(select(table.c.interaction).where(mine)).scalars())
                asked += [_deletion_request(scope, rule.to, name, self._clock.now()) for name in names]
                cause = f"{scope.id}:{store}"
                if names and not ledger.holds(connection, cause):
                    step = Step(
                        store, kind, rule, scope.trigger, false(), table, tuple(sorted(set(names))), len(names), None
                    )
                    decision = self._decision(scope.account, step, cause=cause)
                    ledger.append(connection, self._keys, self._clock.now(), [decision])
            if asked:
                self._keys.seal.insert(connection, directive, asked)

    def _decision(self, name: str, step: Step, *, cause: str) -> Decision:
        return Decision(
            trigger=step.trigger,
            action=str(step.rule),
            store=step.store,
            kind=step.kind,
            rule=self.cite(step),
            subjects=tuple((name, interaction) for interaction in step.interactions) or ((name, ""),),
            records=step.records,
            cause=cause,
        )

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
        "trigger": scope.trigger,
        "topic": partner_topic(partner, "request"),
        "payload": encode(request),
        "attempts": 0,
    }
