"""Traces that ship: a household's week, and the story of the walnut."""

from functools import cache

from cloud_stub.contract import trace


@cache
def sound() -> bytes:
    """One real recording (FLAC, 16 kHz mono): the first of the week's."""
    lines = (line for line in trace.locate("week").read_text("utf-8").splitlines() if "/event/recording/" in line)
    return next(trace.read(lines)).payload_base64
