"""What will be left, and when: the plan of a deletion, or of none, looked at in the future. Nothing is carried out.

A record's future is asked of the rules themselves (left.Rules): at a moment to come, may it stay as it is? Where not,
may it stay without the fields that a rule takes out, or under a pseudonym? Where not even that, it is gone by then.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, select

from cloud_stub.contract.messages import rfc3339
from cloud_stub.residue.left import Left, Rules
from cloud_stub.retention import acts, device_copies, household
from cloud_stub.retention.policy import Policy
from cloud_stub.retention.rules import Period
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.tables import RECORDS, THIRD_PARTIES, directive, quarantine
from cloud_stub.third_parties import partner

Place = tuple[str, str]
"""(store, kind)."""


@dataclass(frozen=True)
class Moment:
    """What is left at one moment: every record, as it will be then, in the order of the stores."""

    name: str
    at: str
    left: tuple[Left, ...]

    def counts(self) -> dict[Place, int]:
        """How many records are left in each place."""
        found: dict[Place, int] = {}
        for row in self.left:
            found[row.store, row.kind] = found.get((row.store, row.kind), 0) + 1
        return found


def forecast(
    connection: Connection,
    keys: Keys,
    policy: Policy,
    account: str,
    now: datetime,
    data: Path,
    later: Sequence[Period],
    *,
    deleted: bool,
) -> list[Moment]:
    """The account's records now; after the deletion of everything, if that is asked for; and after each period.

    What third parties hold is theirs: it is counted until their own answer is known.
    """
    rows = [*_records(connection, keys, account)]
    moments = [("now", now, False)]
    moments += [("deleted", now, True)] if deleted else []
    moments += [(period.text, period.since(now), deleted) for period in later]
    found = []
    for name, at, marked in moments:
        rules = Rules(connection, keys, policy, at)
        wish = household.of(connection, policy, account).auto_delete
        left = [
            *_left(rules, rows, now, at, wish, deleted=marked),
            *_workings(rules, account, deleted=marked),
            *_third_parties(rules, account, data, deleted=marked),
        ]
        found.append(Moment(name, rfc3339(at), tuple(left)))
    return found


def _records(connection: Connection, keys: Keys, account: str) -> Iterator[tuple[Table, dict[str, Any]]]:
    """All rows but the witness's, which holds no words; without the sound, of which only the length is shown."""
    names = (account, acts.pseudonymous(keys, account))
    for (store, _), table in RECORDS.items():
        if store == "witness":
            continue
        rows = connection.execute(select(table).where(table.c.account.in_(names)).order_by(table.c.interaction))
        for row in keys.seal.opened(table, rows.mappings()):
            yield table, row


def _left(
    rules: Rules,
    rows: Iterable[tuple[Table, dict[str, Any]]],
    now: datetime,
    at: datetime,
    wish: str,
    *,
    deleted: bool,
) -> Iterator[Left]:
    for table, row in rows:
        marked = row
        if row["deleted_at"] is None and not row["account"].startswith(acts.MARK):
            by = rfc3339(now) if deleted else None
            if wish != "never":
                aged = rfc3339(max(now, Period(wish).since(datetime.fromisoformat(row["received_at"]))))
                by = min(by or aged, aged) if aged <= rfc3339(at) else by
            if by is not None:
                marked = row | {"deleted_at": by, "deleted_by": "user_delete"}
        for form in _forms(rules.policy, table, marked):
            judged = rules.record(table, form)
            if judged.rule is not None:
                yield judged
                break


def _forms(policy: Policy, table: Table, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The record as it is; then less and less of it, as rules for it may want."""
    form = dict(row)
    yield form
    wanted = [policy.rule(str(table.schema), table.name, name) for name in (*acts.MARKED, "age")]
    taken = {name for rule in wanted if rule.action == "redact" for name in rule.fields if name in form}
    if taken:
        form = form | dict.fromkeys(taken)
        yield form
    if any(rule.action == "pseudonymise" for rule in wanted):
        yield form | {"interaction": f"{acts.MARK}{row['interaction'].removeprefix(acts.MARK)}"}


def _workings(rules: Rules, account: str, *, deleted: bool) -> Iterator[Left]:
    """Messages on their way, and rejects. At any moment to come what is overdue has gone."""
    for table in (directive, quarantine):
        if deleted and rules.policy.rule("operations", table.name, "user_delete").action == "erase":
            continue
        rows = rules.connection.execute(select(table).where(table.c.account == account)).mappings()
        for row in rules.keys.seal.opened(table, rows):
            if row.get("purpose") in device_copies.WORDLESS:
                continue
            judged = rules.working(table, row)
            if judged.rule is not None:
                yield judged


def _third_parties(rules: Rules, account: str, data: Path, *, deleted: bool) -> Iterator[Left]:
    for name, kind in THIRD_PARTIES.items():
        for row in partner.held(data, name, account):
            judged = rules.held(name, row, account)
            if deleted:
                rule = rules.policy.rule(judged.store, kind, "user_delete")
                judged = Left(
                    judged.store,
                    kind,
                    judged.interaction,
                    judged.fields,
                    rules.policy.cite(rule, "user_delete"),
                    rule.because,
                )
            yield judged
