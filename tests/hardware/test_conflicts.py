"""No pin has two owners: any settings are sound, or one line says which pin, whose it is, and what to do."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device import settings
from device.errors import EchoError
from device.pins import EEPROM, HEADER, PANELS, PARTS, SPI, position
from device.settings import OPTIONS, Settings
from hardware.conflicts import check

SOUND = {  # worked out from the pinout, not from the table under test
    "leds": set(range(2, 28)),
    "apa102": set(range(2, 28)) - {7, 8, 9, 10, 11},
    "ws2812": set(range(2, 28)) - {7, 8, 9, 10, 11},
}
HAS = {panel: [key for key in PARTS if panel == "leds" or "button" in key or "mute" in key] for panel in SOUND}


def test_the_header_is_that_of_a_raspberry_pi() -> None:
    assert len(HEADER) == 40
    assert {gpio for gpio in HEADER if isinstance(gpio, int)} == set(range(28))
    assert [at for at, what in enumerate(HEADER, 1) if what == "GND"] == [6, 9, 14, 20, 25, 30, 34, 39]
    assert [at for at, what in enumerate(HEADER, 1) if what == "5V"] == [2, 4]
    assert [at for at, what in enumerate(HEADER, 1) if what == "3V3"] == [1, 17]
    known = {2: 3, 4: 7, 17: 11, 27: 13, 22: 15, 10: 19, 9: 21, 11: 23, 8: 24, 7: 26, 5: 29, 6: 31, 13: 33, 21: 40}
    assert {gpio: position(gpio) for gpio in known} == known


def test_the_settings_take_their_pins_from_the_table() -> None:
    assert {key: OPTIONS[key].default for key in PARTS} == {key: part.default for key, part in PARTS.items()}


@pytest.mark.parametrize("panel", PANELS)
def test_the_defaults_do_not_conflict(panel: str) -> None:
    check(Settings(panel=panel))


@given(
    st.sampled_from(sorted(PANELS)),
    st.fixed_dictionaries({key: st.one_of(st.sampled_from(range(30)), st.integers(0, 99)) for key in PARTS}),
)
def test_any_settings_are_sound_or_refused_with_the_pin_the_owners_and_the_setting(
    panel: str, pins: dict[str, int]
) -> None:
    wired = {key: pins[key] for key in HAS[panel]}
    well = set(wired.values()) <= SOUND[panel] and len(set(wired.values())) == len(wired)
    chosen = replace(Settings(panel=panel), **pins)
    if well:
        check(chosen)
        return
    with pytest.raises(EchoError) as refused:
        check(chosen)
    line = str(refused.value)
    assert "\n" not in line
    pin = int(re.search(r"GPIO (\d+)", line)[1])
    free = {int(number) for number in re.findall(r"\d+", line.split("free are ")[1])}
    assert free == SOUND[panel] - set(wired.values()), "what it offers is free"
    named = re.findall(r"\((\w+_pin)\)", line)
    assert named
    assert all(wired[key] == pin for key in named)
    if pin in range(28):
        owners = [PARTS[key].name for key in named]
        if len(owners) == 1:
            owners.append((SPI | EEPROM)[pin])
        assert all(f"by {owner}" in line for owner in owners)
        assert len(owners) == 2
        assert any(f"Change {key}:" in line for key in named)
    else:
        assert "which the header does not have" in line


def test_whoever_counts_along_the_header_is_told_the_gpio() -> None:
    with pytest.raises(EchoError, match=r"GPIO 36, which the header does not have; at position 36 of it is GPIO 16\."):
        check(Settings(panel="leds", mute_button_pin=36))


def test_spi_keeps_its_pins_only_from_a_panel_that_needs_it() -> None:
    check(Settings(panel="leds", mute_button_pin=10))
    with pytest.raises(
        EchoError, match=r"^GPIO 10 is wanted by the mute button \(mute_button_pin\) and by SPI \(data\)"
    ):
        check(Settings(panel="ws2812", mute_button_pin=10))


def test_an_led_that_the_panel_does_not_have_is_in_nobodys_way() -> None:
    check(Settings(panel="ws2812", red_led_pin=17, green_led_pin=10))


def test_a_pin_that_is_no_number_is_refused_by_the_settings() -> None:
    with pytest.raises(EchoError, match=r"^RESIDUAL_ECHO_MUTE_LED_PIN is 'GPIO22'\. Expected a whole number"):
        settings.load(None, {"RESIDUAL_ECHO_MUTE_LED_PIN": "GPIO22"}, {})
