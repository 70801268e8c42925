"""What is kept of a content, and whose a needle is."""

from itertools import combinations

import numpy as np
import pytest

from cloud_stub.residue.needles import NEEDLE, Key, Needles, of_contents, outright, phrases
from cloud_stub.residue.windows import Windows, of_text

SECRET = bytes(range(16))
SAID = "remember that i am allergic to walnuts"


def windows(*content: bytes) -> Windows:
    return np.frombuffer(b"".join(content), np.uint8).reshape(-1, 12)


def test_all_owners_of_a_needle_are_named_once() -> None:
    key = Key(SECRET)
    said = [of_text(SAID), of_text("play some music in the kitchen"), of_text(f"please {SAID}")]
    kept = [key.needles(one) for one in said]
    needles = Needles(
        key,
        np.concatenate([*kept, kept[0]]),
        np.repeat(np.array([7, 3, 5, 7], np.int32), [*map(len, kept), len(kept[0])]),
    )
    found = needles.find(windows(b"remember tha", b"play some mu", b"please remem", b"nobody said "))
    assert [needles.owners(number) for number in found[:3]] == [(5, 7), (3,), (5,)]
    assert found[3] == -1
    assert len(needles) == len({window.tobytes() for one in said for window in one})


def test_needles_are_kept_as_bytes_and_read_back() -> None:
    key = Key(SECRET)
    kept = key.needles(of_text(SAID)).tobytes()
    needles = of_contents(Key(SECRET), [np.frombuffer(kept, NEEDLE)])
    assert (needles.find(of_text(SAID)) >= 0).all()
    assert NEEDLE.itemsize == 24


def test_another_key_finds_nothing() -> None:
    kept = Key(SECRET).needles(of_text(SAID))
    assert (of_contents(Key(bytes(16)), [kept]).find(of_text(SAID)) == -1).all()


def test_what_is_kept_tells_nothing_of_order_or_repetition() -> None:
    key = Key(SECRET)
    one = windows(b"remember tha", b"that i am al", b"i am allergi")
    again = windows(b"i am allergi", b"that i am al", b"remember tha", b"that i am al")
    assert key.needles(one).tobytes() == key.needles(again).tobytes()


def test_the_kept_marks_of_windows_that_share_bytes_have_nothing_in_common() -> None:
    """Unsealed, windows that differ in one byte share the marks of the pairs without it; kept, none."""
    key = Key(SECRET)
    alike = np.tile(windows(b"remember tha"), (256, 1))
    alike[:, 10] = np.arange(256)
    kept = key.needles(alike)
    opened = key.opened(kept)
    assert [len(np.unique(opened[:, shift])) for shift in range(4)] == [1, 1, 1, 256]
    assert len(np.unique(kept["marks"])) == 4 * 256
    for one, other in combinations(range(4), 2):
        assert len(np.unique(kept["marks"][:, one] ^ kept["marks"][:, other])) == 256


def test_the_set_does_not_change() -> None:
    needles = phrases([SAID])
    with pytest.raises(ValueError, match="read-only"):
        needles.marked[0] = True


def test_bad_keys_and_uneven_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes; this has 3"):
        Key(b"abc")
    with pytest.raises(ValueError, match="each needle one owner"):
        Needles(Key(SECRET), np.empty(2, NEEDLE), np.empty(1, np.int32))


def test_nothing_to_search_for_finds_nothing() -> None:
    for needles in (phrases([]), phrases(["too short"]), outright([])):
        assert len(needles) == 0
        assert needles.find(windows(b"remember tha")).tolist() == [-1]
