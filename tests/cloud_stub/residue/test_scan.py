"""The scanner finds what a plain search for every window finds: no more, no less, whatever lies where."""

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cloud_stub.errors import CloudError
from cloud_stub.residue import scan as scanning
from cloud_stub.residue.needles import Needles, outright, phrases
from cloud_stub.residue.scan import Hit, scan
from cloud_stub.residue.windows import WINDOW, Windows, of_text
from tests.soak import SOAK

SAID = ("remember that i am allergic to walnuts", "please remember that i am at home", "play some music in the kitchen")
MIB = 1 << 20

#: Seeded; the long run takes more.
EXAMPLES = 3000 if SOAK else 150


def windows(*content: bytes) -> Windows:
    return np.frombuffer(b"".join(content), np.uint8).reshape(-1, WINDOW)


def plainly(content: bytes, contents: list[Windows]) -> list[Hit]:
    """A search of its own: every window, one after the other."""
    owners: dict[int, set[int]] = {}
    for owner, cut in enumerate(contents):
        for window in {one.tobytes() for one in cut}:
            offset = content.find(window)
            while offset >= 0:
                owners.setdefault(offset, set()).add(owner)
                offset = content.find(window, offset + 1)
    return [Hit(offset, tuple(sorted(owners[offset]))) for offset in sorted(owners)]


class Trickle(io.BytesIO):
    """A file that gives a few bytes at a time, as a pipe or a slow disk may."""

    def readinto(self, room: memoryview) -> int:  # type: ignore[override]
        return super().readinto(room[:7])


#: Few different bytes, so that windows overlap, repeat and nearly match.
short = st.binary(min_size=WINDOW, max_size=WINDOW) | st.text("ab\0", min_size=WINDOW, max_size=WINDOW).map(str.encode)
content_windows = st.lists(st.lists(short, max_size=4).map(lambda found: windows(*found)), max_size=4)


@st.composite
def planted(draw: st.DrawFn) -> tuple[bytes, list[Windows]]:
    """Contents' windows, and bytes that hold some, whole, torn and one over the other."""
    contents = [*draw(content_windows), *(of_text(text) for text in draw(st.lists(st.sampled_from(SAID), max_size=2)))]
    known = sorted({one.tobytes() for cut in contents for one in cut}) or [b"nothing here"]
    part = st.tuples(st.sampled_from(known), st.integers(0, WINDOW), st.integers(0, WINDOW)).map(
        lambda p: p[0][p[1] : p[2]]
    )
    filler = st.integers(0, 40).map(bytes) | st.binary(max_size=20) | st.text("ab\0", max_size=30).map(str.encode)
    pieces = st.lists(st.sampled_from(known) | st.sampled_from(SAID).map(str.encode) | part | filler, max_size=12)
    return b"".join(draw(pieces)), contents


@given(planted(), st.integers(2, 40), st.sampled_from([1, 3, 8, 1000]), st.booleans())
@example((b"ab" * 30, [windows(b"ab" * 6, b"ba" * 6)]), 2, 1, False)
@example((bytes(50), [windows(bytes(12))]), 3, 1, True)
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
def test_every_needle_is_found_and_nothing_else_however_the_file_is_read(
    content: tuple[bytes, list[Windows]], words: int, block: int, trickling: bool
) -> None:
    data, contents = content
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(scanning, "_BLOCK", block)
        patched.setattr(scanning, "_BATCH", 5)
        file = Trickle(data) if trickling else io.BytesIO(data)
        found = list(scanning._hits(file, outright(contents), 4 * words))
    assert found == plainly(data, contents)


@pytest.mark.parametrize("shift", range(20))
@pytest.mark.parametrize("turns", [1, 2])
def test_a_needle_over_the_edge_of_a_turn_is_found_once(shift: int, turns: int) -> None:
    room = 4000
    for offset in (turns * room - shift, turns * room - WINDOW - shift):
        data = bytearray(np.random.default_rng(1).integers(0, 256, 3 * room, dtype=np.uint8).tobytes())
        data[offset : offset + WINDOW] = b"remember tha"
        assert list(scanning._hits(io.BytesIO(data), phrases([SAID[0]]), room)) == [Hit(offset, (0,))]


@pytest.mark.parametrize("length", range(30))
def test_a_file_of_any_length_is_read_to_its_last_byte(length: int) -> None:
    data = b"." * length + b"remember tha"
    assert list(scan(data, phrases([SAID[0]]))) == [Hit(length, (0,))]
    assert list(scan(data[:-1], phrases([SAID[0]]))) == []


def test_files_open_files_and_bytes_are_searched_alike(tmp_path: Path) -> None:
    data = bytes(1000) + SAID[1].encode() + bytes(1000)
    needles = phrases(SAID)
    expected = plainly(data, [of_text(text) for text in SAID])
    assert expected[2].owners == (0, 1) or expected[1].owners == (0, 1)
    path = tmp_path / "page"
    path.write_bytes(data)
    assert list(scan(path, needles)) == expected
    assert list(scan(data, needles)) == expected
    with path.open("rb") as file:
        file.seek(500)
        assert [hit.offset + 500 for hit in scan(file, needles)] == [hit.offset for hit in expected]


def test_progress_counts_every_byte() -> None:
    done: list[int] = []
    size = 2 * MIB + 5
    assert list(scan(bytes(size), phrases(SAID), memory=scanning.LEAST_MEMORY_MIB, progress=done.append)) == []
    assert done == sorted(done)
    assert len(done) > 2
    assert done[-1] == size


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(scan(tmp_path / "gone", phrases(SAID)))


def test_too_little_memory_is_refused() -> None:
    with pytest.raises(CloudError, match="Allow at least 8"):
        list(scan(b"", phrases(SAID), memory=7))


def peak_mib(file: io.BytesIO, needles: Needles, memory: int) -> tuple[float, int]:
    """The most that a scan holds at a time, beside the file and the needles; and how many hits it had."""
    tracemalloc.start()
    try:
        hits = sum(1 for _ in scan(file, needles, memory=memory))
        return tracemalloc.get_traced_memory()[1] / MIB, hits
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("memory", "size"), [(8, MIB), (8, 4 * MIB), (24, 4 * MIB)])
def test_memory_is_bounded_even_where_every_byte_may_start_a_needle(memory: int, size: int) -> None:
    nearly = outright([windows(b"a" * (WINDOW - 1) + b"b")])
    peak, hits = peak_mib(io.BytesIO(b"a" * size + b"b"), nearly, memory)
    assert peak < memory
    assert hits == 1


def test_memory_is_bounded_where_every_byte_starts_a_needle() -> None:
    size = 30_000
    peak, hits = peak_mib(io.BytesIO(b"a" * size), outright([windows(b"a" * WINDOW)]), 8)
    assert peak < 8
    assert hits == size - WINDOW + 1
