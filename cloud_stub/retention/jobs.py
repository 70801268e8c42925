"""Where a sweep finds the rows that are due, without reading those that are not.

Rows lie by account first, so a sweep goes account by account. No statement here reads more than a chunk of rows that
are due, or a few accounts that have none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    and_,
    bindparam,
    case,
    func,
    literal,
    select,
    true,
    tuple_,
)

from cloud_stub.contract.messages import rfc3339
from cloud_stub.retention import acts
from cloud_stub.retention.acts import MARKED
from cloud_stub.retention.policy import Policy
from cloud_stub.retention.rules import Rule, Trigger
from cloud_stub.stores.tables import RECORDS, WORKINGS, scope

#: Accounts looked at in one statement: what a rule has redacted stays, and is looked at again.
ACCOUNTS = 50


def of_policy(policy: Policy) -> Iterator["Job"]:
    """What the policy wants done to rows once they are old enough."""
    for (store, kind), table in RECORDS.items():
        for trigger in (*MARKED, "age"):
            rule = policy.rule(store, kind, trigger)
            if rule.after is not None:
                yield Job(store, kind, table, rule, trigger)
    for (store, kind), table in WORKINGS.items():
        rule = policy.rule(store, kind, "age")
        if rule.after is not None and ("received_at" in table.c or table is scope):
            yield Job(store, kind, table, rule, "age")


@dataclass(frozen=True)
class Job:
    """Rows of one table that one rule says something about, once they are old enough."""

    store: str
    kind: str
    table: Table
    rule: Rule
    trigger: Trigger

    def before(self, now: datetime) -> str:
        """Times up to this one are due."""
        assert self.rule.after is not None
        return rfc3339(self.rule.after.before(now))

    @cached_property
    def searches(self) -> dict[str, Select[str, str]]:
        """By SQL dialect: (account, interaction) of rows that are due when times up to `before` are, `limit` at most.

        Account by account, from `start` on: each is found from the one before it, so that no rows are read but those
        that are due. For an account that has none the interaction is None, and at the end the account is None as well.
        """
        columns = self.table.c
        # Only what is marked is in the index of the marks.
        listed = columns.deleted_at.is_not(None) if self.trigger in MARKED else true()
        first = select(func.min(columns.account).label("account"), literal(1).label("number"))
        name = first.where(columns.account >= bindparam("start"), listed).cte("name", recursive=True)
        following = select(func.min(columns.account)).where(columns.account > name.c.account, listed)
        another = and_(name.c.account.is_not(None), name.c.number < ACCOUNTS)
        name = name.union_all(select(following.scalar_subquery(), name.c.number + 1).where(another))
        due = and_(columns.account == name.c.account, self._due(bindparam("before")))
        mine = name.outerjoin(self.table, due)
        found = select(name.c.account, self._interaction).select_from(mine).limit(bindparam("limit"))
        # SQLite joins in the order in which the accounts are found; PostgreSQL would in any that seems cheap.
        return {"sqlite": found, "postgresql": found.order_by(name.c.number)}

    def subjects(self, name: str, before: str, limit: int) -> Select[str, str]:
        """(account, interaction) of the account's first rows that are due."""
        return select(self.table.c.account, self._interaction).where(self.first(name, before, limit))

    def whole(self, names: list[str], before: str) -> ColumnElement[bool]:
        """All rows of these accounts that are due when times up to `before` are."""
        return and_(self.table.c.account.in_(names), self._due(before))

    def first(self, name: str, before: str, limit: int) -> ColumnElement[bool]:
        """The account's first rows that are due when times up to `before` are."""
        key = list(self.table.primary_key)
        due = select(*key).where(self.whole([name], before)).order_by(self._since, *key)
        return tuple_(*key).in_(due.limit(limit))

    def standing(self, before: str) -> Select[int, int, str]:
        """(rows that it waits for, those of them due when times up to `before` are, the oldest one's time)."""
        ripe = func.coalesce(func.sum(case((self._since <= before, 1), else_=0)), 0)
        return select(func.count(), ripe, func.min(self._since)).where(self._waits)

    def _due(self, before: Any) -> ColumnElement[bool]:
        return and_(self._since <= before, self._waits)

    @property
    def _waits(self) -> ColumnElement[bool]:
        marked = self.table.c.deleted_by == self.trigger if self.trigger in MARKED else true()
        return and_(marked, acts.undone(self.table, self.rule))

    @property
    def _since(self) -> ColumnElement[str]:
        if self.trigger in MARKED:
            return self.table.c.deleted_at
        return self.table.c.requested_at if self.table is scope else self.table.c.received_at

    @property
    def _interaction(self) -> ColumnElement[str]:
        """What a row's interaction is called, "" where it has none, and None where there is no row."""
        columns = self.table.c
        called = func.coalesce(columns.interaction, "") if "interaction" in columns else literal("")
        return case((columns.account.is_not(None), called))
