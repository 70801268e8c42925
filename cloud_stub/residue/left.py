"""The records that are left of an account, each with the rule and the clause it stays under."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from cloud_stub.contract.messages import rfc3339
from cloud_stub.retention import acts, household, scopes
from cloud_stub.retention.policy import Policy
from cloud_stub.retention.rules import Period, Trigger
from cloud_stub.retention.scopes import Scope
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.tables import RECORDS, THIRD_PARTIES, directive, fields, ledger, quarantine
from cloud_stub.third_parties import partner


@dataclass(frozen=True)
class Left:
    """One record that is still there. `rule` and `clause` are None where nothing explains it: a defect."""

    store: str
    kind: str
    interaction: str | None
    fields: dict[str, Any]
    rule: str | None
    clause: str | None


def left(connection: Connection, keys: Keys, policy: Policy, account: str, now: datetime, data: Path) -> list[Left]:
    """Everything derived from the account's interactions that is still there, store by store.

    The third parties' folders are read as an observer would read them; the operator itself cannot.
    """
    return [
        *_records(connection, keys, policy, account, now),
        *_workings(connection, policy, account, now),
        *_third_parties(connection, keys, policy, account, data),
    ]


def _records(connection: Connection, keys: Keys, policy: Policy, account: str, now: datetime) -> Iterator[Left]:
    auto_delete = household.of(connection, policy, account).auto_delete
    names = (account, acts.pseudonymous(keys, account))
    for (store, kind), table in RECORDS.items():
        rows = connection.execute(select(table).where(table.c.account.in_(names)).order_by(table.c.interaction))
        for row in rows.mappings():
            trigger, since = _fired(row, auto_delete, now)
            words = {name: _shown(row[name]) for name in fields(table)}
            judged = _judged(policy, store, kind, row["interaction"], words, trigger, since, now)
            if trigger != "age" and judged.rule is not None:
                # Two rules may speak of it: what age should have erased is not explained by a deletion that keeps it.
                aged = _judged(policy, store, kind, row["interaction"], words, "age", row["received_at"], now)
                judged = judged if aged.rule is not None else aged
            yield judged


def _fired(row: Any, auto_delete: str, now: datetime) -> tuple[Trigger, str]:
    """Which trigger has fired for a record, and since when its rule counts."""
    if row["deleted_at"]:
        return row["deleted_by"], row["deleted_at"]
    # Auto-delete goes by the account, so it does not reach what has a pseudonym.
    named = not row["account"].startswith(acts.MARK)
    if named and auto_delete != "never" and row["received_at"] <= rfc3339(Period(auto_delete).before(now)):
        return "user_delete", rfc3339(now)
    return "age", row["received_at"]


def _workings(connection: Connection, policy: Policy, account: str, now: datetime) -> Iterator[Left]:
    for table, shown in (
        (directive, ("purpose", "recipient", "payload")),
        (quarantine, ("topic", "payload", "reason")),
    ):
        rows = connection.execute(select(table).where(table.c.account == account))
        for row in rows.mappings():
            words = {name: _shown(row[name]) for name in shown}
            yield _judged(policy, "operations", table.name, row["interaction"], words, "age", row["received_at"], now)


def _judged(
    policy: Policy,
    store: str,
    kind: str,
    interaction: str | None,
    words: dict[str, Any],
    trigger: Trigger,
    since: str,
    now: datetime,
) -> Left:
    """With its rule if the rule lets the record stay as it is at this moment, else with none."""
    rule = policy.rule(store, kind, trigger)
    due = rule.after is None or since <= rfc3339(rule.after.before(now))
    overdue = rule.action == "erase" and due
    unredacted = rule.action == "redact" and due and any(words.get(name) is not None for name in rule.fields)
    named = rule.action == "pseudonymise" and due and not (interaction or "").startswith(acts.MARK)
    if overdue or unredacted or named:
        return Left(store, kind, interaction, words, None, None)
    return Left(store, kind, interaction, words, policy.cite(rule, trigger), rule.because)


def _third_parties(connection: Connection, keys: Keys, policy: Policy, account: str, data: Path) -> Iterator[Left]:
    deletions = scopes.of_accounts(connection, [account])[account]
    for name, kind in THIRD_PARTIES.items():
        store = f"third_parties/{name}"
        for row in partner.held(data, name, account):
            trigger: Trigger = "user_delete" if _deleted(deletions, row["interaction"], row["at"]) else "age"
            rule = policy.rule(store, kind, trigger)
            cited = policy.cite(rule, trigger)
            if rule.action == "ask":
                cited += f": {_answer(connection, keys, account, store, row['interaction'])}"
            yield Left(store, kind, row["interaction"], row["fields"], cited, rule.because)


def _answer(connection: Connection, keys: Keys, account: str, store: str, interaction: str) -> str:
    """What the third party said when it was asked to delete, from the ledger."""
    mine = select(ledger.c.action, ledger.c.interactions).where(
        ledger.c.store == store, ledger.c.account == keys.pseudonym(account, ""), ledger.c.action.startswith("asked: ")
    )
    pseudonym = keys.pseudonym(account, interaction)
    answers = [
        row.action for row in connection.execute(mine.order_by(ledger.c.seq)) if pseudonym in row.interactions.split()
    ]
    return answers[-1] if answers else "asked: no answer yet"


def _deleted(deletions: list[Scope], interaction: str, at: str) -> bool:
    return any(scope.covers(interaction, at, at) for scope in deletions)


def _shown(value: object) -> object:
    """A field as a report shows it: sound as its length, a payload as the text it is where it is text."""
    if not isinstance(value, bytes):
        return value
    if value[:4] == b"fLaC":
        return f"{len(value)} bytes of FLAC"
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(value).decode()}"
