"""APA102 lights (also sold as DotStar, and SK9822): colours as the bytes that go out on SPI, with a clock of their own.

Sources: the APA102's data sheet for the frames; for the end of a chain, what was measured in "Understanding the APA102
Superled" (cpldcpu.github.io, 2014): each light passes the data on half a clock later, so half a clock each must follow.
"""

from collections.abc import Sequence

from device.light_ring import RGB

SPEED_HZ = 1_000_000
"""Far below what the lights can follow; a ring of twelve takes half a millisecond."""

START = bytes(4)
FULL = 0xE0 | 31
"""Three ones, then the light's own dimmer, 0 to 31. It stays at its full: its slower flicker can be seen."""


def encode(colours: Sequence[RGB]) -> bytes:
    """The message that gives the lights these colours, the first to the light nearest to the Raspberry Pi."""
    lights = b"".join(bytes((FULL, blue, green, red)) for red, green, blue in colours)
    # An SK9822 shows what it was told only when 32 more zeros have come.
    return START + lights + bytes(4) + bytes((len(colours) + 15) // 16)
