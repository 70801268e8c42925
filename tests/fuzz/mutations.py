"""What hypothesis makes of good inputs: bytes cut, doubled, swapped for awkward ones; values of JSON too.

Coverage-guided fuzzing finds more in hours; this finds what it can in seconds, and the same at every run.
"""

import json
from typing import Any

from hypothesis import strategies as st

from tests.cloud_stub.near import near, places

#: What decoders have stumbled over, anywhere.
TOKENS = (
    *(b"\0", b"\\u0000", b"\\ud800", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\n", b"\t", b" "),
    *(b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b"[[", b"]]", b":", b",", b"=", b".", b"#", b"/", b"%", b"@", b"~"),
    *(b"0", b"-1", b"-0", b"1e999", b"1E-999", b"1.0", b"9" * 20, b"9" * 400, b"9" * 5000, b"0x" + b"f" * 5000),
    *(b"18446744073709551616", b"9007199254740993", b"NaN", b"Infinity", b"nan", b"inf", b"null", b"true"),
    *(b"9999-12-31T23:59:59.9999999-23:59", b"0001-01-01T00:00:00+23:59", b"0000-00-00", b"2026-02-30T24:00:00Z"),
    *(b"Europe", b"../../etc/localtime", b"Pacific/Kiritimati", b"P9999Y", b"P0.5M", b"PT1E9H", b"P1,5W", b"P-1D"),
    *(b"million", b"thousand", b"hundred", b"billion years", b"february thirty first", b"minus one", b"half past"),
    *(b"fLaC", b"RIFF", b"based_on", b"[[rule]]", b"echo/v1/kitchen/event/interaction", b"\xff\xff\xff\xff"),
)

#: How often one piece is put there: a nesting or a number has its limit somewhere.
TIMES = st.sampled_from([1] * 8 + [2, 40, 5000])


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Something near one of the seeds."""
    given = draw(st.sampled_from(seeds))
    if draw(st.booleans()) and (changed := _json_changed(draw, given)) is not None:
        return changed
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(given)))
        end = start + draw(st.sampled_from([0, 1, 2, 4, 16, len(given)]))
        piece = draw(st.sampled_from(TOKENS) | st.binary(max_size=4) | st.sampled_from([b"", given[start : end + 8]]))
        given = given[:start] + piece * draw(TIMES) + given[end:]
    return given[:200_000]


def _json_changed(draw: st.DrawFn, given: bytes) -> bytes | None:
    """The same with one or two values changed, where what follows the first line is a JSON object."""
    topic, line_break, payload = given.rpartition(b"\n")
    try:
        value: Any = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    for _ in range(draw(st.integers(1, 2))):
        if found := places(value):
            container, key = draw(st.sampled_from(found))
            container[key] = draw(near(container[key]))
    return topic + line_break + json.dumps(value, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
