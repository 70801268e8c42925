"""Keyed fingerprints of windows: what the witness keeps instead of the content, and what the scanner looks for.

Whoever holds the fingerprints without the key learns how many different windows a content has (about five for each
word of a text, one for each 256 bytes of a sound), hence how long it is, and which contents have windows in common: the
same window has the same fingerprint everywhere, and how often one comes up may suggest a common phrase. Beyond that
they are the output of a pseudorandom function. Whoever holds the key as well can test guesses, and commands come from a
small vocabulary.

The marks, by which the scanner passes over nearly everything without hashing it, are a weak hash: of the eight bytes
that each tells of, 32 bits, from which guesses could be tested once a few are known. They are therefore kept sealed:
combined (exclusive or) with a mask that SipHash makes of the fingerprint under a key of its own. Equal windows have
equal fingerprints, hence equal masks and equal sealed marks; so what is kept of the marks gives away nothing that the
fingerprints do not.
"""

import hashlib
import secrets
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cloud_stub.residue.siphash import KEY_BYTES, siphash
from cloud_stub.residue.windows import WINDOW, Windows, of_text

#: Wherever a window lies in a file, it holds a whole pair of the file's 32-bit words, at one of these shifts.
SHIFTS = 4

#: One needle as it is kept, 24 bytes: the fingerprint, and the sealed mark of the pair at each shift.
NEEDLE = np.dtype([("fingerprint", "<u8"), ("marks", "<u4", (SHIFTS,))])

#: The tables have this many places for each mark, within these limits (as powers of two).
_PLACES_PER_MARK = 16
_SMALLEST, _LARGEST = 12, 24

Marks = NDArray[np.uint32]


class Key:
    """The secret that fingerprints are made under: 128 bits, from which each use has a key of its own."""

    def __init__(self, secret: bytes) -> None:
        """Raises ValueError unless the secret has 16 bytes."""
        if len(secret) != KEY_BYTES:
            raise ValueError(f"a fingerprint key has {KEY_BYTES} bytes; this has {len(secret)}.")
        keys = hashlib.blake2b(key=secret, digest_size=2 * KEY_BYTES + 8, person=b"residue needles").digest()
        self._window, self._mask = keys[:KEY_BYTES], keys[KEY_BYTES : 2 * KEY_BYTES]
        self.multipliers: Marks = np.frombuffer(keys[2 * KEY_BYTES :], "<u4") | np.uint32(1)

    @classmethod
    def random(cls) -> "Key":
        """A key that is used once and kept nowhere."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def fingerprints(self, windows: Windows) -> NDArray[np.uint64]:
        """SipHash-2-4 of each window: (n, WINDOW) uint8 to (n,) uint64."""
        return siphash(self._window, windows)

    def needles(self, windows: Windows) -> NDArray[np.void]:
        """The needles of a content's windows, of dtype NEEDLE, as they are kept (`tobytes`, `numpy.frombuffer`).

        In the order of their fingerprints, each once: nothing of the order of the words is kept.
        """
        return self.needles_of_each([windows])[0]

    def needles_of_each(self, contents: Sequence[Windows]) -> list[NDArray[np.void]]:
        """The needles of several contents, made at once: for a few windows each, numpy's calls would cost the most."""
        windows = np.concatenate([np.empty((0, WINDOW), np.uint8), *contents])
        kept = np.empty(len(windows), NEEDLE)
        kept["fingerprint"] = self.fingerprints(windows)
        kept["marks"] = self._marks(windows) ^ self._masks(kept["fingerprint"])
        ends = np.cumsum([len(one) for one in contents], dtype=np.intp)
        return [_each_once(some) for some in np.split(kept, ends)[: len(contents)]]

    def opened(self, needles: NDArray[np.void]) -> Marks:
        """The marks of needles, shape (n, SHIFTS), unsealed."""
        return needles["marks"] ^ self._masks(needles["fingerprint"])

    def _marks(self, windows: Windows) -> Marks:
        marks = np.empty((len(windows), SHIFTS), np.uint32)
        for shift in range(SHIFTS):
            first, second = np.ascontiguousarray(windows[:, shift : shift + 8]).view("<u4").T
            mark(first, second, self, out=marks[:, shift], spare=np.empty(len(windows), np.uint32))
        return marks

    def _masks(self, fingerprints: NDArray[np.uint64]) -> Marks:
        """Four words for each fingerprint: two hashes of it and a number."""
        numbered = np.zeros((len(fingerprints), 2), np.dtype([("fingerprint", "<u8"), ("number", "u1")]))
        numbered["fingerprint"] = fingerprints[:, None]
        numbered["number"] = (0, 1)
        return siphash(self._mask, numbered.view(np.uint8).reshape(-1, 9)).view(np.uint32).reshape(-1, SHIFTS)


def mark(first: Marks, second: Marks, key: Key, *, out: Marks, spare: Marks) -> None:
    """The marks of pairs of words, a keyed multiply-shift without the shift; `spare` is as long as they are."""
    np.multiply(first, key.multipliers[0], out=out)
    np.multiply(second, key.multipliers[1], out=spare)
    np.add(out, spare, out=out)


class Needles:
    """A set of needles to search for at once, and whose they are. It does not change."""

    def __init__(self, key: Key, needles: NDArray[np.void], owners: NDArray[np.int32]) -> None:
        """`needles`, shape (n,), of dtype NEEDLE; `owners`, shape (n,): a number of the caller's for each.

        Several owners can share a needle. Raises ValueError where the two are not equally long.
        """
        if needles.shape != owners.shape:
            raise ValueError(
                f"there are {needles.shape} needles and {owners.shape} owners. Give each needle one owner."
            )
        order = np.lexsort((owners, needles["fingerprint"]))
        order = order[_changes(needles["fingerprint"][order]) | _changes(owners[order])]
        self._fingerprints, first = np.unique(needles["fingerprint"][order], return_index=True)
        self._owners, self._edges = owners[order], np.append(first, len(order))
        marks = key.opened(needles[order[first]])
        wanted = (marks.size * _PLACES_PER_MARK - 1).bit_length()
        self.key = key
        self.bits = min(max(wanted, _SMALLEST), _LARGEST)
        """The logarithm of the tables' size."""
        self.marked: NDArray[np.bool_] = np.zeros(1 << self.bits, np.bool_)
        """By `place` of a mark: whether any needle has such a mark."""
        self.shifts: NDArray[np.uint8] = np.zeros(1 << self.bits, np.uint8)
        """By `other_place` of a mark: the shifts, a bit each, at which needles have such a mark."""
        self.marked[self.place(marks.ravel())] = True
        for shift in range(SHIFTS):
            self.shifts[self.other_place(marks[:, shift])] |= np.uint8(1 << shift)
        for array in (self._fingerprints, self._edges, self._owners, self.marked, self.shifts):
            array.setflags(write=False)

    def __len__(self) -> int:
        """How many different windows are searched for."""
        return len(self._fingerprints)

    def place(self, marks: Marks) -> Marks:
        """Where `marked` tells of these marks."""
        return marks >> np.uint32(32 - self.bits)

    def other_place(self, marks: Marks) -> Marks:
        """Where `shifts` tells of them: other bits of the mark take part, so that few pass both tables by chance."""
        return self.place(marks * np.uint32(0x9E3779B1))

    def find(self, windows: Windows) -> NDArray[np.intp]:
        """The number of the needle that each window is, or -1: (n, WINDOW) uint8 to (n,)."""
        if not len(self):
            return np.full(len(windows), -1)
        fingerprints = self.key.fingerprints(windows)
        number = np.searchsorted(self._fingerprints, fingerprints)
        number[number == len(self)] = 0
        return np.where(self._fingerprints[number] == fingerprints, number, -1)

    def owners(self, number: int) -> tuple[int, ...]:
        """All owners of the needle with that number, in order, each once."""
        return tuple(self._owners[self._edges[number] : self._edges[number + 1]].tolist())


def _each_once(needles: NDArray[np.void]) -> NDArray[np.void]:
    return needles[np.unique(needles["fingerprint"], return_index=True)[1]]


def _changes(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where something else stands than before it, the first place included."""
    return np.concatenate([np.ones(min(1, len(values)), np.bool_), values[1:] != values[:-1]])


def of_contents(key: Key, contents: Sequence[NDArray[np.void]]) -> Needles:
    """The needles of several contents; the owner of a needle is its content's place in the sequence."""
    owners = np.repeat(np.arange(len(contents), dtype=np.int32), [len(one) for one in contents])
    return Needles(key, np.concatenate([np.empty(0, NEEDLE), *contents]), owners)


def outright(contents: Sequence[Windows]) -> Needles:
    """The needles of windows that are given outright, under a key that is thrown away."""
    key = Key.random()
    return of_contents(key, [key.needles(windows) for windows in contents])


def phrases(texts: Sequence[str]) -> Needles:
    """The needles of texts that are given outright; their owners are their places in the sequence."""
    return outright([of_text(text) for text in texts])
