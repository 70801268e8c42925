"""The b-trees of an SQLite file: their names, and the columns of their records in the order in which they are stored.

That order is not the declared one: a table WITHOUT ROWID begins with its primary key, an index ends with its table's
key, generated columns may not be stored. SQLite itself tells it, from the file's own CREATE statements, which are run
in an empty database in memory. Source of facts: https://www.sqlite.org/fileformat2.html, "Schema Layer".
"""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field

from cloud_stub.residue.sqlite_records import Value
from cloud_stub.stores.btree_page import INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE, Unreadable

#: Stands for what an index computes: it may hold the words of any column.
EXPRESSION = "(expression)"

_UNKNOWN = "its columns are not known"
#: SQLite's names for the rowid: the first that no column has. (A table that has all three has no name for it.)
_ROWIDS = ("rowid", "_rowid_", "oid", "")


@dataclass(frozen=True)
class Tree:
    """A b-tree: a table, or an index of one."""

    table: str
    #: The index's name, None where the b-tree holds the table's rows.
    index: str | None
    root: int
    columns: tuple[str, ...]
    #: Of a table that has rowids: the column that is the rowid, or a name for it where none is. Else None.
    rowid: str | None = None
    #: What a row from before a column was added says in it.
    defaults: Mapping[str, Value] = field(default_factory=dict)
    #: Why the columns are not known, if they are not.
    damage: str | None = None

    @property
    def name(self) -> str:
        return self.index or self.table

    @property
    def kinds(self) -> set[int]:
        """The kinds of page that it is made of; any, where its columns are not known."""
        if self.damage:
            return {INTERIOR_INDEX, LEAF_INDEX, INTERIOR_TABLE, LEAF_TABLE}
        return {INTERIOR_INDEX, LEAF_INDEX} if self.rowid is None else {INTERIOR_TABLE, LEAF_TABLE}


#: The table of tables, which every file has.
SCHEMA = Tree("sqlite_schema", None, 1, ("type", "name", "tbl_name", "rootpage", "sql"), "rowid")


def trees(rows: Iterable[Mapping[str, Value]]) -> list[Tree]:
    """Every other b-tree, from the rows of sqlite_schema. Raises Unreadable where these are not what they should be."""
    tables: list[tuple[str, str, int, Value]] = []
    indexes: list[tuple[str, str, int, Value]] = []
    for row in rows:
        kind, name, table, root, sql = (row[column] for column in SCHEMA.columns)
        if not root:
            continue  # A view, a trigger, a virtual table: nothing in the file is theirs.
        if not (isinstance(name, str) and isinstance(table, str) and isinstance(root, int)):
            raise Unreadable("its schema is broken")
        (tables if kind == "table" else indexes).append((name, table, root, sql))
    with closing(sqlite3.connect(":memory:")) as memory:
        # Nothing but creating: a CREATE TABLE ... AS SELECT is never stored, so it is none of SQLite's.
        memory.set_authorizer(_authorize)
        damage = {entry[0]: _create(memory, entry[0], entry[3]) for entry in (*tables, *indexes)}
        memory.set_authorizer(None)
        found = {name: _table(memory, name, root, damage[name]) for name, _, root, _ in tables}
        for name, table, root, _ in indexes:
            rowid, broken = (found[table].rowid, found[table].damage) if table in found else (None, _UNKNOWN)
            columns = _columns(memory, name, rowid)
            found[name] = Tree(table, name, root, columns, damage=broken or damage[name] or _unknown(columns))
    return list(found.values())


def _authorize(action: int, *_: object) -> int:
    return sqlite3.SQLITE_DENY if action in {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_ATTACH} else sqlite3.SQLITE_OK


def _ours(name: str) -> str:
    """SQLite lets nobody create a table under one of its own names."""
    return f"its_{name}" if name.startswith("sqlite_") else name


def _create(memory: sqlite3.Connection, name: str, sql: Value) -> str | None:
    """Run a CREATE statement. Returns what is wrong with it."""
    if sql is None:
        return None  # An index that a constraint of its table has made.
    try:
        memory.execute(str(sql).replace(f" {name}", f" {_ours(name)}", 1))
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        return f"{_UNKNOWN}: {error}"
    return None


def _table(memory: sqlite3.Connection, name: str, root: int, damage: str | None) -> Tree:
    info = memory.execute(
        "SELECT name, dflt_value, pk FROM pragma_table_xinfo(?) WHERE hidden != 2", (_ours(name),)
    ).fetchall()
    own = memory.execute("SELECT name FROM pragma_index_list(?) WHERE origin = 'pk'", (_ours(name),)).fetchone()
    if own and not memory.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", own).fetchone():
        # The index of this primary key is no b-tree of its own: it is the table, WITHOUT ROWID.
        columns, rowid = _columns(memory, own[0], None), None
    else:
        columns = tuple(column for column, _, _ in info)
        keys = [column for column, _, key in info if key]
        # A primary key of one integer is the rowid; its column is NULL in the record.
        rowid = keys[0] if keys and not own else next(name for name in _ROWIDS if name not in columns)
    defaults = {}
    for column, expression, _ in info:
        # A default that is no constant cannot be that of a column that was added.
        with suppress(sqlite3.Error):
            defaults[column] = memory.execute(f"SELECT {expression or 'NULL'}").fetchone()[0]
    return Tree(name, None, root, columns, rowid, defaults, damage or _unknown(columns))


def _columns(memory: sqlite3.Connection, index: str, rowid: str | None) -> tuple[str, ...]:
    """The columns of an index in stored order. -1 stands for the rowid."""
    rows = memory.execute("SELECT cid, name FROM pragma_index_xinfo(?) ORDER BY seqno", (index,))
    return tuple((rowid if cid == -1 else name) or EXPRESSION for cid, name in rows)


def _unknown(columns: tuple[str, ...]) -> str | None:
    return None if columns else _UNKNOWN
