"""Zeroes what SQLite leaves behind in its own pages.

Fact, measured: secure_delete zeroes what a DELETE frees, but when a page is split or merged its rows are copied to
another page and their old bytes stay in the unused part of the first, where no later DELETE finds them. Only pages that
were written can hold such bytes, and the write-ahead log lists those. Zeroing the unused part of a page changes nothing
that SQLite reads (file format: https://www.sqlite.org/fileformat2.html, "B-tree Pages").
"""

import os
import struct
from collections.abc import Iterable
from pathlib import Path

from cloud_stub.stores.btree_page import Unreadable, free_blocks, header, page_size

_WAL_HEADER = 32
_FRAME_HEADER = 24


def pages_in_log(wal: Path) -> set[int]:
    """The numbers (from 1) of the pages that a write-ahead log holds; empty where there is no log."""
    try:
        with wal.open("rb") as log:
            head = log.read(_WAL_HEADER)
            if len(head) < _WAL_HEADER:
                return set()
            frame = _FRAME_HEADER + page_size(struct.unpack(">I", head[8:12])[0])
            numbers: set[int] = set()
            position = _WAL_HEADER
            while len(head := log.read(4)) == 4:
                numbers.add(struct.unpack(">I", head)[0])
                position += frame
                log.seek(position)
            # What a power cut has kept of a log may have holes in it, and no page has the number 0.
            return numbers - {0}
    except FileNotFoundError:
        return set()


def scrub(database: int, numbers: Iterable[int]) -> int:
    """Zero the unused bytes of these pages of a database file (an open descriptor), durably. Returns the pages changed.

    The caller has seen to it that the pages are written back and that nobody writes meanwhile.
    """
    os.lseek(database, 0, os.SEEK_SET)
    head = os.read(database, 100)
    if len(head) < 100:
        return 0
    size = page_size(struct.unpack(">H", head[16:18])[0])
    usable = size - head[20]
    end = os.lseek(database, 0, os.SEEK_END)
    changed = 0
    for number in sorted(numbers):
        start = (number - 1) * size
        if start + size > end:
            continue
        os.lseek(database, start, os.SEEK_SET)
        page = os.read(database, size)
        dirty = [(first, last) for first, last in _unused(page, number, usable) if any(page[first:last])]
        for first, last in dirty:
            os.lseek(database, start + first, os.SEEK_SET)
            os.write(database, bytes(last - first))
        changed += bool(dirty)
    if changed:
        os.fsync(database)
    return changed


def _unused(page: bytes, number: int, usable: int) -> Iterable[tuple[int, int]]:
    """The stretches of a b-tree page that hold nothing: the gap before the cells, and the free blocks between them."""
    try:
        head = header(page, number, usable)
        yield head.unallocated, head.content
        for first, last in free_blocks(page, head, usable):
            # The first four bytes chain the free blocks together.
            yield first + 4, last
    except Unreadable:
        # No b-tree page, or one that is none of ours to mend.
        return
