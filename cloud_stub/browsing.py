"""The voice history a page at a time, newest first, by the interactions' ids: as fast at the end of a long history."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, select

from cloud_stub.contract.messages import new_id, rfc3339
from cloud_stub.stores.sealing import Seal
from cloud_stub.stores.tables import RECORDS
from cloud_stub.voice_history import merged

_TABLES = tuple(RECORDS["primary", kind] for kind in ("transcript", "response", "recording"))

#: Ids sort by the time that the device read when it made them; its other times are no further than this from that.
_SLACK = timedelta(days=2)

#: A search for words opens so many interactions at first, then more and more, and ends this page after so many in all.
_FIRST, _MOST, _LOOK_THROUGH = 50, 1000, 20_000


@dataclass(frozen=True)
class Filter:
    """Which interactions are wanted: of a device, within a time, with these words."""

    device: str = ""
    since: datetime | None = None
    until: datetime | None = None
    words: str = ""


@dataclass(frozen=True)
class Page:
    """Some interactions as `voice_history.history` shows them, and after which id the next page begins, if there is."""

    rows: list[dict[str, Any]]
    more: str | None


def page(
    connection: Connection, seal: Seal, account: str, wanted: Filter, *, before: str | None = None, size: int = 30
) -> Page:
    """The account's newest interactions before that id. A search may end early, with fewer rows and `more`."""
    rows: list[dict[str, Any]] = []
    looked = 0
    chunk = max(_FIRST, size + 1) if wanted.words else size + 1
    while True:
        ids = _ids(connection, account, wanted, before, chunk)
        for row in _rows(connection, seal, account, ids):
            if len(rows) == size:
                return Page(rows, before)
            before = row["id"]
            if _says(row, wanted.words):
                rows.append(row)
        looked += len(ids)
        if len(ids) < chunk:
            return Page(rows, None)
        if looked >= _LOOK_THROUGH:
            return Page(rows, ids[-1])
        before, chunk = ids[-1], min(2 * chunk, _MOST)


def one(connection: Connection, seal: Seal, account: str, interaction: str) -> dict[str, Any] | None:
    """One interaction of that account, with `words` as the device heard them; None where it has none of that id."""
    found = list(_rows(connection, seal, account, [interaction]))
    if not found:
        return None
    table = RECORDS["primary", "transcript"]
    rows = seal.opened(table, connection.execute(select(table).where(_mine(table, account, [interaction]))).mappings())
    told = {name: rows[0][name] if rows else None for name in ("words", "model", "source")}
    return found[0] | told


def sound(connection: Connection, seal: Seal, account: str, interaction: str) -> bytes | None:
    """The recording of one of the account's interactions, as FLAC; None where there is none."""
    table = RECORDS["primary", "recording"]
    rows = seal.opened(table, connection.execute(select(table).where(_mine(table, account, [interaction]))).mappings())
    return rows[0]["flac"] if rows else None


def devices(connection: Connection, account: str) -> list[str]:
    """The devices that have spoken lately: those that the account's newest transcripts name."""
    table = RECORDS["primary", "transcript"]
    newest = select(table.c.device).where(table.c.account == account).order_by(table.c.interaction.desc()).limit(100)
    return sorted(set(connection.execute(newest).scalars()))


def _ids(connection: Connection, account: str, wanted: Filter, before: str | None, limit: int) -> list[str]:
    """The newest ids, of whichever of its parts is still there."""
    found: set[str] = set()
    for table in _TABLES:
        ids = select(table.c.interaction).where(table.c.account == account, *_conditions(table, wanted))
        if before is not None:
            ids = ids.where(table.c.interaction < before)
        found.update(connection.execute(ids.order_by(table.c.interaction.desc()).limit(limit)).scalars())
    return sorted(found, reverse=True)[:limit]


def _conditions(table: Table, wanted: Filter) -> Iterator[ColumnElement[bool]]:
    if wanted.device:
        yield table.c.device == wanted.device
    if wanted.since is not None:
        yield and_(table.c.at >= rfc3339(wanted.since), table.c.interaction >= new_id(wanted.since - _SLACK)[:13])
    if wanted.until is not None:
        yield and_(table.c.at < rfc3339(wanted.until), table.c.interaction < new_id(wanted.until + _SLACK)[:13])


def _rows(connection: Connection, seal: Seal, account: str, ids: list[str]) -> Iterator[dict[str, Any]]:
    known = merged(connection, seal, lambda table: _mine(table, account, ids)) if ids else {}
    yield from (known[name] for name in ids if name in known)


def _mine(table: Table, account: str, ids: list[str]) -> ColumnElement[bool]:
    return and_(table.c.account == account, table.c.interaction.in_(ids))


def _says(row: dict[str, Any], words: str) -> bool:
    said = f"{row['transcript'] or ''}\n{row['response'] or ''}".casefold()
    return words.casefold() in said
