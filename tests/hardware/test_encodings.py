"""What goes out on SPI, byte by byte: frames worked out by hand, and a decoder of the test's own."""

from collections.abc import Sequence
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stub.contract.messages import Attention
from device.light_ring import LIGHTS, RGB, frame
from hardware import apa102, ws2812

STATES: tuple[Attention, ...] = get_args(Attention)
TICKS = range(24)  # twice the longest of the ring's periods

COLOURS = st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=40)


def test_a_deaf_ring_of_apa102_is_these_bytes() -> None:
    # Orange is (255, 120, 0): full dimmer, then blue 0, green 0x78, red 0xff.
    light = "ff 00 78 ff "
    assert apa102.encode(frame("deaf", 0)) == bytes.fromhex("00 00 00 00 " + light * 12 + "00 00 00 00 " + "00")


def test_a_listening_ring_of_apa102_is_these_bytes() -> None:
    cyan, blue = "ff ff dc 00 ", "ff ff 28 00 "
    lights = cyan * 2 + blue * 9 + cyan
    assert apa102.encode(frame("listening", 0)) == bytes.fromhex("00 00 00 00 " + lights + "00 00 00 00 " + "00")


def test_a_deaf_ring_of_ws2812_is_these_bytes() -> None:
    # Green first: 120 is 0111 1000, so 1000 1100  1100 1100  1100 1000  1000 1000. Red is all ones, blue all zeros.
    green, red, blue = "8c cc c8 88 ", "cc cc cc cc ", "88 88 88 88 "
    assert ws2812.encode(frame("deaf", 0)) == bytes.fromhex("00 " + (green + red + blue) * 12 + "00 " * 120)


def test_a_listening_ring_of_ws2812_is_these_bytes() -> None:
    # 220 is 1101 1100, 40 is 0010 1000.
    cyan, blue = "cc 8c cc 88 " + "88 88 88 88 " + "cc cc cc cc ", "88 c8 c8 88 " + "88 88 88 88 " + "cc cc cc cc "
    assert ws2812.encode(frame("listening", 0)) == bytes.fromhex("00 " + cyan * 2 + blue * 9 + cyan + "00 " * 120)


def read_apa102(message: bytes) -> list[RGB]:
    """What a chain of APA102 shows after this, by its data sheet: start, frames of 32 bits that begin with 111."""
    assert message[:4] == b"\0\0\0\0", "32 zeros open it"
    colours, at = [], 4
    while at < len(message) and message[at] >> 5 == 0b111:
        dimmer, blue, green, red = message[at] & 31, *message[at + 1 : at + 4]
        assert dimmer == 31
        colours.append((red, green, blue))
        at += 4
    end = message[at:]
    assert not any(end), "a one in the end would be taken for another light"
    assert len(end) * 8 >= 32 + len(colours) / 2, "half a clock for each light, after what an SK9822 waits for"
    return colours


def read_ws2812(message: bytes, hz: int) -> list[RGB]:
    """What a chain of WS2812 shows after this, at that SPI clock: by how long the line is high, and low."""
    line = "".join(f"{byte:08b}" for byte in message)
    edges = line.strip("0").replace("01", "0 1").split()  # from each rise to the next
    after = len(line) - len(line.rstrip("0"))
    assert after / hz >= 280e-6, "the reset"
    bits = []
    for number, pulse in enumerate(edges):
        high, low = pulse.count("1") / hz, pulse.count("0") / hz
        assert pulse == "1" * pulse.count("1") + "0" * pulse.count("0")
        if number < len(edges) - 1:
            assert 0.65e-6 <= high + low <= 1.85e-6, "1.25 us, 600 ns more or less"
        # The times high in which all data sheets of the family agree.
        assert 250e-9 <= high <= 380e-9 or 650e-9 <= high <= 750e-9
        bits.append(high > 500e-9)
    assert len(bits) % 24 == 0
    parts = [sum(bit << 7 - place for place, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits), 8)]
    return [(red, green, blue) for green, red, blue in zip(parts[::3], parts[1::3], parts[2::3], strict=True)]


@pytest.mark.parametrize("state", STATES)
def test_every_state_at_every_tick_is_read_back_from_both_rings_as_it_was_drawn(state: Attention) -> None:
    for tick in TICKS:
        colours = frame(state, tick)
        assert read_apa102(apa102.encode(colours)) == list(colours)
        assert read_ws2812(ws2812.encode(colours), ws2812.SPEED_HZ) == list(colours)


@given(COLOURS)
def test_any_colours_on_a_chain_of_any_length_are_read_back(colours: Sequence[RGB]) -> None:
    assert read_apa102(apa102.encode(colours)) == colours
    assert read_ws2812(ws2812.encode(colours), ws2812.SPEED_HZ) == colours


def divided(core_hz: int, hz: int) -> float:
    """The SPI clock that Linux makes of a wish: the core's clock by an even divider, not faster than wished."""
    divider = -(-core_hz // hz)
    return core_hz / (divider + divider % 2)


@pytest.mark.parametrize("core_hz", [250_000_000, 400_000_000, 500_000_000, 200_000_000])
def test_the_clock_that_a_raspberry_pi_makes_of_ours_keeps_the_times_of_all_data_sheets(core_hz: int) -> None:
    colours = frame("deaf", 0)
    assert read_ws2812(ws2812.encode(colours), divided(core_hz, ws2812.SPEED_HZ)) == list(colours)


@pytest.mark.parametrize("hz", [2_670_000, 3_070_000])
def test_the_clocks_at_both_ends_of_what_is_documented_do_as_well(hz: int) -> None:
    colours = frame("speaking", 3)
    assert read_ws2812(ws2812.encode(colours), hz) == list(colours)


def test_a_frame_of_a_ring_fits_into_one_transfer_and_is_long_enough_for_dma() -> None:
    # spidev sends at most 4096 bytes at once, and would pause in between; below 96 the driver pauses after each byte.
    assert 96 <= len(ws2812.encode(frame("idle", 0))) <= 4096
    assert len(frame("idle", 0)) == LIGHTS
