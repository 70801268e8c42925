"""SipHash-2-4 against the values that its authors published."""

import numpy as np
import pytest

from cloud_stub.residue.siphash import siphash

#: Of the messages of 0, 1, 2 ... bytes 00 01 02 ..., under the key 00 01 .. 0f.
#: Source: vectors_sip64 in vectors.h of https://github.com/veorq/SipHash.
PUBLISHED = bytes.fromhex("""
    310e0edd47db6f72 fd67dc93c539f874 5a4fa9d909806c0d 2d7efbd796666785 b7877127e09427cf 8da699cd64557618
    cee3fe586e46c9cb 37d1018bf50002ab 6224939a79f5f593 b0e4a90bdf82009e f3b9dd94c5bb5d7a a7ad6b22462fb3f4
    fbe50e86bc8f1e75 903d84c02756ea14 eef27a8e90ca23f7 e545be4961ca29a1 db9bc2577fcc2a3f
""")


@pytest.mark.parametrize("length", range(len(PUBLISHED) // 8))
def test_hashes_are_those_that_were_published(length: int) -> None:
    message = np.arange(length, dtype=np.uint8)
    hashed = siphash(bytes(range(16)), message.reshape(1, length))
    assert hashed.astype("<u8").tobytes() == PUBLISHED[8 * length : 8 * length + 8]


def test_many_messages_are_hashed_as_each_alone() -> None:
    key = bytes(range(16))
    messages = np.random.default_rng(1).integers(0, 256, (20_000, 12), dtype=np.uint8)
    together = siphash(key, messages)
    for number in (0, 8191, 8192, 16_384, 19_999):
        assert siphash(key, messages[number : number + 1])[0] == together[number]
    assert len(np.unique(together)) == len(messages)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes; this has 15"):
        siphash(bytes(15), np.zeros((1, 12), np.uint8))
