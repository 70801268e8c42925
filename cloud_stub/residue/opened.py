"""What sealed records still say to whoever has their keys: of the stores themselves, and of every backup.

The bytes of a sealed record tell nothing, so a search of bytes finds nothing in it. But as long as its key exists it
can be read, in every copy: a key that outlives its record is residue. So what opens is opened, and searched too.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, and_, create_engine, select

from cloud_stub.errors import CloudError
from cloud_stub.residue.judge import Finding
from cloud_stub.residue.left import Left, Rules
from cloud_stub.residue.needles import Needles
from cloud_stub.residue.scan import scan
from cloud_stub.stores import backups
from cloud_stub.stores.tables import CONTENT, RECORDS

#: Rows that are opened and searched together.
_ROWS = 500

#: Between two fields: no window spans it, since none has a byte that is in no text and in little sound so often.
_GAP = bytes(12)


@dataclass(frozen=True)
class Copy:
    """A store somewhere: in use, or in a backup."""

    place: str
    file: str
    live: bool


def findings(
    rules: Rules, needles: Needles, abouts: Sequence[str], folder: Path, memory_mib: int
) -> dict[str, list[Finding]]:
    """By place: what is found in rows that open, each with the rule that lets the record itself be there.

    A copy in a backup is explained only as long as its record is still in the stores, and a rule keeps it.
    """
    found: dict[str, list[Finding]] = {}
    for table in CONTENT:
        copy = Copy(f"cloud/{table.schema}", f"cloud/{table.schema}.db", live=True)
        _search(rules, table, copy, rules.connection, needles, abouts, memory_mib, found)
    for backup in backups.listed(folder):
        for table in CONTENT:
            copy = Copy(f"cloud/backups/{backup.name}", f"cloud/backups/{backup.name}/{table.schema}.db", live=False)
            with _reading(folder.parent / copy.file, str(table.schema)) as connection:
                _search(rules, table, copy, connection, needles, abouts, memory_mib, found)
    return found


def _search(
    rules: Rules,
    table: Table,
    copy: Copy,
    connection: Connection,
    needles: Needles,
    abouts: Sequence[str],
    memory_mib: int,
    found: dict[str, list[Finding]],
) -> None:
    for rows in _chunks(connection.execute(select(table).where(table.c.seal.is_not(None))).mappings()):
        sealed = [dict(row) for row in rows]
        starts, parts, whole = [], [], bytearray()
        for row, clear in zip(sealed, rules.keys.seal.opened(table, sealed), strict=True):
            for name in CONTENT[table]:
                if clear.get(name) is not None:
                    starts.append(len(whole))
                    parts.append((row, name))
                    whole += _bytes(clear[name]) + _GAP
        for hit in scan(bytes(whole), needles, memory=memory_mib):
            row, name = parts[bisect_right(starts, hit.offset) - 1]
            judged = _judged(rules, table, row, live=copy.live)
            where = f"{table.schema}/{table.name}.{name}, sealed, and its key exists"
            rule, clause = (judged.rule, judged.clause) if judged else (None, None)
            found.setdefault(copy.place, []).extend(
                Finding(copy.file, None, abouts[owner], where, row.get("interaction"), rule, clause)
                for owner in hit.owners
                if owner < len(abouts)
            )


def _judged(rules: Rules, table: Table, row: dict[str, Any], *, live: bool) -> Left | None:
    """The rule under which the record is there; None for a copy whose record is gone."""
    if not live:
        here = and_(*(column == row[column.name] for column in table.primary_key), table.c.seal == row["seal"])
        there = rules.connection.execute(select(table).where(here)).mappings().first()
        if there is None:
            return None
        row = dict(there)
    try:
        known = (str(table.schema), table.name) in RECORDS
        return rules.record(table, row) if known else rules.working(table, row)
    except CloudError:
        return None


def _chunks(rows: Iterable[Any]) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@contextmanager
def _reading(file: Path, store: str) -> Iterator[Connection]:
    """A store's file that nobody writes to."""
    engine = create_engine(f"sqlite:///file:{file}?mode=ro&immutable=1&uri=true")
    try:
        with engine.connect().execution_options(schema_translate_map={store: None}) as connection:
            yield connection
    finally:
        engine.dispose()


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
