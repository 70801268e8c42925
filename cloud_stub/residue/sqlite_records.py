"""Cells of SQLite's b-tree pages, and the records in them: which bytes are which column.

Source of facts: https://www.sqlite.org/fileformat2.html, "B-tree Pages" and "Record Format".
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from cloud_stub.stores.btree_page import INTERIOR_INDEX, INTERIOR_TABLE, LEAF_TABLE, Header, Unreadable

Value = None | int | float | str | bytes

#: Serial types of fixed length, in bytes; 10 and 11 are not in use.
_LENGTHS = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)


class Cell(NamedTuple):
    """A cell of a b-tree page. `start`, `body` and `end` count from the start of the page, in bytes."""

    start: int
    #: Where the part of the payload that is on this page begins.
    body: int
    #: Where the cell ends, the number of its first overflow page included.
    end: int
    #: How much of the payload is on this page, and how much there is in all.
    local: int
    size: int
    rowid: int | None
    #: The first overflow page, 0 for none.
    overflow: int


class Field(NamedTuple):
    """One column's place in a payload: it is content[start:end], to be read as its serial type says."""

    column: str
    start: int
    end: int
    kind: int


def varint(content: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    value = 0
    for position in range(at, at + 8):
        byte = content[position]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, position + 1
    return value << 8 | content[at + 8], at + 9


def cells(page: bytes, head: Header, usable: int) -> Iterator[Cell]:
    """Every cell of a page, in the order of its pointers. Raises Unreadable for one that is not within the page."""
    for pointer in struct.unpack_from(f">{head.cells}H", page, head.pointers):
        yield cell_at(page, pointer, head.kind, usable)


def cell_at(page: bytes, at: int, kind: int, usable: int) -> Cell:
    """The cell of a page of that kind that begins there. Raises Unreadable where it is not within the page."""
    try:
        return _cell_at(page, at, kind, usable)
    except IndexError:
        raise Unreadable("a cell ends beyond the end of its page") from None


def _cell_at(page: bytes, at: int, kind: int, usable: int) -> Cell:
    body, rowid, size, overflow = at, None, 0, 0
    if kind in {INTERIOR_INDEX, INTERIOR_TABLE}:
        body += 4
    if kind != INTERIOR_TABLE:
        size, body = varint(page, body)
    if kind in {INTERIOR_TABLE, LEAF_TABLE}:
        rowid, body = varint(page, body)
        rowid -= rowid >> 63 << 64
    local = _local(kind, usable, size)
    end = body + local
    if local < size:
        overflow = int.from_bytes(page[end : end + 4], "big")
        end += 4
    if end > usable:
        raise Unreadable("a cell ends beyond the end of its page")
    return Cell(at, body, end, local, size, rowid, overflow)


def overflowing(page: bytes, head: Header, usable: int) -> Iterator[Cell]:
    """The cells of a page that go on on other pages. Most others are told by the two bytes that begin their size."""
    if head.kind == INTERIOR_TABLE:
        return
    most = _most(head.kind, usable)
    ahead = 4 if head.kind == INTERIOR_INDEX else 0
    # No size of one byte overflows, unless pages are tiny; one of two bytes does only if it begins so high.
    high = 0x80 | most >> 7 if most > 0x7F else 0
    try:
        for pointer in struct.unpack_from(f">{head.cells}H", page, head.pointers):
            first = page[pointer + ahead]
            if first >= high or (first >= 0x80 and page[pointer + ahead + 1] >= 0x80):
                cell = _cell_at(page, pointer, head.kind, usable)
                if cell.local < cell.size:
                    yield cell
    except IndexError:
        raise Unreadable("a cell ends beyond the end of its page") from None


def _most(kind: int, usable: int) -> int:
    """The longest payload that stays on its page."""
    return usable - 35 if kind == LEAF_TABLE else (usable - 12) * 64 // 255 - 23


def _local(kind: int, usable: int, size: int) -> int:
    most = _most(kind, usable)
    if size <= most:
        return size
    least = (usable - 12) * 32 // 255 - 23
    fits = least + (size - least) % (usable - 4)
    return fits if fits <= most else least


def fields(content: bytes, size: int, columns: tuple[str, ...]) -> tuple[Field, ...]:
    """The columns of a record of that size, of which the header at least is given, in the order in which they lie.

    A row from before a column was added lacks it. Raises Unreadable where the lengths do not add up.
    """
    try:
        end, at = varint(content, 0)
        body, found = end, []
        for column in columns:
            if at >= end:
                break
            kind, at = varint(content, at)
            length = (kind - 12) // 2 if kind >= 12 else _LENGTHS[kind]
            found.append(Field(column, body, body + length, kind))
            body += length
    except IndexError:
        raise Unreadable("a record's header is broken") from None
    if at != end or body != size:
        raise Unreadable("a record is not as long as its header says")
    return tuple(found)


def header_length(content: bytes) -> int:
    """How long a record's header is, from its first nine bytes or fewer."""
    try:
        return varint(content, 0)[0]
    except IndexError:
        raise Unreadable("a record's header is broken") from None


def value(content: bytes, kind: int, encoding: str) -> Value:
    """What the bytes of a field say, given its serial type."""
    if kind >= 12:
        return content.decode(encoding, "replace") if kind % 2 else content
    if kind == 7:
        return float(struct.unpack(">d", content)[0])
    if kind == 9:
        return 1
    # Of 8, the number 0, there are no bytes.
    return int.from_bytes(content, "big", signed=True) if kind else None
