"""What is at a byte of an SQLite file: a column of a live row, or something that holds none.

Only what a b-tree leads to is live: a cell that its page points at, and the overflow pages that belong to it. Free
pages, free blocks and gaps may hold every word that was ever deleted. In a damaged file nothing that the damage could
touch is called live: once one page is found to belong to two, that is everything. Source of facts: https://www.sqlite.org/fileformat2.html.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from cloud_stub.residue import sqlite_pages as pages
from cloud_stub.residue import sqlite_records as records
from cloud_stub.residue import sqlite_schema as schema
from cloud_stub.residue.sqlite_pages import PageMap, Pages
from cloud_stub.residue.sqlite_records import Cell, Value
from cloud_stub.residue.sqlite_rows import Row, Stretch
from cloud_stub.residue.sqlite_schema import Tree
from cloud_stub.stores.btree_page import INTERIOR_TABLE, Unreadable, free_blocks, header

Kind = Literal[
    "file header",
    "page header",
    "unallocated",
    "free block",
    "fragment",
    "record header",
    "page pointer",
    "overflow slack",
    "reserved",
    "free page",
    "trunk page",
    "pointer map",
    "lock-byte page",
    "unowned",
    "damaged",
]

_KINDS: dict[int, Kind] = {
    pages.UNOWNED: "unowned",
    pages.TRUNK: "trunk page",
    pages.FREE: "free page",
    pages.POINTER_MAP: "pointer map",
    pages.LOCK: "lock-byte page",
}


@dataclass(frozen=True)
class InRow:
    """Bytes of one or more columns of a live row, or of its entry in an index."""

    offset: int
    length: int
    table: str
    #: The index's name, None where these are the row's own bytes.
    index: str | None
    #: The columns that these bytes are of: never empty.
    columns: tuple[str, ...]
    #: Every stored column, read from the file when asked for. Of an index: its columns, its table's key among them.
    row: Mapping[str, Value]


@dataclass(frozen=True)
class InNoRow:
    """Bytes that are no column of any live row."""

    offset: int
    length: int
    kind: Kind
    #: The table or index that the page belongs to, None where it belongs to none.
    owner: str | None = None


Place = InRow | InNoRow


class _Part(NamedTuple):
    """A part of a page, from `start` to `end`. Of a row, the payload's byte `at` is the first here."""

    start: int
    end: int
    what: Kind | Cell | Row
    at: int = 0


class SqliteFile:
    """An SQLite database file, to be asked what its bytes are."""

    def __init__(self, path: Path) -> None:
        """Map the file. Raises Unreadable where it is no database, was cut short, has a broken schema, or has a log.

        Nobody may write meanwhile, nor while it is asked. See Pages for what closing it does to SQLite's locks.
        """
        self._pages = Pages(path)
        try:
            self._map = PageMap(self._pages)
            self._tiled = lru_cache(8)(self._tile)
            self._trees = [schema.SCHEMA]
            self._map.walk(0, schema.SCHEMA.root, schema.SCHEMA.kinds)
            self._trees += schema.trees(list(self._schema_rows()))
        except Unreadable as error:
            self.close()
            raise Unreadable(f"{path} has a broken schema: {error}. Restore a backup.") from None
        for number, tree in enumerate(self._trees[1:], 1):
            self._map.walk(number, tree.root, tree.kinds)
        self._map.walk_free_list()

    def __enter__(self) -> "SqliteFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._pages.close()

    @property
    def damage(self) -> tuple[str, ...]:
        """What is wrong with the file, a line each. `locate` calls what it touches damaged, `stretches` leaves it out.

        A wrong turn touches all, a table or index whose columns are not known only itself. What is wrong within one
        page is not known before that page is asked for.
        """
        unknown = (f"{tree.name}: {tree.damage}" for tree in self._trees if tree.damage)
        return (*filter(None, (self._map.damage,)), *unknown)

    def locate(self, offset: int, length: int) -> tuple[Place, ...]:
        """What a range of the file's bytes is, in order and without a gap. Bytes beyond the last page are unowned."""
        if offset < 0 or length < 1:
            raise ValueError(f"no such range: {length} bytes from {offset}")
        size, end = self._pages.size, offset + length
        found: list[Place] = []
        for number in range(offset // size + 1, (end - 1) // size + 2):
            start = self._pages.start(number)
            found += self._places(number, max(offset, start) - start, min(end, start + size) - start)
        return tuple(found)

    def stretches(self) -> Iterator[Stretch]:
        """Every column of a live row that is on more than one page."""
        number = 0
        while (number := self._map.kinds.find(pages.OVERFLOW, number + 1)) > 0:
            if self._map.turns[number] == 0:
                tree = self._tree(number)
                try:
                    row = self._row(number)
                except Unreadable:
                    continue
                for field in row.fields:
                    if row.straddles(field):
                        yield Stretch(tree.table, tree.index, field.column, row, field)

    def _places(self, number: int, first: int, last: int) -> list[Place]:
        """What a page's bytes from first to last are."""
        start = self._pages.start(number)
        kind = self._map.kinds[number] if number <= self._pages.count else pages.UNOWNED
        if kind in _KINDS:
            return [InNoRow(start + first, last - first, _KINDS[kind])]
        tree = self._tree(number)
        try:
            parts = self._overflow_page(number) if kind == pages.OVERFLOW else self._btree_page(number, first, last)
            return [_place(tree, start, part) for part in _clipped(parts, first, last)]
        except Unreadable:
            return [InNoRow(start + first, last - first, "damaged", tree.name)]

    def _schema_rows(self) -> Iterator[Row]:
        number = 0
        while (number := self._map.kinds.find(pages.BTREE, number + 1)) > 0:
            for part in self._layout(number):
                if isinstance(part.what, Cell):
                    yield Row(self._pages, schema.SCHEMA, number, part.what)

    def _btree_page(self, number: int, first: int, last: int) -> Iterator[_Part]:
        tree, layout = self._tree(number), self._layout(number)
        for part in layout[bisect_right(layout, first, key=lambda part: part.start) - 1 :]:
            if part.start >= last:
                return
            if isinstance(part.what, Cell):
                cell = part.what
                row = Row(self._pages, tree, number, cell)
                header_end = cell.body + min(row.header, cell.local)
                yield _Part(cell.start, header_end, "record header")
                yield _Part(header_end, cell.body + cell.local, row, row.header)
                yield _Part(cell.body + cell.local, cell.end, "page pointer")
            else:
                yield part

    def _overflow_page(self, number: int) -> Iterator[_Part]:
        row = self._row(number)
        usable = self._pages.usable
        start = row.cell.local + self._map.turns[number] * (usable - 4)
        length = min(usable - 4, row.cell.size - start)
        header_end = 4 + min(max(row.header - start, 0), length)
        yield _Part(0, 4, "page pointer")
        yield _Part(4, header_end, "record header")
        yield _Part(header_end, 4 + length, row, max(row.header, start))
        yield _Part(4 + length, usable, "overflow slack")
        yield _Part(usable, self._pages.size, "reserved")

    def _tree(self, number: int) -> Tree:
        """The table or index that a b-tree page or an overflow page belongs to."""
        return self._trees[self._map.tree(number)]

    def _row(self, number: int) -> Row:
        """The row that an overflow page belongs to."""
        home, begin = self._map.owners[number], self._map.cells[number]
        for part in self._layout(home):
            if part.start == begin and isinstance(part.what, Cell):
                return Row(self._pages, self._tree(number), home, part.what)
        raise Unreadable(f"page {home} has changed")

    def _layout(self, number: int) -> list[_Part]:
        """The parts of a b-tree page. Raises Unreadable where nothing on it can be called live."""
        if self._map.damage:
            raise Unreadable(self._map.damage)
        return self._tiled(number)

    def _tile(self, number: int) -> list[_Part]:
        """A b-tree page from end to end. Raises Unreadable where its parts overlap or leave something unaccounted for.

        That no byte is unaccounted for is what makes it sure that a cell is one: a wrong pointer or length shows.
        """
        page, usable = self._pages.page(number), self._pages.usable
        head = header(page, number, usable)
        parts = [_Part(first, last, "free block") for first, last in free_blocks(page, head, usable)]
        for cell in records.cells(page, head, usable):
            what: Kind | Cell = "page pointer" if head.kind == INTERIOR_TABLE else cell
            parts.append(_Part(cell.start, cell.end, what))
        tiled = [
            _Part(0, head.start, "file header"),
            _Part(head.start, head.unallocated, "page header"),
            _Part(head.unallocated, head.content, "unallocated"),
        ]
        fragments, end = 0, head.content
        for part in sorted(parts, key=lambda part: part.start):
            if part.start < end:
                raise Unreadable(f"two things on page {number} are at the same place")
            # No cell takes less than four bytes.
            room = max(part.end, part.start + 4)
            tiled += (_Part(end, part.start, "fragment"), part, _Part(part.end, room, "fragment"))
            fragments, end = fragments + part.start - end, room
        if fragments + usable - end != head.fragments:
            raise Unreadable(f"something on page {number} is accounted for by nothing")
        tiled += (_Part(end, usable, "fragment"), _Part(usable, len(page), "reserved"))
        return [part for part in tiled if part.start < part.end]


def _clipped(parts: Iterable[_Part], first: int, last: int) -> Iterator[_Part]:
    """What of the parts of a page lies between first and last."""
    for part in parts:
        start, end = max(part.start, first), min(part.end, last)
        if start < end:
            yield _Part(start, end, part.what, part.at + start - part.start)


def _place(tree: Tree, page: int, part: _Part) -> Place:
    offset, length = page + part.start, part.end - part.start
    if isinstance(part.what, Row):
        touched = dict.fromkeys(
            field.column for field in part.what.fields if max(field.start, part.at) < min(field.end, part.at + length)
        )
        return InRow(offset, length, tree.table, tree.index, tuple(touched), part.what)
    assert not isinstance(part.what, Cell)
    return InNoRow(offset, length, part.what, tree.name)
