"""What is searched for of a text or a sound: windows of twelve bytes, few enough to keep, dense enough to find a rest.

A window is what lies in a file if the content, or a part of it, is still there. Every window stands for a place in the
content; where that place is left over with the eleven bytes after it, in one of the forms below, the window is found.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

#: Bytes in a window.
WINDOW = 12

#: Bytes from one window of a sound to the next.
STRIDE = 256

#: A window of a sound with fewer different bytes is no evidence: silence and padding look alike in every file.
VARIETY = 6

#: Nor are six samples that lie closer together than this: the noise of a quiet room has too few values to tell one
#: room from another.
SPAN = 256

#: A group of words that says something of its own.
_GROUP = 3

#: A window that holds fewer characters of a text is no evidence either.
_CHARACTERS = 6

_WORD = re.compile(r"\S+")
_FRAME_HEADER_BYTES = 12

Windows = NDArray[np.uint8]
"""Shape (n, WINDOW)."""


def of_text(text: str) -> Windows:
    """The windows of a text: one a form at the start of every word that has two more words and 12 bytes ahead of it.

    The forms:
    - UTF-8.
    - UTF-16-LE, six characters. UTF-16-BE has the same bytes, one further on, where these six and the next are Latin;
      where they are not, its own window is added.
    - What json.dumps writes, with and without ensure_ascii, where it differs and still holds six characters. Two
      letters written as escapes fill a window and say nothing: words of other scripts are not searched for so.
    - Base64 at its three alignments: nine bytes of the UTF-8 make twelve characters that depend on nothing beside them.
      Of base64 that is wrapped into lines, what lies within a line is found.
    """
    if text.isascii() and _quoted(text, ascii_only=True) == text.encode():
        found = _plain_forms(text)
    else:
        found = {window for start in _starts(text) for window in _forms(text[start : start + WINDOW])}
    return np.frombuffer(b"".join(sorted(found)), np.uint8).reshape(-1, WINDOW)


def too_short(text: str) -> bool:
    """Whether the text is too short to prove anything of: it has no three words with 12 bytes, hence no window."""
    return next(_starts(text), None) is None


def of_flac(sound: bytes) -> Windows:
    """The windows of a FLAC file as it is stored: every 256 bytes of it.

    Left out are the stream's header and all that lies near a frame's header: of those there are many alike. A file of
    another kind is taken whole.
    """
    data = np.frombuffer(sound, np.uint8)
    starts = np.arange(-(-_frames(sound) // STRIDE) * STRIDE, len(data) - WINDOW + 1, STRIDE)
    # A frame starts with 14 bits of ones and zeros, and two that are 0 and either.
    heads = np.flatnonzero((data[:-1] == 0xFF) & (data[1:] & 0xFE == 0xF8))
    before = np.searchsorted(heads, starts - _FRAME_HEADER_BYTES)
    until = np.searchsorted(heads, starts + WINDOW)
    return _varied(_cut(data, starts[before == until]))


def of_samples(samples: NDArray[np.int16]) -> Windows:
    """The windows of a sound as raw little-endian PCM, every 256 bytes, quiet ones left out; samples of shape (n,)."""
    data = samples.astype("<i2").view(np.uint8)
    windows = _varied(_cut(data, np.arange(0, len(data) - WINDOW + 1, STRIDE)))
    heights = windows.view("<i2").astype(np.int32)
    loud: Windows = windows[heights.max(axis=1) - heights.min(axis=1) >= SPAN]
    return loud


def _starts(text: str) -> Iterator[int]:
    """Where a window starts, in characters."""
    words = [match.start() for match in _WORD.finditer(text)]
    for start in words[: 1 - _GROUP]:
        if len(_utf8(text[start : start + WINDOW])) >= WINDOW:
            yield start


def _plain_forms(text: str) -> set[bytes]:
    """The same windows of a text of ASCII characters that need no quoting: cut from the whole of each form at once."""
    plain, little = text.encode(), text.encode("utf-16-le")
    base64 = [b64encode(plain[skipped:]) for skipped in range(3)]
    found = set()
    for start in _starts(text):
        found.add(plain[start : start + WINDOW])
        found.add(little[2 * start : 2 * start + WINDOW])
        for place in range(start, start + 3):
            whole = place // 3 * 4
            found.add(base64[place % 3][whole : whole + WINDOW])
    return found


def _forms(ahead: str) -> Iterator[bytes]:
    """The windows at one place; `ahead` is the text from there, at least twelve bytes."""
    plain = _utf8(ahead)[:WINDOW]
    yield plain
    for ascii_only in (True, False):
        if len(_quoted(ahead[:_CHARACTERS], ascii_only)) <= WINDOW:
            yield _quoted(ahead, ascii_only)[:WINDOW]
    for skipped in range(3):
        yield b64encode(plain[skipped : skipped + 9])
    little = ahead.encode("utf-16-le", "surrogatepass")
    big = ahead.encode("utf-16-be", "surrogatepass")
    if len(little) >= WINDOW:
        yield little[:WINDOW]
        if big[1 : WINDOW + 1] != little[:WINDOW]:
            yield big[:WINDOW]


def _quoted(text: str, ascii_only: bool) -> bytes:
    return _utf8(json.dumps(text, ensure_ascii=ascii_only)[1:-1])


def _utf8(text: str) -> bytes:
    # Half a surrogate pair is no text, yet a store may hold one, and it must not stop the search.
    return text.encode("utf-8", "surrogatepass")


def _frames(sound: bytes) -> int:
    """Where the frames of a FLAC file start; 0 for another file (https://www.rfc-editor.org/rfc/rfc9639, section 8)."""
    if not sound.startswith(b"fLaC"):
        return 0
    position, last = 4, False
    while not last and position + 4 <= len(sound):
        last = sound[position] >= 0x80
        position += 4 + int.from_bytes(sound[position + 1 : position + 4], "big")
    return position


def _cut(data: NDArray[np.uint8], starts: NDArray[np.intp]) -> Windows:
    windows: Windows = data[starts[:, None] + np.arange(WINDOW)]
    return windows


def _varied(windows: Windows) -> Windows:
    ordered = np.sort(windows, axis=1)
    different = (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1) + 1
    varied: Windows = windows[different >= VARIETY]
    return varied
