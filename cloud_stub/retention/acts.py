"""What rules do to rows, the same whether a trigger fires or time passes, and what happens where two triggers meet."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, or_, select, update

from cloud_stub.contract.messages import rfc3339
from cloud_stub.retention import device_copies
from cloud_stub.retention.policy import Policy
from cloud_stub.retention.rules import Action, Rule, Trigger
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.tables import fields

#: What stands before an account's name and an interaction's id once they are pseudonyms.
MARK = "~"

#: Triggers that are marked on the records they leave; age and silence are found from times that are there anyway.
MARKED: tuple[Trigger, ...] = ("user_delete", "third_party_request", "account_closed", "setting_changed")

#: Of two rules that wait for their time on one row, the stronger keeps its date.
_STRENGTH: dict[Action, int] = {"keep": 0, "ask": 0, "redact": 1, "pseudonymise": 2, "erase": 3}


def carry_out(
    connection: Connection,
    keys: Keys,
    policy: Policy,
    table: Table,
    trigger: Trigger,
    where: ColumnElement[bool],
    now: datetime,
) -> None:
    """A trigger has fired for the rows of `where`: do what is due at once, and mark what stays with the trigger."""
    rule = _rule(policy, table, trigger)
    if erases(rule, trigger):
        change(connection, keys, table, rule, where, now)
        return
    if "deleted_at" not in table.c:
        return
    marked = {"deleted_at": rfc3339(now), "deleted_by": trigger}
    unmarked = table.c.deleted_at.is_(None)
    if rule.action in {"redact", "pseudonymise"} and _at_once(rule, trigger):
        change(connection, keys, table, rule, and_(where, unmarked), now, marked if trigger in MARKED else None)
        change(connection, keys, table, rule, and_(where, ~unmarked), now)
    if trigger not in MARKED:
        return
    for rows, at_once_too, takes_over in _met(policy, table, trigger, now):
        if at_once_too is not None:
            change(connection, keys, table, at_once_too, and_(where, rows), now, marked if takes_over else None)
        if takes_over:
            connection.execute(update(table).where(where, rows).values(marked))
    connection.execute(update(table).where(where, unmarked).values(marked))


def erases(rule: Rule, trigger: Trigger) -> bool:
    """Whether the rule erases as soon as the trigger fires."""
    return rule.action == "erase" and _at_once(rule, trigger)


def _at_once(rule: Rule, trigger: Trigger) -> bool:
    # For silence the rule's period is over when the trigger fires; for the others it begins then.
    return rule.after is None or trigger == "inactive"


def undecided(policy: Policy, table: Table, trigger: Trigger, now: datetime) -> ColumnElement[bool]:
    """The rows to which the trigger, fired now, would still do something, be it only to mark them."""
    rule = _rule(policy, table, trigger)
    met = [rows for rows, _, _ in _met(policy, table, trigger, now)]
    if rule.after is None and rule.action not in {"keep", "ask"}:
        met.append(and_(table.c.deleted_by != trigger, undone(table, rule)))
    return or_(table.c.deleted_at.is_(None), *met)


def _met(
    policy: Policy, table: Table, trigger: Trigger, now: datetime
) -> Iterator[tuple[ColumnElement[bool], Rule | None, bool]]:
    """(rows, rule that changes them at once, whether this trigger's mark takes over) where another has marked already.

    A row has room for one mark, and so for one date. It is the stronger rule's (what erases is stronger than what
    pseudonymises, and that than what redacts), and of two alike the sooner's. A change that has no room to wait in is
    made at once, unless the row is erased before it would have come.
    """
    rule = _rule(policy, table, trigger)
    if rule.after is None:
        return
    for name in MARKED:
        if name == trigger:
            continue
        other, theirs = _rule(policy, table, name), table.c.deleted_by == name
        if other.after is None:
            yield theirs, None, True
            continue
        waiting = and_(theirs, undone(table, other))
        moment = rfc3339(other.after.before(rule.after.since(now)))
        first, second = and_(waiting, table.c.deleted_at <= moment), and_(waiting, table.c.deleted_at > moment)
        if _STRENGTH[rule.action] > _STRENGTH[other.action]:
            yield first if rule.action == "erase" else waiting, other, True
            yield waiting, None, True
        elif rule.action == other.action != "redact":
            yield second, None, True
        else:
            yield and_(second if other.action == "erase" else waiting, undone(table, rule)), rule, False
        # Last, for what has just been made at once is done with.
        yield and_(theirs, ~undone(table, other)), None, True


def _rule(policy: Policy, table: Table, trigger: Trigger) -> Rule:
    return policy.rule(str(table.schema), table.name, trigger)


def change(
    connection: Connection,
    keys: Keys,
    table: Table,
    rule: Rule,
    where: ColumnElement[bool],
    now: datetime,
    mark: Mapping[str, str] | None = None,
) -> None:
    """Erase the rows of `where`, redact the rule's fields in them, or put pseudonyms for account and interaction.

    Devices are told to do the same to their copies of what is erased or redacted.
    `mark` sets columns of the rows whose identity changes, which nobody can find by their old names afterwards.
    """
    if rule.action == "erase":
        device_copies.forget(connection, keys.seal, table, where, now)
        keys.seal.erase(connection, table, where)
        return
    if rule.action == "redact":
        names = [name for name in rule.fields if name in fields(table)]
        device_copies.forget_fields(connection, keys.seal, table, names, where, now)
        keys.seal.redact(connection, table, names, where)
        return
    key = list(table.primary_key)
    moves = []
    for row in connection.execute(select(*key).where(where)).mappings().all():
        said = MARK + keys.pseudonym(row["account"], row["interaction"])
        other = dict(row) | {"account": pseudonymous(keys, row["account"]), "interaction": said}
        # The same record was here before, if its message came again after all memory of it had ended.
        keys.seal.erase(connection, table, and_(*(column == other[column.name] for column in key)))
        moves.append({f"old_{name}": row[name] for name in row} | {f"new_{name}": other[name] for name in other})
    if not moves:
        return
    old = [column == bindparam(f"old_{column.name}") for column in key]
    # When somebody said something tells who it was, to whoever has another list of times.
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("account", "interaction")}
    values |= {"device": "", **(mark or {})}
    connection.execute(update(table).where(*old).values(values), moves)


def undone(table: Table, rule: Rule) -> ColumnElement[bool]:
    """Rows that the rule has still something to do to."""
    if rule.action == "redact":
        named = [name for name in rule.fields if name in fields(table)]
        return or_(*(table.c[name].is_not(None) for name in named))
    if rule.action == "pseudonymise":
        return ~table.c.account.startswith(MARK)
    return table.c.account.is_not(None)


def pseudonymous(keys: Keys, account: str) -> str:
    """The name under which an account's pseudonymised records stand."""
    return MARK + keys.pseudonym(account, "")
