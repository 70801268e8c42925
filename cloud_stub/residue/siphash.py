"""SipHash-2-4 with 64 bits, over many short messages at once.

Source: J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input PRF", 2012, https://www.aumasson.jp/siphash/.
Python's own hash() is SipHash-1-3 under a key that nobody can set.
"""

import struct

import numpy as np
from numpy.typing import NDArray

KEY_BYTES = 16

#: Messages hashed together: few enough that what is in work stays in the processor's cache.
_BATCH = 8192


def siphash(key: bytes, messages: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The hashes, shape (n,), of n messages of equal length, shape (n, length), under a key of 16 bytes.

    Raises ValueError for a key of another length.
    """
    if len(key) != KEY_BYTES:
        raise ValueError(f"a SipHash key has {KEY_BYTES} bytes; this has {len(key)}.")
    count, length = messages.shape
    low, high = struct.unpack("<2Q", key)
    hashes = np.empty(count, np.uint64)
    for first in range(0, count, _BATCH):
        batch = messages[first : first + _BATCH]
        # The last of the 64-bit words holds what is left over, and the length in its highest byte.
        padded = np.zeros((len(batch), length // 8 * 8 + 8), np.uint8)
        padded[:, :length] = batch
        padded[:, -1] = length % 256
        hashes[first : first + _BATCH] = _hash(low, high, padded.view("<u8"))
    return hashes


def _hash(low: int, high: int, words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    starts = (low ^ 0x736F6D6570736575, high ^ 0x646F72616E646F6D, low ^ 0x6C7967656E657261, high ^ 0x7465646279746573)
    state = [np.full(len(words), start, np.uint64) for start in starts]
    v0, v1, v2, v3 = state
    spare = np.empty(len(words), np.uint64)
    for word in words.T:
        v3 ^= word
        _rounds(2, state, spare)
        v0 ^= word
    v2 ^= np.uint64(0xFF)
    _rounds(4, state, spare)
    return v0 ^ v1 ^ v2 ^ v3


def _rounds(count: int, state: list[NDArray[np.uint64]], spare: NDArray[np.uint64]) -> None:
    v0, v1, v2, v3 = state
    for _ in range(count):
        v0 += v1
        _rotate(v1, 13, spare)
        v1 ^= v0
        _rotate(v0, 32, spare)
        v2 += v3
        _rotate(v3, 16, spare)
        v3 ^= v2
        v0 += v3
        _rotate(v3, 21, spare)
        v3 ^= v0
        v2 += v1
        _rotate(v1, 17, spare)
        v1 ^= v2
        _rotate(v2, 32, spare)


def _rotate(word: NDArray[np.uint64], bits: int, spare: NDArray[np.uint64]) -> None:
    """To the left, in place."""
    np.left_shift(word, np.uint64(bits), out=spare)
    word >>= np.uint64(64 - bits)
    word |= spare
