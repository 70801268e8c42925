"""A SQLite database file as numbered pages, and which b-tree each page belongs to.

The whole file is mapped once, into a few flat arrays (11 bytes a page): leaf pages are looked at only for cells that
overflow. Source of facts: https://www.sqlite.org/fileformat2.html.
"""

import struct
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from cloud_stub.residue.sqlite_records import Cell, overflowing
from cloud_stub.stores.btree_page import Header, Unreadable, header, page_size

#: What a page is. Anything that nothing leads to stays UNOWNED.
UNOWNED, BTREE, OVERFLOW, TRUNK, FREE, POINTER_MAP, LOCK = range(7)

_MAGIC = b"SQLite format 3\0"
_LOCK_BYTE = 1 << 30
#: The head of a rollback journal; a journal that was played back or committed is gone, empty or has zeros there.
_JOURNAL_HEADER = 28


class Pages:
    """A database file, read page by page with plain reads. Pages count from 1, offsets in the file from 0."""

    def __init__(self, path: Path) -> None:
        """Raises Unreadable where the file is no database, was cut short, or is not the whole truth (a log beside it).

        Closing any descriptor of a file drops every lock that this process holds on it (POSIX), SQLite's too: open no
        file here that this process has open through SQLite.
        """
        self.path = path
        _no_log(path)
        self._file = path.open("rb", buffering=0)
        try:
            self._read_header()
        except BaseException:
            self._file.close()
            raise

    def _read_header(self) -> None:
        head = self._file.read(100)
        if len(head) < 100 or not head.startswith(_MAGIC):
            raise Unreadable(f"{self.path} is no SQLite database. Name a database file.")
        self.size = page_size(struct.unpack_from(">H", head, 16)[0])
        self.usable = self.size - head[20]
        changes, said, self.first_trunk, self.free = struct.unpack_from(">IIII", head, 24)
        self.auto_vacuum = head[52:56] != bytes(4)
        self.encoding = {2: "utf-16-le", 3: "utf-16-be"}.get(head[59], "utf-8")
        if self.size not in {1 << bits for bits in range(9, 17)} or self.usable < 480:
            raise Unreadable(f"{self.path} has a broken header: its page size is {self.size}. Restore a backup.")
        length = self.path.stat().st_size
        # The page count is valid only if it was written together with the change counter.
        self.count = said if said and head[92:96] == struct.pack(">I", changes) else length // self.size
        if self.count * self.size > length or not self.count:
            raise Unreadable(
                f"{self.path} was cut short: {length} of {self.count * self.size} bytes. Restore a backup."
            )

    def close(self) -> None:
        self._file.close()

    def start(self, number: int) -> int:
        """Where a page begins in the file."""
        return (number - 1) * self.size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly so many bytes of the file."""
        self._file.seek(offset)
        content = self._file.read(length)
        if len(content) != length:
            raise Unreadable(f"{self.path} has become shorter while it was read. Try again.")
        return content

    def page(self, number: int) -> bytes:
        if not 1 <= number <= self.count:
            raise Unreadable(f"page {number} is beyond the end of the file")
        return self.read(self.start(number), self.size)

    def following(self, number: int) -> int:
        """The next page of a chain of overflow pages, 0 at its end."""
        return int.from_bytes(self.read(self.start(number), 4), "big")

    def payload(self, number: int, cell: Cell) -> Iterator[tuple[int, int]]:
        """Where a cell's payload lies in the file, in order: (offset, length) for each page that it is on."""
        yield self.start(number) + cell.body, cell.local
        left, page = cell.size - cell.local, cell.overflow
        while left > 0:
            if not 1 <= page <= self.count:
                raise Unreadable(f"page {page} is beyond the end of the file")
            length = min(left, self.usable - 4)
            yield self.start(page) + 4, length
            left -= length
            page = self.following(page) if left else 0


class PageMap:
    """Which b-tree every page belongs to, and for an overflow page which cell, and how far along its chain.

    `damage` is the first wrong turn that was met, None in a sound file. After one, a page that seems to belong to a row
    may be another's, or a free one.
    """

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        size = pages.count + 1
        self.kinds = bytearray(size)
        #: The b-tree's number; for an overflow page the page that its cell is on.
        self.owners = array("I", bytes(4 * size))
        #: For an overflow page: where its cell begins on that page.
        self.cells = array("H", bytes(2 * size))
        #: For an overflow page: how many overflow pages of the same cell lie before it.
        self.turns = array("I", bytes(4 * size))
        self.damage: str | None = None
        lock = _LOCK_BYTE // pages.size + 1
        if lock <= pages.count:
            self.kinds[lock] = LOCK
        if pages.auto_vacuum:
            for number in range(2, pages.count + 1, pages.usable // 5 + 1):
                # The lock-byte page pushes a pointer map out of its place.
                after = number + (number == lock)
                if after <= pages.count:
                    self.kinds[after] = POINTER_MAP

    def walk(self, tree: int, root: int, kinds: set[int]) -> None:
        """Map a b-tree of these kinds of page, and the overflow pages of its cells."""
        try:
            waiting = [root]
            while waiting:
                number = waiting.pop()
                self._claim(number, BTREE, tree)
                waiting += self._look_at(number, kinds)
        except Unreadable as error:
            self.damage = self.damage or str(error)

    def walk_free_list(self) -> None:
        """Map the free pages: trunk pages list the others."""
        try:
            self._follow_free_list()
        except (Unreadable, struct.error) as error:
            self.damage = self.damage or f"the list of free pages is broken: {error}"

    def tree(self, number: int) -> int:
        """The number of the b-tree that a page of kind BTREE or OVERFLOW belongs to."""
        return self.owners[self.owners[number] if self.kinds[number] == OVERFLOW else number]

    def _look_at(self, number: int, kinds: set[int]) -> Iterable[int]:
        """Map the overflow pages of a b-tree page's cells. Returns the b-tree pages below it."""
        page = self.pages.page(number)
        head = header(page, number, self.pages.usable)
        if head.kind not in kinds:
            raise Unreadable(f"page {number} is of another kind than its b-tree")
        for cell in overflowing(page, head, self.pages.usable):
            self._chain(number, cell)
        return _children(page, head) if head.interior else ()

    def _follow_free_list(self) -> None:
        trunk, left = self.pages.first_trunk, self.pages.free
        while trunk:
            self._claim(trunk, TRUNK)
            page = self.pages.page(trunk)
            trunk, listed = struct.unpack_from(">II", page)
            for number in struct.unpack_from(f">{listed}I", page, 8):
                self._claim(number, FREE)
            left -= 1 + listed
        if left:
            raise Unreadable(f"{self.pages.free} are said to be on it, and {self.pages.free - left} are")

    def _chain(self, number: int, cell: Cell) -> None:
        left, page, turn = cell.size - cell.local, cell.overflow, 0
        while left > 0:
            self._claim(page, OVERFLOW, number, cell.start, turn)
            page, turn, left = self.pages.following(page), turn + 1, left - (self.pages.usable - 4)

    def _claim(self, number: int, kind: int, owner: int = 0, cell: int = 0, turn: int = 0) -> None:
        if not 1 <= number <= self.pages.count:
            raise Unreadable(f"page {number} is beyond the end of the file")
        if self.kinds[number] != UNOWNED:
            raise Unreadable(f"two places lead to page {number}")
        self.kinds[number], self.owners[number] = kind, owner
        self.cells[number], self.turns[number] = cell, turn


def _children(page: bytes, head: Header) -> Iterator[int]:
    for pointer in struct.unpack_from(f">{head.cells}H", page, head.pointers):
        if pointer + 4 > len(page):
            raise Unreadable("a cell begins beyond the end of its page")
        yield int.from_bytes(page[pointer : pointer + 4], "big")
    yield int.from_bytes(page[head.pointers - 4 : head.pointers], "big")


def _no_log(path: Path) -> None:
    """Raise Unreadable where a log beside the file may hold rows that it has not, or undo some that it has."""
    for ending, length in (("-wal", 1), ("-journal", _JOURNAL_HEADER)):
        log = path.with_name(path.name + ending)
        with suppress(FileNotFoundError), log.open("rb") as file:
            if any(file.read(length)):
                raise Unreadable(f"{log} is not empty. Close what uses {path}, open and close it once, and try again.")
