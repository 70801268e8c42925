"""What SQLite writes at the head of a b-tree page, and which of its bytes hold nothing.

Source of facts: https://www.sqlite.org/fileformat2.html, "B-tree Pages".
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from cloud_stub.errors import CloudError

INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE = 2, 5, 10, 13
_INTERIOR = {INTERIOR_INDEX, INTERIOR_TABLE}
_KINDS = {INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE}


class Unreadable(CloudError):
    """A database file, or a part of it, is not what the format says, so nothing in it can be called live."""


class Header(NamedTuple):
    """The head of a b-tree page. Offsets count from the start of the page, in bytes."""

    kind: int
    #: Where the head itself begins: 100 on page 1, behind the file's header.
    start: int
    #: The first free block, 0 for none.
    block: int
    cells: int
    #: Where the cells begin. What lies between the cell pointers and here is unallocated.
    content: int
    #: How many bytes between cells are too few for a free block.
    fragments: int

    @property
    def interior(self) -> bool:
        return self.kind in _INTERIOR

    @property
    def pointers(self) -> int:
        """Where the cell pointers begin, two bytes each."""
        return self.start + (12 if self.interior else 8)

    @property
    def unallocated(self) -> int:
        """Where the cell pointers end."""
        return self.pointers + 2 * self.cells


def page_size(stored: int) -> int:
    """A page's size in bytes; the format writes 65536 as 1 where it has two bytes."""
    return 65536 if stored == 1 else stored


def header(page: bytes, number: int, usable: int) -> Header:
    """The head of a page, whose number counts from 1. Raises Unreadable where it is no b-tree page or a broken one."""
    start = 100 if number == 1 else 0
    kind, block, cells, content, fragments = struct.unpack_from(">BHHHB", page, start)
    if kind not in _KINDS:
        raise Unreadable(f"page {number} is no b-tree page")
    head = Header(kind, start, block, cells, content or 65536, fragments)
    if not head.unallocated <= head.content <= usable:
        raise Unreadable(f"page {number} says that its cells begin where they cannot")
    return head


def free_blocks(page: bytes, head: Header, usable: int) -> Iterator[tuple[int, int]]:
    """Each free block as (first, last + 1); its first four bytes chain it to the next.

    Raises Unreadable where the chain is broken.
    """
    block, lowest = head.block, head.content
    while block:
        if not lowest <= block <= usable - 4:
            raise Unreadable("a chain of free blocks is broken")
        following, length = struct.unpack_from(">HH", page, block)
        if length < 4 or block + length > usable:
            raise Unreadable("a free block is longer than its page or shorter than itself")
        yield block, block + length
        block, lowest = following, block + length
