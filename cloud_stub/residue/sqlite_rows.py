"""A live row of an SQLite file, and where in the file its columns are, whichever pages they are on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cloud_stub.residue import sqlite_records as records
from cloud_stub.residue.sqlite_pages import Pages
from cloud_stub.residue.sqlite_records import Cell, Field, Value
from cloud_stub.residue.sqlite_schema import Tree
from cloud_stub.stores.btree_page import Unreadable


class Row(Mapping[str, Value]):
    """A live row, or its entry in an index: every stored column, and its rowid where it has one.

    A value is read from the file when it is asked for; raises Unreadable where the file changed meanwhile.
    """

    def __init__(self, source: Pages, tree: Tree, number: int, cell: Cell) -> None:
        """Of the cell on that page. Raises Unreadable where the record in it is not one of that b-tree's."""
        self._source, self._tree, self._number, self.cell = source, tree, number, cell
        #: How long the record's header is: the first column begins there.
        self.header = records.header_length(self._read(0, min(9, cell.size)))
        # Of a header that is longer than it can be, no more is read than of one that is not.
        longest = 9 * (len(tree.columns) + 1)
        self.fields = records.fields(self._read(0, min(self.header, longest)), cell.size, tree.columns)
        if tree.index and len(self.fields) < len(tree.columns):
            raise Unreadable("an index's entry has too few columns")
        self._fields = {field.column: field for field in self.fields}

    def __getitem__(self, column: str) -> Value:
        if column == self._tree.rowid:
            return self.cell.rowid
        if column in self._fields:
            field = self._fields[column]
            return records.value(self._read(field.start, field.end), field.kind, self._source.encoding)
        if column in self._tree.columns:
            return self._tree.defaults.get(column)
        raise KeyError(column)

    def __iter__(self) -> Iterator[str]:
        rowid = () if self._tree.rowid is None else (self._tree.rowid,)
        return iter(dict.fromkeys((*rowid, *self._tree.columns)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def straddles(self, field: Field) -> bool:
        """Whether a field is on more than one page."""
        first, last = ((byte - self.cell.local) // (self._source.usable - 4) for byte in (field.start, field.end - 1))
        return max(first, -1) < last

    def contents(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """A part of the payload, as (offset in the file, bytes) for each page that it is on."""
        position = 0
        for offset, length in self._source.payload(self._number, self.cell):
            first, last = max(start, position), min(end, position + length)
            if first < last:
                yield offset + first - position, self._source.read(offset + first - position, last - first)
            position += length
            if position >= end:
                return

    def _read(self, start: int, end: int) -> bytes:
        return b"".join(content for _, content in self.contents(start, end))


@dataclass(frozen=True)
class Stretch:
    """A column of a live row that is on more than one page, so that no search of the file itself sees it whole."""

    table: str
    #: The index's name, None where these are the row's own bytes.
    index: str | None
    column: str
    row: Row
    field: Field

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """The column's bytes in order, as (offset in the file, bytes) for each page that it is on."""
        return self.row.contents(self.field.start, self.field.end)
