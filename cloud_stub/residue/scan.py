"""Searches bytes for needles: every byte of a file, whatever its size, in a few passes over memory.

A window of twelve bytes holds a whole pair of aligned 32-bit words, wherever it starts. So only one place in four is
looked at: the pair that starts there has a mark, and two tables tell whether a needle has such a mark, and at which
shift. What passes them, one place in some hundreds, is hashed and looked up among the fingerprints.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloud_stub.errors import CloudError
from cloud_stub.residue.needles import SHIFTS, Needles, mark
from cloud_stub.residue.windows import WINDOW

#: What a scan may use beside its needles, unless told otherwise; and the least that it needs.
MEMORY_MIB = 64
LEAST_MEMORY_MIB = 8

#: Words looked at together: what is in work for them stays in the processor's second cache.
_BLOCK = 1 << 15

#: Windows hashed together.
_BATCH = 1 << 13

#: What a byte of the buffer costs where every byte may start a needle: itself, and its place three times over.
_BYTES_FOR_ONE = 1 + 3 * 8

_WORD = 4
_MIB = 1 << 20

Words = NDArray[np.uint32]
Places = NDArray[np.intp]
File = io.RawIOBase | io.BufferedIOBase
Source = Path | File | bytes


@dataclass(frozen=True, slots=True)
class Hit:
    """A needle that was found: the offset of its first byte in the source, and all its owners."""

    offset: int
    owners: tuple[int, ...]


def scan(
    source: Source,
    needles: Needles,
    *,
    memory: int = MEMORY_MIB,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Hit]:
    """Every place in the source where a needle lies, in order, each once; needles that overlap are all found.

    `source`: a file, an open binary file, which is read from where it stands, or bytes. `memory`: what the scan may use
    beside the needles, in MiB, however large the source. `progress` is called with the bytes done so far.
    Raises CloudError where the memory is too little, and OSError where the file cannot be read.
    """
    if memory < LEAST_MEMORY_MIB:
        raise CloudError(f"{memory} MiB are too little memory for a scan. Allow at least {LEAST_MEMORY_MIB}.")
    room = (memory - LEAST_MEMORY_MIB // 2) * _MIB // _BYTES_FOR_ONE // _WORD * _WORD
    with _opened(source) as file:
        yield from _hits(file, needles, room, progress)


def _hits(file: File, needles: Needles, room: int, progress: Callable[[int], None] | None = None) -> Iterator[Hit]:
    """Read the file in turns of `room` bytes, two whole words or more."""
    buffer = np.zeros(WINDOW + room, np.uint8)
    sieve = _Sieve(needles)
    # Before the file's first byte stands a word of nothing; in later turns, the last twelve bytes of the turn before.
    held, offset = _WORD, -_WORD
    while True:
        got = _fill(file, buffer[held : held + room].data)
        held += got
        # The last pair that a window can start with, or shortly before, and be whole: in the next turn, the first
        # pair is the one behind it.
        last = (held - WINDOW + SHIFTS - 1) // _WORD
        places = sieve.places(buffer.view("<u4")[1 : last + 2]) + _WORD
        for place, number in _found(buffer, places[(places >= -offset) & (places <= held - WINDOW)], needles):
            yield Hit(offset + place, needles.owners(number))
        if progress is not None:
            progress(offset + held)
        if got < room:
            return
        buffer[:WINDOW] = buffer[held - WINDOW : held]
        offset, held = offset + held - WINDOW, WINDOW


class _Sieve:
    """The two tables of the needles, and the memory that the work on a block of words takes."""

    def __init__(self, needles: Needles) -> None:
        self._needles = needles
        self._marks: Words = np.empty(_BLOCK, np.uint32)
        self._spare: Words = np.empty(_BLOCK, np.uint32)
        self._index: Places = np.empty(_BLOCK, np.intp)
        self._marked = np.empty(_BLOCK, np.bool_)

    def places(self, words: Words) -> Places:
        """Where windows may start, in bytes from the first of the words, which every pair but the last overlaps.

        Ascending. May be as low as -3: a window starts up to three bytes before its pair.
        """
        pairs = max(len(words) - 1, 0)
        blocks = (self._block(words, first, min(first + _BLOCK, pairs)) for first in range(0, pairs, _BLOCK))
        return np.concatenate([np.empty(0, np.intp), *blocks])

    def _block(self, words: Words, first: int, past: int) -> Places:
        needles, count = self._needles, past - first
        if not needles.marked[0] and not words[first : past + 1].any():
            # The mark of zeros is zero.
            return np.empty(0, np.intp)
        marks, index, marked = self._marks[:count], self._index[:count], self._marked[:count]
        mark(words[first:past], words[first + 1 : past + 1], needles.key, out=marks, spare=self._spare[:count])
        index[:] = needles.place(marks)
        # Every index is within the table; "clip" spares numpy a copy.
        needles.marked.take(index, out=marked, mode="clip")
        pairs = marked.nonzero()[0]
        shifts = needles.shifts[needles.other_place(marks[pairs])]
        pairs, shifts = pairs[shifts > 0], shifts[shifts > 0]
        back = np.arange(SHIFTS - 1, -1, -1)
        return ((first + pairs)[:, None] * _WORD - back)[(shifts[:, None] >> back & 1) > 0]


def _found(buffer: NDArray[np.uint8], places: Places, needles: Needles) -> Iterator[tuple[int, int]]:
    """Those places where a needle lies indeed, and which."""
    windows = np.lib.stride_tricks.sliding_window_view(buffer, WINDOW)
    for first in range(0, len(places), _BATCH):
        batch = places[first : first + _BATCH]
        numbers = needles.find(windows[batch])
        yield from zip(batch[numbers >= 0].tolist(), numbers[numbers >= 0].tolist(), strict=True)


@contextmanager
def _opened(source: Source) -> Iterator[File]:
    if isinstance(source, Path):
        with source.open("rb", buffering=0) as file:
            yield file
    else:
        yield io.BytesIO(source) if isinstance(source, bytes) else source


def _fill(file: File, room: memoryview) -> int:
    """Read until there is no more room or nothing more to read; the bytes read."""
    filled = 0
    while filled < len(room) and (got := file.readinto(room[filled:])):
        filled += got
    return filled
