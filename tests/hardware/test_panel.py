"""What the panel shows, on mock pins: each state as it is, no brighter than allowed, and dark at the end."""

import logging
from itertools import combinations
from typing import get_args

import pytest

from cloud_stub.contract.messages import Attention, State
from device.errors import EchoError
from device.light_ring import LIGHTS, RGB, frame
from device.pins import PARTS
from device.settings import Settings
from hardware import apa102, lights, ws2812
from hardware.lights import ThreeLeds
from hardware.panel import GpioPanel
from tests.hardware.panels import Board
from tests.hardware.test_encodings import read_apa102, read_ws2812
from tests.processes import until

STATES: tuple[Attention, ...] = get_args(Attention)
RED, GREEN, BLUE, MUTE = (
    PARTS[key].default for key in ("red_led_pin", "green_led_pin", "blue_led_pin", "mute_led_pin")
)


def red_green_blue(pi: Board) -> tuple[float, ...]:
    return tuple(round(pi.lit(gpio), 3) for gpio in (RED, GREEN, BLUE))


def film(pi: Board, state: Attention) -> list[tuple[float, ...]]:
    """What the three LEDs show in that state, picture by picture."""
    leds = ThreeLeds(Settings(panel="leds"))
    shown = []
    for tick in range(12):
        leds.draw(frame(state, tick))
        shown.append(red_green_blue(pi))
    leds.close()
    return shown


BRIGHT, FAINT = 0.863, 0.157  # 220 and 40 of 255
PULSE = [1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("idle", [(0, 0, 0)] * 12),
        ("listening", [(0, BRIGHT, 1)] * 12),
        # The light towards the person is cyan, then two pictures blue, two cyan, and so on.
        ("thinking", [(0, BRIGHT, 1), (0, FAINT, 1), (0, FAINT, 1), (0, BRIGHT, 1)] * 3),
        ("alerting", ([(0, BRIGHT, 1)] * 3 + [(0, 0, 0)] * 3) * 2),
        ("muted", [(1, 0, 0)] * 12),
        ("deaf", [(1, 0.471, 0)] * 12),
    ],
)
def test_three_leds_show_each_state_as_the_ring_does(
    pi: Board, state: Attention, expected: list[tuple[float, ...]]
) -> None:
    assert film(pi, state) == expected


def test_three_leds_swell_and_fade_while_the_device_speaks_and_never_go_dark(pi: Board) -> None:
    shown = film(pi, "speaking")
    assert [red for red, _, _ in shown] == [0] * 12
    assert [green for _, green, _ in shown] == pytest.approx([220 / 255 * light for light in PULSE], abs=0.003)
    assert [blue for _, _, blue in shown] == pytest.approx(PULSE, abs=0.003)


def test_no_two_states_look_alike_on_three_leds(pi: Board) -> None:
    films = {state: film(pi, state) for state in STATES}
    assert all(films[one] != films[other] for one, other in combinations(STATES, 2))


def read(kind: str, message: bytes) -> list[RGB]:
    return read_apa102(message) if kind == "apa102" else read_ws2812(message, ws2812.SPEED_HZ)


@pytest.mark.parametrize(("kind", "hz"), [("apa102", 1_000_000), ("ws2812", 3_000_000)])
def test_a_ring_shows_every_state_and_no_light_is_brighter_than_allowed(pi: Board, kind: str, hz: int) -> None:
    panel = GpioPanel(Settings(panel=kind, brightness=20))
    assert (pi.wire.opened, pi.wire.max_speed_hz, pi.wire.mode) == ((0, 0), hz, 0)
    for state in STATES:
        panel.show(State(state, "online"))
        first = [tuple(round(part * 0.2) for part in colour) for colour in frame(state, 0)]
        until(lambda first=first: first in [read(kind, message) for message in pi.wire.messages], f"the ring: {state}")
    panel.close()
    brightest = max(part for message in pi.wire.messages for colour in read(kind, message) for part in colour)
    assert brightest == 51, "a fifth of 255"


@pytest.mark.parametrize("muted", [False, True])
@pytest.mark.parametrize("state", STATES)
def test_the_red_led_is_lit_while_muted_whatever_the_device_does_meanwhile(
    pi: Board, state: Attention, muted: bool
) -> None:
    panel = GpioPanel(Settings(panel="apa102"))
    panel.show(State(state, "online", muted=muted))
    assert pi.lit(MUTE) == muted
    panel.close()


def test_the_ring_moves_by_itself(pi: Board) -> None:
    panel = GpioPanel(Settings(panel="apa102", brightness=100))
    panel.show(State("thinking", "online"))
    films = [apa102.encode(frame("thinking", tick)) for tick in range(4)]
    until(lambda: all(each in pi.wire.messages for each in films), "all four pictures")
    panel.close()
    begin = pi.wire.messages.index(films[0])
    assert pi.wire.messages[begin : begin + 4] == films


@pytest.mark.parametrize("kind", ["leds", "apa102", "ws2812"])
def test_at_the_end_everything_is_dark_and_the_pins_are_free(pi: Board, kind: str) -> None:
    panel = GpioPanel(Settings(panel=kind))
    panel.show(State("deaf", "online", muted=True))
    assert pi.lit(MUTE) == 1
    drawn = [(64, 30, 0)] * LIGHTS  # a quarter of orange
    if kind == "leds":
        until(lambda: pi.lit(RED) > 0, "the red LED")
    else:
        until(lambda: drawn in [read(kind, message) for message in pi.wire.messages], "the ring")
    panel.close()
    assert pi.released(*(part.default for part in PARTS.values()))
    if kind != "leds":
        assert read(kind, pi.wire.messages[-1]) == [(0, 0, 0)] * LIGHTS
        assert pi.wire.closed
    GpioPanel(Settings(panel=kind)).close()  # and whoever comes next can have them


def test_a_ring_that_is_unplugged_is_said_once_and_shows_again_when_it_is_back(
    pi: Board, caplog: pytest.LogCaptureFixture
) -> None:
    panel = GpioPanel(Settings(panel="ws2812", brightness=100))
    with caplog.at_level(logging.WARNING):
        pi.wire.broken = True
        panel.show(State("muted", "online", muted=True))
        until(lambda: pi.wire.failed >= 3, "three pictures that get lost")
        assert pi.lit(MUTE) == 1, "the rest of the panel goes on"
        pi.wire.broken = False
        until(lambda: ws2812.encode(frame("muted", 0)) in pi.wire.messages, "the ring again")
    panel.close()
    said = [record.message for record in caplog.records]
    assert [line.split(":")[0] for line in said] == [
        "the light ring does not take what is drawn",
        "the light ring is back",
    ]


def test_a_panel_that_cannot_be_opened_keeps_no_pin(pi: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(bus: int, chip_select: int) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(pi.wire, "open", gone)
    with pytest.raises(EchoError, match=r"^/dev/spidev0\.0 does not open: .* Switch SPI on: sudo raspi-config"):
        GpioPanel(Settings(panel="apa102"))
    assert pi.released(*(part.default for part in PARTS.values()))


def test_a_panel_with_a_conflict_touches_no_pin(pi: Board) -> None:
    with pytest.raises(EchoError, match="GPIO 27 is wanted by"):
        GpioPanel(Settings(panel="leds", red_led_pin=27))
    assert pi.released()


def test_each_ring_has_an_encoding_and_nothing_else_does() -> None:
    from device.pins import PANELS

    assert {panel for panel, pins in PANELS.items() if pins} == set(lights.ENCODINGS)
