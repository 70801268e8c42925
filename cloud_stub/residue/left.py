"""The records that are left of an account, each with the rule and the clause it stays under."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, select

from cloud_stub.contract.messages import Alert, decode, rfc3339
from cloud_stub.retention import acts, device_copies, household, scopes
from cloud_stub.retention.policy import Policy
from cloud_stub.retention.rules import Period, Rule, Trigger
from cloud_stub.retention.scopes import Scope
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.tables import RECORDS, THIRD_PARTIES, directive, fields, ledger, quarantine
from cloud_stub.third_parties import partner

Row = RowMapping | dict[str, Any]

#: What a report shows of the operator's own workings, for those that may hold words.
_SHOWN = {"directive": ("purpose", "recipient", "payload"), "quarantine": ("topic", "payload", "reason")}

#: Of a sealed record whose key was destroyed: what lets it stay, and why that is no defect.
DESTROYED = "sealed, and its key destroyed"
UNREADABLE = "Nobody can read any more what it said; that it was there, whose and when, stays in such a copy."


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

    The third parties' folders are read as an observer would read them; the operator itself cannot. The witness is not
    listed: it holds no words, and `witnessed` counts it.
    """
    rules = Rules(connection, keys, policy, now)
    return [*_records(rules, account), *_workings(rules, account), *_third_parties(rules, account, data)]


def witnessed(connection: Connection, account: str) -> int:
    """How many interactions of the account the witness still has fingerprints of."""
    table = RECORDS["witness", "fingerprint"]
    mine = select(table.c.interaction).where(table.c.account == account).distinct()
    return len(connection.execute(mine).all())


class Rules:
    """The rule under which a row that is there may stay as it is, at one moment."""

    def __init__(self, connection: Connection, keys: Keys, policy: Policy, now: datetime) -> None:
        """Reads settings, deletions and third parties' answers by this connection, once for each account."""
        self.connection, self.keys, self.policy, self._now = connection, keys, policy, now
        self._auto_delete: dict[str, str] = {}
        self._deletions: dict[str, list[Scope]] = {}

    def record(self, table: Table, row: Row) -> Left:
        """Of a record in one of the stores."""
        (row,) = self.keys.seal.opened(table, [row])
        if row["seal"] is not None:
            return Left(str(table.schema), table.name, row["interaction"], {}, DESTROYED, UNREADABLE)
        trigger, since = self._fired(row)
        judged = self._judged(table, row, trigger, since)
        if trigger != "age" and judged.rule is not None:
            # Two rules may speak of it: what age should have erased is not explained by a deletion that keeps it.
            aged = self._judged(table, row, "age", row["received_at"])
            judged = judged if aged.rule is not None else aged
        return judged

    def working(self, table: Table, row: Row) -> Left:
        """Of a message on its way out, or of a reject.

        What was queued before a deletion that covers its interaction has been deleted with it; two kinds are no part of
        that (Engine.plan): requests to delete, and a task on its way to a third party whose record a rule keeps.
        """
        (row,) = self.keys.seal.opened(table, [row])
        words = {name: _shown(row[name]) for name in _SHOWN[table.name]}
        case = ("operations", table.name)
        for scope in self.deletions(row["account"]):
            rule = self.policy.rule(*case, scope.trigger)
            if rule.action == "erase" and _took(scope, row) and not self._on_its_way(row, scope.trigger):
                return Left(*case, row["interaction"], words, None, None)
        rule = self.policy.rule(*case, "age")
        return self._left(*case, row["interaction"], words, rule, "age", row["received_at"])

    def held(self, name: str, row: Row, account: str) -> Left:
        """Of what a third party holds."""
        store, kind = f"third_parties/{name}", THIRD_PARTIES[name]
        trigger: Trigger = "user_delete" if self.deleted(account, row["interaction"], row["at"]) else "age"
        rule = self.policy.rule(store, kind, trigger)
        cited = self.policy.cite(rule, trigger)
        if rule.action == "ask":
            cited += f": {_answer(self.connection, self.keys, account, store, row['interaction'])}"
        return Left(store, kind, row["interaction"], row["fields"], cited, rule.because)

    def deleted(self, account: str, interaction: str, at: str) -> bool:
        """Whether a deletion covers the interaction of that time."""
        return any(scope.covers(interaction, at, at) for scope in self.deletions(account))

    def deletions(self, account: str) -> list[Scope]:
        """All that is remembered as deleted of the account."""
        if account not in self._deletions:
            self._deletions[account] = scopes.of_accounts(self.connection, [account])[account]
        return self._deletions[account]

    def _on_its_way(self, row: Row, trigger: Trigger) -> bool:
        if row.get("purpose") == "delete":
            return True
        if row.get("purpose") == Alert.name:
            rings = decode(Alert, row["payload"])
            return not acts.erases(self.policy.rule("actions", rings.kind, trigger), trigger)
        kind = THIRD_PARTIES.get(str(row.get("recipient", "")).removeprefix("partner/"))
        return kind is not None and self.policy.rule("commerce", kind, trigger).action != "erase"

    def _fired(self, row: Row) -> tuple[Trigger, str]:
        """Which trigger has fired for a record, and since when its rule counts."""
        if row["deleted_at"]:
            return row["deleted_by"], row["deleted_at"]
        account = row["account"]
        if account.startswith(acts.MARK):
            # Auto-delete goes by the account, so it does not reach what has a pseudonym.
            return "age", row["received_at"]
        if account not in self._auto_delete:
            self._auto_delete[account] = household.of(self.connection, self.policy, account).auto_delete
        wish = self._auto_delete[account]
        if wish != "never" and row["received_at"] <= rfc3339(Period(wish).before(self._now)):
            return "user_delete", rfc3339(self._now)
        return "age", row["received_at"]

    def _judged(self, table: Table, row: Row, trigger: Trigger, since: str) -> Left:
        rule = self.policy.rule(str(table.schema), table.name, trigger)
        words = {name: _shown(row[name]) for name in fields(table)}
        return self._left(str(table.schema), table.name, row["interaction"], words, rule, trigger, since)

    def _left(
        self,
        store: str,
        kind: str,
        interaction: str | None,
        words: dict[str, Any],
        rule: Rule,
        trigger: Trigger,
        since: str,
    ) -> Left:
        """With its rule if the rule lets the record stay as it is at this moment, else with none."""
        due = rule.after is None or since <= rfc3339(rule.after.before(self._now))
        overdue = rule.action == "erase" and due
        unredacted = rule.action == "redact" and due and any(words.get(name) is not None for name in rule.fields)
        named = rule.action == "pseudonymise" and due and not (interaction or "").startswith(acts.MARK)
        if overdue or unredacted or named:
            return Left(store, kind, interaction, words, None, None)
        return Left(store, kind, interaction, words, self.policy.cite(rule, trigger), rule.because)


def _records(rules: Rules, account: str) -> Iterator[Left]:
    names = (account, acts.pseudonymous(rules.keys, account))
    for (store, _), table in RECORDS.items():
        if store == "witness":
            continue
        rows = rules.connection.execute(select(table).where(table.c.account.in_(names)).order_by(table.c.interaction))
        for row in rules.keys.seal.opened(table, rows.mappings()):
            yield rules.record(table, row)


def _workings(rules: Rules, account: str) -> Iterator[Left]:
    for table in (directive, quarantine):
        rows = rules.connection.execute(select(table).where(table.c.account == account))
        for row in rules.keys.seal.opened(table, rows.mappings()):
            if row.get("purpose") in device_copies.WORDLESS:
                continue  # ids or a time, and nothing that was said
            yield rules.working(table, row)


def _third_parties(rules: Rules, account: str, data: Path) -> Iterator[Left]:
    for name in THIRD_PARTIES:
        for row in partner.held(data, name, account):
            yield rules.held(name, row, account)


def _took(scope: Scope, row: Row) -> bool:
    """Whether a deletion took what was queued: its interaction is meant, and it was there before."""
    at, interaction = row["received_at"], row["interaction"]
    return interaction is not None and scope.covers(interaction, at, at) and at < scope.requested_at


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
