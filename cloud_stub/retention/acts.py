"""What redacting and pseudonymising do to rows, the same whether a trigger fires or time passes."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, insert, or_, select, update

from cloud_stub.retention.rules import Rule
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.tables import fields

#: What stands before an account's name and an interaction's id once they are pseudonyms.
MARK = "~"


def change(
    connection: Connection,
    keys: Keys,
    table: Table,
    rule: Rule,
    where: ColumnElement[bool],
    mark: Mapping[str, str] | None = None,
) -> None:
    """Redact the rule's fields, or put pseudonyms in the place of account and interaction, in the rows of `where`.

    `mark` sets columns of the rows whose identity changes, which nobody can find by their old names afterwards.
    """
    if rule.action == "redact":
        named = [name for name in rule.fields if name in fields(table)]
        connection.execute(update(table).where(where).values(dict.fromkeys(named)))
        return
    rows = [dict(row) for row in connection.execute(select(table).where(where)).mappings()]
    for row in rows:
        key = and_(*(column == row[column.name] for column in table.primary_key))
        connection.execute(delete(table).where(key))
        name, interaction = row["account"], row["interaction"]
        row["account"] = pseudonymous(keys, name)
        row["interaction"] = MARK + keys.pseudonym(name, interaction)
        # When somebody said something tells who it was, to whoever has another list of times.
        row["device"] = ""
        row.update(mark or {})
    if rows:
        connection.execute(insert(table), rows)


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
