"""WS2812 lights (also sold as NeoPixel; SK6812): colours as bits whose length counts, made of SPI bits.

The timing comes from the SPI clock, and from nothing else: 3,000,000 Hz, a bit every 333 ns, four of them for each bit
of a light. A one is 1100, high for 667 ns; a zero is 1000, high for 333 ns; 1333 ns each. That lies within the times
high of all data sheets of the family: a zero 220 to 380 ns (WS2812B-V5), 250 to 550 (WS2812B), 150 to 450 (SK6812); a
one 580 to 1000, 650 to 950, 450 to 750. Times low are not critical up to the reset of 280 us. All of it still holds if
the clock is 2,670,000 to 3,070,000 Hz: the divider of a Raspberry Pi makes 2.94 to 2.99 MHz of it.

Every byte begins and ends low or at the start of a bit, so that a pause between bytes makes only a time low longer.
"""

from collections.abc import Sequence

from device.light_ring import RGB

SPEED_HZ = 3_000_000

#: Two bits of a light in each byte.
_PAIRS = (0b1000_1000, 0b1000_1100, 0b1100_1000, 0b1100_1100)

RESET = bytes(120)
"""Low for 320 us: the lights show what they were told."""


def encode(colours: Sequence[RGB]) -> bytes:
    """The message that gives the lights these colours, the first to the light nearest to the Raspberry Pi."""
    parts = (part for red, green, blue in colours for part in (green, red, blue))
    bits = bytes(_PAIRS[part >> shift & 3] for part in parts for shift in (6, 4, 2, 0))
    # A byte of zeros before, because the line may have been high.
    return bytes(1) + bits + RESET
